"""Collections on a server: reading them raw, making them, hashing them."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo import errors as driver
from pymongo.client_session import ClientSession

from mongoshot.errors import CommandError, DatabaseNotFoundError
from mongoshot.server.catalog import STORED_FUNCTIONS, find_uuid, list_definitions
from mongoshot.server.connection import RAW, Database, collection_of, describe, translated
from mongoshot.server.durability import BY_MAJORITY, PATIENCE
from mongoshot.snapshot.model import (
    BUCKETS_PREFIX,
    SERVER_COLLECTIONS,
    Collection,
    Definition,
    MemoryState,
)

_NAMESPACE_EXISTS = 48


def live_state(database: Database, only: Names[str] | None = None) -> MemoryState:
    """Return the state of a database: what its collections are now, documents when read.

    Of `only` these names where they are given.
    """
    collections = {
        name: Collection(definition, partial(read_chunks, database, definition))
        for name, definition in list_definitions(database, only=only).items()
    }
    return MemoryState(describe(database), collections)


def read_chunks(
    database: Database,
    definition: Definition,
    session: ClientSession | None = None,
    batch_size: int | None = None,
) -> Iterator[bytes]:
    """Read a collection's documents as chunks of concatenated BSON, sorted by `_id`.

    A chunk is what the server sends at once: up to 16 MB, or `batch_size` documents. A session with
    snapshot reads gives documents from one point in time; capped collections cannot be read in one,
    and are read as they are, in their natural order. A time series comes as its buckets.
    """
    if (name := definition.data_name) is None:
        return
    order = "$natural" if definition.capped else "_id"
    source = collection_of(database, name)
    needs = " (buckets of a time series: reading them takes the role backup)"
    with (
        translated(
            f"read {database.name}.{name}{needs if definition.type == 'timeseries' else ''}"
        ),
        source.find_raw_batches(
            sort=[(order, 1)],
            session=None if definition.capped else session,
            batch_size=batch_size or 0,
        ) as cursor,
    ):
        if definition.type != "timeseries":
            yield from cursor
            return
        empty = True
        for chunk in cursor:
            empty = False
            yield chunk
    if empty and find_uuid(database, definition) is None:
        # A collection that is not there reads as an empty one.
        raise CommandError(
            f"cannot read {database.name}.{definition.name}: this time series has no collection"
            " of buckets, as from MongoDB 9.0 on, which mongoshot cannot read yet; leave it out:"
            f" --exclude {shlex.quote(definition.name)}"
        )


def require_database(database: Database) -> None:
    """Raise DatabaseNotFoundError, with the names that there are, unless the database exists."""
    with translated(f"list the databases of {describe(database)}"):
        try:
            names = database.client.list_database_names()
        except driver.OperationFailure:
            # Without the right to list databases, a database shows only by what it holds.
            names = [database.name] if database.list_collection_names() else []
    if database.name not in names:
        others = sorted(set(names) - {"admin", "config", "local"})
        near = difflib.get_close_matches(database.name, others, n=3)
        if near:
            hint = f"did you mean {' or '.join(map(repr, near))}?"
        elif others:
            hint = f"it has {', '.join(others[:10])}{', …' if len(others) > 10 else ''}"
        else:
            hint = "it has none"
        raise DatabaseNotFoundError(
            f"no database {database.name!r} on {describe(database).rpartition(' on ')[2]}: {hint};"
            " name one with --db-name or in the URL"
        )


def drop(database: Database, name: str) -> None:
    """Drop a collection, view or time series; nothing happens where there is none."""
    lasting = database.with_options(write_concern=WriteConcern("majority", wtimeout=PATIENCE))
    with translated(f"drop {database.name}.{name}"):
        if name == STORED_FUNCTIONS:
            lasting[name].delete_many({})
            lasting[name].drop_indexes()
        else:
            lasting.drop_collection(collection_of(lasting, name))


def create(database: Database, definition: Definition) -> None:
    """Create a collection, view or time series with exactly the options of its definition."""
    with translated(f"create {database.name}.{definition.name}"):
        # Nested options go through as the bytes they are.
        options = {**RawBSONDocument(definition.options, RAW), **_old_id_index(definition)}
        try:
            database.command({"create": definition.name, **options, "writeConcern": BY_MAJORITY})
        except driver.OperationFailure as error:
            if definition.name != STORED_FUNCTIONS or error.code != _NAMESPACE_EXISTS:
                raise


def _old_id_index(definition: Definition) -> dict[str, Any]:
    """Ask for the index on `_id` in the version that it has, where that is not today's."""
    for index in definition.decoded_indexes():
        if index.get("name") == "_id_" and index.get("v") == 1:
            return {"idIndex": index}
    return {}


def create_indexes(database: Database, definition: Definition) -> None:
    """Create a collection's indexes in their order, with all their options."""
    specifications = [_index_to_create(definition, index) for index in definition.indexes]
    wanted = [index for index in specifications if index is not None]
    if wanted:
        with translated(f"create the indexes of {database.name}.{definition.name}"):
            command = {"createIndexes": definition.name, "indexes": wanted}
            database.command({**command, "writeConcern": BY_MAJORITY})


def _index_to_create(definition: Definition, index: bytes) -> Mapping[str, Any] | None:
    specification: Mapping[str, Any] = RawBSONDocument(index, RAW)
    if specification["name"] == "_id_" or specification.get("clustered"):
        return None  # comes with the collection
    added: dict[str, Any] = {}
    if "collation" in definition.decoded_options() and "collation" not in specification:
        # Left out, it would be the collection's own: listIndexes shows simple collation by silence.
        # https://www.mongodb.com/docs/manual/reference/collation/#collation-and-index-use
        added["collation"] = {"locale": "simple"}
    # `ns` is what servers before 4.4 say, and later ones refuse.
    return {key: value for key, value in specification.items() if key != "ns"} | added


def hash_collections(database: Database, names: Names[str] | None = None) -> dict[str, str]:
    """Hash the documents of each collection on the server, whatever their order.

    Returns data collection name → MD5 in hexadecimal (a time series under its buckets' name), for
    `names` or for all. Neither indexes nor options count.
    https://www.mongodb.com/docs/manual/reference/command/dbHash/
    """
    if names is not None and not names:
        return {}
    command: dict[str, Any] = {"dbHash": 1}
    if names is not None:
        command["collections"] = sorted(names)
    with translated(f"hash the collections of {describe(database)}"):
        reply = database.command(command)
    hashes: dict[str, str] = reply["collections"]
    return {name: md5 for name, md5 in hashes.items() if name not in SERVER_COLLECTIONS}


def count_by_collection(database: Database) -> dict[str, int]:
    """Count roughly, from the server's own statistics, the documents of each collection.

    Everything that the database holds is named; a view holds no document of its own.
    """
    with translated(f"count the documents of {describe(database)}"):
        kinds = {entry["name"]: entry["type"] for entry in database.list_collections(nameOnly=True)}
        return {
            name: 0
            if kinds[name] == "view"
            else collection_of(database, name).estimated_document_count()
            for name in sorted(kinds)
            if name not in SERVER_COLLECTIONS and not name.startswith(BUCKETS_PREFIX)
        }
