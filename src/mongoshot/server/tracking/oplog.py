"""Which documents were touched since a point in time, read from the oplog of a replica set.

Each write is an entry of `local.oplog.rs` that names the collection's UUID and the document's
`_id`; what changes a collection itself is a command entry. An entry that is not understood is never
passed over: what it concerns then counts as touched in full.

Sources: https://www.mongodb.com/docs/manual/core/replica-set-oplog/ and, for the shapes of entries,
`src/mongo/db/repl/oplog_entry.idl` of the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
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
from mongoshot.server.documents import Writer
from mongoshot.server.tracking.window import (
    Catalog,
    LateWrites,
    Moment,
    Point,
    Tier,
    Touched,
    Window,
    read_moment,
    read_point,
    to_window,
)
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

#: What a server writes first when it has become the primary. It may not have what the one before it
#: had acknowledged.
#: https://www.mongodb.com/docs/manual/core/replica-set-rollbacks/
_ELECTION = {"op": "n", "o.msg": "new primary"}
_ELECTED = (
    "another server has become the primary since the last reset, or this one again, and may not"
    " have all that was written"
)
_LOST = "the server has lost writes that were there at the last reset"


class OplogTracker:
    """Track documents by the oplog of a database's replica set.

    The writes of `writer` are left out, known by the session that they carry, so that what a reset
    writes itself is not taken for somebody's, and what somebody writes meanwhile is not lost.
    """

    tier: Tier = "oplog"

    def __init__(self, database: Database) -> None:
        """Track `database`, whose server is the primary of a replica set."""
        self._database = database
        session = database.client.start_session(causal_consistency=False)
        self._session = session
        self.writer = Writer(database, session)
        local = as_written(database.client["local"])
        self._entries: Any = local.get_collection("oplog.rs", codec_options=RAW)
        self._prefix = f"{database.name}."
        others = {"$nor": [self.writer.own_entries]}
        self._concerning = [
            {"ns": {"$regex": f"^{re.escape(self._prefix)}"}, **others},
            {"ns": "admin.$cmd", **others},
            _ELECTION,
        ]
        # The terms that the entries at points belong to, as far as they are known: after a rollback
        # another entry may have the time of one that is gone.
        self._terms: dict[Timestamp, int] = {}
        self._term = 0
        # Who has written nothing yet has lost nothing by an election.
        self._opened = self.now()

    def now(self) -> Timestamp:
        """Return the time of the newest entry: all that is written later lies behind it."""
        point = read_point(self._database)
        if point is None:
            raise CommandError("the server has no oplog")
        self._terms[point] = self._term
        return point

    def moment(self) -> Moment | None:
        """Return the time of the newest entry with the server's clock."""
        return read_moment(self._database, self._session)

    def touched_since(self, since: Point, catalog: Catalog, ended: Moment | None = None) -> Window:
        """Tell what was touched behind `since`, at which the database held `catalog`."""
        return to_window(self._read_since(since, ended), catalog, self._database)

    def newest_until(self, time: Timestamp) -> Timestamp | None:
        """Return the newest entry up to a time; None where the oplog does not reach back to it."""
        with translated("read the newest entries of the oplog"):
            newest = self._entries.find_one(
                {"ts": {"$lte": time}}, {"ts": 1}, sort=[("$natural", -1)], session=self._session
            )
        point: Timestamp | None = newest["ts"] if newest else None
        return point

    def writes_since(self, since: Timestamp, ended: Moment) -> tuple[LateWrites, ...] | None:
        """Count the writes behind a moment; None where the oplog does not tell them all."""
        touched = self._read_since(since, ended)
        return None if touched.unknown else tuple(touched.late.values())

    def resume(self, since: Point, window: Window) -> Point:  # noqa: ARG002 - fingerprints need it
        """Go on where the reading of the window ended: what others wrote since comes next."""
        self._terms = {point: term for point, term in self._terms.items() if point >= window.until}
        return window.until

    def lost_since(self, since: Point) -> str | None:
        """Say why writes of this one may be gone that were made behind `since`; None: none are."""
        unknown = self._read_since(since, None).unknown
        return unknown if unknown in (_ELECTED, _LOST) else None

    def _read_since(self, since: Timestamp, ended: Moment | None) -> Touched:
        """Read a window that ends now.

        A forward scan on a primary waits until all earlier writes can be seen, so that no entry is
        missed that is older than one that was found.
        """
        # What was the newest entry at the last reply is among those that the next command sees.
        known = self._session.operation_time or self.now()
        touched = Touched(until=max(since, known))
        with translated(f"read the oplog for {self._database.name}"):
            # The entry at `since` proves that the window is whole: the oplog forgets its oldest.
            window = self._entries.find(
                {"ts": {"$gte": since}, "$or": [{"ts": since}, *self._concerning]},
                session=self._session,
            )
            try:
                whole = self._read(window, since, touched, ended)
            except driver.OperationFailure as error:
                if error.code != CAPPED_POSITION_LOST:
                    raise
                whole = False
            if not whole:
                touched.unknown = self._why_not_whole(since)
        self._terms[touched.until] = self._term
        return touched

    def _read(
        self, window: Iterable[Any], since: Timestamp, touched: Touched, ended: Moment | None
    ) -> bool:
        whole = False
        for entry in window:
            self._term = max(self._term, entry["t"])
            if entry["ts"] == since:
                whole = entry["t"] == (self._terms.get(since) or entry["t"])
                continue
            touched.until = max(touched.until, entry["ts"])
            if entry["op"] == "n" and entry["ts"] > self._opened:
                touched.unknown = _ELECTED
            self._note(entry, touched)
            if ended is not None and entry["ts"] > ended.point:
                for namespace, kind in self._writes(entry):
                    touched.note_late(namespace, entry["wall"], ended, is_delete=kind == "d")
        return whole

    def _why_not_whole(self, since: Timestamp) -> str:
        """Say why a window has no entry at its beginning, or another one than was there."""
        oldest = self._entries.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
        if oldest is None or oldest["ts"] > since:
            return "the oplog no longer reaches back to the last reset"
        return _LOST

    def _concerns(self, entry: Mapping[str, Any]) -> bool:
        namespace: str = entry["ns"]
        ours = namespace.startswith(self._prefix) or namespace == "admin.$cmd"
        return ours and entry["op"] != "n"

    def _writes(self, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Say what an entry wrote to and how, each operation of a transaction apart."""
        if not self._concerns(entry):
            return
        if entry["op"] != "c":
            yield entry["ns"], entry["op"]
            return
        verb, target = next(iter(entry["o"].items()))
        if verb == "applyOps":
            for operation in target:
                yield from self._writes(operation)
        elif entry["ns"] == "admin.$cmd":
            return  # what else is there concerns that database alone
        elif verb == "renameCollection":
            yield target, "c"
        else:
            name = f"{self._prefix}{target}" if isinstance(target, str) else self._database.name
            yield name, "c"

    def _note(self, entry: Mapping[str, Any], touched: Touched) -> None:
        if not self._concerns(entry):
            return
        kind, namespace = entry["op"], entry["ns"]
        if kind == "c":
            self._note_command(entry, touched)
        elif namespace == f"{self._prefix}system.views":
            touched.definitions = True
        elif kind in ("i", "u", "d") and "ui" in entry:
            document = entry["o2"] if kind == "u" else entry["o"]
            uuid, identity = bytes(entry["ui"]), document_id(bytes(document.raw))
            touched.note_document(uuid, identity)
            if kind == "d":
                touched.displaced.setdefault(uuid, set()).add(identity)
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
