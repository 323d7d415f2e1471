"""The ledger: what mongoshot remembers of databases, on the server that they are on.

It is the collection `databases` of the database `mongoshot`, one document a database:

    {"_id": "shop_test", "format": 1, "ownership": "created", "since": date,
     "in_use_since": date, "made_by_tests": [UUID, …],
     "baseline": {"digest": "sha256:…", "label": "shop", "complete": true,
                  "point": Timestamp, "collections": [{"name": "orders", "uuid": UUID}, …]}}

`baseline.complete` is false from before the first write of a restore until after its last, so that
a restore that was killed is recognised by whoever comes next. `point` is a time in the oplog: what
was not written to since is as in the snapshot, and `collections` are those that the restore made.
A standalone server has no such time. `in_use_since` is there from before the first test of a run
until after its last, and stays where the run was killed; `made_by_tests` is what was there at the
end of the last run that was not.

Whoever reads it takes nothing for granted: a baseline of another shape is none, and an entry of
another format tells whose the database is and no more.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.timestamp import Timestamp
from pymongo import ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from mongoshot.server.connection import Database, describe, translated

LEDGER_DATABASE = "mongoshot"

Ownership = Literal["created", "adopted"]

_FORMAT = 1
_OWNERSHIPS: tuple[Ownership, ...] = ("created", "adopted")


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
class LedgerEntry:
    """Hold what the ledger has of one database.

    `made_by_tests` are UUIDs of the collections that it held when the last run ended in order.
    `in_use` says that a run has used it since and is under way, or was killed.
    """

    ownership: Ownership
    baseline: Baseline | None
    made_by_tests: frozenset[bytes]
    in_use: bool = False


def read_entry(database: Database) -> LedgerEntry | None:
    """Return what the ledger has of a database, or None where it does not say whose that is."""
    with translated(f"look {describe(database)} up in mongoshot's ledger"):
        entry = _ledger(database).find_one({"_id": database.name})
    if entry is None or entry.get("ownership") not in _OWNERSHIPS:
        return None
    if entry.get("format", _FORMAT) != _FORMAT:
        return LedgerEntry(entry["ownership"], None, frozenset())
    listed = entry.get("made_by_tests")
    made = listed if isinstance(listed, list) else []
    return LedgerEntry(
        entry["ownership"],
        _understood(entry.get("baseline")),
        frozenset(bytes(uuid) for uuid in made if isinstance(uuid, bytes)),
        in_use=isinstance(entry.get("in_use_since"), datetime.datetime),
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

    What the tests of an earlier run made stays known beside it.
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
    _update(database, {"$set": {"format": _FORMAT, "baseline": entry}})


def begin_use(database: Database) -> None:
    """Remember that a run uses the database from now on, whose tests may make and drop anything.

    Durable on return; `advance_baseline` ends it.
    """
    _update(database, {"$set": {"in_use_since": datetime.datetime.now(datetime.UTC)}})


def advance_baseline(database: Database, point: Timestamp | None, made: Iterable[bytes]) -> None:
    """Remember how a run that used the database has left it, which ends here.

    What was not touched since `point` is as in the snapshot; `made` are the UUIDs of all
    collections that are there.
    """
    uuids = [_uuid(uuid) for uuid in sorted(made)]
    _update(
        database,
        {
            "$set": {"baseline.point": point, "made_by_tests": uuids},
            "$unset": {"in_use_since": ""},
        },
        only={"baseline": {"$type": "object"}},
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
    rest = dict.fromkeys(("baseline", "made_by_tests", "in_use_since"), "")
    change = {"$set": {"format": _FORMAT, **entry}, "$unset": rest}
    with contextlib.suppress(DuplicateKeyError):  # there is an entry, of another process maybe
        _update(database, change, only={"ownership": {"$nin": _OWNERSHIPS}}, upsert=True)


def strike(database: Database) -> bool:
    """Strike a database from the ledger; return whether it was in it."""
    with translated(f"strike {describe(database)} from mongoshot's ledger"):
        return _ledger(database).delete_one({"_id": database.name}).deleted_count > 0


def _update(
    database: Database,
    change: Mapping[str, Any],
    *,
    only: Mapping[str, Any] | None = None,
    upsert: bool = False,
) -> None:
    doing = f"enter {describe(database)} in mongoshot's ledger"
    with translated(doing, but_not=DuplicateKeyError):
        _ledger(database).update_one({"_id": database.name, **(only or {})}, change, upsert=upsert)


def _uuid(value: bytes) -> Binary:
    return Binary(value, UUID_SUBTYPE)


def _ledger(database: Database) -> Collection[dict[str, Any]]:
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
