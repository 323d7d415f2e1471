"""Connections that are lost at each message, and links that are slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.conftest import MakeDatabase
from tests.faults.nursery import Nursery, Outcome
from tests.faults.proxy import Proxy, Trouble
from tests.reliability import Evidence

from mongoshot import MongoshotError, Snapshot, capture, compare, restore
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Client, Database, connect
from mongoshot.server.ledger import read_entry

pytestmark = [pytest.mark.long, pytest.mark.reliability]


@pytest.fixture
def proxy(mongo_client: Client) -> Iterator[Proxy]:
    proxy = Proxy(next(iter(mongo_client.nodes)))  # type: ignore[arg-type]
    yield proxy
    proxy.close()


def go_through(
    proxy: Proxy,
    do: Callable[[], object],
    then: Callable[[MongoshotError | None], object],
    step: int = 1,
) -> str:
    """Lose each message of an operation, once before and once after the server has it.

    Every other one is lost by a reset. Returns how many, and how many were errors.
    """
    lost = errors = 0
    for cut, reset in (("cut before", "reset before"), ("cut after", "reset after")):
        for at in range(1, 1000, step):
            proxy.arm(Trouble(at, reset if at % 2 else cut))  # type: ignore[arg-type]
            error = None
            try:
                do()
            except MongoshotError as caught:
                error = caught
            assert error is None or len(str(error).splitlines()) == 1
            struck = proxy.has_struck
            proxy.arm(None)
            then(error)
            if not struck:
                break
            lost, errors = lost + 1, errors + (error is not None)
    return f"{lost:,} messages lost, {errors:,} led to an error"


def assert_right(database: Database, scenario: Snapshot) -> None:
    difference = compare(scenario, live_state(database))
    assert not difference, str(difference)


def test_a_capture(
    proxy: Proxy, scenario: Snapshot, source: Database, project: Path, evidence: Evidence
) -> None:
    path = project / "snapshots" / "again"

    def do() -> None:
        with connect(proxy.url) as client:
            capture(client[source.name], path, replace=path.exists())

    def then(error: MongoshotError | None) -> None:
        if error is not None:
            capture(source, path, replace=path.exists())
        found = Snapshot.load(path)
        found.verify()
        assert found.digest == scenario.digest
        assert {each.name for each in path.parent.iterdir()} == {"orders", "small", "again"}

    lost = go_through(proxy, do, then)
    evidence(
        "failovers", "a capture, each message lost before and after", lost, "exact, or one error"
    )


def test_a_restore(
    proxy: Proxy, scenario: Snapshot, make_database: MakeDatabase, evidence: Evidence
) -> None:
    target = make_database()

    def do() -> None:
        with connect(proxy.url) as client:
            restore(scenario, client[target.name])

    def then(error: MongoshotError | None) -> None:
        entry = read_entry(target)
        if error is None or (entry and entry.baseline and entry.baseline.complete):
            assert_right(target, scenario)
        if error is not None:
            restore(scenario, target)
            assert_right(target, scenario)

    lost = go_through(proxy, do, then)
    evidence(
        "failovers", "a restore, each message lost before and after", lost, "right, or one error"
    )


def test_a_run_of_tests(
    proxy: Proxy,
    nursery: Nursery,
    scenario: Snapshot,
    server_url: str,
    make_database: MakeDatabase,
    project: Path,
    evidence: Evidence,
) -> None:
    """The ledger, the lease, a warm start, resets, another scenario, and the end."""
    target = make_database()
    restore(scenario, target)

    def run(function: str, url: str) -> Outcome:
        function = f"tests.faults.operations:{function}"
        return nursery.run(function, url, target.name, cwd=project, counting=False)

    def do() -> None:
        done = run("use_stage", proxy.url)
        if done.status != 0:  # of mongoshot, or of the test itself, as of any application
            said = done.stderr.splitlines()[-1]
            assert "errors." in said, done.stderr
            raise MongoshotError(said)

    def then(error: MongoshotError | None) -> None:
        done = run("stage_once", server_url)
        assert done.status == 0, done.stderr
        assert_right(target, scenario)

    lost = go_through(proxy, do, then, step=5)
    small = target.client[f"{target.name}__small"]
    target.client.drop_database(small)
    target.client["mongoshot"]["databases"].delete_one({"_id": small.name})
    seen = "right, or one error; the next run takes over at once, and its test finds its scenario"
    evidence("failovers", "a run of tests, each fifth message lost", lost, seen)


@pytest.mark.parametrize("at", [5, 15])
def test_a_link_that_goes_silent(
    at: int, proxy: Proxy, scenario: Snapshot, make_database: MakeDatabase, evidence: Evidence
) -> None:
    """The driver's monitor finds out, and gives up."""
    target = make_database()
    proxy.arm(Trouble(at, "blackhole"))
    began = time.monotonic()
    with (
        connect(f"{proxy.url}&heartbeatFrequencyMS=1000") as client,
        pytest.raises(MongoshotError, match="does not answer"),
    ):
        restore(scenario, client[target.name])
    seconds = time.monotonic() - began
    proxy.arm(None)
    restore(scenario, target)
    assert_right(target, scenario)
    evidence(
        "failovers", f"silence from message {at} of a restore on", 1, f"an error in {seconds:.0f} s"
    )


def test_a_slow_link(
    proxy: Proxy,
    scenario: Snapshot,
    source: Database,
    make_database: MakeDatabase,
    project: Path,
    evidence: Evidence,
) -> None:
    """50 ms each way, a megabyte a second."""
    proxy.delay, proxy.rate = 0.05, 1e6
    source["large"].insert_many([{"_id": n, "text": "x" * 1000} for n in range(1000)])
    target = make_database()
    with connect(proxy.url) as client:
        snapshot = capture(client[source.name], project / "snapshots" / "slow")
        staged = restore(snapshot, client[target.name])
        assert_right(target, snapshot)
        target["large"].update_many({}, {"$set": {"x": 1}})
        assert len(staged.changes().collections["large"].updated) == 1000
        report = staged.reset()
        assert_right(target, snapshot)
    evidence("failovers", "a link of 50 ms and 1 MB/s", f"{report.documents:,} documents", "exact")
