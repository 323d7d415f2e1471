"""The ledger: what mongoshot remembers of databases, on the server that they are on.

It is the collection `databases` of the database `mongoshot`, one document a database:

    {"_id": "shop_test", "ownership": "created", "since": date,
     "baseline": {"digest": "sha256:…", "label": "shop", "complete": true,
                  "point": Timestamp, "collections": [{"name": "orders", "uuid": UUID}, …],
                  "made_by_tests": [UUID, …]}}

`baseline.complete` is false from before the first write of a restore until after its last, so that
a restore that was killed is recognised by whoever comes next. `point` is a time in the oplog: what
was not written to since is as in the snapshot, and `collections` are those that the restore made.
A standalone server has no such time.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bson.binary import UUID_SUBTYPE, Binary
from bson.timestamp import Timestamp
from pymongo import WriteConcern
from pymongo.collection import Collection

from mongoshot.server.connection import Database, describe, translated

LEDGER_DATABASE = "mongoshot"

Ownership = Literal["created", "adopted"]


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
    """Hold what the ledger has of one database; `made_by_tests` are UUIDs of collections."""

    ownership: Ownership
    baseline: Baseline | None
    made_by_tests: frozenset[bytes]


def read_entry(database: Database) -> LedgerEntry | None:
    """Return what the ledger has of a database, or None."""
    with translated(f"look {describe(database)} up in mongoshot's ledger"):
        entry = _ledger(database).find_one({"_id": database.name})
    if entry is None:
        return None
    if (found := entry.get("baseline")) is None:
        return LedgerEntry(entry["ownership"], None, frozenset())
    baseline = Baseline(
        found["digest"],
        found["label"],
        found["complete"],
        {each["name"]: bytes(each["uuid"]) for each in found["collections"]},
        found["point"],
    )
    made = frozenset(bytes(uuid) for uuid in found["made_by_tests"])
    return LedgerEntry(entry["ownership"], baseline, made)


def read_baseline(database: Database) -> Baseline | None:
    """Return what the database was last restored from, or None where that is not known."""
    entry = read_entry(database)
    return entry.baseline if entry else None


def write_baseline(database: Database, baseline: Baseline) -> None:
    """Remember what the database is being, or has been, restored from; durable on return."""
    entry = {
        "digest": baseline.digest,
        "label": baseline.label,
        "complete": baseline.complete,
        "point": baseline.point,
        "collections": [
            {"name": name, "uuid": _uuid(uuid)}
            for name, uuid in sorted(baseline.collections.items())
        ],
        "made_by_tests": [],
    }
    _update(database, {"$set": {"baseline": entry}})


def advance_baseline(database: Database, point: Timestamp | None, made: Iterable[bytes]) -> None:
    """Remember that nothing touched before `point` is otherwise, and collections of the tests'."""
    uuids = [_uuid(uuid) for uuid in sorted(made)]
    _update(
        database,
        {
            "$set": {"baseline.point": point},
            "$addToSet": {"baseline.made_by_tests": {"$each": uuids}},
        },
        only={"baseline": {"$exists": True}},
    )


def record_ownership(database: Database, ownership: Ownership, *, only_if_new: bool) -> None:
    """Enter a database, or how it became mongoshot's where that is another way than it was."""
    entry = {"ownership": ownership, "since": datetime.datetime.now(datetime.UTC)}
    _update(database, {"$setOnInsert" if only_if_new else "$set": entry}, upsert=True)


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
    with translated(f"enter {describe(database)} in mongoshot's ledger"):
        _ledger(database).update_one({"_id": database.name, **(only or {})}, change, upsert=upsert)


def _uuid(value: bytes) -> Binary:
    return Binary(value, UUID_SUBTYPE)


def _ledger(database: Database) -> Collection[dict[str, Any]]:
    # The mark must be on disk before the first write that it speaks of.
    durable = WriteConcern(w="majority", j=True, wtimeout=10_000)
    return database.client[LEDGER_DATABASE].get_collection("databases", write_concern=durable)
