"""Reading a whole database at one point in time, and gently."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from bson import Timestamp
from pymongo import ReadPreference
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from mongoshot.errors import CommandError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import read_chunks
from mongoshot.server.connection import (
    UNAUTHORIZED,
    Database,
    ask_server,
    collection_of,
    describe,
    translated,
)
from mongoshot.server.requirements import ONE_POINT_IN_TIME
from mongoshot.snapshot.model import Collection, Definition, MemoryState

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_SNAPSHOT_TOO_OLD, _SNAPSHOT_UNAVAILABLE = 239, 246

#: Seconds that a secondary which is behind is waited for, before the primary is read instead.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Say how gently to read: documents in a batch (None: as many as fit), seconds between two."""

    batch_size: int | None = None
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold an open reading.

    `session` is the one that all documents are read in, as they are at one point in time; None
    where the server cannot do that.
    """

    database: Database
    state: MemoryState
    server_version: str
    session: ClientSession | None = None
    pace: Pace = field(default_factory=Pace)

    @property
    def consistent(self) -> bool:
        """Tell whether all documents are read as they are at one point in time."""
        return self.session is not None

    @property
    def point(self) -> Timestamp | None:
        """Return the time that all documents are read at; None where there is none, or none yet."""
        return _time_of(self.session) if self.session is not None else None


@contextlib.contextmanager
def open_reading(
    database: Database,
    pace: Pace | None = None,
    left_out: Callable[[str], bool] | None = None,
) -> Iterator[Reading]:
    """Open a reading of a database, consistent where the server can do that.

    Replica sets and sharded clusters of 5.0 and newer read all collections at the time of the first
    read, for as long as they keep that history (300 s by default); a standalone server cannot.
    https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/

    Reads from a secondary where there is one and the URL does not say otherwise; from the primary
    where the secondary stays behind. Collections that are `left_out` need not be allowed to be
    read; they are listed all the same.
    """
    client, pace = database.client, pace or Pace()
    server = ask_server(client)
    with translated(f"read {describe(database)}"):
        version = client.server_info()["version"]
    if ONE_POINT_IN_TIME.lacking(server):
        state = _state(database, list_definitions(database, left_out), None, pace)
        yield Reading(database, state, version, pace=pace)
        return
    if client.read_preference == ReadPreference.PRIMARY:
        database = database.with_options(read_preference=ReadPreference.SECONDARY_PREFERRED)
    definitions = list_definitions(database, left_out)
    with contextlib.ExitStack() as stack:
        database, session = _begin(stack, database, definitions)
        state = _state(database, definitions, session, pace)
        yield Reading(database, state, version, session, pace)


def _begin(
    stack: contextlib.ExitStack, database: Database, definitions: Mapping[str, Definition]
) -> tuple[Database, ClientSession]:
    """Begin to read, at a time that is not before now, in a session."""
    client = database.client
    # Only a collection that is there has a time.
    plain = (d.data_name for d in definitions.values() if d.type != "view" and not d.capped)
    first = next(plain, None) or "none"
    with translated(f"read {describe(database)}"):
        now: Timestamp | None = client.admin.command("ping").get("operationTime")
        deadline = time.monotonic() + _PATIENCE
        while True:
            session = stack.enter_context(client.start_session(snapshot=True))
            # The first read decides on the time; who may not read that may read something else.
            with contextlib.suppress(OperationFailure):
                collection_of(database, first).find_one({}, {"_id": 1}, session=session)
            at = _time_of(session)
            if now is None or at is None or at >= now:
                return database, session
            if time.monotonic() > deadline:
                database = database.with_options(read_preference=ReadPreference.PRIMARY)
            time.sleep(0.02)


def _time_of(session: ClientSession) -> Timestamp | None:
    # The driver has no public name for it before 4.16.
    at: Timestamp | None = getattr(session, "_snapshot_time", None)
    return at


def _state(
    database: Database,
    definitions: Mapping[str, Definition],
    session: ClientSession | None,
    pace: Pace,
) -> MemoryState:
    def read(definition: Definition) -> Iterator[bytes]:
        for chunk in read_chunks(database, definition, session, pace.batch_size):
            yield chunk
            if pace.pause:
                time.sleep(pace.pause)

    collections = {name: Collection(d, partial(read, d)) for name, d in definitions.items()}
    return MemoryState(describe(database), collections)


def find_unreadable(reading: Reading) -> list[str]:
    """Name the collections that this user may not read."""
    found = []
    for name, collection in reading.state.collections.items():
        try:
            next(read_chunks(reading.database, collection.definition, reading.session, 1), None)
        except CommandError as error:
            if is_refused(error):
                found.append(name)
    return found


def is_refused(error: CommandError) -> bool:
    """Tell whether a user may not do what was asked."""
    return _code(error) == UNAUTHORIZED


def came_too_late(error: CommandError) -> bool:
    """Tell whether a collection could not be read because it was made since the reading began.

    Servers before 7.0 say so, also of one that was dropped and made again as it had been.
    """
    return _code(error) == _SNAPSHOT_UNAVAILABLE


def took_too_long(error: CommandError) -> bool:
    """Tell whether the server no longer has what a reading at one point in time is to see."""
    return _code(error) == _SNAPSHOT_TOO_OLD


def history_window(reading: Reading) -> int | None:
    """Return for how many seconds the server keeps what was; None where this user may not know.

    https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.minSnapshotHistoryWindowInSeconds
    """
    name = "minSnapshotHistoryWindowInSeconds"
    try:
        reply = reading.database.client.admin.command({"getParameter": 1, name: 1})
    except OperationFailure:
        return None
    return int(reply[name])


def _code(error: CommandError) -> int | None:
    cause = error.__cause__
    return cause.code if isinstance(cause, OperationFailure) else None
