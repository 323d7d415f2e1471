"""Ids and times that a test makes are recorded as placeholders, which keep what refers to what."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]

pytestmark = pytest.mark.usefixtures("shop")

ORDERING = """
    import datetime
    import random
    import uuid

    import pytest
    from bson import Binary, ObjectId

    SKUS = ["LAMP", "MUG", "SOAP"]

    def now():
        return datetime.datetime.now(datetime.UTC)

    def place(db, wrong=False):
        order = db.placed.insert_one({"status": "open", "at": now()}).inserted_id
        lines = [uuid.uuid4() for _ in SKUS]
        documents = [
            {"_id": Binary.from_uuid(line), "order": order, "sku": sku, "at": now()}
            for line, sku in zip(lines, SKUS)
        ]
        random.shuffle(documents)
        db.lines.insert_many(documents)
        payment = {"_id": str(uuid.uuid4()), "order": str(order), "at": now()}
        payment["lines"] = [str(line) for line in lines]
        db.payments.insert_one(payment)
        db.audit.insert_one({
            "entry": {"what": "placed", "order": order, "payment": payment["_id"]},
            "lines": [Binary.from_uuid(lines[0]), Binary.from_uuid(lines[2 if wrong else 1])],
            "at": now(),
        })

    @pytest.mark.scenario("shop")
    @pytest.mark.parametrize("time", range(%d))
    def test_ordering(db, db_changes, db_snapshot, time):
        place(db)
        assert db_changes == db_snapshot(name="the order")

    @pytest.mark.scenario("shop")
    def test_other_documents(db):
        db.orders.insert_one({"at": now()})
"""


def stored(pytester: pytest.Pytester, *name: str) -> dict[str, Any]:
    path = pytester.path.joinpath("__expectations__", *name)
    collections: dict[str, Any] = json.loads(path.read_text())["collections"]
    return collections


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.long)])
def test_recorded_once_it_passes_again_and_again(
    pytester: pytest.Pytester, run: Run, times: int
) -> None:
    module = pytester.makepyfile(test_shop=ORDERING % 1)
    run("--snapshot-update").assert_outcomes(passed=2)
    name = "test_ordering[0][the order].json"
    recorded = stored(pytester, "test_shop", name)
    lines = recorded["lines"]["inserted"]
    assert [line["sku"] for line in lines] == ["LAMP", "MUG", "SOAP"]
    order = recorded["placed"]["inserted"][0]["_id"]
    assert order == {"$oid": "ObjectId-2"}
    assert all(line["order"] == order for line in lines)
    [payment] = recorded["payments"]["inserted"]
    assert payment["order"] == {"$oid": "ObjectId-2 as text"}
    assert payment["lines"] == [{"$uuid": f"{line['_id']['$uuid']} as text"} for line in lines]
    [entry] = recorded["audit"]["inserted"]
    assert entry["entry"]["payment"] == payment["_id"]
    assert entry["at"] == {"$date": "now"}

    # The same expectation for each of many tests, in whatever order they come.
    directory = pytester.path / "__expectations__" / "test_shop"
    text = (directory / name).read_text()
    for time in range(times):
        (directory / name.replace("0", str(time))).write_text(text)
    module.write_text(module.read_text().replace("range(1)", f"range({times})"))
    pytester.makeconftest(
        """
        import random

        def pytest_collection_modifyitems(items):
            random.shuffle(items)
        """
    )
    run().assert_outcomes(passed=times + 1)
    run().assert_outcomes(passed=times + 1)


def test_a_reference_to_the_wrong_new_document_is_named(
    pytester: pytest.Pytester, run: Run
) -> None:
    module = pytester.makepyfile(test_shop=ORDERING % 1)
    run("--snapshot-update").assert_outcomes(passed=2)
    module.write_text(module.read_text().replace("place(db)", "place(db, wrong=True)"))
    failed = run()
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(
        [
            "*changes not as expected in audit: 1 otherwise",
            "*audit ~ _id ObjectId-1: lines?1?  expected UUID-2, is UUID-3",
        ]
    )


def test_what_the_scenario_holds_stays_literal(
    pytester: pytest.Pytester, run: Run, mongo_client: Client, server_url: str, inner_database: str
) -> None:
    """Also where it was captured a moment ago, and the test does not touch what it refers to."""
    pytester.makepyfile(
        make_known="""
        import datetime, sys, uuid
        import pymongo
        from bson import Binary
        from mongoshot import capture
        from bson import ObjectId

        client = pymongo.MongoClient(sys.argv[1])
        now = datetime.datetime.now(datetime.UTC)
        client[sys.argv[2]].people.insert_one(
            {"name": "ada", "key": Binary.from_uuid(uuid.uuid4()), "text": str(uuid.uuid4()),
             "soon": now + datetime.timedelta(hours=1)}
        )
        capture(client[sys.argv[2]], "snapshots/people")
        """
    )
    pytester.makepyfile(
        test_people="""
        import datetime
        import uuid

        import pytest
        from bson import Binary, ObjectId

        LONG_AGO = ObjectId("677f6bf4bcd8c88e15000001")

        @pytest.mark.scenario("people")
        def test_it(db, db_changes, db_snapshot):
            ada = db.people.find_one()
            db.notes.insert_one({
                "_id": 1,
                "known": [ada["_id"], str(ada["_id"]), ada["key"], ada["text"]],
                "key as text": str(ada["key"].as_uuid()),
                "literal": [LONG_AGO, datetime.datetime(2026, 1, 1), uuid.UUID(int=7).hex],
                "named": str(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")),
                "made": [ObjectId(), str(uuid.uuid4())],
            })
            assert db_changes == db_snapshot
        """
    )
    pytester.run(sys.executable, "make_known.py", server_url, f"{inner_database}_people")
    run("--snapshot-update").assert_outcomes(passed=1)
    note = stored(pytester, "test_people", "test_it.json")["notes"]["inserted"][0]
    ada = mongo_client[f"{inner_database}_people"]["people"].find_one()
    assert ada is not None
    assert note["known"][:2] == [{"$oid": str(ada["_id"])}, str(ada["_id"])]
    assert note["known"][2]["$binary"]["subType"] == "04"
    assert note["known"][3] == ada["text"]
    assert note["key as text"] == str(ada["key"].as_uuid())
    assert note["literal"][0] == {"$oid": "677f6bf4bcd8c88e15000001"}
    assert note["literal"][1] == {"$date": "2026-01-01T00:00:00Z"}
    assert note["named"].count("-") == 4
    assert note["made"] == [{"$oid": "ObjectId-1"}, {"$uuid": "UUID-1 as text"}]
    run().assert_outcomes(passed=1)


def test_whole_states_and_what_fixtures_arranged(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        test_shop="""
        import datetime
        import time

        import pytest
        from bson import ObjectId

        @pytest.fixture
        def arranged(db):
            return db.orders.insert_one(
                {"at": datetime.datetime.now(datetime.UTC), "key": ObjectId()}
            ).inserted_id

        @pytest.mark.scenario("shop")
        def test_it(db, arranged, db_changes, db_state, db_snapshot):
            time.sleep(0.002)
            now = datetime.datetime.now(datetime.UTC)
            db.orders.update_one({"_id": arranged}, {"$set": {"at": now, "by": str(arranged)}})
            db.orders.update_one({"_id": 1}, {"$currentDate": {"at": True}})
            db.orders.update_one({"n": 1}, {"$set": {"upserted": True}}, upsert=True)
            assert db_changes == db_snapshot
            assert db_state["orders"] == db_snapshot
        """
    )
    run("--snapshot-update").assert_outcomes(passed=1)
    run().assert_outcomes(passed=1)
    changes = stored(pytester, "test_shop", "test_it.json")["orders"]
    assert changes["updated"][1] == {
        "_id": {"$oid": "ObjectId-1"},
        "fields": {
            "at": {"before": {"$date": "now"}, "after": {"$date": "now"}},
            "by": {"after": {"$oid": "ObjectId-1 as text"}},
        },
    }
    assert changes["inserted"][0]["_id"] == {"$oid": "ObjectId-2"}
    documents = stored(pytester, "test_shop", "test_it.1.json")["orders"]["documents"]
    assert [d["_id"] for d in documents[:2]] == [1, 2]
    assert {d["_id"]["$oid"] for d in documents[2:]} == {"ObjectId-1", "ObjectId-2"}


def test_frozen_clocks_leave_dates_literal_and_ids_recognised(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        test_shop="""
        import datetime
        import time

        import pytest

        @pytest.mark.scenario("shop")
        @pytest.mark.parametrize("year", [2001, 2101])
        def test_it(db, db_changes, db_snapshot, monkeypatch, year):
            then = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
            monkeypatch.setattr(time, "time", then.timestamp)
            monkeypatch.setattr(time, "time_ns", lambda: int(then.timestamp()) * 10**9)
            db.orders.insert_one({"at": then, "by_the_server": None})
            db.orders.update_one({"at": then}, {"$currentDate": {"by_the_server": True}})
            assert db_changes == db_snapshot
        """
    )
    run("--snapshot-update").assert_outcomes(passed=2)
    run().assert_outcomes(passed=2)
    for year in (2001, 2101):
        [order] = stored(pytester, "test_shop", f"test_it[{year}].json")["orders"]["inserted"]
        assert order["_id"] == {"$oid": "ObjectId-1"}
        assert order["at"] != {"$date": "now"}
        assert order["by_the_server"] == {"$date": "now"}


def test_documents_beside_one_too_many_are_not_told_of(pytester: pytest.Pytester, run: Run) -> None:
    module = pytester.makepyfile(test_shop=ORDERING % 1)
    run("--snapshot-update").assert_outcomes(passed=2)
    module.write_text(module.read_text().replace('["LAMP"', '["BULB", "LAMP"'))
    failed = run("-vv")
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(
        [
            "*changes not as expected in audit: 1 otherwise; lines: 1 not expected; payments: *",
            "*lines*",
            "*_id UUID-*: inserted, which is not expected",
        ]
    )
    failed.stdout.no_fnmatch_line('*"MUG"*')


def test_an_expectation_may_be_edited_to_other_numbers(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_shop=ORDERING % 1)
    run("--snapshot-update").assert_outcomes(passed=2)
    [path] = pytester.path.joinpath("__expectations__", "test_shop").iterdir()
    names = re.findall(r"ObjectId-[0-9]+", path.read_text())
    referred = next(name for name in names if names.count(name) > 1)
    path.write_text(re.sub(rf"{referred}\b", "ObjectId-77", path.read_text()))
    run().assert_outcomes(passed=2)
    path.write_text(path.read_text().replace("ObjectId-77", "ObjectId-78", 1))
    run().assert_outcomes(passed=1, failed=1)
