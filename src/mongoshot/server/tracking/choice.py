"""The choice among the ways to track: the best that a deployment and its user allow."""

from __future__ import annotations

import contextlib

from mongoshot.errors import CommandError
from mongoshot.server.connection import Database, translated
from mongoshot.server.tracking.fingerprints import FingerprintTracker
from mongoshot.server.tracking.oplog import OplogTracker
from mongoshot.server.tracking.window import Tracker


def open_tracker(database: Database) -> Tracker:
    """Return the tracker of the best tier that this server and this user allow."""
    with translated("ask the server who it is"):
        hello = database.client.admin.command("hello")
    if "setName" in hello:
        with contextlib.suppress(CommandError):  # this user may not read the oplog
            tracker = OplogTracker(database)
            tracker.touched_since(tracker.now(), {})
            return tracker
    return FingerprintTracker(database)
