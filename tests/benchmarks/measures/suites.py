"""What mongoshot adds to a suite of many small tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import Bench
from tests.benchmarks.rows import Bar, Ratio, Row
from tests.benchmarks.samples import Samples

from mongoshot.staging.staged import Staged, restore

_FILES = Path(__file__).resolve().parents[1] / "suite"
_LARGEST = 200_000
_BAR = Bar("at most", 6, _LARGEST)


@dataclass
class Suites:
    """Run one module of tests with mongoshot, and with plain fixtures that stage nothing.

    Of each run counts the whole process, Python's start included, without the setup of the first
    test, in which the client connects and the scenario is loaded.
    """

    bench: Bench
    _plain: dict[int, Staged] = field(default_factory=dict)

    @property
    def rows(self) -> Sequence[Row | Ratio]:
        """Return the rows, if there are to be tests; the bars are for a thousand."""
        if not self.bench.tests:
            return ()
        tests, bar = f"{self.bench.tests:,} tests", _BAR if self.bench.tests == 1000 else None
        return (
            Row("suite, added", f"added to {tests} of 5 writes", "s", bar),
            Row("suite, added with changes", f"added to {tests} with db_changes", "s", bar),
            Row("suite, plain", f"{tests} without mongoshot", "s"),
        )

    def turns(self, size: int) -> int:
        """Take some turns at the largest size up to 200,000 documents."""
        chosen = max((s for s in self.bench.sizes if s <= _LARGEST), default=min(self.bench.sizes))
        return self.bench.some(3) if self.bench.tests and size == chosen else 0

    def prepare(self, size: int, samples: Samples) -> None:
        """Make the project, and a database for the plain fixtures."""
        project = self._project()
        project.mkdir()
        shutil.copy(_FILES / "writes.py", project / "test_suite.py")
        for plugin in ("plain.py", "stopwatch.py"):
            shutil.copy(_FILES / plugin, project)
        database = self.bench.client["suite_plain"]
        self._plain[size] = restore(self.bench.snapshot(size), database)

    def take_turn(self, size: int, samples: Samples) -> None:
        """Run the module without mongoshot, and each of its two tests with it."""
        self._plain[size].reset()  # what tests without mongoshot write stays
        plain = self._run("test_writes", ["-p", "no:mongoshot", "-p", "plain"])
        samples.add("suite, plain", size, plain)
        mongoshot = ["--db-url", self.bench.url, "--db-name", "suite"]
        mongoshot += ["--snapshots-path", str(self.bench.snapshots_path(size))]
        for test, key in (("test_writes", "added"), ("test_changes", "added with changes")):
            samples.add(f"suite, {key}", size, self._run(test, mongoshot) - plain)

    def _run(self, test: str, options: list[str]) -> float:
        first_setup = self._project() / "first_setup"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "stopwatch", "-k", test, *options]
        started = time.perf_counter()
        ended = subprocess.run(
            command,
            cwd=self._project(),
            env=self._environment(first_setup),
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if ended.returncode != 0 or f"{self.bench.tests} passed" not in ended.stdout:
            raise AssertionError(f"the tests did not pass:\n{ended.stdout}\n{ended.stderr}")
        return seconds - float(first_setup.read_text())

    def _environment(self, first_setup: Path) -> dict[str, str]:
        """Return this process's environment without what would steer an inner run of pytest."""
        steering = ("PYTEST_", "DB_URL", "DB_NAME", "SNAPSHOTS_PATH")
        kept = {key: v for key, v in os.environ.items() if not key.startswith(steering)}
        return kept | {
            "BENCHMARK_TESTS": str(self.bench.tests),
            "BENCHMARK_FIRST_SETUP": str(first_setup),
            "BENCHMARK_URL": self.bench.url,
            "BENCHMARK_DATABASE": "suite_plain",
        }

    def _project(self) -> Path:
        return self.bench.directory / "project"
