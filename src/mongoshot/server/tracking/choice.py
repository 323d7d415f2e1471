"""The choice among the ways to track: the best that a deployment and its user allow."""

from __future__ import annotations

import contextlib

from mongoshot.errors import CommandError
from mongoshot.server.connection import Database, as_written, describe, translated
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.server.tracking.fingerprints import FingerprintTracker
from mongoshot.server.tracking.oplog import OplogTracker
from mongoshot.server.tracking.window import Tracker


def open_tracker(database: Database) -> Tracker:
    """Return the tracker of the best tier that this server and this user allow.

    Raises CommandError, with the right that is missing, where they allow none.
    """
    database = as_written(database)
    with translated("ask the server who it is"):
        hello = database.client.admin.command("hello")
    sharded = hello.get("msg") == "isdbgrid"
    if "setName" in hello:
        with contextlib.suppress(CommandError):  # this user may not read the oplog
            return _tried(OplogTracker(database))
    if "setName" in hello or sharded:
        try:
            return _tried(ChangeStreamTracker(database))
        except CommandError as error:
            if sharded:  # where fingerprints are not to be had either
                raise CommandError(
                    f"cannot track what is written to {describe(database)}: on a sharded cluster it"
                    " takes a change stream of MongoDB 6.0 or newer; give this user the right"
                    f" changeStream, by the role read on {database.name} ({error})"
                ) from error
    return FingerprintTracker(database)


def _tried(tracker: Tracker) -> Tracker:
    """Return a tracker that has answered once."""
    tracker.touched_since(tracker.now(), {})
    return tracker
