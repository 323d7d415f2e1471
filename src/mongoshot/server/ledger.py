"""The ledger: what mongoshot remembers of databases, on the server that they are on.

It is the collection `databases` of the database `mongoshot`, one document a database:

    {"_id": "shop_test", "format": 1, "ownership": "created", "since": date,
     "in_use_since": date, "made_by_tests": [UUID, …],
     "lease": {"holder": "5f0c…", "what": "pytest in shop", "host": "laptop", "machine": "laptop …",
               "pid": 4711, "started": 81234, "since": date, "expires": date},
     "baseline": {"digest": "sha256:…", "label": "shop", "complete": true,
                  "point": Timestamp, "collections": [{"name": "orders", "uuid": UUID}, …]}}

`baseline.complete` is false from before the first write of a restore until after its last, so that
a restore that was killed is recognised by whoever comes next. `point` is a time in the oplog: what
was not written to since is as in the snapshot, and `collections` are those that the restore made.
A standalone server has no such time. `in_use_since` is there from before the first test of a run
until after its last, and stays where the run was killed; `made_by_tests` is what was there at the
end of the last run that was not. `lease` says who may write to it (`lease.py`): until `expires`,
by the server's clock; null once it was given back. The rest stays, to tell who wrote last.

Whoever reads it takes nothing for granted: a baseline of another shape is none, and an entry of
another format tells whose the database is and no more.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.timestamp import Timestamp
from pymongo import ReadPreference, WriteConcern
from pymongo.collection import Collection as PymongoCollection
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from mongoshot.errors import DatabaseInUseError
from mongoshot.server.connection import Database, describe, translated
from mongoshot.server.process import Process, this_process

LEDGER_DATABASE = "mongoshot"

Ownership = Literal["created", "adopted"]
Change: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_FORMAT = 1
_OWNERSHIPS: tuple[Ownership, ...] = ("created", "adopted")

_IS_HELD = {
    "$and": [
        {"$eq": [{"$type": "$lease.expires"}, "date"]},
        {"$gt": ["$lease.expires", "$$NOW"]},
    ]
}


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
    """Say who has a database, or had it last where it is not held; its text says so to a person."""

    holder: str
    what: str
    process: Process
    since: datetime.datetime | None
    is_held: bool

    @property
    def is_of_this_process(self) -> bool:
        """Tell whether this process took it."""
        return self.process == this_process()

    def __str__(self) -> str:
        """Say who and since when."""
        since = f", since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{self.what} (process {self.process.pid} on {self.process.host}{since})"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Hold what the ledger has of one database.

    `made_by_tests` are UUIDs of the collections that it held when the last run ended in order.
    `in_use` says that a run has used it since and is under way, or was killed; `lease` whose it is,
    or was last.
    """

    ownership: Ownership
    baseline: Baseline | None
    made_by_tests: frozenset[bytes]
    in_use: bool = False
    lease: Lease | None = None


def read_entry(database: Database) -> LedgerEntry | None:
    """Return what the ledger has of a database, or None where it does not say whose that is."""
    with translated(f"look {describe(database)} up in mongoshot's ledger"):
        found = _ledger(database).find_one(
            {"_id": database.name}, {"entry": "$$ROOT", "is_held": _IS_HELD}
        )
    entry: dict[str, Any] = found["entry"] if found else {}
    if entry.get("ownership") not in _OWNERSHIPS:
        return None
    lease = _lease(entry.get("lease"), is_held=bool(found and found["is_held"]))
    if entry.get("format", _FORMAT) != _FORMAT:
        return LedgerEntry(entry["ownership"], None, frozenset(), lease=lease)
    listed = entry.get("made_by_tests")
    made = listed if isinstance(listed, list) else []
    return LedgerEntry(
        entry["ownership"],
        _understood(entry.get("baseline")),
        frozenset(bytes(uuid) for uuid in made if isinstance(uuid, bytes)),
        in_use=isinstance(entry.get("in_use_since"), datetime.datetime),
        lease=lease,
    )


def _lease(found: object, *, is_held: bool) -> Lease | None:
    if not isinstance(found, dict):
        return None
    since = found.get("since")
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
        since if isinstance(since, datetime.datetime) else None,
        is_held,
    )


def _understood(found: object) -> Baseline | None:
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


def read_baseline(database: Database) -> Baseline | None:
    """Return what the database was last restored from, or None where that is not known."""
    entry = read_entry(database)
    return entry.baseline if entry else None


def write_baseline(database: Database, baseline: Baseline) -> None:
    """Remember what the database is being, or has been, restored from; durable on return.

    What the tests of an earlier run made stays known beside it. Raises DatabaseInUseError where
    another process has had the lease since this one.
    """
    entry = {
        "digest": baseline.digest,
        "label": baseline.label,
        "complete": baseline.complete,
        "point": baseline.point,
        "collections": [
            {"name": name, "uuid": _uuid(uuid)}
            for name, uuid in sorted(baseline.collections.items())
        ],
    }
    if not _update(
        database, {"$set": {"format": _FORMAT, "baseline": entry}}, only=_last_had_here()
    ):
        found = read_entry(database)
        if found and found.lease and not found.lease.is_of_this_process:
            raise DatabaseInUseError(
                f"{describe(database)} may not be as it should, and the ledger does not say that it"
                f" is: {found.lease} has had it meanwhile; start again when that has ended"
            )


def _last_had_here() -> dict[str, Any]:
    """Select an entry whose lease no other process had after this one."""
    mine = {f"lease.{name}": value for name, value in _signature().items()}
    return {"$or": [{"lease": {"$exists": False}}, mine]}


def take_lease(
    database: Database,
    holder: str,
    what: str,
    seconds: float,
    *,
    gone: Iterable[str] = (),
    for_a_run: bool = False,
) -> bool:
    """Enter `holder` as the one who has a database; return False where another one has it.

    Those that are `gone` have it no more. `for_a_run` enters what `begin_use` does, too.
    """
    lease = {"holder": holder, "what": what, **_signature()}
    taken: dict[str, Any] = {name: {"$literal": value} for name, value in lease.items()}
    taken |= {"since": "$$NOW", "expires": _in(seconds)}
    # Wrapped, as what stood there would be merged with it otherwise.
    change: dict[str, Any] = {"lease": {"$mergeObjects": [taken]}}
    if for_a_run:
        change["in_use_since"] = "$$NOW"
    free = {"$or": [{"$expr": {"$not": [_IS_HELD]}}, {"lease.holder": {"$in": [holder, *gone]}}]}
    return _update(database, [{"$set": change}], only=free) > 0


def renew_leases(databases: Collection[Database], holder: str, seconds: float) -> int:
    """Let leases of one holder run `seconds` from now on; return how many are still its own."""
    return _update_leases(databases, holder, [{"$set": {"lease.expires": _in(seconds)}}])


def end_leases(databases: Collection[Database], holder: str) -> None:
    """Give leases of one holder back, those that are still its own."""
    _update_leases(databases, holder, {"$set": {"lease.expires": None}})


def _update_leases(databases: Collection[Database], holder: str, change: Change) -> int:
    names = [database.name for database in databases]
    one = next(iter(databases))
    which = {"_id": {"$in": names}, "lease.holder": holder}
    with translated(f"renew what mongoshot's ledger says of {describe(one)}"):
        return _ledger(one).update_many(which, change).matched_count


def _in(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def _signature() -> dict[str, Any]:
    process = this_process()
    return {
        "host": process.host,
        "machine": process.machine,
        "pid": process.pid,
        "started": process.started,
    }


def begin_use(database: Database) -> None:
    """Remember that a run uses the database from now on, whose tests may make and drop anything.

    Durable on return; `advance_baseline` ends it. `take_lease` does it, too.
    """
    _update(database, {"$set": {"in_use_since": datetime.datetime.now(datetime.UTC)}})


def advance_baseline(database: Database, point: Timestamp | None, made: Iterable[bytes]) -> None:
    """Remember how a run that used the database has left it, which ends here.

    What was not touched since `point` is as in the snapshot; `made` are the UUIDs of all
    collections that are there. Where another process has had it since, nothing is entered.
    """
    uuids = [_uuid(uuid) for uuid in sorted(made)]
    _update(
        database,
        {
            "$set": {"baseline.point": point, "made_by_tests": uuids},
            "$unset": {"in_use_since": ""},
        },
        only={"baseline": {"$type": "object"}, **_last_had_here()},
    )


def record_ownership(database: Database, ownership: Ownership, *, only_if_new: bool) -> None:
    """Enter a database, or how it became mongoshot's where that is another way than it was.

    `only_if_new` leaves an entry that says whose the database is as it is.
    """
    entry = {"ownership": ownership, "since": datetime.datetime.now(datetime.UTC)}
    if not only_if_new:
        new = {"$setOnInsert": {"format": _FORMAT}}
        _update(database, {"$set": entry, **new}, upsert=True)
        return
    # What stands beside an ownership that says nothing is not to be believed either.
    rest = dict.fromkeys(("baseline", "made_by_tests", "in_use_since", "lease"), "")
    change = {"$set": {"format": _FORMAT, **entry}, "$unset": rest}
    with contextlib.suppress(DuplicateKeyError):  # there is an entry, of another process maybe
        _update(database, change, only={"ownership": {"$nin": _OWNERSHIPS}}, upsert=True)


def strike(database: Database) -> bool:
    """Strike a database from the ledger; return whether it was in it."""
    with translated(f"strike {describe(database)} from mongoshot's ledger"):
        return _ledger(database).delete_one({"_id": database.name}).deleted_count > 0


def _update(
    database: Database,
    change: Change,
    *,
    only: Mapping[str, Any] | None = None,
    upsert: bool = False,
) -> int:
    """Update an entry, where it is one of `only`; return how many were there to be updated."""
    which = {"_id": database.name, **(only or {})}
    doing = f"enter {describe(database)} in mongoshot's ledger"
    with translated(doing, but_not=DuplicateKeyError):
        return _ledger(database).update_one(which, change, upsert=upsert).matched_count


def _uuid(value: bytes) -> Binary:
    return Binary(value, UUID_SUBTYPE)


def _ledger(database: Database) -> PymongoCollection[dict[str, Any]]:
    # The mark must be on disk before the first write that it speaks of.
    durable = WriteConcern(w="majority", j=True, wtimeout=10_000)
    # And it is read where it was written, whatever the client's URL says, and as it was written.
    return database.client[LEDGER_DATABASE].get_collection(
        "databases",
        codec_options=DEFAULT_CODEC_OPTIONS,
        read_preference=ReadPreference.PRIMARY,
        write_concern=durable,
        read_concern=ReadConcern("local"),
    )
