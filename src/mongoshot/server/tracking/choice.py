"""The choice among the ways to track: the best that a deployment and its user allow."""

from __future__ import annotations

import contextlib

from mongoshot.errors import CommandError
from mongoshot.server.connection import Database, as_written, ask_server, describe
from mongoshot.server.requirements import (
    RESET_BY_CHANGE_STREAM,
    RESET_BY_FINGERPRINTS,
    RESET_BY_OPLOG,
)
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.server.tracking.fingerprints import FingerprintTracker
from mongoshot.server.tracking.oplog import OplogTracker
from mongoshot.server.tracking.window import Tracker


def open_tracker(database: Database) -> Tracker:
    """Return the tracker of the best tier that this server and this user allow.

    Raises CommandError, with the right that is missing, where they allow none.
    """
    database = as_written(database)
    server = ask_server(database.client)
    if not RESET_BY_OPLOG.lacking(server):
        with contextlib.suppress(CommandError):  # this user may not read the oplog
            return _tried(OplogTracker(database))
    lacking = RESET_BY_CHANGE_STREAM.lacking(server)
    if lacking is None:
        try:
            return _tried(ChangeStreamTracker(database))
        except CommandError as error:
            lacking = f"give this user the right changeStream, by the role read ({error})"
    if RESET_BY_FINGERPRINTS.lacking(server):
        raise CommandError(
            f"cannot track what is written to {describe(database)}: on a {server.topology} it takes"
            f" a change stream, and {lacking}"
        )
    return FingerprintTracker(database)


def _tried(tracker: Tracker) -> Tracker:
    """Return a tracker that has answered once."""
    tracker.touched_since(tracker.now(), {})
    return tracker
