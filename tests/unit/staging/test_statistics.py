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


def test_a_slow_reset_is_told_with_the_reason_and_what_to_do() -> None:
    statistics = Statistics()
    statistics.add_reset(report(0.9), "test_quick")
    statistics.add_reset(report(1.5), "test_writes")
    statistics.add_reset(
        report(7, orders="it was emptied", events="it was emptied"), "test_empties"
    )
    statistics.add_reset(ResetReport("fingerprints", 0, (), 2.0))

    assert statistics.lines()[3:] == [
        "a reset after test_empties took 7.0 s, as orders and 1 other had to be loaded whole: let"
        " it write less, or give it a scenario of its own that is smaller",
        "a reset took 2.0 s: this server keeps no trace of writes, and reads all it has; a replica"
        " set of one resets what was touched, and nothing else",
        "a reset after test_writes took 1.5 s, for 3 documents: let it write less, or less at a"
        " time",
    ]


def test_a_slow_load_is_told_with_what_to_do() -> None:
    assert len(Statistics(loads=[4.9]).lines()) == 1
    [_, told] = Statistics(loads=[0.1, 19.1]).lines()
    assert told.startswith("a load took 19.1 s: a smaller scenario loads sooner, and a replica set")


def test_slow_resets_of_workers_come_slowest_first() -> None:
    one, two, both = Statistics(), Statistics(), Statistics()
    one.add_reset(report(1.5), "test_a")
    two.add_reset(report(2.5), "test_b")
    for each in (one, two):
        both.merge(each.to_dict())
    assert [line[:24] for line in both.lines()[1:]] == [
        "a reset after test_b too",
        "a reset after test_a too",
    ]
