"""What a database was left with, and what somebody else has written to it since.

The oplog says it, to the write, where it can be read; else the hashes of the collections do. Where
the oplog no longer reaches back, how many documents there were and how large.
"""

from __future__ import annotations

import calendar
import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from bson.timestamp import Timestamp

from mongoshot.errors import CommandError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.connection import Database, as_written, describe, translated
from mongoshot.server.ledger_entry import Lease, Left
from mongoshot.server.tracking.fingerprints import take_fingerprint
from mongoshot.server.tracking.oplog import OplogTracker
from mongoshot.server.tracking.window import LateWrites, Moment
from mongoshot.snapshot.model import BUCKETS_PREFIX

_SETTLING = 10  # seconds that processes may take to end whose lease was given back


def take_left(database: Database, settling: float = 0.0) -> Left:
    """Take down what a database holds, now that nobody uses it any more.

    What comes within `settling` seconds is still of the processes that did, which are ending.
    """
    now = datetime.datetime.now(datetime.UTC)
    documents, size = _weigh(database)
    try:
        tracker = OplogTracker(as_written(database))
        point = tracker.now()
        tracker.writes_since(point, Moment(point, now))  # it can be read
    except CommandError:  # a standalone server, or a user who may not
        return Left(now, hashes=_hash(database), documents=documents, bytes=size)
    settled = Timestamp(point.time + round(settling), point.inc)
    return Left(now, point, settled, documents=documents, bytes=size)


def left_by_killed(lease: Lease) -> Left | None:
    """Say what one that was killed, or cut short, left: what was written while its lease lasted.

    Where the lease was given back, its processes have a moment to end. None where it is not known
    how long it lasted.
    """
    if (over := lease.expires or lease.ended) is None:
        return None
    # The oplog counts whole seconds; what came in the same one may be that run's.
    settling = 1 if lease.expires else _SETTLING
    end = Timestamp(calendar.timegm(over.utctimetuple()) + settling, 0)
    return Left(over, settled=end)


def written_since(database: Database, left: Left) -> str | None:
    """Name what somebody else has written to in a database since it was left; None for nothing.

    Documents that the server removed itself, as they were past their time, do not count. Where that
    cannot be known, as everything that tells is gone, it says nothing.
    """
    database = as_written(database)
    if left.settled is None:
        return _differs(database, left)
    try:
        tracker = OplogTracker(database)
        point = left.point or tracker.newest_until(left.settled)
        late = tracker.writes_since(point, Moment(left.settled, left.at)) if point else None
    except CommandError:
        late = None
    if late is None:
        return _weighs_otherwise(database, left)
    expiring = _expiring(database) if any(each.deletes for each in late) else frozenset()
    return _enumerate(
        {
            each.namespace.partition(".")[2] or "the database itself": each
            for each in late
            if each.deletes < each.writes or each.namespace.partition(".")[2] not in expiring
        }
    )


def enumerate_some(items: Iterable[str], most: int = 8) -> str:
    """Join items for a message, `most` of them, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def _enumerate(late: Mapping[str, LateWrites]) -> str | None:
    parts = [
        f"{name.removeprefix(BUCKETS_PREFIX)} ({each.writes} write{'s' if each.writes > 1 else ''})"
        for name, each in sorted(late.items())
    ]
    return enumerate_some(parts) or None


def _differs(database: Database, left: Left) -> str | None:
    """Compare hashes; where the server removes documents by itself, nothing but more is told."""
    if left.hashes is None:
        return _weighs_otherwise(database, left)
    now = _hash(database)
    if now is None:
        return None
    names = {name for name in {*now, *left.hashes} if now.get(name) != left.hashes.get(name)}
    told = (name.removeprefix(BUCKETS_PREFIX) for name in names - _expiring(database))
    return enumerate_some(sorted(told)) or (_weighs_otherwise(database, left) if names else None)


def _weighs_otherwise(database: Database, left: Left) -> str | None:
    if left.documents is None or left.bytes is None:
        return None
    documents, size = _weigh(database)
    if (documents, size) == (left.documents, left.bytes):
        return None
    is_more = documents > left.documents or size > left.bytes
    if not is_more and _expiring(database):
        return None  # the server makes none
    return f"it ({left.documents} documents of {left.bytes} bytes then, {documents} of {size} now)"


def _hash(database: Database) -> dict[str, str] | None:
    """Hash each collection, by where its data is, and how it is defined; views, by that alone."""
    try:
        there = take_fingerprint(database)
    except CommandError:  # not on a sharded cluster, nor for every user
        return None
    found = {}
    for name, definition in there.definitions.items():
        parts = (definition.type.encode(), definition.options, *definition.indexes)
        defined = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
        place = definition.data_name or name
        found[place] = f"{there.hashes.get(place, '')}:{defined}"
    return found


def _weigh(database: Database) -> tuple[int, int]:
    """Ask how many documents there are, and their bytes, of which the server keeps count.

    https://www.mongodb.com/docs/manual/reference/command/dbStats/
    """
    with translated(f"ask how large {describe(database)} is"):
        stats: dict[str, Any] = database.command("dbStats")
    return int(stats["objects"]), int(stats["dataSize"])


def _expiring(database: Database) -> frozenset[str]:
    """Name the collections, by where their data is, whose documents the server removes itself.

    By an index, and clustered collections and time series by an option.
    https://www.mongodb.com/docs/manual/core/index-ttl/
    """
    return frozenset(
        definition.data_name or name
        for name, definition in list_definitions(database).items()
        if "expireAfterSeconds" in definition.decoded_options()
        or any("expireAfterSeconds" in index for index in definition.decoded_indexes())
    )
