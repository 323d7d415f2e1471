"""What was written to a database, commit by commit, in the order of the oplog.

https://www.mongodb.com/docs/manual/core/replica-set-oplog/ and, for the shapes of entries,
`src/mongo/db/repl/oplog_entry.idl` of the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bson.timestamp import Timestamp
from pymongo import errors as driver

from mongoshot.errors import CommandError
from mongoshot.server.connection import (
    CAPPED_POSITION_LOST,
    RAW,
    Database,
    as_written,
    translated,
)
from mongoshot.snapshot.elements import document_id

Kind = Literal["insert", "update", "delete", "command"]

_KINDS: dict[str, Kind] = {"i": "insert", "u": "update", "d": "delete", "c": "command"}


@dataclass(frozen=True, slots=True)
class Operation:
    """Hold one write to a collection, or a command that changed what a collection is.

    `collection` is its name at that time, "" for a command. `document` is what was inserted, the
    `o` of an update (see `delta.apply_update`), the `_id` of what was deleted, or the command;
    `identity` is the document's, as `document_id` gives it.
    """

    kind: Kind
    collection: str
    document: bytes
    identity: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit:
    """Hold what became visible at one moment: a single write, or those of a transaction.

    `statement` is the same for the writes of one command that may be retried, None for others.
    """

    at: Timestamp
    operations: tuple[Operation, ...]
    statement: tuple[bytes, int] | None = None
    is_transaction: bool = False


def read_commits(database: Database, since: Timestamp, until: Timestamp) -> Iterator[Commit]:
    """Read what was committed to a database behind `since` and up to `until`, which is included.

    Raises CommandError where the oplog cannot be read, or no longer reaches back that far.
    """
    entries: Any = as_written(database.client["local"]).get_collection(
        "oplog.rs", codec_options=RAW
    )
    namespaces = [{"ns": {"$regex": f"^{re.escape(database.name)}\\."}}, {"ns": "admin.$cmd"}]
    with translated(f"read the oplog for {database.name}"):
        oldest = entries.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
        if oldest is None or oldest["ts"] > since:
            raise CommandError(
                "the oplog no longer reaches back to where the recording began: give the server a"
                " larger one, or record less at a time"
            )
        window = {"ts": {"$gt": since, "$lte": until}, "op": {"$ne": "n"}, "$or": namespaces}
        try:
            yield from _commits(entries.find(window), database.name)
        except driver.OperationFailure as error:
            if error.code != CAPPED_POSITION_LOST:
                raise
            raise CommandError("the oplog forgot its oldest entries while it was read") from None


def _commits(entries: Iterator[Any], database: str) -> Iterator[Commit]:
    # A transaction too long for one entry is several, of which the last one commits it.
    parts: dict[tuple[bytes, int], list[Operation]] = {}
    for entry in entries:
        command = entry["o"]
        statement = _statement(entry)
        if entry["op"] != "c" or "applyOps" not in command:
            if operations := tuple(_operations(entry, database)):
                yield Commit(entry["ts"], operations, statement)
            continue
        if command.get("prepare"):
            raise CommandError("a transaction of a sharded cluster is in the oplog")
        inner = [found for each in command["applyOps"] for found in _operations(each, database)]
        # Inserts that the server has grouped have the same form; a retry tells them apart.
        is_transaction = statement is not None and entry.get("multiOpType", 0) == 0
        if statement is not None:
            inner = [*parts.pop(statement, []), *inner]
            if command.get("partialTxn"):
                parts[statement] = inner
                continue
        if inner:
            yield Commit(entry["ts"], tuple(inner), statement, is_transaction)


def _statement(entry: Mapping[str, Any]) -> tuple[bytes, int] | None:
    if "lsid" not in entry or "txnNumber" not in entry:
        return None
    return bytes(entry["lsid"].raw), int(entry["txnNumber"])


def _operations(entry: Mapping[str, Any], database: str) -> Iterator[Operation]:
    """Read an entry, or one of a transaction; none where it is about another database."""
    name, _, collection = entry["ns"].partition(".")
    if name != database:
        return
    kind = _KINDS.get(entry["op"])
    if kind is None:
        raise CommandError(f"an entry {entry['op']!r} of the oplog is not understood")
    document = bytes(entry["o"].raw)
    if kind == "command":
        yield Operation(kind, "", document)
    else:
        named = bytes(entry["o2"].raw) if kind == "update" else document
        yield Operation(kind, collection, document, document_id(named))
