"""What the assertions of a run found not as expected → one page, written at the end of the run."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mongoshot.assertion.stored import problem_of
from mongoshot.assertion.unmet import results_of_test, unmet_expectation
from mongoshot.assertion.written import Written
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.mismatch import Mismatch
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.page.mismatch import Failure, mismatch_data
from mongoshot.comparison.page.report import fit, report_to_html, say_result
from mongoshot.comparison.page.room import MOST_TEXT
from mongoshot.errors import MongoshotError
from mongoshot.files import cannot_write, write_file

if TYPE_CHECKING:
    from syrupy.assertion import AssertionResult

_SEEN: pytest.StashKey[set[int]] = pytest.StashKey()


class RunReport:
    """Be what `--mongoshot-report` adds to the plugin: gather failed assertions, write the page.

    A report of pytest carries what its test found from an xdist worker to the controller, so that
    also a worker that dies later has told it.
    """

    def __init__(self, config: pytest.Config, path: Path) -> None:
        """Take where to write the page."""
        self._path = path
        self._root = config.rootpath
        self._writes = not hasattr(config, "workerinput")
        self._outcome = ""
        self._failures: list[dict[str, Any]] = []
        self._compared = 0
        self._held = 0

    def pytest_sessionstart(self) -> None:
        """Remove the page of an earlier run: if this one is killed, it is not taken for its own."""
        if self._writes:
            with contextlib.suppress(OSError):  # told when the page is written
                self._path.resolve().unlink(missing_ok=True)

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the report of a test say what its assertions have found."""
        report = yield
        if results := _new_results(item):
            failed = [result for result in results if not result.success]
            texts = [json.dumps(mismatch_data(self._failure(item, result))) for result in failed]
            report.mongoshot = [len(results), texts]  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather what a test has found, here or in a worker."""
        compared, texts = getattr(report, "mongoshot", (0, ()))
        if not self._writes or not compared:
            return
        self._compared += compared
        for text in texts if report.failed else ():
            self._failures.append(json.loads(text))
            self._held += len(text)
            if self._held > 4 * MOST_TEXT:  # in memory; of what is left out now, none would be seen
                self._failures = fit(self._failures)
                self._held = 2 * MOST_TEXT

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the page, whole or not at all; a run that cannot has not done what it was asked."""
        if not self._writes:
            return
        try:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot_write(str(self._path), error) from None
            write_file(self._path, report_to_html(self._failures, self._compared))
            self._outcome = f"{say_result(len(self._failures), self._compared)}: {self._shown()}"
        except MongoshotError as error:
            self._outcome = str(error)
            if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the page is."""
        terminalreporter.write_line(f"mongoshot: {self._outcome}")

    def _shown(self) -> str:
        here = Path.cwd()
        return str(self._path.relative_to(here) if self._path.is_relative_to(here) else self._path)

    def _failure(self, item: pytest.Item, result: AssertionResult) -> Failure:
        file = Path(os.path.relpath(result.snapshot_location, self._root)).as_posix()
        unmet = unmet_expectation(result)
        if unmet is None:
            problem = problem_of(result) or str(result.exception or "nothing was compared")
            return Failure(item.nodeid, file, problem=problem)
        written, is_new = unmet.written, unmet.expected is None
        mismatch = _everything(written) if is_new else written.mismatch
        return Failure(item.nodeid, file, written.scenario, mismatch, is_new, written.fault)


def _new_results(item: pytest.Item) -> list[AssertionResult]:
    """Return the results of the assertions since the last phase of this test."""
    fixtures: dict[str, Any] = getattr(item, "funcargs", None) or {}
    results = list(results_of_test(fixtures["db_snapshot"])) if "db_snapshot" in fixtures else []
    seen = item.stash.setdefault(_SEEN, set())
    new = [result for result in results if id(result) not in seen]
    seen.update(map(id, new))
    return new


def _everything(written: Written) -> Mismatch:
    """Say of what would be recorded that nobody has expected it yet."""
    actual = parse_expectation(written)
    return find_mismatch(replace(actual, facets={}), actual)
