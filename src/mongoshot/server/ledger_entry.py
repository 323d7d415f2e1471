"""The form of an entry of the ledger, which is read with nothing taken for granted.

A baseline of another shape is none, and an entry of another format tells whose the database is and
no more.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bson.objectid import ObjectId
from bson.timestamp import Timestamp

from mongoshot.server.process import Process, this_process

Ownership = Literal["created", "adopted"]

FORMAT = 1
OWNERSHIPS: tuple[Ownership, ...] = get_args(Ownership)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Say what a database was last restored from.

    `digest` identifies the state, `label` names it for a person; `complete` is False while a
    restore is under way, and stays so where it was cut short. `collections` are UUIDs by name, for
    all that have one; what was touched since `point` may be otherwise (None: all of it may be).
    """

    digest: str
    label: str
    complete: bool
    collections: Mapping[str, bytes] = field(default_factory=dict)
    point: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Say who has a database, or had it last where it is not held; its text says so to a person.

    It is over at `expires`, by the server's clock; None where it was given back, at `ended`.
    """

    holder: str
    what: str
    process: Process
    since: datetime.datetime | None
    is_held: bool
    expires: datetime.datetime | None = None
    ended: datetime.datetime | None = None

    @property
    def is_of_this_process(self) -> bool:
        """Tell whether this process took it."""
        return self.process == this_process()

    def __str__(self) -> str:
        """Say who and since when."""
        since = f", since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{self.what} (process {self.process.pid} on {self.process.host}{since})"


@dataclass(frozen=True, slots=True)
class Left:
    """Say what a database held when the last one who had it was done, at `at`.

    What somebody writes to it behind `settled` in the oplog is somebody else's; `point`, an entry
    up to it, shows that the oplog reaches back. Where none can be read, `hashes` are those of the
    collections. `documents` and `bytes` are how many there were, and how large.
    """

    at: datetime.datetime
    point: Timestamp | None = None
    settled: Timestamp | None = None
    hashes: Mapping[str, str] | None = None
    documents: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """Identify the server that an entry was made on.

    A ledger that came to another server with a copy of everything, by a dump or by files, says
    nothing of what is there. `ledger` is its collection's UUID, which a dump does not take along;
    the name and the id of the replica set are None where there is none, or it is not to be asked.
    """

    ledger: bytes
    set_name: str | None = None
    set_id: ObjectId | None = None

    def is_same(self, other: Home) -> bool:
        """Tell whether what was entered here counts on `other`; a server may join a set."""
        known = self.set_id is not None and other.set_id is not None
        return (
            self.ledger == other.ledger
            and self.set_name in (None, other.set_name)
            and (not known or self.set_id == other.set_id)
        )


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Hold what the ledger has of one database.

    `made_by_tests` are UUIDs of the collections that it held when the last run ended in order.
    `in_use` says that a run has used it since and is under way, or was killed; `lease` whose it is,
    or was last. `left` is what an orderly end left, and `captured` when somebody captured from it.
    """

    ownership: Ownership
    baseline: Baseline | None
    made_by_tests: frozenset[bytes] = frozenset()
    in_use: bool = False
    lease: Lease | None = None
    home: Home | None = None
    left: Left | None = None
    captured: datetime.datetime | None = None


def understand(entry: Mapping[str, Any], *, is_held: bool) -> LedgerEntry | None:
    """Read an entry as it was found; None where it does not say whose the database is.

    `is_held` tells, by the server's clock, whether its lease is still running.
    """
    if entry.get("ownership") not in OWNERSHIPS:
        return None
    lease = _lease(entry.get("lease"), is_held=is_held)
    home, captured = _home(entry.get("home")), _date(entry.get("captured_since"))
    if entry.get("format", FORMAT) != FORMAT:
        return LedgerEntry(entry["ownership"], None, lease=lease, home=home, captured=captured)
    listed = entry.get("made_by_tests")
    made = listed if isinstance(listed, list) else []
    return LedgerEntry(
        entry["ownership"],
        _baseline(entry.get("baseline")),
        frozenset(bytes(uuid) for uuid in made if isinstance(uuid, bytes)),
        in_use=isinstance(entry.get("in_use_since"), datetime.datetime),
        lease=lease,
        home=home,
        left=_left(entry.get("left")),
        captured=captured,
    )


def _lease(found: object, *, is_held: bool) -> Lease | None:
    if not isinstance(found, dict):
        return None
    pid, started = found.get("pid"), found.get("started")
    return Lease(
        str(found.get("holder")),
        str(found.get("what")),
        Process(
            str(found.get("machine")),
            str(found.get("host")),
            pid if isinstance(pid, int) else 0,
            started if isinstance(started, (int, float)) else 0,
        ),
        _date(found.get("since")),
        is_held,
        _date(found.get("expires")),
        _date(found.get("ended")),
    )


def _baseline(found: object) -> Baseline | None:
    match found:
        case {
            "digest": str(digest),
            "label": str(label),
            "complete": bool(complete),
            "collections": list(listed),
            "point": Timestamp() | None as point,
        }:
            collections = {}
            for each in listed:
                match each:
                    case {"name": str(name), "uuid": bytes(uuid)}:
                        collections[name] = bytes(uuid)
                    case _:
                        return None
            return Baseline(digest, label, complete, collections, point)
        case _:
            return None


def _home(found: object) -> Home | None:
    match found:
        case {
            "ledger": bytes(ledger),
            "set": str() | None as set_name,
            "set_id": ObjectId() | None as set_id,
        }:
            return Home(bytes(ledger), set_name, set_id)
        case _:
            return None


def _left(found: object) -> Left | None:
    match found:
        case {
            "at": datetime.datetime() as at,
            "point": Timestamp() | None as point,
            "settled": Timestamp() | None as settled,
            "hashes": list() | None as listed,
            "documents": int() | None as documents,
            "bytes": int() | None as size,
        }:
            hashes: dict[str, str] | None = None if listed is None else {}
            for each in listed or ():
                match each:
                    case {"name": str(name), "hash": str(found_hash)} if hashes is not None:
                        hashes[name] = found_hash
                    case _:
                        return None
            return Left(at, point, settled, hashes, documents, size)
        case _:
            return None


def _date(found: object) -> datetime.datetime | None:
    return found if isinstance(found, datetime.datetime) else None
