"""The ledger: what mongoshot remembers of databases, on the server that they are on.

It is the collection `databases` of the database `mongoshot`, one document a database:

    {"_id": "shop_test", "format": 1, "ownership": "created", "since": date,
     "in_use_since": date, "made_by_tests": [UUID, …],
     "home": {"ledger": UUID, "set": "rs0", "set_id": ObjectId},
     "left": {"at": date, "point": Timestamp, "settled": Timestamp, "hashes": [{"name", "hash"}, …],
              "documents": 300, "bytes": 81234},
     "captured_since": date,
     "lease": {"holder": "5f0c…", "what": "pytest in shop", "host": "laptop", "machine": "laptop …",
               "pid": 4711, "started": 81234, "since": date, "expires": date, "ended": date},
     "baseline": {"digest": "sha256:…", "label": "shop", "complete": true,
                  "point": Timestamp, "collections": [{"name": "orders", "uuid": UUID}, …]}}

`baseline.complete` is false from before the first write of a restore until after its last, so that
a restore that was killed is recognised by whoever comes next. `point` is a time in the oplog: what
was not written to since is as in the snapshot, and `collections` are those that the restore made.
A standalone server has no such time. `in_use_since` is there from before the first test of a run
until after its last, and stays where the run was killed; `made_by_tests` is what was there at the
end of the last run that was not. `lease` says who may write to it (`lease.py`): until `expires`,
by the server's clock; null once it was given back, at `ended`. The rest stays, to tell who wrote
last, and until when.

`home` is the server that the entry was made on, and on which alone it counts; `left` what an
orderly end has left, so that what somebody else writes afterwards is known. `captured_since` is
there where somebody captured from the database, which is then of use to somebody, until it is
adopted: from then on, `adopted_as_source` is true.

How an entry is read, `ledger_entry` says.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.timestamp import Timestamp
from pymongo import ReadPreference, WriteConcern
from pymongo import errors as driver
from pymongo.collection import Collection as PymongoCollection
from pymongo.read_concern import ReadConcern

from mongoshot.errors import DatabaseInUseError, ServerError
from mongoshot.server.connection import Client, Database, describe, translated
from mongoshot.server.identity import Deployment, ask_deployment
from mongoshot.server.ledger_entry import (
    FORMAT,
    OWNERSHIPS,
    Baseline,
    Home,
    LedgerEntry,
    Left,
    Ownership,
    understand,
)
from mongoshot.server.process import this_process

LEDGER_DATABASE = "mongoshot"

_COLLECTION = "databases"
_NAMESPACE_EXISTS = 48

Change: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_IS_HELD = {
    "$and": [
        {"$eq": [{"$type": "$lease.expires"}, "date"]},
        {"$gt": ["$lease.expires", "$$NOW"]},
    ]
}


def read_entry(database: Database) -> LedgerEntry | None:
    """Return what the ledger has of a database, or None where it does not say whose that is."""
    with translated(f"look {describe(database)} up in mongoshot's ledger"):
        found = _ledger(database).find_one(
            {"_id": database.name}, {"entry": "$$ROOT", "is_held": _IS_HELD}
        )
    return understand(found["entry"], is_held=found["is_held"]) if found else None


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
    change = {"$set": {"format": FORMAT, "baseline": entry}, "$unset": {"left": ""}}
    if not _update(database, change, only=_last_had_here()):
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
    stages: list[dict[str, Any]] = [{"$set": change}]
    if for_a_run:
        change["in_use_since"] = "$$NOW"
        stages.append({"$unset": "left"})
    free = {"$or": [{"$expr": {"$not": [_IS_HELD]}}, {"lease.holder": {"$in": [holder, *gone]}}]}
    return _update(database, stages, only=free) > 0


def renew_leases(databases: Collection[Database], holder: str, seconds: float) -> int:
    """Let leases of one holder run `seconds` from now on; return how many are still its own."""
    return _update_leases(databases, holder, [{"$set": {"lease.expires": _in(seconds)}}])


def end_leases(databases: Collection[Database], holder: str) -> None:
    """Give leases of one holder back, those that are still its own."""
    given_back = {"lease.expires": None, "lease.ended": "$$NOW"}
    _update_leases(databases, holder, [{"$set": given_back}])


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


def advance_baseline(
    database: Database,
    point: Timestamp | None,
    made: Collection[bytes],
    left: Left | None = None,
) -> None:
    """Remember how a run that staged the database has left it, which ends here.

    What was not touched since `point` is as in the snapshot; for the rest, see `end_use`.
    """
    known = {"baseline": {"$type": "object"}}
    if not _end_use(database, {"baseline.point": point}, made, left, known):
        _end_use(database, {}, made, left, {})  # a test dropped the ledger meanwhile


def end_use(database: Database, made: Iterable[bytes], left: Left) -> None:
    """Remember how a run has left a database, which ends here.

    `made` are the UUIDs of all collections that are there. Where another process has had it since,
    nothing is entered.
    """
    _end_use(database, {}, made, left, {})


def _end_use(
    database: Database,
    fields: dict[str, Any],
    made: Iterable[bytes],
    left: Left | None,
    only: Mapping[str, Any],
) -> int:
    fields["made_by_tests"] = [_uuid(uuid) for uuid in sorted(made)]
    gone = {"in_use_since": ""}
    if left is None:
        gone["left"] = ""
    else:
        fields["left"] = _written(left)
    return _update(database, {"$set": fields, "$unset": gone}, only={**only, **_last_had_here()})


def _written(left: Left) -> dict[str, Any]:
    hashes = left.hashes
    return {
        "at": left.at,
        "point": left.point,
        "settled": left.settled,
        "hashes": hashes and [{"name": name, "hash": hashes[name]} for name in sorted(hashes)],
        "documents": left.documents,
        "bytes": left.bytes,
    }


def find_home(client: Client, deployment: Deployment) -> Home | None:
    """Identify the server as entries made on it do; None where it has no ledger."""
    ledger = find_ledger(client)
    return Home(ledger, deployment.set_name, deployment.set_id) if ledger is not None else None


def find_ledger(client: Client) -> bytes | None:
    """Return the UUID of the ledger, another one where it was dropped and made anew."""
    with translated("look for mongoshot's ledger"):
        listed = client[LEDGER_DATABASE].list_collections(filter={"name": _COLLECTION})
        return next((bytes(entry["info"]["uuid"]) for entry in listed), None)


def record_ownership(database: Database, ownership: Ownership, *, only_if_new: bool) -> None:
    """Enter a database, or how it became mongoshot's where that is another way than it was.

    `only_if_new` leaves an entry of this server that says whose the database is as it is.
    """
    home = _make_home(database)
    entry: dict[str, Any] = {
        "ownership": ownership,
        "since": datetime.datetime.now(datetime.UTC),
        "home": {"ledger": _uuid(home.ledger), "set": home.set_name, "set_id": home.set_id},
    }
    # What stands beside an ownership that says nothing here is not to be believed either.
    rest = dict.fromkeys(
        (
            *("baseline", "made_by_tests", "in_use_since", "lease", "left", "captured_since"),
            "adopted_as_source",
        ),
        "",
    )
    anew = {"$set": {"format": FORMAT, **entry}, "$unset": rest}
    found = read_entry(database)
    if found is None or found.home is None or not found.home.is_same(home):
        said = {"ownership": {"$in": OWNERSHIPS}, "home": entry["home"]}
        with contextlib.suppress(driver.DuplicateKeyError):  # another process was faster
            _update(database, anew, only={"$nor": [said]}, upsert=True)
    if not only_if_new:
        if found is not None and found.captured is not None:
            entry["adopted_as_source"] = True
        _update(database, {"$set": entry, "$unset": {"left": "", "captured_since": ""}})


def _make_home(database: Database) -> Home:
    """Identify the server, which has a ledger from now on."""
    deployment = ask_deployment(database.client)
    if (home := find_home(database.client, deployment)) is not None:
        return home
    try:
        with translated("make mongoshot's ledger", but_not=driver.OperationFailure):
            database.client[LEDGER_DATABASE].command("create", _COLLECTION)
    except driver.OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:  # made by another process meanwhile
            with translated("make mongoshot's ledger"):
                raise
    made = find_home(database.client, deployment)
    assert made is not None  # noqa: S101 - it was there a moment ago
    return made


def note_capture(database: Database) -> bool:
    """Remember that somebody captured from a database that is mongoshot's, and that no run has.

    What a run, or a program, has in a database that it restored is its own; and one that was
    adopted after a capture may be captured from again. Nothing is written for any other database.
    Tells whether it was entered; False, too, where this user may not.
    """
    free = {
        "$expr": {"$not": [_IS_HELD]},
        "in_use_since": {"$exists": False},
        "$or": [{"ownership": "adopted"}, {"left": {"$exists": True}}],
        "adopted_as_source": {"$ne": True},
    }
    now = datetime.datetime.now(datetime.UTC)
    try:
        if read_entry(database) is None:
            return False
        return _update(database, {"$set": {"captured_since": now}}, only=free) > 0
    except ServerError:
        return False


def forgive(database: Database) -> None:
    """Forget what others did to a database of mongoshot's: it may be overwritten, this once.

    So it is where a run was killed, too, whose lease says until when all that came was its own.
    """
    _update(database, {"$unset": {"left": "", "captured_since": ""}})
    over = {"lease": {"$type": "object"}, "$expr": {"$not": [_IS_HELD]}}
    change = {"$set": {"lease.expires": None}, "$unset": {"lease.ended": ""}}
    _update(database, change, only=over)


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
    with translated(doing, but_not=driver.DuplicateKeyError):
        return _ledger(database).update_one(which, change, upsert=upsert).matched_count


def _uuid(value: bytes) -> Binary:
    return Binary(value, UUID_SUBTYPE)


def _ledger(database: Database) -> PymongoCollection[dict[str, Any]]:
    # The mark must be on disk before the first write that it speaks of.
    durable = WriteConcern(w="majority", j=True, wtimeout=10_000)
    # And it is read where it was written, whatever the client's URL says, and as it was written.
    return database.client[LEDGER_DATABASE].get_collection(
        _COLLECTION,
        codec_options=DEFAULT_CODEC_OPTIONS,
        read_preference=ReadPreference.PRIMARY,
        write_concern=durable,
        read_concern=ReadConcern("local"),
    )
