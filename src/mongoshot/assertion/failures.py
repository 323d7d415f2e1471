"""What the assertions of a run found not as expected → one page, written at the end of the run."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mongoshot.comparison.documents import FieldChange, Value, compare_documents
from mongoshot.comparison.expectation.mismatch import FieldMismatch, Mismatch, PartMismatch
from mongoshot.comparison.expectation.model import Facet, fields_of, parse_expectation
from mongoshot.comparison.expectation.renumbering import renumber
from mongoshot.comparison.page.mismatch import Failure, mismatch_data
from mongoshot.comparison.page.report import fit, report_to_html, say_result
from mongoshot.comparison.page.room import MOST_TEXT
from mongoshot.errors import MongoshotError
from mongoshot.snapshot.single import cannot_write, write_file

if TYPE_CHECKING:
    from syrupy.assertion import AssertionResult

_SEEN: pytest.StashKey[int] = pytest.StashKey()


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
        is_new = result.recalled_data is None
        try:
            if result.exception is not None or result.asserted_data is None:
                problem = str(result.exception or "nothing was compared")
                return Failure(item.nodeid, file, is_new=is_new, problem=problem)
            scenario = parse_expectation(str(result.asserted_data)).scenario
            mismatch = mismatch_of(result)
        except MongoshotError as error:
            return Failure(item.nodeid, file, problem=str(error))
        return Failure(item.nodeid, file, scenario, mismatch, is_new)


def _new_results(item: pytest.Item) -> Sequence[AssertionResult]:
    """Return the results of the assertions since the last phase of this test."""
    fixtures: dict[str, Any] = getattr(item, "funcargs", None) or {}
    assertion = fixtures.get("db_snapshot")
    results = list(assertion.executions.values()) if assertion is not None else []
    seen = item.stash.get(_SEEN, 0)
    item.stash[_SEEN] = len(results)
    return results[seen:]


# The seam for a comparison that knows rules and nearest candidates: all below is to be replaced by
# what made the message of the failure.


def mismatch_of(result: AssertionResult) -> Mismatch | None:
    """Return what a failed assertion found not as expected; None where it cannot be said.

    Without a stored expectation, all that would be recorded is unexpected. Raises ExpectationError.
    """
    text = str(result.asserted_data)
    if result.recalled_data is None:
        actual = parse_expectation(text)
        return Mismatch(actual.kind, {n: tuple(_parts({}, f)) for n, f in actual.facets.items()})
    expected = parse_expectation(str(result.recalled_data))
    actual = parse_expectation(renumber(str(result.recalled_data), text))
    if expected.kind != actual.kind:
        return None
    names = dict.fromkeys([*expected.facets, *actual.facets])
    found = {
        name: tuple(_parts(expected.facets.get(name, {}), actual.facets.get(name, {})))
        for name in names
    }
    return Mismatch(actual.kind, {name: parts for name, parts in found.items() if parts})


def _parts(expected: Any, actual: Any) -> Iterator[PartMismatch]:
    facet: Facet
    for facet in dict.fromkeys([*expected, *actual]):
        old, new = expected.get(facet), actual.get(facet)
        if old != new:
            fields = tuple(_fields(facet[0], old, new)) if old and new else ()
            yield PartMismatch(facet[0], old, new, fields)


def _fields(section: str, expected: Value, actual: Value) -> Iterator[FieldMismatch]:
    if section == "updated":
        old, new = fields_of(expected), fields_of(actual)
        changes = [FieldChange(path, old.get(path), new.get(path)) for path in {**new, **old}]
    else:
        compared = compare_documents(expected.raw, actual.raw)
        changes = list(compared.fields) if compared else []
    wrong = [change for change in changes if change.before != change.after]
    for change in wrong:
        yield FieldMismatch(change.path, change.before, change.after, section == "updated")
    if not wrong:
        yield FieldMismatch("", expected, actual, remark="the same fields in another order")
