"""Scenarios that a run captures: asked before a test is staged, and decided on at the run's end.

What was captured anew lies aside until all tests of the run that used it have passed. The process
that leads the run hears that from the reports of its tests, wherever these have run; a report of a
test's setup also says which scenarios the test uses, and what was captured for it.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from mongoshot.plugin.failing import ci_variable
from mongoshot.plugin.mark import NAME, ScenarioMark, read_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from mongoshot.config import Settings
    from mongoshot.errors import MongoshotError
    from mongoshot.recording.modes import Wish
    from mongoshot.recording.scenarios import Captured, Target
    from mongoshot.server.connection import Client
    from mongoshot.snapshot.model import Scenario

_FLAG = "--scenario-record"
_TYPED, _RUN = "mongoshot_record_typed", "mongoshot_record_run"
_SAID_IN_REPORT = "mongoshot_recording"
_MOST_TESTS = 3


class _Run(NamedTuple):
    """Hold what a process knows of the run once a test of its is to be staged."""

    target: Target
    anew: dict[str, Wish]  # scenarios that are captured anew, and how


class Recording:
    """Be what the plugin does about capturing, in a process of pytest."""

    _KEY: pytest.StashKey[Recording] = pytest.StashKey()
    _SAID: pytest.StashKey[dict[str, list[Any]]] = pytest.StashKey()

    def __init__(self, config: pytest.Config) -> None:
        """Ask where we are before a test can change the environment."""
        told: dict[str, Any] | None = getattr(config, "workerinput", None)
        typed = map(str, config.invocation_params.args)
        self._is_worker = told is not None
        self._ci = ci_variable()
        self._typed = told[_TYPED] if told else any(a.split("=")[0] == _FLAG for a in typed)
        self._name = told[_RUN] if told else f"{os.getpid()}-{os.urandom(4).hex()}"
        self._home = config.rootpath / ".mongoshot" / "recording"
        self._aside = self._home / self._name
        self._run: _Run | None = None
        self._there: set[str] = set()
        self._failed: dict[tuple[str, Wish], MongoshotError] = {}
        self._captured: list[Captured] = []
        self._made_anew: list[Captured] = []
        self._users: dict[str, set[str]] = {}  # tests by the scenario captured anew
        self._unmet: dict[str, str] = {}  # what became of tests that have not passed
        self._under_way: set[str] = set()
        self._left: set[str] = set()  # what was not captured anew, and why
        self._broken = ""
        self._has_ended = False
        self._lines: list[str] = []

    @classmethod
    def watch(cls, config: pytest.Config) -> None:
        """Begin to watch a run."""
        config.stash[cls._KEY] = cls(config)
        config.pluginmanager.register(config.stash[cls._KEY], "mongoshot-recording")

    @classmethod
    def of(cls, config: pytest.Config) -> Recording:
        """Return that of a run."""
        return config.stash[cls._KEY]

    # In the process that runs the test

    def begin(
        self, session: pytest.Session, client: Client, settings: Settings
    ) -> Callable[[str], Scenario]:
        """Take where tests write to, before the first is staged; return what finds scenarios."""
        from mongoshot.recording.scenarios import Target

        self._run = _Run(Target(client, settings), dict(self._find_anew(session, settings)))
        return partial(self._find, settings.snapshots_path, frozenset(self._run.anew))

    def provide(self, item: pytest.Item, marked: ScenarioMark) -> None:
        """See that the scenarios of a test are there, before it is staged: captured, if need be.

        Raises SnapshotNotFoundError where one is missing and nothing says that it may be captured,
        and whatever a capture raises.
        """
        said: dict[str, list[Any]] = {"uses": [], "captured": [], "left": []}
        item.stash[self._SAID] = said
        if not marked.names or self._run is None:
            return
        target, anew = self._run
        wish = self._wish(target.settings, marked)
        for named in marked.names:
            name = _directory(named, target.settings.snapshots_path)
            if name in anew:
                said["uses"].append(name)
                _check_source(name, wish, anew[name])
            if name not in self._there:
                self._see_to(name, anew.get(name, wish), target, said)
                self._there.add(name)

    def _see_to(self, name: str, wish: Wish, target: Target, said: dict[str, list[Any]]) -> None:
        """See that a scenario is there, once in a process; what failed is not tried again."""
        from mongoshot.errors import MongoshotError

        if error := self._failed.get((name, wish)):
            raise type(error)(str(error))
        try:
            if wish.mode == "none":
                _require(name, wish, target.settings)
                return
            from mongoshot.recording.scenarios import record_anew, record_missing, why_not_anew

            if wish.mode == "rewrite" and (reason := why_not_anew(name, target)):
                said["left"].append(f"{name} was not captured anew, as {reason}")
                return
            if wish.mode == "rewrite":
                found = record_anew(name, wish, target, self._aside)
            else:
                found = record_missing(name, wish, target, self._home)
        except MongoshotError as error:
            if wish.mode != "none":
                self._failed[name, wish] = error
            raise
        if found is not None:
            said["captured"].append({"anew": wish.mode == "rewrite"} | asdict(found))

    def _wish(self, settings: Settings, marked: ScenarioMark) -> Wish:
        from mongoshot.recording.modes import Place, decide

        return decide(
            settings,
            Place(self._ci, self._typed),
            record=marked.record,
            url=marked.source_url,
            name=marked.source_name,
        )

    def _find_anew(self, session: pytest.Session, settings: Settings) -> Iterator[tuple[str, Wish]]:
        """Find which scenarios are captured anew, as one of the tests wishes: for all of them."""
        found: set[str] = set()
        for item in session.items:
            marker = item.get_closest_marker(NAME)
            if marker is None or (
                settings.scenario_record != "rewrite" and "record" not in marker.kwargs
            ):
                continue
            try:
                marked = read_mark(item)
            except pytest.fail.Exception:
                continue  # which that test will say
            wish = self._wish(settings, marked)
            if wish.mode == "rewrite":
                names = [_directory(name, settings.snapshots_path) for name in marked.names]
                yield from ((name, wish) for name in names if name not in found)
                found.update(names)

    def _find(self, directory: Path, anew: frozenset[str], name: str) -> Scenario:
        from mongoshot.snapshot.steps.state import find_scenario

        scenario = _directory(name, directory)
        is_anew = scenario in anew and (self._aside / scenario).is_dir()
        return find_scenario(name, self._aside if is_anew else directory)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say with the setup of a test what it uses that is captured anew, and what was captured.

        xdist hands on whatever a report has, at once: also of a worker that crashes later.
        """
        report = yield
        said = item.stash.get(self._SAID, None)
        if call.when == "setup" and said and any(said.values()):
            vars(report)[_SAID_IN_REPORT] = said
        return report

    # In the process that leads the run

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker which run it is part of, and what was typed."""
        node.workerinput |= {_TYPED: self._typed, _RUN: self._name}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        """Remember that a worker has crashed."""
        if error:
            self._broken = self._broken or "a worker of the run crashed"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember that there may be tests which could not be collected."""
        if report.failed:
            self._broken = self._broken or f"{report.nodeid or 'a test'} could not be collected"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear what a test uses, what was captured for it, and what became of it."""
        test = report.nodeid
        if said := getattr(report, _SAID_IN_REPORT, None):
            self._note(test, said)
        if report.when == "teardown":
            self._under_way.discard(test)
        outcome: str = report.outcome  # "rerun" is that of pytest-rerunfailures
        # A failure that was expected, or that is tried again, is none.
        if outcome not in ("passed", "rerun") and not hasattr(report, "wasxfail"):
            self._unmet.setdefault(test, "was skipped" if report.skipped else "failed")

    def _note(self, test: str, said: dict[str, list[Any]]) -> None:
        from mongoshot.recording.scenarios import Captured

        for each in said["captured"]:
            # The report of a worker is still to be sent: it stays as it is.
            captured = Captured(**{key: value for key, value in each.items() if key != "anew"})
            (self._made_anew if each["anew"] else self._captured).append(captured)
        self._left.update(said["left"])
        for name in said["uses"]:
            self._users.setdefault(name, set()).add(test)
            self._under_way.add(test)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Find out whether all tests have run that were to run."""
        result = yield  # what stops a run is raised
        self._has_ended = True
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Keep what was captured anew where all is well; remove it from aside."""
        result = yield  # workers end here at the latest
        if not self._is_worker and self._aside.is_dir():
            from mongoshot.recording.scenarios import discard

            try:
                for captured in self._made_anew:
                    self._lines.append(self._conclude(captured, session))
            finally:
                discard(self._aside)
        return result

    def _conclude(self, captured: Captured, session: pytest.Session) -> str:
        """Keep a scenario, or not; say which and why."""
        from mongoshot.errors import MongoshotError
        from mongoshot.recording.scenarios import keep

        what = f"captured {self._shown(captured)} anew from {captured}"
        if reason := self._why_not(captured.scenario):
            return f"{what}; not kept, as {reason}"
        try:
            return f"{what}; kept, {keep(captured, self._aside)}"
        except MongoshotError as error:
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return f"{what}; not kept, as {error}"

    def _shown(self, captured: Captured) -> str:
        path, root = Path(captured.path), self._home.parents[1]
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    def _why_not(self, name: str) -> str:
        """Say why a scenario is not kept; "" where it is."""
        if self._broken or not self._has_ended:
            return self._broken or "the run was stopped before its end"
        users = self._users.get(name, set())
        if unmet := sorted(users & self._unmet.keys()):
            more = f" and {len(unmet) - _MOST_TESTS} more" if len(unmet) > _MOST_TESTS else ""
            tests = ", ".join(f"{test} {self._unmet[test]}" for test in unmet[:_MOST_TESTS])
            return f"{tests}{more}"
        if left := sorted(users & self._under_way):
            return f"{left[0]} has not come to its end"
        return ""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was captured, and what of it was kept."""
        lines = [f"captured {self._shown(each)} from {each}" for each in self._captured]
        lines += [*self._lines, *sorted(self._left)]
        lines += [note for each in (*self._captured, *self._made_anew) for note in each.notes]
        if lines:
            from mongoshot.comparison import printable

            for line in lines:
                terminalreporter.write_line(f"mongoshot: {printable.one_line(line)}")


def _directory(name: str, snapshots: Path) -> str:
    """Return the name of a scenario without the step of a recording behind it, `import@3`."""
    from mongoshot.snapshot.scenario_names import split_known_name

    return split_known_name(name, snapshots)[0]


def _require(name: str, wish: Wish, settings: Settings) -> None:
    """Raise SnapshotNotFoundError, with what to type, for a scenario that is missing."""
    from mongoshot.errors import SnapshotNotFoundError
    from mongoshot.snapshot.directory import load_scenario

    try:
        load_scenario(name, settings.snapshots_path)
    except SnapshotNotFoundError as error:
        source = "" if wish.url else " --scenario-source-url=URL --scenario-source-name=DB"
        ignored = f"; {wish.ignored}" if wish.ignored else ""
        raise SnapshotNotFoundError(f"{error}, or: pytest {_FLAG}=once{source}{ignored}") from None


def _check_source(name: str, wish: Wish, first: Wish) -> None:
    from mongoshot.errors import UsageError

    if wish.mode == "rewrite" and (wish.url, wish.name) != (first.url, first.name):
        raise UsageError(
            f"the scenario {name!r} is captured anew once in a run, and its tests name several"
            ' sources: give all markers with record="rewrite" the same source_url and'
            " source_name, or none"
        )
