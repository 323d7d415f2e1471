"""Restores and stages, killed at each command that they send and each file that they write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.nursery import Nursery, Outcome
from tests.faults.points import Fault
from tests.faults.sweeping import Sweep, sweep
from tests.reliability import Evidence

from mongoshot import Snapshot, compare
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Client, Database
from mongoshot.server.ledger import read_baseline, read_entry
from mongoshot.server.tracking.fingerprints import take_fingerprint

MakeDatabase = Callable[[], Database]

pytestmark = pytest.mark.reliability


def assert_not_believed_wrong(database: Database, scenario: Snapshot) -> None:
    """Assert that a database which the ledger says to be complete is as its scenario says."""
    baseline = read_baseline(database)
    if baseline is not None and baseline.complete:
        assert baseline.digest == scenario.digest
        assert not compare(scenario, live_state(database))


@pytest.mark.parametrize("there", ["absent", pytest.param("restored", marks=pytest.mark.long)])
def test_a_restore(
    there: str,
    nursery: Nursery,
    scenario: Snapshot,
    source: Database,
    mongo_client: Client,
    server_url: str,
    project: Path,
    make_database: MakeDatabase,
    evidence: Evidence,
) -> None:
    target = make_database()
    words = ["restore", "orders", "--db-url", server_url, "--db-name", target.name]

    def operate(fault: Fault | None) -> Outcome:
        return nursery.mongoshot(*words, cwd=project, fault=fault)

    def prepare() -> None:
        if there == "absent":
            mongo_client.drop_database(target)
            mongo_client["mongoshot"]["databases"].delete_one({"_id": target.name})

    assert (done := operate(None)).status == 0, done.stderr
    whole = take_fingerprint(target)
    swept = Sweep()
    is_short = there == "absent"  # one of the tests that take seconds
    for number, _ in enumerate(sweep("SIGKILL", prepare, operate, replies=not is_short)):
        swept.points["SIGKILL"] += 1
        assert_not_believed_wrong(target, scenario)
        if is_short and number % 4:
            continue
        # The next use: the same command, or a run of tests, which believes the ledger.
        by_command = number % (8 if is_short else 2)
        done = operate(None) if by_command else stage_once(nursery, server_url, target, project)
        assert done.status == 0, done.stderr
        assert take_fingerprint(target) == whole
        assert_not_believed_wrong(target, scenario)
        entry = read_entry(target)
        assert entry is not None
        assert not (entry.lease and entry.lease.is_held)
    seen = "no incomplete database believed; the next restore or run of tests right, by dbHash"
    evidence("faults", f"a restore (database {there}), SIGKILL at each point", str(swept), seen)


def stage_once(nursery: Nursery, url: str, database: Database, project: Path) -> Outcome:
    function = "tests.faults.operations:stage_once"
    return nursery.run(function, url, database.name, cwd=project, counting=False)


@pytest.mark.long
def test_a_stage(
    nursery: Nursery,
    scenario: Snapshot,
    mongo_client: Client,
    server_url: str,
    project: Path,
    make_database: MakeDatabase,
    evidence: Evidence,
) -> None:
    """Opened, loaded or resumed, reset, changed to another scenario, closed; then by the next."""
    target = make_database()
    small = mongo_client[f"{target.name}__small"]

    def operate(fault: Fault | None) -> Outcome:
        function = "tests.faults.operations:use_stage"
        return nursery.run(function, server_url, target.name, cwd=project, fault=fault)

    assert (done := stage_once(nursery, server_url, target, project)).status == 0, done.stderr
    whole = take_fingerprint(target)
    swept = Sweep()
    for outcome in sweep("SIGKILL", lambda: None, operate):
        swept.points["SIGKILL"] += 1
        done = stage_once(nursery, server_url, target, project)
        assert done.status == 0, done.stderr
        assert take_fingerprint(target) == whole, outcome
        assert not compare(scenario, live_state(target))
        entry = read_entry(target)
        assert entry is not None
        assert not (entry.lease and entry.lease.is_held)
    mongo_client.drop_database(small)
    mongo_client["mongoshot"]["databases"].delete_one({"_id": small.name})
    seen = "the next run takes the lease over at once, and its first test finds the scenario"
    evidence(
        "faults", "a run of tests (load, resume, resets), SIGKILL at each point", str(swept), seen
    )


@pytest.mark.long
def test_adopting(
    nursery: Nursery,
    mongo_client: Client,
    server_url: str,
    project: Path,
    make_database: MakeDatabase,
    evidence: Evidence,
) -> None:
    target = make_database()
    target["theirs"].insert_one({"_id": 1})
    where = [target.name, "--db-url", server_url]
    swept = Sweep()
    for words, after in ((["adopt", *where, "--yes"], True), (["disown", *where], False)):

        def prepare(after: bool = after) -> None:
            done = ["disown", *where] if after else ["adopt", *where, "--yes"]
            nursery.mongoshot(*done, cwd=project, counting=False)

        def operate(fault: Fault | None, words: list[str] = words) -> Outcome:
            return nursery.mongoshot(*words, cwd=project, fault=fault)

        for _ in sweep("SIGKILL", prepare, operate):
            swept.points["SIGKILL"] += 1
            assert target["theirs"].count_documents({}) == 1
            nursery.mongoshot(*words, cwd=project, counting=False)
            assert (read_entry(target) is not None) == after
    evidence("faults", "`adopt` and `disown`, SIGKILL at each point", str(swept), "done or not")
