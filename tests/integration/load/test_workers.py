"""Eight workers of pytest-xdist with five hundred tests each on one server."""

from __future__ import annotations

import re
import threading
from collections import Counter

import pytest
from tests.integration.load.conftest import Project
from tests.reliability import Evidence

from mongoshot import capture
from mongoshot.server.connection import Client
from mongoshot.server.ledger import read_entry

pytestmark = [pytest.mark.long, pytest.mark.reliability]

WORKERS, TESTS = 8, 500
#: Connections of a worker: its client's pool, its two monitors, and those of other threads.
MOST_CONNECTIONS = 8

SUITE = """
    import random

    import pytest

    pytestmark = pytest.mark.scenario("shop")


    def what_is_there(db):
        return {
            name: (
                sorted(map(repr, db[name].find())),
                sorted(map(repr, db[name].list_indexes())),
                [each["options"] for each in db.list_collections(filter={"name": name})],
            )
            for name in db.list_collection_names()
        }


    @pytest.fixture(scope="session")
    def pristine(worker_id):
        # What the first test of this worker finds, which is compared with the scenario itself.
        return {}


    @pytest.fixture
    def checked(db, pristine, staged, worker_id):
        there = what_is_there(db)
        if not pristine:
            expected = {
                name: sorted(repr(__import__("bson").decode(d)) for d in collection.documents())
                for name, collection in staged.scenario.collections.items()
            }
            assert {name: documents for name, (documents, _, _) in there.items()} == expected
            pristine.update(there)
        assert there == pristine
        return db


    def insert(db, chance):
        db["orders"].insert_many({"total": chance.random()} for _ in range(200))


    def update(db, chance):
        db["orders"].update_many({"total": {"$gt": chance.randrange(100)}}, {"$inc": {"total": 1}})
        db["customers"].delete_many({"_id": {"$lt": chance.randrange(100)}})


    def drop(db, chance):
        db.drop_collection(chance.choice(["orders", "customers", "events"]))


    def index(db, chance):
        db["orders"].create_index([("made", chance.choice([1, -1]))])
        db["customers"].drop_index("name_1")


    def make(db, chance):
        db.create_collection(f"new_{chance.randrange(10)}")
        db["events"].rename("happened")


    def transact(db, chance):
        with db.client.start_session() as session, session.start_transaction():
            db["orders"].insert_one({"_id": "in a transaction"}, session=session)
            db["events"].delete_one({"_id": chance.randrange(100)}, session=session)


    WRITES = (insert, update, drop, index, make, transact)


    @pytest.mark.parametrize("number", range(TESTS))
    def test_starts_from_the_scenario(checked, number):
        # Half of them only read.
        if number % 2:
            WRITES[number // 2 % len(WRITES)](checked, random.Random(number))
"""


@pytest.fixture
def source(client: Client) -> str:
    database = client["eight_workers_source"]
    for each in ("orders", "customers", "events"):
        database[each].insert_many(
            {"_id": at, "name": f"{each} {at}", "total": at * 1.5} for at in range(100)
        )
        database[each].create_index("name")
    return "eight_workers"


def test_each_test_of_eight_workers_starts_from_its_scenario(
    source: str, project: Project, client: Client, evidence: Evidence
) -> None:
    capture(client[f"{source}_source"], project.directory / "snapshots" / "shop")
    project.write("test_load.py", SUITE.replace("TESTS", str(TESTS)))

    def connections() -> int:
        return int(client.admin.command("serverStatus")["connections"]["current"])

    before, most, ended = connections(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], connections())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        # Each worker runs all of them.
        ran = project.run(
            "pytest", "-p", "xdist", "-p", "no:cacheprovider", "-v", "--db-name", source,
            "--dist", "each", "--tx", f"{WORKERS}*popen",
        )  # fmt: skip
    finally:
        ended.set()
        watching.join()

    passed = Counter(re.findall(r"^\[(gw\d+)\] .*PASSED", ran.output, re.MULTILINE))
    assert passed == {f"gw{number}": TESTS for number in range(WORKERS)}, ran.output[-2000:]
    assert f"{WORKERS * TESTS} passed" in ran.output
    resets = sum(map(int, re.findall(r"([\d,]+) resets? by", ran.output.replace(",", ""))))
    assert resets == WORKERS * (TESTS - 1)  # the first of each is a load

    used = most[0] - before
    assert used <= WORKERS * MOST_CONNECTIONS
    ledger = client["mongoshot"]["databases"]
    names = [entry["_id"] for entry in ledger.find({"_id": {"$regex": f"^{source}_gw"}})]
    assert len(names) == WORKERS
    for name in names:
        entry = read_entry(client[name])
        assert entry is not None
        assert not entry.in_use
        assert entry.lease is not None
        assert not entry.lease.is_held
        assert entry.lease.expires is None  # given back
        assert entry.baseline is not None
        assert entry.baseline.complete
    evidence(
        "load",
        f"workers of pytest-xdist on one server with {TESTS} tests each, half of which write, drop"
        " collections, make indexes and collections or use transactions",
        f"{WORKERS} workers, {sum(passed.values()):,} tests",
        f"each test began with its scenario, by content; {resets:,} resets; at most {used}"
        " connections; no lease is left",
    )
