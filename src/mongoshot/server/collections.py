"""Collections on a server: reading them raw, making them, writing them, hashing them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection as Names
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, WriteConcern
from pymongo import errors as driver
from pymongo.client_session import ClientSession

from mongoshot.errors import DatabaseNotFoundError, RestoreError
from mongoshot.server.catalog import STORED_FUNCTIONS, list_definitions
from mongoshot.server.connection import RAW, Database, describe, translated
from mongoshot.snapshot.elements import (
    TIMESTAMP,
    document_id,
    framed,
    iterate_elements,
    split_documents,
)
from mongoshot.snapshot.encoding import readable
from mongoshot.snapshot.model import (
    BUCKETS_PREFIX,
    SERVER_COLLECTIONS,
    Collection,
    Definition,
    MemoryState,
)

#: Looks like a top-level `Timestamp(0, 0)`, which the server replaces with the time on an insert.
#: https://www.mongodb.com/docs/manual/reference/bson-types/#timestamps
_MAY_BE_EMPTY_TIMESTAMP = re.compile(rb"\x11[^\x00]*\x00\x00{8}")
_DUPLICATE_KEY = 11000
_NAMESPACE_EXISTS = 48
#: The server has done it; what a crash would lose, the next restore brings back.
_ACKNOWLEDGED = WriteConcern(w=1)
#: Ids asked for at a time: one of them has at most some kilobytes, and mostly some bytes.
_MOST_IDS = 5_000
#: Half of what servers take in one command (maxWriteBatchSize, 100,000 documents).
_MOST_DOCUMENTS = 50_000


def live_state(database: Database, *, session: ClientSession | None = None) -> MemoryState:
    """Return the state of a database as it is: what its collections are now, documents when read.

    Takes a session with snapshot reads for documents from one point in time; capped collections
    cannot be read in one, and are read as they are.
    """
    collections = {
        name: Collection(definition, partial(read_chunks, database, definition, session))
        for name, definition in list_definitions(database).items()
    }
    return MemoryState(describe(database), collections)


def read_chunks(
    database: Database, definition: Definition, session: ClientSession | None = None
) -> Iterator[bytes]:
    """Read a collection's documents as chunks of concatenated BSON, sorted by `_id`.

    A capped collection comes in its natural order, a time series as its buckets.
    """
    if (name := definition.data_name) is None:
        return
    order = "$natural" if definition.capped else "_id"
    source = database.get_collection(name, codec_options=RAW)
    needs = " (buckets of a time series: reading them takes the role backup)"
    with (
        translated(
            f"read {database.name}.{name}{needs if definition.type == 'timeseries' else ''}"
        ),
        source.find_raw_batches(
            sort=[(order, 1)], session=None if definition.capped else session
        ) as cursor,
    ):
        yield from cursor


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
    with translated(f"drop {database.name}.{name}"):
        if name == STORED_FUNCTIONS:
            database[name].delete_many({})
            database[name].drop_indexes()
        else:
            database.drop_collection(name)


def create(database: Database, definition: Definition) -> None:
    """Create a collection, view or time series with exactly the options of its definition."""
    with translated(f"create {database.name}.{definition.name}"):
        # Nested options go through as the bytes they are.
        options = {**RawBSONDocument(definition.options), **_old_id_index(definition)}
        try:
            database.command({"create": definition.name, **options})
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
            database.command({"createIndexes": definition.name, "indexes": wanted})


def _index_to_create(definition: Definition, index: bytes) -> Mapping[str, Any] | None:
    specification: Mapping[str, Any] = RawBSONDocument(index)
    if specification["name"] == "_id_" or specification.get("clustered"):
        return None  # comes with the collection
    added: dict[str, Any] = {}
    if "collation" in definition.decoded_options() and "collation" not in specification:
        # Left out, it would be the collection's own: listIndexes shows simple collation by silence.
        # https://www.mongodb.com/docs/manual/reference/collation/#collation-and-index-use
        added["collation"] = {"locale": "simple"}
    # `ns` is what servers before 4.4 say, and later ones refuse.
    return {key: value for key, value in specification.items() if key != "ns"} | added


def find_documents(
    database: Database, definition: Definition, identities: Iterable[bytes]
) -> dict[bytes, bytes]:
    """Read single documents by their ids (as `document_id` gives them), as they are now."""
    name = definition.data_name or definition.name
    source: Any = database.get_collection(name, codec_options=RAW)
    wanted = list(identities)
    found: dict[bytes, bytes] = {}
    with translated(f"read {database.name}.{name}"):
        # In parts: the ids of one command must fit into one document.
        for start in range(0, len(wanted), _MOST_IDS):
            for document in source.find({"_id": _one_of(wanted[start : start + _MOST_IDS])}):
                raw = bytes(document.raw)
                found[document_id(raw)] = raw
    return found


def _one_of(identities: list[bytes]) -> RawBSONDocument:
    # As bytes: an id may be what the driver cannot decode.
    values = b"".join(
        identity[:1] + b"%d\0" % at + identity[1:] for at, identity in enumerate(identities)
    )
    return RawBSONDocument(framed(b"\x04$in\0" + framed(values)))


def remove(
    database: Database,
    definition: Definition,
    identities: Iterable[bytes],
    session: ClientSession,
) -> None:
    """Remove the documents with these ids (as `document_id` gives them), where there are any.

    By writes that the oplog tells by their session.
    """
    name = definition.data_name or definition.name
    target = database.get_collection(name, write_concern=_ACKNOWLEDGED)
    deletes = [DeleteOne({"_id": _equal_to(identity)}) for identity in identities]
    with translated(f"write to {target.full_name}"):
        target.bulk_write(deletes, ordered=False, session=session)


def _equal_to(identity: bytes) -> RawBSONDocument:
    return RawBSONDocument(framed(identity[:1] + b"$eq\0" + identity[1:]))


def insert(
    database: Database,
    definition: Definition,
    chunk: bytes,
    session: ClientSession | None = None,
) -> int:
    """Insert a chunk of concatenated documents as they are, and return how many.

    Validators are passed over: the documents were there before. With a session, the oplog tells
    the writes by it, which costs some of the speed. Raises RestoreError with the
    namespace and `_id` of the first document that the server does not take.
    """
    name = definition.data_name or definition.name
    documents = [RawBSONDocument(document) for document in split_documents(chunk)]
    with translated(f"write to {database.name}.{name}"):
        for start in range(0, len(documents), _MOST_DOCUMENTS):
            batch = documents[start : start + _MOST_DOCUMENTS]
            if session is None:
                reply = _insert_batch(database, definition, batch)
            else:
                reply = _insert_told(database, definition, batch, session)
            if reply["n"] != len(batch):
                raise _refused(f"{database.name}.{name}", batch, reply)
        if _MAY_BE_EMPTY_TIMESTAMP.search(chunk):
            _restore_empty_timestamps(database, name, documents, session)
    return len(documents)


def _past_validation(definition: Definition) -> bool:
    # Only where there is a validator: it takes a right that the role readWrite does not give.
    return definition.type == "timeseries" or "validator" in definition.decoded_options()


def _insert_batch(
    database: Database, definition: Definition, batch: list[RawBSONDocument]
) -> Mapping[str, Any]:
    command = {
        "insert": definition.data_name or definition.name,
        # The driver sends these bytes as a document sequence, without re-encoding.
        "documents": batch,
        "ordered": definition.capped,
    }
    if _past_validation(definition):
        command["bypassDocumentValidation"] = True
    return database.command(command)


def _insert_told(
    database: Database,
    definition: Definition,
    batch: list[RawBSONDocument],
    session: ClientSession,
) -> Mapping[str, Any]:
    # The oplog has the session of retryable writes alone, and a plain command is none.
    name = definition.data_name or definition.name
    target: Any = database.get_collection(name, codec_options=RAW, write_concern=_ACKNOWLEDGED)
    try:
        result = target.bulk_write(
            [InsertOne(document) for document in batch],
            ordered=definition.capped,
            bypass_document_validation=_past_validation(definition) or None,
            session=session,
        )
    except driver.BulkWriteError as error:
        return {"n": error.details["nInserted"], "writeErrors": error.details["writeErrors"]}
    return {"n": result.inserted_count}


def _restore_empty_timestamps(
    database: Database,
    name: str,
    documents: list[RawBSONDocument],
    session: ClientSession | None = None,
) -> None:
    # An aggregation's literal is the one way in that servers of all versions leave alone.
    for document in documents:
        raw = bytes(document.raw)
        if any(
            kind == TIMESTAMP and not any(raw[start:end])
            for kind, _key, start, end in iterate_elements(raw)
        ):
            identity = document_id(raw)
            database[name].update_one(
                # As bytes: a document may hold what the driver cannot decode.
                {"_id": _equal_to(identity)},
                [{"$replaceWith": {"$literal": document}}],
                bypass_document_validation=True,
                session=session,
            )


def _refused(
    namespace: str, documents: list[RawBSONDocument], reply: Mapping[str, Any]
) -> RestoreError:
    errors = reply.get("writeErrors") or [{}]
    document = bytes(documents[errors[0].get("index", 0)].raw)
    reason = errors[0].get("errmsg", f"{reply['n']} of {len(documents)} were taken")[:200]
    if errors[0].get("code") == _DUPLICATE_KEY:
        reason = "its _id or a unique value is there twice"
    identity = document_id(document)
    shown = readable(identity[0], identity[1:]) if identity else "missing"
    more = f", nor {len(errors) - 1} more" if len(errors) > 1 else ""
    return RestoreError(
        f"{namespace}, _id {shown}: the server did not take the document ({reason}){more}; the"
        " database is marked incomplete, and the next restore starts over"
    )


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
            name: 0 if kinds[name] == "view" else database[name].estimated_document_count()
            for name in sorted(kinds)
            if name not in SERVER_COLLECTIONS and not name.startswith(BUCKETS_PREFIX)
        }
