"""What a database holds: its collections, views and time series, and how each is defined."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from pymongo import errors as driver

from mongoshot.errors import CommandError
from mongoshot.server.connection import (
    RAW,
    UNAUTHORIZED,
    Database,
    ask_server,
    describe,
    translated,
)
from mongoshot.server.requirements import check_kinds, find_kinds
from mongoshot.snapshot.model import BUCKETS_PREFIX, SERVER_COLLECTIONS, Definition

#: Functions that are stored on the server. The server drops it with its database alone, so that an
#: empty one counts as none.
#: https://www.mongodb.com/docs/manual/reference/system-collections/
STORED_FUNCTIONS = "system.js"


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold a collection's definition and its UUID on this server: None for a view.

    The UUID of a time series is that of its buckets. It stays through renames, and a collection
    that is dropped and made again has another.
    """

    definition: Definition
    uuid: bytes | None


def list_definitions(
    database: Database,
    left_out: Callable[[str], bool] | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Definition]:
    """List the definitions of a database, or of `only` some names, by name and sorted by name.

    Costs a round trip, and one more for each collection that can have indexes. Raises CommandError
    where this user may not see these; a collection that is `left_out` is then listed without any.
    """
    catalog = list_catalog(database, left_out, only)
    return {name: entry.definition for name, entry in catalog.items()}


def list_catalog(
    database: Database,
    left_out: Callable[[str], bool] | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Entry]:
    """List the collections, views and time series of a database, by name and sorted by name.

    As `list_definitions` does.
    """
    if only is not None and not only:
        return {}
    with translated(f"list the collections of {describe(database)}"):
        cursor: Any = database.cursor_command(
            "listCollections", codec_options=RAW, read_preference=database.read_preference
        )
        listed = {entry["name"]: entry for entry in cursor}
        uuids = {
            name.removeprefix(BUCKETS_PREFIX): bytes(entry["info"]["uuid"])
            for name, entry in listed.items()
            if "uuid" in entry["info"]
        }
        catalog = {}
        refused: dict[str, driver.OperationFailure] = {}
        for name, entry in sorted(listed.items()):
            if name in SERVER_COLLECTIONS or name.startswith(BUCKETS_PREFIX):
                continue
            if only is not None and name not in only:
                continue
            if name == STORED_FUNCTIONS and not database[name].find_one({}, {"_id": 1}):
                continue
            kind = entry["type"]
            try:
                indexes = () if kind == "view" else _list_indexes(database, name)
            except driver.OperationFailure as error:
                if error.code != UNAUTHORIZED:
                    raise
                indexes = ()
                if left_out is None or not left_out(name):
                    refused[name] = error
            definition = Definition(name, kind, bytes(entry["options"].raw), indexes)
            catalog[name] = Entry(definition, uuids.get(name))
        if refused:
            options = " ".join(f"--exclude {shlex.quote(name)}" for name in refused)
            raise CommandError(
                f"this user is not allowed to see the indexes of {', '.join(refused)} in"
                f" {describe(database)}; give it a role that is, such as read, name another user in"
                f" the URL, or capture without: {options}"
            ) from next(iter(refused.values()))
        return catalog


def list_uuids(database: Database) -> set[bytes]:
    """List the UUIDs of a database's collections, but for the server's own."""
    with translated(f"list the collections of {describe(database)}"):
        return {
            bytes(entry["info"]["uuid"])
            for entry in database.list_collections()
            if "uuid" in entry["info"] and entry["name"] not in SERVER_COLLECTIONS
        }


def find_uuid(database: Database, definition: Definition) -> bytes | None:
    """Find the UUID of one collection as it is now; None for a view, or where there is none."""
    if (name := definition.data_name) is None:
        return None
    with translated(f"look up {database.name}.{name}"):
        for entry in database.list_collections(filter={"name": name}):
            return bytes(entry["info"]["uuid"])
    return None


def check_can_be_made(database: Database, definitions: Iterable[Definition]) -> None:
    """Raise RestoreError for collections of kinds that the server cannot make, with the release.

    By its feature compatibility version, where this user may know that. Asks the server only where
    there is such a kind.
    https://www.mongodb.com/docs/manual/reference/command/setFeatureCompatibilityVersion/
    """
    if not (kinds := find_kinds(definitions)):
        return
    version = ask_server(database.client).version
    name = "featureCompatibilityVersion"
    with contextlib.suppress(driver.OperationFailure, KeyError, ValueError):
        reply = database.client.admin.command({"getParameter": 1, name: 1})
        major, minor = map(int, reply[name]["version"].split("."))
        version = min(version, (major, minor))
    check_kinds(kinds, version, f"restore into {describe(database)}")


def _list_indexes(database: Database, name: str) -> tuple[bytes, ...]:
    try:
        cursor: Any = database.cursor_command(
            "listIndexes", name, codec_options=RAW, read_preference=database.read_preference
        )
    except driver.OperationFailure as error:
        if error.details and error.details.get("codeName") == "NamespaceNotFound":
            return ()  # dropped since it was listed
        raise
    return tuple(bytes(index.raw) for index in cursor)
