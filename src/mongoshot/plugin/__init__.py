"""The pytest plugin: options and fixtures, which translate and delegate.

Nothing heavy is imported before a test needs it: a suite that does not use mongoshot pays for the
lines of this file alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from mongoshot.assertion.changes import ObservedChanges
    from mongoshot.assertion.state import ObservedState
    from mongoshot.assertion.stored import SnapshotAssertion, StoredExpectation
    from mongoshot.config import Settings
    from mongoshot.server.connection import Client, Database
    from mongoshot.staging.building.builder import ScenarioBuilder
    from mongoshot.staging.stage import Stage
    from mongoshot.staging.staged import Staged
    from mongoshot.staging.statistics import Statistics

#: A test that asks for one of these, or is marked with a scenario, starts from a staged database.
_STAGED_FIXTURES = frozenset(
    {
        "mongo_client",
        "db",
        "scenario_builder",
        "staged",
        "db_changes",
        "db_state",
        "db_snapshot",
    }
)
_OWNER = "mongoshot_owner"
_STATISTICS = "mongoshot_statistics"
_RUN: pytest.StashKey[Statistics] = pytest.StashKey()
_REPORT_HELP = "write what the run found not as expected as an HTML page, counted from the rootdir"
_VERIFY_HELP = "prove before each test that the database is what its scenario says"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer each option as a flag and an ini key; the environment variable is read later."""
    from mongoshot.config import OPTIONS

    group = parser.getgroup("mongoshot", "MongoDB scenarios")
    for option in OPTIONS:
        text = f"{option.help} [environment: {option.environment}]"
        group.addoption(f"--{option.key}", default=None, metavar="VALUE", help=text)
        parser.addini(option.key, text, default=None)
    group.addoption(
        "--mongoshot-verify",
        action="store_true",
        help=_VERIFY_HELP,
    )
    parser.addini("mongoshot-verify", _VERIFY_HELP, type="bool", default=False)
    group.addoption("--mongoshot-report", default=None, metavar="PATH", help=_REPORT_HELP)
    parser.addini("mongoshot-report", _REPORT_HELP, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what watches the run."""
    from mongoshot.assertion.run import RunRecord
    from mongoshot.plugin.failing import FailingTests

    RunRecord.watch(config)
    config.pluginmanager.register(FailingTests(config), "mongoshot-failing")
    config.addinivalue_line(
        "markers",
        "scenario(*names, readonly=False): stage the database from these scenarios before the test,"
        " laid over each other in order; the nearest of function, class and module counts; with"
        " readonly=True a test that changes anything fails",
    )
    if (path := _report_path(config)) is not None and not config.option.collectonly:
        from mongoshot.assertion.failures import RunReport

        config.pluginmanager.register(RunReport(config, path), "mongoshot-report")


def _report_path(config: pytest.Config) -> Path | None:
    flag = config.getoption("--mongoshot-report")
    given = config.getini("mongoshot-report") if flag is None else flag
    if given is None:
        return None
    path: Path = config.rootpath / given
    # A slip of the command line must not cost a file: the argument after the flag is its value.
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise pytest.UsageError(
            f"mongoshot-report should be the path of a page to write, like out.html, not {given!r}"
        )
    return path


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each xdist worker whose server it shares: that of this process."""
    node.workerinput[_OWNER] = os.getpid()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what an xdist worker has gathered to the statistics of the run."""
    if (gathered := getattr(node, "workeroutput", {}).get(_STATISTICS)) is not None:
        _statistics(node.config).merge(gathered)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what staging has cost, and what it found on the way."""
    if _RUN in config.stash and config.get_verbosity() >= 0:
        from mongoshot.comparison.printable import one_line

        for line in config.stash[_RUN].lines():
            terminalreporter.write_line(f"mongoshot: {one_line(line)}")


def _statistics(config: pytest.Config) -> Statistics:
    from mongoshot.staging.statistics import Statistics

    return config.stash.setdefault(_RUN, Statistics())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Stage the database of a test that uses it before the first fixture of the test's own."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is None:
        return
    if item.get_closest_marker("scenario") or not _STAGED_FIXTURES.isdisjoint(names):
        # A list of its own: that of a function is shared by all its parameters.
        names = [name for name in names if name != "staged"]
        names.insert(_first_of_function_scope(item, names), "staged")
        item.fixturenames = names  # type: ignore[attr-defined]


def _first_of_function_scope(item: pytest.Item, names: list[str]) -> int:
    # pytest sorts the names by scope, and has no public way to ask for it.
    definitions = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]  # noqa: SLF001
    for at, name in enumerate(names):
        if name in definitions and definitions[name][-1].scope == "function":
            return at
    return len(names)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let changes count from the beginning of the test's body: fixtures arrange."""
    fixtures: dict[str, Any] = getattr(item, "funcargs", {})
    readonly = "staged" in fixtures and _is_readonly(item)
    if "db_changes" in fixtures or readonly:
        with _one_line():
            fixtures["staged"].mark()
    result = yield
    if readonly:
        with _one_line():
            changes = fixtures["staged"].changes()
        if changes:
            from mongoshot.assertion.changes import show_changes
            from mongoshot.comparison.text import summarize

            pytest.fail(
                f"marked readonly, this test has written: {summarize(changes.collections)}\n"
                + show_changes(changes),
                pytrace=False,
            )
    return result


@pytest.fixture(scope="session")
def _mongoshot_settings(pytestconfig: pytest.Config) -> Settings:
    from mongoshot.config import OPTIONS, resolve

    keys = [option.key for option in OPTIONS]
    with _one_line():
        return resolve(
            {key: pytestconfig.getoption(f"--{key}") for key in keys},
            root=pytestconfig.rootpath,
            ini={key: pytestconfig.getini(key) for key in keys},
        )


@pytest.fixture(scope="session")
def mongo_client(pytestconfig: pytest.Config, _mongoshot_settings: Settings) -> Iterator[Client]:
    """Give the client of the server under test: `--db-url`, or an embedded mongod."""
    from mongoshot.server.provision import provide

    worker: dict[str, Any] | None = getattr(pytestconfig, "workerinput", None)
    run = (worker["testrunuid"], worker[_OWNER]) if worker else None
    with contextlib.ExitStack() as stack:
        with _one_line():
            client = stack.enter_context(
                provide(_mongoshot_settings.db_url, _mongoshot_settings.project.mongod, run)
            )
        yield client


@pytest.fixture(scope="session")
def _mongoshot_stage(
    request: pytest.FixtureRequest, mongo_client: Client, _mongoshot_settings: Settings
) -> Iterator[Stage]:
    from mongoshot.staging.stage import Stage

    config = request.config
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    suffix = f"_{worker['workerid']}" if worker else ""
    with _one_line():
        stage = Stage(
            mongo_client,
            _mongoshot_settings.db_name + suffix,
            _mongoshot_settings,
            main=_most_used_scenario(request.session),
            verify=config.getoption("--mongoshot-verify") or config.getini("mongoshot-verify"),
        )
    yield stage
    stage.close()
    _statistics(config).merge(stage.statistics.to_dict())
    if worker:
        config.workeroutput[_STATISTICS] = stage.statistics.to_dict()  # type: ignore[attr-defined]


def _most_used_scenario(session: pytest.Session) -> tuple[str, ...]:
    """Return the scenario that most of the collected tests ask for, whatever their order."""
    uses: dict[tuple[str, ...], int] = {}
    for item in session.items:
        if "staged" in getattr(item, "fixturenames", ()):
            marker = item.get_closest_marker("scenario")
            names = tuple(str(name) for name in marker.args) if marker else ()
            uses[names] = uses.get(names, 0) + 1
    return min(uses, key=lambda names: (-uses[names], str(names)), default=())


@pytest.fixture(scope="session")
def db(_mongoshot_stage: Stage) -> Database:
    """Give the database under test, staged before each test; xdist workers have their own.

    Scenarios have a database each: this object is always that of the test. What a fixture of a
    wider scope writes to it is gone when a test begins: arrange in fixtures of function scope, or
    record it into the scenario.
    """
    return _mongoshot_stage.database


@pytest.fixture(scope="session")
def templates_path(_mongoshot_settings: Settings) -> str:
    """Give the directory of the templates, `--templates-path`, as an absolute path."""
    return str(_mongoshot_settings.templates_path)


@pytest.fixture(scope="session")
def scenario_builder(
    db: Database, templates_path: str, _mongoshot_settings: Settings
) -> ScenarioBuilder:
    """Give what creates documents from templates in the database of the test."""
    from mongoshot.staging.building.builder import ScenarioBuilder
    from mongoshot.staging.templates import load_templates_from_path

    with _one_line():
        return ScenarioBuilder(db, load_templates_from_path(templates_path))


def _template_collections(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Name the collections that a test finds there, empty, as it uses templates."""
    if {"scenario_builder", "templates_path"}.isdisjoint(request.fixturenames):
        return ()
    definitions = request.node._fixtureinfo.name2fixturedefs.get("scenario_builder")  # noqa: SLF001 - see _first_of_function_scope
    if definitions and definitions[-1].scope == "function":
        return ()  # the user's own, which may write: it has its turn after the staging
    return tuple(getattr(request.getfixturevalue("scenario_builder"), "collections", ()))


def _counts_changes(request: pytest.FixtureRequest) -> bool:
    """Tell whether a test asks what has changed, by a fixture or by its marker."""
    # Without what was put there for it.
    asked = request.node._fixtureinfo.names_closure  # noqa: SLF001 - see _first_of_function_scope
    return "staged" in asked or _is_readonly(request.node)


@pytest.fixture
def staged(request: pytest.FixtureRequest, _mongoshot_stage: Stage) -> Iterator[Staged]:
    """Stage the test's scenario, or an empty database, and give it: `reset()`, `mark()`."""
    from mongoshot.comparison.printable import one_line

    names = _scenario_names(request.node)
    with _one_line():
        staged = _mongoshot_stage.prepare(
            names,
            request.node.nodeid,
            furniture=_template_collections(request),
            counts=_counts_changes(request),
        )
    for remark in map(one_line, _mongoshot_stage.remarks):
        request.node.add_report_section("setup", "mongoshot", f"before this test: {remark}")
    yield staged
    _mongoshot_stage.finish(names)


@pytest.fixture
def db_changes(staged: Staged) -> ObservedChanges:
    """Give what the test's body has changed so far: compare with `db_snapshot`, or with `not`."""
    from mongoshot.assertion.changes import ObservedChanges

    return ObservedChanges(staged.changes)


@pytest.fixture
def db_state(staged: Staged) -> ObservedState:
    """Give the whole database as it is, or one collection of it: `db_state["orders"]`."""
    from mongoshot.assertion.state import ObservedState

    return ObservedState(staged.state, staged.scenario, provenance=staged.provenance)


@pytest.fixture
def db_snapshot(staged: Staged, snapshot: SnapshotAssertion) -> StoredExpectation:  # noqa: ARG001 - stages
    """Give the stored expectation of this assertion; `--snapshot-update` records it."""
    from mongoshot.assertion.stored import stored_expectations

    return stored_expectations(snapshot)


def _scenario_names(node: pytest.Item) -> tuple[str, ...]:
    marker = node.get_closest_marker("scenario")
    if marker is None:
        return ()
    named = bool(marker.args) and all(isinstance(name, str) for name in marker.args)
    if not named or marker.kwargs.keys() - {"readonly"}:
        pytest.fail(
            "the marker scenario takes one or more names of scenarios, each a string, and"
            ' readonly: @pytest.mark.scenario("shop", readonly=True)',
            pytrace=False,
        )
    return marker.args


def _is_readonly(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("scenario")
    return bool(marker and marker.kwargs.get("readonly"))


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Let an error of ours fail the test with its one line, which says all, and no traceback."""
    from mongoshot.errors import MongoshotError

    try:
        yield
    except MongoshotError as error:
        from mongoshot.comparison.printable import printable

        raise pytest.fail.Exception(printable(str(error)), pytrace=False) from None
