"""What people do without mongoshot: load the whole dataset again before each test."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.dataset import INDEXES, check_counts, read_documents
from tests.benchmarks.measure import Bench
from tests.benchmarks.rows import Bar, Ratio, Row
from tests.benchmarks.samples import Samples

from mongoshot.server.connection import Database

_TOOL = "mongorestore"


@dataclass
class Mongorestore:
    """Measure `mongorestore --drop` of the same snapshot, where the tool is on PATH."""

    bench: Bench
    rows: Sequence[Row | Ratio] = (
        Ratio(
            "mongorestore, ratio",
            "mongorestore --drop: to a reset",
            _TOOL,
            "reset, oplog",
            Bar("at least", 500, 200_000),
        ),
        Row(_TOOL, "mongorestore --drop", "ms"),
    )

    def turns(self, size: int) -> int:
        """Take a few turns, fewer where one takes many seconds."""
        return self.bench.some(5 if size <= 200_000 else 2) if shutil.which(_TOOL) else 0

    def prepare(self, size: int, samples: Samples) -> None:
        """Restore once, so that each turn drops what is there."""
        self._restore(size)

    def take_turn(self, size: int, samples: Samples) -> None:
        """Time the whole command."""
        with samples.timed(_TOOL, size):
            self._restore(size)
        # It has no failure to report for a file that ends too early.
        check_counts(self.bench.client[f"{_TOOL}_{size}"], size)

    def _restore(self, size: int) -> None:
        directory = self.bench.snapshot(size).path
        where = ["--uri", self.bench.url, "--db", f"{_TOOL}_{size}"]
        subprocess.run([_TOOL, "--quiet", "--drop", *where, str(directory)], check=True)


@dataclass
class PlainReload:
    """Measure `drop`, `insert_many` and `create_indexes` with the driver alone."""

    bench: Bench
    largest: int = 200_000
    rows: Sequence[Row | Ratio] = (
        Ratio("reload, ratio", "drop + insert_many: to a reset", "reload", "reset, oplog"),
        Row("reload", "drop + insert_many + create_indexes", "ms"),
    )

    def turns(self, size: int) -> int:
        """Take a few turns at sizes where people do this."""
        most = 10 if size <= 20_000 else 3
        return self.bench.some(most) if size <= self.largest else 0

    def prepare(self, size: int, samples: Samples) -> None:
        """Load once, so that each turn drops what is there."""
        self._reload(size)

    def take_turn(self, size: int, samples: Samples) -> None:
        """Time the writing: the documents are in memory as dicts by then."""
        samples.add("reload", size, self._reload(size))

    def _reload(self, size: int) -> float:
        database: Database = self.bench.client[f"reloaded_{size}"]
        seconds = 0.0
        for name, fields in INDEXES.items():
            documents = read_documents(self.bench.snapshot(size), name)
            started = time.perf_counter()
            database[name].drop()
            database[name].insert_many(documents)
            for field in fields:
                database[name].create_index(field)
            seconds += time.perf_counter() - started
        check_counts(database, size)
        return seconds


def why_no_mongorestore(samples: Samples) -> None:
    """Say where the tool is not on PATH."""
    if not shutil.which(_TOOL):
        samples.notes[_TOOL] = f"not measured, {_TOOL} is not on PATH"
