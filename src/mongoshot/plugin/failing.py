"""What a failing test says, and what it leaves for review.

Like the rest of the plugin, this imports what it needs when a test has failed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from mongoshot.assertion.unmet import Unmet

_COLOURED = "mongoshot_coloured"
_TROUBLE = "mongoshot_trouble"


def ci_variable() -> str | None:
    """Name the variable of the environment that says that this is CI, None where none does."""
    # pytest shows messages of any length there, and goes by the same two.
    return next((name for name in ("CI", "BUILD_NUMBER") if os.environ.get(name)), None)


class FailingTests:
    """Be what the plugin does about tests that fail, in a process of pytest."""

    def __init__(self, config: pytest.Config) -> None:
        """Ask where we are before a test can change the environment."""
        self._in_ci = ci_variable() is not None
        self._config = config
        self._worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._trouble = ""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker whether what it says is shown in colours."""
        node.workerinput[_COLOURED] = self._is_coloured()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear from a worker that it could not leave its proposals."""
        self._trouble = getattr(node, "workeroutput", {}).get(_TROUBLE, self._trouble)

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        """Say what is not as expected, most of it in pytest's eight lines."""
        if "mongoshot.comparison.difference" not in sys.modules:
            return None  # neither side can be of ours
        from mongoshot.assertion.explanation import explain_comparison
        from mongoshot.assertion.inline_report import explain_inline

        explained = explain_comparison(left, right, in_full=self._shows_all)
        return explain_inline(op, left, right) if explained is None else explained

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say in full what is not as expected, and leave what the test proposes for review.

        Once the test has passed, that is withdrawn.
        """
        report = yield
        fixtures: dict[str, Any] = getattr(item, "funcargs", {})
        if call.when != "call" or fixtures.keys().isdisjoint({"db_snapshot", "db_changes"}):
            return report
        unmet: list[Unmet] = []
        if report.failed:
            from mongoshot.assertion.unmet import unmet_expectations

            unmet = unmet_expectations(fixtures.get("db_snapshot"))
        # A failure that is expected proposes nothing; what was skipped halfway says nothing.
        decided = report.outcome != "skipped" or hasattr(report, "wasxfail")
        files: dict[str, str] = {}
        if "db_snapshot" in fixtures and decided and not self._in_ci:
            files = self._leave_proposals(item.nodeid, unmet)
        if report.failed:
            report.sections += self._sections(unmet, files, fixtures.get("db_changes"))
        return report

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int
    ) -> None:
        """Say what there is to review."""
        if self._trouble:
            from mongoshot.comparison.printable import one_line

            terminalreporter.write_line(f"mongoshot: {one_line(self._trouble)}")
        failed = exitstatus in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
        if failed and not self._in_ci:
            from mongoshot.review.store import Store

            if count := Store(self._config.rootpath).count():
                noun = "expectation" if count == 1 else "expectations"
                terminalreporter.write_line(
                    f"mongoshot: {count} {noun} to review: mongoshot review"
                )

    @property
    def _shows_all(self) -> bool:
        """Tell whether pytest shows messages of any length."""
        verbosity = self._config.get_verbosity(pytest.Config.VERBOSITY_ASSERTIONS)
        return self._in_ci or verbosity >= 2

    def _is_coloured(self) -> bool:
        """Tell whether what is said goes to a terminal that shows colours."""
        if self._config.getoption("xmlpath", None):
            return False  # the file would hold the codes, too
        if self._worker:
            return bool(self._worker[_COLOURED])
        return bool(self._config.get_terminal_writer().hasmarkup)

    def _sections(
        self, unmet: list[Unmet], files: Mapping[str, str], db_changes: Any
    ) -> Iterator[tuple[str, str]]:
        """Give the whole of what the message of a failure is the beginning of, or a screenful.

        `files` have the reports that could be left, by the index of what is unmet.
        """
        from mongoshot.assertion.explanation import SCREENFUL, cap, colour

        for each in unmet:
            file = files.get(each.index, "pytest -vv shows all")
            said = self._shows_all or each.is_said_briefly
            if not (said and each.written.is_explained):
                lines = cap(each.lines(), SCREENFUL, file)
                shown = colour(lines) if self._is_coloured() else lines
                yield f"mongoshot: {each.name}", "\n".join(shown)
        if found := getattr(db_changes, "found", None):
            from mongoshot.assertion.changes import show_changes

            yield "mongoshot: what the test changed", show_changes(found)

    def _leave_proposals(self, test: str, unmet: list[Unmet]) -> dict[str, str]:
        """Leave what a test proposes; return the files that have the reports, by index."""
        from mongoshot.errors import ProposalError
        from mongoshot.review.store import Store

        store = Store(self._config.rootpath)
        try:
            proposals = [
                store.propose(
                    test,
                    each.index,
                    each.file,
                    expected=each.expected,
                    actual=str(each.written),
                    scenario=each.written.scenario,
                    report="\n".join(each.report),
                )
                for each in unmet
                if each.proposes
            ]
            store.replace(test, proposals)
        except ProposalError as error:
            self._trouble = str(error)
            if hasattr(self._config, "workeroutput"):
                self._config.workeroutput[_TROUBLE] = self._trouble
            return {}
        return {proposal.index: store.report_file(proposal) for proposal in proposals}
