"""The summary of a run says what was done, how long it took, and what was odd."""

from __future__ import annotations

from mongoshot.server.tracking.window import LateWrites
from mongoshot.staging.staged import ResetReport
from mongoshot.staging.statistics import Statistics, describe_late


def report(seconds: float, **reloads: str) -> ResetReport:
    return ResetReport("oplog", 3, ("orders",), seconds, reloads)


def test_nothing_staged_is_nothing_to_say() -> None:
    assert Statistics().lines() == []


def test_resets_and_loads_are_one_line() -> None:
    statistics = Statistics(loads=[0.25, 1.0], warm_starts=[0.03])
    for seconds in (0.002, 0.003, 0.5):
        statistics.add_reset(report(seconds))

    assert statistics.lines() == [
        "3 resets by oplog, median 3.0 ms, worst 500 ms; 2 loads in 1.2 s; 1 warm start in 30.0 ms"
    ]


def test_no_name_reaches_the_terminal_as_a_command() -> None:
    statistics = Statistics()
    statistics.add_reset(report(0.1, **{"\x1b[31m": "it was created"}))
    assert statistics.lines()[1:] == [r"loaded whole once: \u001b[31m, it was created"]


def test_reloads_are_counted_by_reason() -> None:
    statistics = Statistics()
    for _ in range(2):
        statistics.add_reset(report(0.1, orders="it was dropped or renamed"))
    statistics.add_warm_start(report(0.1, log="it is capped: the order counts"), 0.2)

    assert statistics.lines()[1:] == [
        "loaded whole 2 times: orders, it was dropped or renamed",
        "loaded whole once: log, it is capped: the order counts",
    ]


def test_many_late_writes_are_cut_short() -> None:
    statistics = Statistics(late=[f"late {n}" for n in range(7)])

    assert statistics.lines() == [*(f"late {n}" for n in range(5)), "… and 2 more"]


def test_workers_add_up() -> None:
    one, two, both = Statistics(), Statistics(), Statistics()
    one.add_reset(report(0.001, orders="it was dropped or renamed"))
    two.add_reset(report(0.003, orders="it was dropped or renamed"))
    two.loads.append(1.0)
    two.late.append("late")
    two.notes.append("noted")
    for each in (one, two):
        each.notes.append("noted by both")
        both.merge(each.to_dict())

    assert both.lines() == [
        "2 resets by oplog, median 2.0 ms, worst 3.0 ms; 1 load in 1.0 s",
        "loaded whole 2 times: orders, it was dropped or renamed",
        "late",
        "noted",
        "noted by both",
    ]


def test_late_writes_name_the_test() -> None:
    assert describe_late(LateWrites("shop.orders", 1, 0.04), "test_pay") == (
        "1 write to shop.orders, 40.0 ms after test_pay ended"
    )
    assert describe_late(LateWrites("shop.orders", 2, 1.5), "test_pay") == (
        "2 writes to shop.orders, the first 1.5 s after test_pay ended"
    )
