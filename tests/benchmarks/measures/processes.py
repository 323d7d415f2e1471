"""What a process that stages a scenario needs: memory, and time where another did it before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Bench
from tests.benchmarks.rows import Bar, Ratio, Row
from tests.benchmarks.samples import Samples

#: From here `python -m tests.benchmarks.worker` finds its module.
ROOT = Path(__file__).resolve().parents[3]

_MILLION = 1_000_000


@dataclass
class Processes:
    """Measure processes that come one after the other, at the largest size."""

    bench: Bench
    rows: Sequence[Row | Ratio] = (
        Row("warm start", "start of the next process", "ms", Bar("at most", 100, _MILLION)),
        Row("whole warm start", "the same with Python, imports and connecting", "ms"),
        Row("cold start", "start of the first process, a load", "ms"),
        Row("memory", "memory that staging adds", "MB", Bar("at most", 150, _MILLION)),
        Row("peak", "memory that staging adds, peak", "MB", Bar("at most", 150, _MILLION)),
        Row("warm memory", "the next process: memory", "MB"),
        Row("warm peak", "the next process: memory, peak", "MB"),
    )
    _times: int = 0
    _made: dict[int, list[str]] = field(default_factory=dict)
    _warm: list[bool] = field(default_factory=list)

    def turns(self, size: int) -> int:
        """Take some turns at the largest size."""
        return self.bench.some(7) if size == max(self.bench.sizes) else 0

    def prepare(self, size: int, samples: Samples) -> None:
        """Run the first process, which loads."""
        result, _ = self._run(size)
        samples.add("cold start", size, result["seconds"])
        samples.add("memory", size, result["memory"])
        samples.add("peak", size, result["peak"])
        self._made[size] = result["made"]

    def take_turn(self, size: int, samples: Samples) -> None:
        """Run one more, which finds what the one before has left: 6 touched documents."""
        result, whole = self._run(size)
        samples.add("warm start", size, result["seconds"])
        samples.add("whole warm start", size, whole)
        samples.add("warm memory", size, result["memory"])
        samples.add("warm peak", size, result["peak"])
        self._warm.append(result["made"] == self._made[size])
        self._made[size] = result["made"]
        loads = self._warm.count(False)
        samples.notes["warm start"] = f"{sum(self._warm)} times warm, {loads} times by a load"

    def _run(self, size: int) -> tuple[dict[str, Any], float]:
        """Run a process; return what it says, and the seconds until it had staged, from outside."""
        self._times += 2
        where = [self.bench.url, f"process_{size}", str(self.bench.snapshots_path(size))]
        command = [sys.executable, "-m", "tests.benchmarks.worker", *where, str(size)]
        # What other measures have put into the cache would make the first process a later one.
        cache = {"MONGOSHOT_CACHE": str(self.bench.directory / f"cache_of_processes_{size}")}
        started = time.time()
        ended = subprocess.run(
            [*command, str(self._times)],
            cwd=ROOT,
            env={**os.environ, **cache},
            check=True,
            capture_output=True,
            text=True,
        )
        result: dict[str, Any] = json.loads(ended.stdout)
        return result, result.pop("staged_at") - started
