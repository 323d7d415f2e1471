"""A staged database resets to its scenario, and tells what has changed since the mark."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import Snapshot, restore
from mongoshot.errors import RestoreError
from mongoshot.server.connection import Database
from mongoshot.server.tracking.fingerprints import take_fingerprint
from mongoshot.server.tracking.window import Moment
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import MemoryState
from mongoshot.snapshot.writer import write_snapshot

MakeDatabase = Callable[[], Database]
Change = Callable[[Database], object]

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

CHANGES: dict[str, Change] = {
    "insert": lambda db: db["odd"].insert_one({"x": 1}),
    "update": lambda db: db["odd"].update_one({"_id": 1}, {"$set": {"x": 1}}),
    "delete": lambda db: db["collated"].delete_many({}),
    "fill the capped one": lambda db: db["capped"].insert_many([{} for _ in range(60)]),
    "measure": lambda db: db["weather"].insert_one({"at": NOW, "sensor": 1}),
    "create": lambda db: db["stray"].insert_one({"x": 1}),
    "drop": lambda db: db.drop_collection("odd"),
    "drop the time series": lambda db: db.drop_collection("weather"),
    "rename": lambda db: db["odd"].rename("even"),
    "rename over another": lambda db: db["case"].rename("Case", dropTarget=True),
    "create an index": lambda db: db["odd"].create_index("new"),
    "drop an index": lambda db: db.command("dropIndexes", "odd", index="search"),
    "reorder the indexes": lambda db: [
        db.command("dropIndexes", "collated", index="own_1"),
        db["collated"].create_index("own"),
    ],
    "change a validator": lambda db: db.command("collMod", "validated", validator={}),
    "change a view": lambda db: db.command(
        "collMod", "z_base", viewOn="collated", pipeline=[{"$match": {"a": 1}}]
    ),
    "drop a view": lambda db: db.drop_collection("z_base"),
    "put a view in place of a collection": lambda db: [
        db.drop_collection("odd"),
        db.create_collection("odd", viewOn="case", pipeline=[]),
    ],
    "drop the database": lambda db: db.client.drop_database(db.name),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_reset_equals_a_fresh_restore(
    change: Change, every_kind: Snapshot, make_database: MakeDatabase
) -> None:
    database = make_database()
    staged = restore(every_kind, database, verifiable=True)
    restored = take_fingerprint(database)

    change(database)
    assert staged.changes()
    report = staged.reset()

    assert report.collections
    assert take_fingerprint(database) == restored
    assert not staged.changes()
    staged.verify()


def test_a_reset_of_nothing_writes_nothing(
    every_kind: Snapshot,
    make_database: MakeDatabase,
    count_writes: Callable[[Database], int],
) -> None:
    database = make_database()
    staged = restore(every_kind, database)
    before = count_writes(database)

    report = staged.reset()

    assert (report.collections, report.documents) == ((), 0)
    assert count_writes(database) == before


def test_changes_tell_what_was_done(every_kind: Snapshot, make_database: MakeDatabase) -> None:
    database = make_database()
    staged = restore(every_kind, database)

    database["validated"].insert_one({"_id": 2, "total": 5})
    database["validated"].update_one({"_id": 1}, {"$set": {"total": 3}})
    database["clustered"].delete_one({"_id": 1})
    database["clustered"].update_one({"_id": 2}, {"$set": {"same": 1}})
    database["clustered"].update_one({"_id": 2}, {"$unset": {"same": 1}})

    changes = staged.changes()
    assert changes.inserted == {"validated": [{"_id": 2, "total": 5}]}
    assert changes.updated == {"validated": [({"_id": 1}, {"_id": 1, "total": 3})]}
    assert changes.deleted == {"clustered": [{"_id": 1}]}
    assert changes.inserted["clustered"] == []
    assert repr(changes) == "<Changes: clustered: 1 deleted; validated: 1 inserted, 1 updated>"
    assert "total  (missing) → 3" in str(changes)


def test_changes_count_from_the_mark(every_kind: Snapshot, make_database: MakeDatabase) -> None:
    database = make_database()
    staged = restore(every_kind, database)
    database["validated"].update_one({"_id": 1}, {"$set": {"total": 3}})
    database["arranged"].insert_one({"_id": 1})

    staged.mark()
    assert not staged.changes()

    database["validated"].update_one({"_id": 1}, {"$set": {"total": 4}})
    assert staged.changes().updated == {
        "validated": [({"_id": 1, "total": 3}, {"_id": 1, "total": 4})]
    }
    staged.reset()
    assert database["validated"].find_one() == {"_id": 1}
    assert "arranged" not in database.list_collection_names()
    assert not staged.changes()


def test_what_was_arranged_is_no_change_of_a_collection_that_is_told_whole(
    every_kind: Snapshot, make_database: MakeDatabase
) -> None:
    database = make_database()
    staged = restore(every_kind, database)
    database["validated"].update_one({"_id": 1}, {"$set": {"total": 3}})
    database["validated"].insert_one({"_id": 2, "total": 1})
    staged.mark()

    database["validated"].create_index("total")
    database["validated"].delete_one({"_id": 2})

    changes = staged.changes()
    assert (changes.inserted, changes.updated) == ({}, {})
    assert changes.deleted == {"validated": [{"_id": 2, "total": 1}]}
    assert repr(changes) == "<Changes: validated: 1 deleted, indexes changed>"


def test_a_swapped_unique_value_is_put_back(
    every_kind: Snapshot, make_database: MakeDatabase
) -> None:
    database = make_database()
    staged = restore(every_kind, database)
    odd = database["odd"]
    odd.update_one({"_id": 1}, {"$set": {"u": "one"}})
    odd.update_one({"_id": 2}, {"$set": {"u": "two"}})

    report = staged.reset()

    assert report.strategy == "oplog"
    assert (report.collections, report.documents, dict(report.reloads)) == (("odd",), 2, {})
    assert odd.count_documents({"u": {"$exists": True}}) == 0


@pytest.mark.long
def test_changes_of_more_documents_than_one_command_can_name(
    make_database: MakeDatabase,
    make_state: Callable[..., MemoryState],
    origin: Origin,
    tmp_path: Path,
) -> None:
    long = "x" * 1000
    state = make_state(orders=[{"_id": f"{long}{number}"} for number in range(20_000)])
    database = make_database()
    staged = restore(write_snapshot(state, tmp_path / "orders", origin=origin), database)

    database["orders"].update_many({}, {"$set": {"seen": True}})

    assert len(staged.changes().updated["orders"]) == 20_000
    staged.mark()
    database["orders"].update_one({"_id": f"{long}7"}, {"$set": {"seen": False}})
    [(before, after)] = staged.changes().updated["orders"]
    assert (before["seen"], after["seen"]) == (True, False)
    assert dict(staged.reset().reloads) == {
        "orders": "more than 10,000 of its documents were touched"
    }
    assert not staged.changes()


def test_verify_names_what_is_wrong(every_kind: Snapshot, make_database: MakeDatabase) -> None:
    database = make_database()
    staged = restore(every_kind, database, verifiable=True)
    staged.verify()
    database["odd"].insert_one({"_id": 99})
    database["stray"].insert_one({"_id": 99})

    with pytest.raises(RestoreError, match=r"in odd, stray: another program writes"):
        staged.verify()


def test_a_provenance_knows_the_time_by_both_clocks(
    every_kind: Snapshot, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = restore(every_kind, make_database())
    asked: list[Moment] = []
    moment = staged._tracker.moment

    def an_hour_ahead() -> Moment:
        real = moment()
        assert real is not None
        asked.append(Moment(real.point, real.clock + datetime.timedelta(hours=1)))
        return asked[-1]

    monkeypatch.setattr(staged._tracker, "moment", an_hour_ahead)
    staged.reset()
    staged.mark()
    changes = staged.changes()
    assert not asked  # it is asked by who compares, and by nobody else
    assert changes.provenance is not None
    here, there = changes.provenance().spans
    assert len(asked) == 1
    for side in (0, 1):
        assert abs(there[side] - here[side] - 3_600_000) < 1000

    monkeypatch.setattr(staged._tracker, "moment", lambda: None)
    assert len(staged.provenance().spans) == 1
