"""Tests that begin at a step of a recording, and those that a recording has become."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mongoshot import Snapshot
from mongoshot.config import Project
from mongoshot.recording.capture import Conduct
from mongoshot.recording.program.record import record_program
from mongoshot.recording.request import Request
from mongoshot.server.connection import Client

from .conftest import Run


@pytest.fixture
def imported(pytester: pytest.Pytester, mongo_client: Client, inner_database: str) -> Snapshot:
    """Put a recording `import` of three steps into the user's project."""
    source = mongo_client[f"{inner_database}_recorded"]
    source["orders"].insert_one({"_id": 0, "status": "open"})

    def program(_: object) -> None:
        source["orders"].insert_one({"_id": 1, "status": "open"})
        source["orders"].update_many({}, {"$set": {"status": "paid"}})
        source["orders"].delete_one({"_id": 0})

    conduct = Conduct(project=Project(Path(pytester.path)))
    path = pytester.path / "snapshots" / "import"
    return record_program(source, path, Request(), conduct, program, replace_it=False).snapshot


@pytest.mark.usefixtures("imported")
def test_a_test_begins_at_a_step(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        def statuses(db):
            return {order["_id"]: order["status"] for order in db.orders.find()}

        STEPS = [
            (0, {0: "open"}),
            (1, {0: "open", 1: "open"}),
            (2, {0: "paid", 1: "paid"}),
            (3, {1: "paid"}),
        ]

        @pytest.mark.parametrize(
            "expected",
            [pytest.param(e, marks=pytest.mark.scenario("import", at=at)) for at, e in STEPS],
        )
        @pytest.mark.parametrize("again", [1, 2])
        def test_at(db, expected, again):
            assert statuses(db) == expected
            db.orders.delete_many({})
            db.orders.insert_one({"_id": again})

        @pytest.mark.scenario("import", at=-1)
        def test_last(db, db_changes):
            assert statuses(db) == {1: "paid"}
            assert not db_changes
            db.orders.update_one({"_id": 1}, {"$set": {"status": "sent"}})
            assert db_changes.updated["orders"] == [
                ({"_id": 1, "status": "paid"}, {"_id": 1, "status": "sent"})
            ]

        @pytest.mark.scenario("import@1")
        def test_by_name(db):
            assert statuses(db) == {0: "open", 1: "open"}
        """
    )
    run().assert_outcomes(passed=10)
    run("--mongoshot-verify", "--scenario-databases", "1").assert_outcomes(passed=10)
    run("-n", "2").assert_outcomes(passed=10)


@pytest.mark.usefixtures("imported", "shop")
@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('"import", at=4', "no step 4: it has steps 0 to 3"),
        ('"shop", at=1', "shop has no steps: it was captured"),
        ('"import", at="1"', 'at is a step of one recording, a whole number: *("import", at=3)*'),
        ('"import", at=True', "at is a step of one recording*"),
        ('"import", "shop", at=1', 'at is a step of one recording*("import@3", "extras")*'),
        ("at=1", "the marker scenario takes one or more names*"),
    ],
)
def test_bad_steps_fail_their_test_alone(
    pytester: pytest.Pytester, run: Run, marker: str, said: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.scenario({marker})
        def test_bad(db):
            raise AssertionError("it ran")

        @pytest.mark.scenario("import", at=1)
        def test_good(db):
            assert db.orders.count_documents({{}}) == 2
        """
    )
    result = run()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([f"*{said}*".replace("[", "[[]")])


def test_a_scenario_that_is_called_like_a_step_is_found(
    pytester: pytest.Pytester, run: Run, imported: Snapshot
) -> None:
    imported.path.rename(imported.path.with_name("old@2"))
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scenario("old@2")
        def test_old(db):
            assert db.orders.count_documents({}) == 1
        """
    )
    run().assert_outcomes(passed=1)


def test_a_recorded_program_is_played_again(
    pytester: pytest.Pytester, run: Run, mongo_client: Client, inner_database: str, server_url: str
) -> None:
    source = mongo_client[f"{inner_database}_source"]
    source["orders"].insert_many([{"_id": n, "status": "open"} for n in range(3)])
    pytester.makepyfile(
        pay="""
        import datetime, os, pymongo
        db = pymongo.MongoClient(os.environ["DB_URL"])[os.environ["DB_NAME"]]
        order = db.orders.insert_one({"at": datetime.datetime.now(datetime.timezone.utc)})
        db.orders.update_one({"_id": 1}, {"$set": {"status": "paid"}})
        db.log.insert_one({"order": order.inserted_id})
        """
    )
    where = ("--db-url", server_url, "--db-name", source.name)
    recorded = pytester.run(
        sys.executable, "-m", "mongoshot", "record", "pay", *where, "--", sys.executable, "pay.py"
    )
    assert recorded.ret == 0
    printed = "\n".join(recorded.outlines)
    tests = pytester.mkdir("tests") if not (pytester.path / "tests").exists() else None
    module = (tests or pytester.path / "tests") / "test_pay.py"
    module.write_text(printed[printed.index("import os") :])
    for _ in range(2):
        run("tests").assert_outcomes(passed=1)
    # It is held against what was recorded: a program that does otherwise fails.
    program = pytester.path / "pay.py"
    program.write_text(program.read_text().replace("paid", "lost"))
    failed = run("tests")
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(['*status*"paid"*"lost"*'])
