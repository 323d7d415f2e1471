"""What a test run has cost, and what it found on the way, as lines for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from mongoshot.comparison.text import spell_out
from mongoshot.server.tracking.window import LateWrites
from mongoshot.staging.staged import ResetReport

_MOST_LINES = 5
#: Seconds from which on a reset is told of by itself, and a load: the one comes before each test,
#: the other once in a run.
SLOW_RESET, SLOW_LOAD = 1.0, 5.0


@dataclass(slots=True)
class Statistics:
    """Gather the resets and loads of a run; times are in seconds.

    `reloads` counts "collection: reason" of what resets had to load whole, `slow` says of resets
    how long they took and why, `late` are the writes that came after their test had ended, `notes`
    whatever else a person should know.
    """

    resets: dict[str, list[float]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    warm_starts: list[float] = field(default_factory=list)
    reloads: dict[str, int] = field(default_factory=dict)
    slow: list[tuple[float, str]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_reset(self, report: ResetReport, test: str = "") -> None:
        """Count a reset of what a test has left."""
        self.resets.setdefault(report.strategy, []).append(report.seconds)
        self._add_reloads(report)
        if report.seconds >= SLOW_RESET:
            self.slow.append((report.seconds, describe_slow(report, test)))

    def add_warm_start(self, report: ResetReport, seconds: float) -> None:
        """Count the staging of a scenario that the database held before the run."""
        self.warm_starts.append(seconds)
        self._add_reloads(report)

    def _add_reloads(self, report: ResetReport) -> None:
        for name, reason in report.reloads.items():
            text = f"{name}, {reason}"
            self.reloads[text] = self.reloads.get(text, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for another process."""
        return asdict(self)

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what another process gathered."""
        for tier, seconds in other["resets"].items():
            self.resets.setdefault(tier, []).extend(seconds)
        for name in ("loads", "warm_starts", "slow", "late", "notes"):
            getattr(self, name).extend(other[name])
        self.reloads = dict(Counter(self.reloads) + Counter(other["reloads"]))

    def lines(self) -> list[str]:
        """Say it for a person, the most important first; nothing where nothing was staged."""
        parts = [
            f"{_count(len(seconds), 'reset')} by {tier}, median {_time(median(seconds))},"
            f" worst {_time(max(seconds))}"
            for tier, seconds in self.resets.items()
        ]
        for name, all_seconds in (("load", self.loads), ("warm start", self.warm_starts)):
            if all_seconds:
                parts.append(f"{_count(len(all_seconds), name)} in {_time(sum(all_seconds))}")
        lines = ["; ".join(parts)] if parts else []
        reloads = sorted(self.reloads.items(), key=lambda item: -item[1])
        lines += _cut(f"loaded whole {_times(n)}: {text}" for text, n in reloads)
        lines += _cut(text for _, text in sorted(self.slow, key=lambda item: -item[0]))
        if (worst := max(self.loads, default=0)) >= SLOW_LOAD:
            lines.append(
                f"a load took {_time(worst)}: a smaller scenario loads sooner, and a replica set"
                " that outlives the run (mongoshot server, --db-url) needs no load in the next one"
            )
        lines += _cut(self.late)
        return [spell_out(line) for line in [*lines, *sorted(set(self.notes))]]


def describe_late(writes: LateWrites, test: str) -> str:
    """Say whose time late writes fell in: `2 writes to shop.orders, 40 ms after test_x ended`."""
    count = _count(writes.writes, "write")
    first = ", the first" if writes.writes > 1 else ","
    return f"{count} to {writes.namespace}{first} {_time(writes.seconds)} after {test} ended"


def describe_slow(report: ResetReport, test: str) -> str:
    """Say why a reset took so long, and what can be done about it."""
    what = f"a reset after {test} took" if test else "a reset took"
    text = f"{what} {_time(report.seconds)}"
    if report.reloads:
        [name, *more] = report.reloads
        others = f" and {_count(len(more), 'other')}" if more else ""
        return (
            f"{text}, as {name}{others} had to be loaded whole: let it write less, or give it a"
            " scenario of its own that is smaller"
        )
    if report.strategy == "fingerprints":
        return (
            f"{text}: this server keeps no trace of writes, and reads all it has; a replica set of"
            " one resets what was touched, and nothing else"
        )
    return (
        f"{text}, for {_count(report.documents, 'document')}: let it write less, or less at a time"
    )


def _cut(lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return lines[:_MOST_LINES] + more


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.0995 else f"{seconds * 1000:.0f} ms"
