"""A database that was staged before is staged again by what was touched since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bson.timestamp import Timestamp

from mongoshot import Snapshot, Staged, capture, restore
from mongoshot.server.connection import Client, Database, connect
from mongoshot.server.ledger import read_baseline
from mongoshot.server.tracking.fingerprints import Fingerprint, take_fingerprint
from mongoshot.staging.staged import resume

MakeDatabase = Callable[[], Database]


@pytest.fixture
def staged(every_kind: Snapshot, make_database: MakeDatabase) -> Staged:
    return restore(every_kind, make_database())


@pytest.fixture
def restored(staged: Staged) -> Fingerprint:
    return take_fingerprint(staged.database)


def test_it_is_reset_and_not_loaded(
    staged: Staged, restored: Fingerprint, count_writes: Callable[[Database], int]
) -> None:
    database = staged.database
    database["odd"].update_one({"_id": 1}, {"$set": {"x": 1}})
    staged.reset()
    staged.remember()
    database["odd"].delete_one({"_id": 1})
    before = count_writes(database)

    resumed = resume(staged.scenario, database)

    assert resumed is not None
    again, report = resumed
    assert (report.documents, report.collections, dict(report.reloads)) == (5, ("odd",), {})
    assert count_writes(database) - before < 12  # of five documents, not of fifteen collections
    assert take_fingerprint(database) == restored
    assert not again.changes()


def test_what_a_killed_run_left_is_put_right(staged: Staged, restored: Fingerprint) -> None:
    database = staged.database
    for _ in range(3):  # and no `remember`
        database["odd"].update_many({}, {"$set": {"x": 1}})
        database["stray"].insert_one({})
        database.drop_collection("case")
        staged.reset()
    database.drop_collection("weather")
    database["collated"].create_index("new")

    resumed = resume(staged.scenario, database)

    assert resumed is not None
    assert take_fingerprint(database) == restored


def test_another_scenario_is_not_resumed(
    staged: Staged, make_database: MakeDatabase, tmp_path: Path
) -> None:
    source = make_database()
    source["orders"].insert_one({"_id": 1})

    assert resume(capture(source, tmp_path / "another"), staged.database) is None


def test_a_restore_that_was_cut_short_is_not_resumed(staged: Staged, mongo_client: Client) -> None:
    ledger = mongo_client["mongoshot"]["databases"]
    where = {"_id": staged.database.name}
    ledger.update_one(where, {"$set": {"baseline.complete": False}})
    assert resume(staged.scenario, staged.database) is None

    ledger.delete_one(where)
    assert resume(staged.scenario, staged.database) is None


def test_an_oplog_that_has_forgotten_loads_all(
    staged: Staged, restored: Fingerprint, mongo_client: Client
) -> None:
    mongo_client["mongoshot"]["databases"].update_one(
        {"_id": staged.database.name}, {"$set": {"baseline.point": Timestamp(1, 1)}}
    )
    staged.database["odd"].delete_many({})

    resumed = resume(staged.scenario, staged.database)

    assert resumed is not None
    reasons = set(resumed[1].reloads.values())
    assert reasons == {"the oplog no longer reaches back to the last reset"}
    assert take_fingerprint(staged.database) == restored


def test_a_snapshot_that_was_damaged_since_is_not_believed(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source = make_database()
    source["orders"].insert_many([{"_id": n} for n in range(5)])
    snapshot = capture(source, tmp_path / "large", format="bson")
    staged = restore(snapshot, make_database())
    file = tmp_path / "large" / "orders.bson"
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)

    with pytest.raises(Exception, match=r"orders\.bson was changed"):
        resume(Snapshot.load(tmp_path / "large"), staged.database)


def test_the_ledger_knows_what_a_reload_made_anew(staged: Staged) -> None:
    database = staged.database
    database.drop_collection("odd")
    staged.reset()

    baseline = read_baseline(database)
    assert baseline is not None
    assert baseline.complete
    uuids = {
        entry["name"]: bytes(entry["info"]["uuid"])
        for entry in database.list_collections()
        if "uuid" in entry["info"]
    }
    assert baseline.collections["odd"] == uuids["odd"]


def test_what_this_very_client_has_written_counts(
    staged: Staged, restored: Fingerprint, mongo_client: Client
) -> None:
    """Its sessions come from a pool: that of the tracker may have been a test's before."""
    staged.remember()
    host, port = next(iter(mongo_client.nodes))
    with connect(f"mongodb://{host}:{port}") as own:
        database = own[staged.database.name]
        database["odd"].update_one({"_id": 1}, {"$set": {"x": 1}})
        database["stray"].insert_one({"x": 1})

        assert resume(staged.scenario, database) is not None

    assert take_fingerprint(staged.database) == restored


@pytest.mark.parametrize(
    "options",
    ["readConcernLevel=majority", "readPreference=secondaryPreferred", "retryWrites=false", "w=0"],
)
def test_whatever_the_url_says_resets_are_exact(
    options: str, every_kind: Snapshot, make_database: MakeDatabase, mongo_client: Client
) -> None:
    name = make_database().name
    host, port = next(iter(mongo_client.nodes))
    with connect(f"mongodb://{host}:{port}/?{options}") as own:
        staged = restore(every_kind, own[name])
        restored = take_fingerprint(mongo_client[name])
        for n in range(30):
            mongo_client[name]["odd"].update_one({"_id": 1}, {"$set": {"n": n}})
            staged.reset()
            assert not staged.changes()
            assert take_fingerprint(mongo_client[name]) == restored


def test_writes_during_a_restore_are_put_right(
    every_kind: Snapshot, make_database: MakeDatabase
) -> None:
    database = make_database()
    clean = restore(every_kind, make_database())

    def write(collection: str, documents: int) -> None:
        database["odd"].update_many({}, {"$set": {"late": True}})
        database["stray"].insert_one({})

    staged = restore(every_kind, database, progress=write)

    assert take_fingerprint(database) == take_fingerprint(clean.database)
    database["stray"].insert_one({})
    staged.reset()
    assert take_fingerprint(database) == take_fingerprint(clean.database)
