"""Which documents were touched since a point in time, read from a change stream of the database.

For those who may not read the oplog: users of hosted and of sharded clusters. From MongoDB 6.0 on a
stream tells the definitions' changes too, and names collections by their UUID. What it does not
tell, it does not tell to anybody: the command `applyOps` outside of a transaction, and that
`system.views` itself was dropped, for which the views are looked at.

Sources: https://www.mongodb.com/docs/manual/reference/change-events/ and, for `showSystemEvents`
(buckets of time series, stored functions) and the form of resume tokens,
`document_source_change_stream.idl` and `resume_token.h` of the server.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import errors as driver

from mongoshot.errors import CommandError
from mongoshot.server.connection import RAW, Database, describe, translated
from mongoshot.server.documents import Writer
from mongoshot.server.tracking.window import (
    Catalog,
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

_OF_DOCUMENTS = frozenset({"insert", "update", "replace", "delete"})
#: Events of what a collection is, or which there are: the definitions tell what came of them.
_OF_DEFINITIONS = frozenset(
    {
        "create",
        "drop",
        "dropDatabase",
        "rename",
        "modify",
        "createIndexes",
        "dropIndexes",
        "startIndexBuild",
        "abortIndexBuild",
        "shardCollection",
        "refineCollectionShardKey",
        "reshardCollection",
    }
)
#: Events that say how far the stream is.
_OF_NOTHING = frozenset({"invalidate", "endOfTransaction"})

#: Only what is noted comes over the wire, however large the documents are.
_WANTED = {
    "$project": dict.fromkeys(
        ("operationType", "ns", "documentKey", "collectionUUID", "clusterTime", "wallTime"), 1
    )
}
#: Seconds until a stream that does not come nearer to the server's time is given up. On a sharded
#: cluster it waits for shards that nobody writes to: up to their periodicNoopIntervalSecs, 10.
_PATIENCE = 30.0
#: Seconds after which the server is asked less often, and waits so many milliseconds for events.
_SOON, _LONG = 0.2, 50
#: Events asked for after one failure, and after two. A server closes the connection over a reply
#: that it makes too large: events of ids of many kilobytes, with a token that has the last of them.
_FEWER = (100, 1)

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_CURSOR_NOT_FOUND = 43
_REASONS = {
    286: "the change stream no longer reaches back to the last reset",
    10334: "an event of the change stream was too large to be read",
}
_EPOCH = datetime.datetime(1970, 1, 1)  # without a zone, as raw documents give times


class ChangeStreamTracker:
    """Track documents by one standing change stream of a database.

    Tells nobody's writes apart: what a reset writes itself is named in the next window, and is
    found to be as it should.
    """

    tier: Tier = "change stream"
    writer: Writer | None = None

    def __init__(self, database: Database) -> None:
        """Track `database`, on a replica set or a sharded cluster of MongoDB 6.0 or newer.

        Raises CommandError where this user or this server does not allow it.
        """
        if database.client.options.timeout is not None:
            # The driver sends it in place of the time that the server shall wait for events.
            raise CommandError(
                "cannot follow a change stream within timeoutMS: each look would take that long;"
                " leave it out of the URL"
            )
        self._database = database
        self._notes = _Notes(database.name)
        with translated(f"open a change stream of {describe(database)}"):
            self._sharded = database.client.admin.command("hello").get("msg") == "isdbgrid"
            self._begins = self._clock()
            self._stream = _Stream(database, self._begins, sharded=self._sharded)

    def now(self) -> Timestamp:
        """Return the time of the server's newest write: all that is written later lies behind."""
        with translated(f"ask for the time of {describe(self._database)}"):
            return self._clock()

    def moment(self) -> Moment | None:
        """Return the time of the newest write with the server's clock."""
        return read_moment(self._database)

    def touched_since(self, since: Point, catalog: Catalog, ended: Moment | None = None) -> Window:
        """Tell what was touched behind `since`, at which the database held `catalog`."""
        with translated(f"read the change stream of {describe(self._database)}"):
            now = self._clock()
            self._read(since, now)
            until = max(now, _unpacked(self._stream.whole_until))
            touched = self._notes.touched_since(since, until, ended)
            if now < since:
                touched.unknown = "the server has lost writes that were there at the last reset"
            if not touched.definitions and self._lacks_views(catalog):
                touched.definitions = True
        return to_window(touched, catalog, self._database)

    def resume(self, since: Point, window: Window) -> Point:  # noqa: ARG002 - fingerprints need it
        """Go on where the window ended, and forget what lies before it."""
        self._notes.forget(window.until)
        self._begins = max(self._begins, window.until)
        return window.until

    def lost_since(self, since: Point) -> str | None:  # noqa: ARG002 - the others need it
        """Return None: who has no writer of its own waits for a majority with each write."""
        return None

    def _clock(self) -> Timestamp:
        """Return a time that is not earlier than any write that was acknowledged."""
        newest: Timestamp | None
        if self._sharded:
            # All shards answer, and the newest of their times is the answer's.
            newest = self._database.command("dbStats").get("operationTime")
        else:
            newest = read_point(self._database)
        if newest is None:
            raise CommandError(f"{describe(self._database)} has no change streams: no replica set")
        return newest

    def _read(self, since: Timestamp, until: Timestamp) -> None:
        """Note all events behind `since`, at least up to `until`."""
        if since < self._begins:
            self._notes = _Notes(self._database.name)
            self._begins = since
            try:
                self._restart(since)
            except driver.OperationFailure as error:
                self._lose(error)
        came = time.monotonic()
        while self._stream.whole_until < _packed(until):
            waited, so_far = time.monotonic() - came, self._stream.whole_until
            if waited > _PATIENCE:
                raise CommandError(
                    f"cannot read the change stream of {describe(self._database)}: for"
                    f" {_PATIENCE:.0f} s it has not come up to the newest write; see that a"
                    " majority of the replica set's members is there"
                )
            try:
                # Mostly all is there, and the wait would be for nothing.
                self._stream.read(self._notes.note, wait=1 if waited < _SOON else _LONG)
            except (driver.OperationFailure, driver.ConnectionFailure) as error:
                self._lose(error)
            if self._stream.whole_until > so_far:
                came = time.monotonic()

    def _lose(self, error: driver.OperationFailure | driver.ConnectionFailure) -> None:
        """Go on from now where the stream cannot be read; before, anything may have been."""
        now = self._clock()
        reason = "the change stream broke off"
        if isinstance(error, driver.OperationFailure):
            name = (error.details or {}).get("codeName", error.code)
            reason = _REASONS.get(error.code or 0, f"{reason} ({name})")
        self._notes.unknown = (_packed(now), reason)
        self._restart(now)

    def _restart(self, start: Timestamp) -> None:
        self._stream.close()
        self._stream = _Stream(self._database, start, sharded=self._sharded)

    def _lacks_views(self, catalog: Catalog) -> bool:
        """Tell whether a view is gone, which no event says where `system.views` was dropped."""
        views = {name for name, entry in catalog.items() if entry.definition.type == "view"}
        if not views:
            return False
        listed = self._database.list_collections(filter={"type": "view"}, nameOnly=True)
        return not views <= {entry["name"] for entry in listed}


class _Stream:
    """Read a change stream by the server's commands: the driver does not show how far it is.

    All events up to `whole_until`, a packed time, have been read.
    https://www.mongodb.com/docs/manual/changeStreams/
    """

    def __init__(self, database: Database, start: Timestamp, *, sharded: bool) -> None:
        """Open a stream of what is written behind `start`."""
        self._database = database
        # A cursor is read in the session that it was opened in.
        self._session = database.client.start_session(causal_consistency=False)
        self._sharded = sharded
        self._wanted = [{"$match": {"clusterTime": {"$gt": start}}}, _WANTED]
        self._failures = 0
        self.whole_until = _packed(start)
        self._cursor, self._token = self._open({"startAtOperationTime": start})
        if _time_of(self._token) != self.whole_until:
            raise _not_understood()

    def read(self, note: Callable[[RawBSONDocument], None], wait: int) -> None:
        """Hand on the next events; with none there, the server waits some milliseconds for them.

        Raises OperationFailure where the stream cannot be read on.
        """
        if not self._cursor:
            # Ended by a dropped database, or lost: it goes on behind the last token.
            self._cursor, self._token = self._open({"startAfter": self._token})
        command = {"getMore": self._cursor, "collection": "$cmd.aggregate", "maxTimeMS": wait}
        if self._failures:
            command["batchSize"] = _FEWER[self._failures - 1]
        # Until its events are noted there is no cursor: after an interruption it is behind them.
        self._cursor = 0
        try:
            reply = self._run(command)
        except driver.PyMongoError as error:
            self._failures += 1
            if self._failures > len(_FEWER) or not _can_be_resumed(error):
                raise
            return
        self._failures = 0
        for event in reply["nextBatch"]:
            note(event)
        self._cursor, self._token = reply["id"], reply["postBatchResumeToken"]
        # More events of the token's time may follow, as of a transaction, unless the oplog was read
        # to its end; that a mongos does not say.
        at_end = not reply["nextBatch"] and not self._sharded
        self.whole_until = max(self.whole_until, _time_of(self._token) - (0 if at_end else 1))

    def close(self) -> None:
        """Free the cursor; it may be gone."""
        if self._cursor:
            with contextlib.suppress(driver.PyMongoError):
                self._run({"killCursors": "$cmd.aggregate", "cursors": [self._cursor]})
        self._cursor = 0
        self._session.end_session()

    def _open(self, start: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Return a cursor before its first event, and the token of where it is."""
        stage = {"$changeStream": {"showExpandedEvents": True, "showSystemEvents": True, **start}}
        pipeline = [stage, *self._wanted]
        reply = self._run({"aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": 0}})
        return reply["id"], reply["postBatchResumeToken"]

    def _run(self, command: dict[str, Any]) -> Any:
        reply: Any = self._database.command(command, codec_options=RAW, session=self._session)
        return reply.get("cursor")


@dataclass(slots=True)
class _Notes:
    """Keep what the events of a database said, each document once, with its latest time.

    Times are packed. `writes` are the times of all writes and the server's clock at them in
    milliseconds, by namespace.
    """

    database: str
    documents: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    definitions: int = 0
    unknown: tuple[int, str] = (0, "")
    writes: dict[str, tuple[array[int], array[int]]] = field(default_factory=dict)

    def note(self, event: RawBSONDocument) -> None:
        """Note an event; one that is not understood means that anything may have been touched."""
        at, kind = _packed(event["clusterTime"]), event["operationType"]
        if kind in _OF_NOTHING:
            return
        if kind in _OF_DOCUMENTS and "collectionUUID" in event and "documentKey" in event:
            identity = document_id(bytes(event["documentKey"].raw))
            self.documents.setdefault(bytes(event["collectionUUID"]), {})[identity] = at
        elif kind in _OF_DEFINITIONS:
            self.definitions = at
        else:
            self.unknown = (at, f"an event {kind!r} of the change stream is not understood")
        if "wallTime" in event:
            self._note_write(event, at)

    def _note_write(self, event: RawBSONDocument, at: int) -> None:
        collection = event.get("ns", {}).get("coll")
        namespace = f"{self.database}.{collection}" if collection else self.database
        times, clocks = self.writes.setdefault(namespace, (array("Q"), array("q")))
        times.append(at)
        clocks.append((event["wallTime"] - _EPOCH) // datetime.timedelta(milliseconds=1))

    def touched_since(self, since: Timestamp, until: Timestamp, ended: Moment | None) -> Touched:
        """Gather what was touched behind `since`, and count what was behind the moment `ended`."""
        after = _packed(since)
        touched = Touched(until, definitions=self.definitions > after)
        for uuid, times in self.documents.items():
            if identities := {identity for identity, at in times.items() if at > after}:
                touched.documents[uuid] = identities
        if self.unknown[0] > after:
            touched.unknown = self.unknown[1]
        if ended is not None:
            behind = max(after, _packed(ended.point))
            for namespace, (times_of_all, clocks) in self.writes.items():
                for milliseconds in clocks[bisect_right(times_of_all, behind) :]:
                    clock = _EPOCH + datetime.timedelta(milliseconds=milliseconds)
                    touched.note_late(namespace, clock, ended)
        return touched

    def forget(self, until: Timestamp) -> None:
        """Forget what no later question can ask for."""
        before = _packed(until)
        kept = {
            uuid: {identity: at for identity, at in times.items() if at > before}
            for uuid, times in self.documents.items()
        }
        self.documents = {uuid: times for uuid, times in kept.items() if times}
        for times, clocks in self.writes.values():
            gone = bisect_right(times, before)
            del times[:gone], clocks[:gone]
        self.writes = {name: both for name, both in self.writes.items() if both[0]}


def _can_be_resumed(error: driver.PyMongoError) -> bool:
    """Tell whether a stream goes on behind its last token after this error.

    https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md
    """
    if isinstance(error, driver.ConnectionFailure):
        return True
    if isinstance(error, driver.OperationFailure) and error.code == _CURSOR_NOT_FOUND:
        return True
    return error.has_error_label("ResumableChangeStreamError")


def _packed(point: Timestamp) -> int:
    return point.time << 32 | point.inc


def _unpacked(packed: int) -> Timestamp:
    return Timestamp(packed >> 32, packed & 0xFFFF_FFFF)


def _time_of(token: Mapping[str, Any]) -> int:
    """Read the packed time that a resume token begins with, behind the type byte of a timestamp."""
    data = token.get("_data")
    if not isinstance(data, str) or not data.startswith("82"):
        raise _not_understood()
    try:
        return int.from_bytes(bytes.fromhex(data[2:18]).ljust(8, b"\xff"), "big")
    except ValueError:
        raise _not_understood() from None


def _not_understood() -> CommandError:
    return CommandError(
        "cannot follow a change stream: the server's resume tokens are of another form; name a user"
        " in the URL who may read the oplog (role read on the database local)"
    )
