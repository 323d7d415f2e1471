"""Which documents were touched since a point in time, read from the oplog of a replica set.

Each write is an entry of `local.oplog.rs` that names the collection's UUID and the document's
`_id`; what changes a collection itself is a command entry. An entry that is not understood is never
passed over: what it concerns then counts as touched in full.

Sources: https://www.mongodb.com/docs/manual/core/replica-set-oplog/ and, for the shapes of entries,
`src/mongo/db/repl/oplog_entry.idl` of the server. Documents are keyed by UUID, because one that is
written to while its collection has another name for a while is found under no other name later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import errors as driver
from pymongo.client_session import ClientSession

from mongoshot.server.connection import RAW, Database, translated
from mongoshot.snapshot.elements import document_id

#: Commands that change what a collection is, or which there are: the definitions tell what came of
#: them. Documents that they move or remove go with their collection.
_OF_DEFINITIONS = frozenset(
    {
        "create",
        "drop",
        "dropDatabase",
        "renameCollection",
        "collMod",
        "createIndexes",
        "startIndexBuild",
        "commitIndexBuild",
        "abortIndexBuild",
        "dropIndexes",
        "deleteIndexes",
        "convertToCapped",
    }
)
#: Commands after which none of a collection's documents is sure to be what it was.
_OF_ALL_DOCUMENTS = frozenset({"emptycapped", "truncateRange"})


@dataclass(slots=True)
class Touched:
    """Say what was touched in a window of the oplog.

    `documents` are ids (type byte and value, as `document_id` gives them) by collection UUID;
    `collections` UUIDs of which any document may have been touched; `definitions` tells whether
    collections, views or indexes may not be what they were. Where `unknown` says why, anything in
    the database may have been touched. The next window begins at `until`.
    """

    until: Timestamp
    documents: dict[bytes, set[bytes]] = field(default_factory=dict)
    collections: set[bytes] = field(default_factory=set)
    definitions: bool = False
    unknown: str | None = None

    def __bool__(self) -> bool:
        """Tell whether anything was touched."""
        return bool(self.documents or self.collections or self.definitions or self.unknown)


class Oplog:
    """Read the oplog of a database's replica set; writes of `session` are left out.

    The session's writes are known by the id that retryable writes carry, so that what a reset
    writes itself is not taken for somebody's, and what somebody writes meanwhile is not lost.
    """

    def __init__(self, database: Database, session: ClientSession) -> None:
        """Watch `database`; `session` is the one to write with."""
        self._database = database
        self._entries = database.client["local"].get_collection("oplog.rs", codec_options=RAW)
        self._prefix = f"{database.name}."
        others = {"lsid.id": {"$ne": session.session_id["id"]}}
        self._concerning = [
            {"ns": {"$regex": f"^{re.escape(self._prefix)}"}, **others},
            {"ns": "admin.$cmd", **others},
        ]

    def now(self) -> Timestamp:
        """Return the time of the newest entry: all that is written later lies behind it."""
        with translated("ask the server for the time of its oplog"):
            reply = self._database.client.admin.command("ping")
        time: Timestamp = reply["operationTime"]
        return time

    def touched_since(self, since: Timestamp) -> Touched:
        """Tell what was touched behind `since`, in a window that ends now.

        A forward scan on a primary waits until all earlier writes can be seen, so that no entry is
        missed that is older than one that was found.
        """
        touched = Touched(until=max(since, self.now()))
        with translated(f"read the oplog for {self._database.name}"):
            # The entry at `since` proves that the window is whole: the oplog forgets its oldest.
            window = self._entries.find(
                {"ts": {"$gte": since}, "$or": [{"ts": since}, *self._concerning]}
            )
            try:
                whole = self._read(window, since, touched)
            except driver.OperationFailure as error:
                if error.code != _CAPPED_POSITION_LOST:
                    raise
                whole = False
            if not whole and not self._reaches_back(since):
                touched.unknown = "the oplog no longer reaches back to the last reset"
        return touched

    def _read(self, window: Iterable[Any], since: Timestamp, touched: Touched) -> bool:
        whole = False
        for entry in window:
            if entry["ts"] == since:
                whole = True
                continue
            touched.until = max(touched.until, entry["ts"])
            self._note(entry, touched)
        return whole

    def _reaches_back(self, since: Timestamp) -> bool:
        oldest: Any = self._entries.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
        return oldest is not None and oldest["ts"] <= since

    def _note(self, entry: Mapping[str, Any], touched: Touched) -> None:
        kind, namespace = entry["op"], entry["ns"]
        if kind == "n" or not (namespace.startswith(self._prefix) or namespace == "admin.$cmd"):
            return
        if kind == "c":
            self._note_command(entry, touched)
        elif namespace == f"{self._prefix}system.views":
            touched.definitions = True
        elif kind in ("i", "u", "d") and "ui" in entry:
            document = entry["o2"] if kind == "u" else entry["o"]
            touched.documents.setdefault(bytes(entry["ui"]), set()).add(
                document_id(bytes(document.raw))
            )
        else:
            touched.unknown = f"an entry {kind!r} of the oplog is not understood"

    def _note_command(self, entry: Mapping[str, Any], touched: Touched) -> None:
        command: RawBSONDocument = entry["o"]
        verb = next(iter(command))
        if verb == "applyOps" and not command.get("prepare"):
            # A transaction, or grouped inserts; a long one is several entries, each with its part.
            for operation in command["applyOps"]:
                self._note(operation, touched)
        elif verb in _OF_DEFINITIONS:
            touched.definitions = True
        elif verb in _OF_ALL_DOCUMENTS and "ui" in entry:
            touched.collections.add(bytes(entry["ui"]))
        else:
            touched.unknown = f"a command {verb!r} in the oplog is not understood"


# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_CAPPED_POSITION_LOST = 136
