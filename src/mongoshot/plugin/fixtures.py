"""The fixtures that tests use: thin, over the functions of the library."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from mongoshot.plugin.errors import one_line
from mongoshot.plugin.mark import NAME, is_readonly, read_mark
from mongoshot.plugin.workers import gather, worker_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mongoshot.assertion.changes import ObservedChanges
    from mongoshot.assertion.state import ObservedState
    from mongoshot.assertion.stored import SnapshotAssertion, StoredExpectation
    from mongoshot.config import Settings
    from mongoshot.server.connection import Client, Database
    from mongoshot.staging.building.builder import ScenarioBuilder
    from mongoshot.staging.stage import Stage
    from mongoshot.staging.staged import Staged

#: A test that asks for one of these, or is marked with a scenario, starts from a staged database.
STAGED_FIXTURES = frozenset(
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

_BUILT: pytest.StashKey[tuple[ScenarioBuilder, str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def _mongoshot_settings(pytestconfig: pytest.Config) -> Settings:
    from mongoshot.config import OPTIONS, resolve

    keys = [option.key for option in OPTIONS]
    with one_line():
        return resolve(
            {key: pytestconfig.getoption(f"--{key}") for key in keys},
            root=pytestconfig.rootpath,
            ini={key: pytestconfig.getini(key) for key in keys},
        )


@pytest.fixture(scope="session")
def mongo_client(pytestconfig: pytest.Config, _mongoshot_settings: Settings) -> Iterator[Client]:
    """Give the client of the server under test: `--db-url`, or an embedded mongod."""
    from mongoshot.server.provision import provide

    worker = worker_of(pytestconfig)
    run = (worker.run, worker.owner) if worker else None
    with contextlib.ExitStack() as stack:
        with one_line():
            client = stack.enter_context(
                provide(_mongoshot_settings.db_url, _mongoshot_settings.project.mongod, run)
            )
        yield client


@pytest.fixture(scope="session")
def _mongoshot_stage(
    request: pytest.FixtureRequest, mongo_client: Client, _mongoshot_settings: Settings
) -> Iterator[Stage]:
    from mongoshot.staging.stage import Stage, spare_names

    config = request.config
    worker = worker_of(config)
    suffix = f"_{worker.name}" if worker else ""
    with one_line():
        stage = Stage(
            mongo_client,
            _mongoshot_settings.db_name + suffix,
            _mongoshot_settings,
            main=_most_used_scenario(request.session),
            verify=config.getoption("--mongoshot-verify") or config.getini("mongoshot-verify"),
            spare=spare_names(_mongoshot_settings, suffix),
        )
    yield stage
    stage.close()
    gather(config, stage.statistics)


def _most_used_scenario(session: pytest.Session) -> tuple[str, ...]:
    """Return the scenario that most of the collected tests ask for, whatever their order."""
    uses: dict[tuple[str, ...], int] = {}
    for item in session.items:
        if "staged" in getattr(item, "fixturenames", ()):
            marker = item.get_closest_marker(NAME)
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
    pytestconfig: pytest.Config,
    db: Database,
    templates_path: str,
    _mongoshot_settings: Settings,
) -> ScenarioBuilder:
    """Give what creates documents from templates in the database of the test."""
    from mongoshot.staging.building.builder import ScenarioBuilder
    from mongoshot.staging.templates import load_templates_from_path

    with one_line():
        builder = ScenarioBuilder(db, load_templates_from_path(templates_path))
    pytestconfig.stash[_BUILT] = builder, templates_path
    return builder


def _template_collections(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Name the collections that a test finds there, empty, as it uses templates."""
    if {"scenario_builder", "templates_path"}.isdisjoint(request.fixturenames):
        return ()
    definitions = request.node._fixtureinfo.name2fixturedefs.get("scenario_builder")  # noqa: SLF001 - pytest has no public way
    if definitions and definitions[-1].scope == "function":
        return ()  # the user's own, which may write: it has its turn after the staging
    builder = request.getfixturevalue("scenario_builder")
    ours, path = request.config.stash.get(_BUILT, (None, ""))
    if builder is ours and request.getfixturevalue("templates_path") != path:
        from mongoshot.errors import UsageError

        raise UsageError(
            "this test has another templates_path than scenario_builder was made with, which is one"
            " for the whole run: override scenario_builder beside it"
        )
    return tuple(getattr(builder, "collections", ()))


def _counts_changes(request: pytest.FixtureRequest) -> bool:
    """Tell whether a test asks what has changed, by a fixture or by its marker."""
    # Without what was put there for it.
    asked = request.node._fixtureinfo.names_closure  # noqa: SLF001 - pytest has no public way
    return "staged" in asked or is_readonly(request.node)


def _check_client(request: pytest.FixtureRequest, stage: Stage) -> None:
    """Raise UsageError where a directory or a module has a server of its own."""
    from mongoshot.errors import UsageError

    if request.getfixturevalue("mongo_client") is not stage.database.client:
        raise UsageError(
            "this test has another mongo_client than the run began with: a run has one server, so"
            " override the fixture for all tests, in the conftest.py of the rootdir, or run these"
            " tests by themselves"
        )


@pytest.fixture
def staged(request: pytest.FixtureRequest, _mongoshot_stage: Stage) -> Iterator[Staged]:
    """Stage the test's scenario, or an empty database, and give it: `reset()`, `mark()`."""
    from mongoshot.comparison import printable

    names = read_mark(request.node).names
    with one_line():
        _check_client(request, _mongoshot_stage)
        staged = _mongoshot_stage.prepare(
            names,
            request.node.nodeid,
            furniture=_template_collections(request),
            counts=_counts_changes(request),
        )
    for remark in map(printable.one_line, _mongoshot_stage.remarks):
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
