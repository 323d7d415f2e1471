"""A test run's scenarios stay staged side by side, each in a database that tells what it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mongoshot import capture
from mongoshot.config import Settings, resolve
from mongoshot.errors import DatabaseChangedError, DatabaseRefusedError
from mongoshot.server.connection import Client, Database
from mongoshot.staging.stage import Stage, database_name

MakeStage = Callable[..., Stage]


@pytest.fixture
def name(mongo_client: Client) -> Iterator[str]:
    name = f"stage_{os.getpid()}"
    yield name
    for found in mongo_client.list_database_names():
        if found.startswith(name):
            mongo_client.drop_database(found)
    mongo_client["mongoshot"]["databases"].delete_many({"_id": {"$regex": f"^{name}"}})


@pytest.fixture
def snapshots(make_database: Callable[[], Database], tmp_path: Path) -> Path:
    source = make_database()
    for scenario in ("shop", "returns", "fraud"):
        source["orders"].insert_one({"_id": scenario})
        capture(source, tmp_path / scenario)
        source["orders"].delete_many({})
    return tmp_path


@pytest.fixture
def make_stage(mongo_client: Client, name: str, snapshots: Path) -> MakeStage:
    def make(**flags: str) -> Stage:
        settings: Settings = resolve(
            {key.replace("_", "-"): value for key, value in flags.items()},
            root=snapshots,
            environment={"SNAPSHOTS_PATH": str(snapshots)},
        )
        return Stage(mongo_client, name, settings, main=("shop",))

    return make


def held(database: Database) -> list[Any]:
    return [document["_id"] for document in database["orders"].find()]


def test_alternating_scenarios_load_once_each(make_stage: MakeStage, name: str) -> None:
    stage = make_stage()
    for scenario in ("shop", "returns") * 3:
        stage.prepare((scenario,))
        assert held(stage.database) == [scenario]
        stage.database["orders"].insert_one({"_id": "by the test"})
        stage.finish((scenario,))

    assert len(stage.statistics.loads) == 2
    assert len(stage.statistics.resets["oplog"]) == 4
    assert stage.database.name == f"{name}__returns"
    stage.prepare(())
    assert (stage.database.name, held(stage.database)) == (f"{name}__empty", [])


def test_with_one_database_each_change_of_scenario_loads(make_stage: MakeStage, name: str) -> None:
    stage = make_stage(scenario_databases="1")
    for scenario in ("shop", "returns", "returns", "shop"):
        stage.prepare((scenario,))
        assert (stage.database.name, held(stage.database)) == (name, [scenario])

    assert len(stage.statistics.loads) == 3


def test_past_the_limit_the_longest_unused_makes_room(
    make_stage: MakeStage, mongo_client: Client, name: str
) -> None:
    stage = make_stage(scenario_databases="3")
    for scenario in ("returns", "shop", "fraud", "returns"):
        stage.prepare((scenario,))
    stage.prepare(())

    there = {found for found in mongo_client.list_database_names() if found.startswith(name)}
    assert there == {name, f"{name}__returns"}  # the empty one has nothing in it to be listed
    assert any("scenario-databases (3)" in line for line in stage.statistics.lines())
    stage._leases.renew()  # of those that are left
    stage.prepare(("fraud",))
    assert held(stage.database) == ["fraud"]
    stage.prepare(("shop",))
    assert held(stage.database) == ["shop"]


def test_the_next_run_starts_warm(make_stage: MakeStage) -> None:
    stage = make_stage()
    for scenario in ("shop", "returns"):
        stage.prepare((scenario,))
        stage.database["orders"].delete_many({})
    stage.close()

    stage = make_stage()
    for scenario in ("returns", "shop"):
        stage.prepare((scenario,))
        assert held(stage.database) == [scenario]

    assert (len(stage.statistics.loads), len(stage.statistics.warm_starts)) == (0, 2)


@pytest.mark.parametrize("staged", [True, False], ids=["staged", "claimed alone"])
def test_what_somebody_writes_between_two_runs_is_not_overwritten(
    make_stage: MakeStage, mongo_client: Client, name: str, staged: bool
) -> None:
    for _ in range(2):
        stage = make_stage()
        if staged:
            stage.prepare(("shop",))
        stage.database["orders"].insert_one({"of": "a test"})
        stage.finish(("shop",))
        stage.close()
    settle(mongo_client, name)

    mongo_client[name]["orders"].insert_one({"of": "somebody else"})

    with pytest.raises(DatabaseChangedError, match=r"wrote to orders \(1 write\) since mongoshot"):
        make_stage()
    assert mongo_client[name]["orders"].count_documents({"of": "somebody else"}) == 1


def settle(client: Client, name: str) -> None:
    """Let the seconds be over that a run's processes have to end."""
    client["mongoshot"]["databases"].update_one(
        {"_id": name}, [{"$set": {"left.settled": "$left.point"}}]
    )


def test_late_writes_are_put_right_and_attributed(make_stage: MakeStage, name: str) -> None:
    stage = make_stage()
    stage.prepare(("shop",), "test_one")
    late = stage.database["orders"]
    late.insert_one({"_id": "in time"})
    stage.finish(("shop",))
    late.insert_one({"_id": "late"})
    late.database.create_collection("created")

    stage.prepare(("shop",), "test_two")

    assert held(stage.database) == ["shop"]
    assert [line.partition(",")[0] for line in stage.remarks] == [
        f"1 write to {name}.orders",
        f"1 write to {name}.created",
    ]
    assert all(line.endswith("after test_one ended") for line in stage.remarks)
    assert stage.statistics.late == stage.remarks
    stage.finish(("shop",))
    stage.prepare(("shop",), "test_three")
    assert stage.remarks == []


def test_a_write_to_the_database_of_another_scenario_is_found_at_the_end(
    make_stage: MakeStage, name: str
) -> None:
    """By a program that was told the name once, or holds on to a collection."""
    stage = make_stage()
    stage.prepare(("shop",), "test_shop")
    held_on_to = stage.database["orders"]
    stage.finish(("shop",))
    stage.prepare(("returns",), "test_returns")
    held_on_to.insert_one({})
    stage.finish(("returns",))

    stage.close()

    [line] = stage.statistics.late
    assert line.startswith(f"1 write to {name}.orders, ")
    assert line.endswith("after test_shop ended")


def test_a_database_of_somebody_else_is_not_taken(
    make_stage: MakeStage, mongo_client: Client, name: str
) -> None:
    mongo_client[f"{name}__returns"]["precious"].insert_one({})
    stage = make_stage()
    stage.prepare(("shop",))

    stage.prepare(("returns",))

    assert (stage.database.name, held(stage.database)) == (name, ["returns"])
    assert mongo_client[f"{name}__returns"]["precious"].count_documents({}) == 1
    assert any("was not made by mongoshot" in line for line in stage.statistics.lines())
    stage.prepare(("shop",))
    assert held(stage.database) == ["shop"]


def test_the_main_database_of_somebody_else_is_refused(
    make_stage: MakeStage, mongo_client: Client, name: str
) -> None:
    mongo_client[name]["precious"].insert_one({})
    with pytest.raises(DatabaseRefusedError):
        make_stage()


def test_one_object_is_always_the_current_database(make_stage: MakeStage, name: str) -> None:
    stage = make_stage()
    database = stage.database
    stage.prepare(("shop",))
    assert database == database.client[name]
    stage.prepare(("returns",))

    assert database.name == f"{name}__returns"
    assert database["orders"].database.name == database.name
    assert database.orders.full_name == database.get_collection("orders").full_name
    assert database.command("dbStats")["db"] == database.name
    assert database.list_collection_names() == ["orders"]
    assert database.create_collection("new").full_name == f"{name}__returns.new"
    assert database.with_options().name == database.name
    assert list(database.aggregate([{"$documents": [{"x": 1}]}])) == [{"x": 1}]
    with database.watch(max_await_time_ms=1) as stream:
        database["orders"].insert_one({"_id": "seen"})
        change = next(change for change in stream)
        assert change["ns"]["db"] == f"{name}__returns"
    database.drop_collection("new")
    assert "new" not in database.list_collection_names()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("shop",), "test_db__shop"),
        ((), "test_db__empty"),
        (("shop", "extras"), "test_db__shop+extras"),
        (("shop+extras",), r"test_db__shop\+extras-[0-9a-f]{8}"),
        (("empty",), r"test_db__empty-[0-9a-f]{8}"),
        (("Shop",), r"test_db__shop-[0-9a-f]{8}"),
        (("a.b c",), r"test_db__a-b-c-[0-9a-f]{8}"),
        (("x" * 100,), r"test_db__x{45}-[0-9a-f]{8}"),
        (("é",), r"test_db__--[0-9a-f]{8}"),
    ],
)
def test_names_of_databases(names: tuple[str, ...], expected: str) -> None:
    found = database_name("test_db", names)
    assert found == expected or re.fullmatch(expected, found)
    assert len(found) <= 63


def test_scenarios_share_the_main_database_when_it_is_asked_for(
    make_stage: MakeStage, name: str
) -> None:
    stage = make_stage()
    for scenario in ("shop", "returns"):
        stage.prepare((scenario,))
        stage.finish((scenario,))
    assert stage.share() == name
    for scenario in ("returns", "shop", "shop", "fraud"):
        stage.prepare((scenario,))
        assert (stage.database.name, held(stage.database)) == (name, [scenario])
        stage.finish((scenario,))
    assert stage.share() == name
    assert len(stage.statistics.loads) == 2 + 3
    assert any("ask for db_name" in note for note in stage.statistics.notes)


def test_scenarios_share_the_database_of_a_test_that_is_under_way(
    make_stage: MakeStage, name: str
) -> None:
    stage = make_stage()
    stage.prepare(("shop",))
    stage.finish(("shop",))
    staged = stage.prepare(("returns",))
    assert stage.share() == f"{name}__returns" == staged.database.name
    staged.database["orders"].insert_one({"_id": 1})
    assert staged.changes().inserted == {"orders": [{"_id": 1}]}
    stage.finish(("returns",))
    for scenario in ("returns", "shop"):
        stage.prepare((scenario,))
        assert (stage.database.name, held(stage.database)) == (f"{name}__returns", [scenario])
