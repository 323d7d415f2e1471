"""What it costs to compare a whole database with its scenario: `db_state == db_snapshot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.dataset import INDEXES, touch
from tests.benchmarks.measure import Bench
from tests.benchmarks.rows import Bar, Ratio, Row
from tests.benchmarks.samples import Samples

from mongoshot.assertion.state import ObservedState
from mongoshot.server.connection import RAW, Database
from mongoshot.staging.staged import Staged, restore


@dataclass
class States:
    """Measure a state that differs in a few documents, beside reading the same documents raw."""

    bench: Bench
    rows: Sequence[Row | Ratio] = (
        Ratio(
            "state, ratio",
            "db_state with a few differences: to reading it raw",
            "state",
            "raw reading",
            Bar("at most", 2, 200_000),
        ),
        Row("state", "db_state with a few differences", "ms"),
        Row("raw reading", "find_raw_batches of all collections, by _id", "ms"),
    )
    _staged: dict[int, Staged] = field(default_factory=dict)

    def turns(self, size: int) -> int:
        """Take a few turns, fewer where one takes many seconds."""
        return self.bench.some(10 if size <= 200_000 else 3)

    def prepare(self, size: int, samples: Samples) -> None:
        """Stage the database, and change a few of its documents."""
        staged = restore(self.bench.snapshot(size), self.bench.client[f"states_{size}"])
        touch(staged.database, size, 1)
        for name in INDEXES:
            staged.database[name].insert_one({"_id": -1})
        self._staged[size] = staged

    def take_turn(self, size: int, samples: Samples) -> None:
        """Read all of it, by the driver alone and as an expectation."""
        staged = self._staged[size]
        with samples.timed("raw reading", size):
            self._read(staged.database)
        state = ObservedState(staged.state, staged.scenario, provenance=staged.provenance)
        with samples.timed("state", size):
            text = state.write("difference")[0]
        if text.count('"_id": -1') != len(INDEXES):
            raise AssertionError(f"not what differs from the scenario: {text}")

    def _read(self, database: Database) -> None:
        for name in INDEXES:
            source = database.get_collection(name, codec_options=RAW)
            for _ in source.find_raw_batches(sort=[("_id", 1)]):
                pass
