"""What a test costs once its scenario is staged: reset, mark and changes, by tier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.dataset import check_counts, touch
from tests.benchmarks.measure import Bench
from tests.benchmarks.rows import Bar, Ratio, Row
from tests.benchmarks.samples import Samples

from mongoshot.server.catalog import list_catalog
from mongoshot.server.connection import Database
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.server.tracking.fingerprints import FingerprintTracker
from mongoshot.server.tracking.window import Tier
from mongoshot.snapshot.directory import Snapshot
from mongoshot.staging.staged import ResetReport, Staged, restore

Stage = Callable[[Snapshot, Database], Staged]


@dataclass
class Resets:
    """Measure one tier on a database that `stage` stages: after 6 writes, and after none."""

    bench: Bench
    tier: Tier
    stage: Stage
    database: str
    rows: Sequence[Row | Ratio]
    most_turns: int
    largest: int | None = None
    _staged: dict[int, Staged] = field(default_factory=dict)
    _touched: int = 0
    _reloads: int = 0

    def turns(self, size: int) -> int:
        """Take part in every round, up to the largest size."""
        return self.bench.some(self.most_turns) if size <= (self.largest or size) else 0

    def prepare(self, size: int, samples: Samples) -> None:
        """Stage the database, and reset it for the first time, which looks the files over."""
        database = self.bench.client[f"{self.database}_{size}"]
        staged = self._staged[size] = self.stage(self.bench.snapshot(size), database)
        self._touch(staged, size)
        with samples.timed(f"first reset, {self.tier}", size):
            report = staged.reset()
        self._check(report, staged, size)

    def take_turn(self, size: int, samples: Samples) -> None:
        """Play two tests: one writes nothing, the other to 6 documents."""
        staged = self._staged[size]
        # What the other measures wrote since this one's last turn is none of these tests': one
        # reset reads over it, and the next begins behind it.
        staged.reset()
        staged.reset()
        with samples.timed(f"empty reset, {self.tier}", size):
            staged.reset()
        with samples.timed(f"mark, {self.tier}", size):
            staged.mark()
        self._touch(staged, size)
        with samples.timed(f"changes, {self.tier}", size):
            changes = staged.changes()
        if sum(map(len, changes.updated.values())) != 4:
            raise AssertionError(f"not what the test has changed: {changes}")
        with samples.timed(f"reset, {self.tier}", size):
            report = staged.reset()
        self._check(report, staged, size)
        self._note_reloads(report, samples)

    def _touch(self, staged: Staged, size: int) -> None:
        self._touched += 1
        touch(staged.database, size, self._touched)

    def _check(self, report: ResetReport, staged: Staged, size: int) -> None:
        if report.strategy != self.tier:
            raise AssertionError(f"not reset by {self.tier}: {report}")
        check_counts(staged.database, size)

    def _note_reloads(self, report: ResetReport, samples: Samples) -> None:
        self._reloads += bool(report.reloads)
        if self._reloads:
            why = ", ".join(sorted(set(report.reloads.values())))
            samples.notes[f"reset, {self.tier}"] = f"{self._reloads} times by a load ({why})"


def oplog_resets(bench: Bench) -> Resets:
    """Measure what a replica set gives, the tier that the bars are for."""
    reset, changes = "reset after 6 documents were touched", "changes after 6 writes"
    rows: list[Row | Ratio] = [
        Ratio(
            "reset, growth",
            f"{reset}: to the smallest size's",
            "reset, oplog",
            "reset, oplog",
            Bar("at most", 1.5),
            to_smallest=True,
        ),
        Row("reset, oplog", reset, "ms", Bar("at most", 5)),
        Row("empty reset, oplog", "reset after nothing was written", "ms", Bar("at most", 1.5)),
        Row("changes, oplog", changes, "ms", Bar("at most", 3)),
        Row("mark, oplog", "mark", "ms"),
        Row("first reset, oplog", "the first reset, which looks the files over", "ms"),
    ]
    return Resets(bench, "oplog", restore, "staged", rows, most_turns=bench.rounds)


def change_stream_resets(bench: Bench) -> Resets:
    """Measure what hosted and sharded clusters give, on the databases of the oplog's."""

    def stage(snapshot: Snapshot, database: Database) -> Staged:
        return Staged(snapshot, database, ChangeStreamTracker(database), list_catalog(database))

    rows = _rows_of("change stream")
    return Resets(bench, "change stream", stage, "staged", rows, most_turns=20)


def fingerprint_resets(bench: Bench) -> Resets:
    """Measure what a standalone server gives, at sizes where anybody would wait for it."""

    def stage(snapshot: Snapshot, database: Database) -> Staged:
        restore(snapshot, database)
        return Staged(snapshot, database, FingerprintTracker(database), list_catalog(database))

    rows = _rows_of("fingerprints")
    return Resets(bench, "fingerprints", stage, "hashed", rows, most_turns=10, largest=20_000)


def _rows_of(tier: Tier) -> list[Row | Ratio]:
    return [
        Row(f"reset, {tier}", f"by {tier}: reset after 6", "ms"),
        Row(f"empty reset, {tier}", f"by {tier}: reset after none", "ms"),
        Row(f"changes, {tier}", f"by {tier}: changes after 6", "ms"),
    ]
