"""Reading a whole database at one point in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from mongoshot.errors import CommandError
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database, describe, translated
from mongoshot.snapshot.model import MemoryState

_WIRE_VERSION_5_0 = 13
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_SNAPSHOT_UNAVAILABLE = 246


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold an open reading: `consistent` tells whether all documents are of one point in time.

    `session` is the one that they are read in then, else None.
    """

    database: Database
    state: MemoryState
    server_version: str
    session: ClientSession | None = None

    @property
    def consistent(self) -> bool:
        """Tell whether all documents are read as they are at one point in time."""
        return self.session is not None


@contextlib.contextmanager
def open_reading(database: Database) -> Iterator[Reading]:
    """Open a reading of a database, consistent where the server can do that.

    Replica sets and sharded clusters of 5.0 and newer read all collections at the time of the first
    read, for as long as they keep that history (300 s by default); a standalone server cannot.
    https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
    """
    client = database.client
    with translated(f"read {describe(database)}"):
        hello = client.admin.command("hello")
        version = client.server_info()["version"]
    clustered = "setName" in hello or hello.get("msg") == "isdbgrid"
    if clustered and hello["maxWireVersion"] >= _WIRE_VERSION_5_0:
        with client.start_session(snapshot=True) as session:
            yield Reading(database, live_state(database, session=session), version, session)
    else:
        yield Reading(database, live_state(database), version)


def came_too_late(error: CommandError) -> bool:
    """Tell whether a collection could not be read because it was made since the reading began.

    Servers before 7.0 say so, also of one that was dropped and made again as it had been.
    """
    cause = error.__cause__
    return isinstance(cause, OperationFailure) and cause.code == _SNAPSHOT_UNAVAILABLE
