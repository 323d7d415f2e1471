"""What a run of pytest knows of its tests at its end: which expectations may be unused.

pytest alone is imported here: this is loaded in every run of every suite.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from mongoshot.config import EXPECTATIONS


class RunRecord:
    """Record, as a plugin of pytest, which tests were collected and which of them passed.

    Under xdist each worker has one: a test that another worker ran has not passed here.
    """

    KEY: pytest.StashKey[RunRecord] = pytest.StashKey()

    def __init__(self, config: pytest.Config) -> None:
        """Take the configuration of the run, which says whether modules are collected in part."""
        self.over = False  # all tests have run that will
        self.directories: set[Path] = set()  # of expectations, where tests were looked for
        self._in_part = any("::" in argument for argument in config.args) or bool(
            config.getoption("lf", default=False)
        )
        self._tests: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
        self._collected: set[Path] = set()
        self._failed: set[Path] = set()
        self._unbroken: set[str] = set()
        self._passed: set[str] = set()

    @classmethod
    def watch(cls, config: pytest.Config) -> None:
        """Begin to record a run.

        Raises pytest.UsageError where syrupy is to keep its own snapshots among the expectations:
        it would remove those.
        """
        directory = config.getoption("snapshot_dirname", default="")
        if Path(directory).name == EXPECTATIONS:
            raise pytest.UsageError(
                f"--snapshot-dirname {directory}: mongoshot keeps its expectations in"
                f" {EXPECTATIONS}, and syrupy would remove them; name another directory"
            )
        config.stash[cls.KEY] = cls(config)
        config.pluginmanager.register(config.stash[cls.KEY])

    def tests_in(self, module: Path) -> Sequence[pytest.Item]:
        """Return the tests that were collected from a file, also those that were deselected."""
        return self._tests.get(module, ())

    def is_complete(self, module: Path) -> bool:
        """Tell whether all tests of a file were collected, so that one that was not is gone."""
        return not self._in_part and module in self._collected - self._failed

    def has_passed(self, test: pytest.Item) -> bool:
        """Tell whether a test has run to its end, so that what it did not use it does not need."""
        return test.nodeid in self._passed

    def directories_without_tests(self) -> set[Path]:
        """Return the directories of expectations beside which no test was collected."""
        return self.directories - {module.parent / EXPECTATIONS for module in self._tests}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Remember where expectations lie; there are no tests among them."""
        if collection_path.name != EXPECTATIONS:
            return None
        self.directories.add(collection_path)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Remember which files were collected, and of which some part could not be."""
        report = yield
        self._collected.add(collector.path)
        if not report.passed:
            self._failed.add(collector.path)
        return report

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember a test before it may be deselected."""
        self._tests[item.path].append(item)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a test that has passed in its setup, its body and its teardown."""
        if report.when == "setup":
            self._unbroken.add(report.nodeid)
        if not report.passed:
            self._unbroken.discard(report.nodeid)
            self._passed.discard(report.nodeid)
        elif report.when == "teardown" and report.nodeid in self._unbroken:
            self._passed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Remember that nothing more will run."""
        try:
            return (yield)
        finally:
            self.over = True
