"""The fixtures that tests use: thin, over the functions of the library."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from mongoshot.plugin.errors import one_line
from mongoshot.plugin.loops import check_backend
from mongoshot.plugin.mark import asked_names, is_readonly, read_mark
from mongoshot.plugin.recording import Recording
from mongoshot.plugin.workers import gather, worker_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mongoshot.assertion.changes import ObservedChanges
    from mongoshot.assertion.state import ObservedState
    from mongoshot.assertion.stored import SnapshotAssertion, StoredExpectation
    from mongoshot.config import Settings
    from mongoshot.server.asynchronous import AsyncDatabase
    from mongoshot.server.connection import Client, Database
    from mongoshot.staging.building.builder import ScenarioBuilder
    from mongoshot.staging.stage import Stage
    from mongoshot.staging.staged import Staged

#: A test that asks for one of these, or is marked with a scenario, starts from a staged database.
STAGED_FIXTURES = frozenset(
    {
        "db_url",
        "db_name",
        "mongo_client",
        "db",
        "async_db",
        "scenario_builder",
        "staged",
        "db_changes",
        "db_state",
        "db_snapshot",
    }
)

#: The client that `mongo_client` made, and its URL; the one of the user's that was found to match.
_SERVED: pytest.StashKey[tuple[Client | None, str | None]] = pytest.StashKey()
_CHECKED: pytest.StashKey[Client] = pytest.StashKey()
_BUILT: pytest.StashKey[tuple[ScenarioBuilder, str]] = pytest.StashKey()


def asks_for_staging(item: pytest.Item) -> bool:
    """Tell whether a test asks for a fixture that stages."""
    asked = STAGED_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    # A project may have fixtures of these names for another kind of database.
    return any(name not in ("db_url", "db_name") or _is_ours(item, name) for name in asked)


def _url_of(config: pytest.Config, client: Client) -> str | None:
    """Return the URL of a client; None for one that a fixture of the user's has made."""
    ours, url = config.stash.get(_SERVED, (None, None))
    return url if client is ours else None


def _is_ours(item: pytest.Item, name: str) -> bool:
    """Tell whether a test asks for a fixture of this name, and gets the one in this module."""
    asked: Any = getattr(item, "_fixtureinfo", None)  # pytest has no public way
    definitions: Any = asked.name2fixturedefs.get(name) if asked else None
    return bool(definitions) and definitions[-1].func.__module__ == __name__


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
def db_url(pytestconfig: pytest.Config, _mongoshot_settings: Settings) -> Iterator[str]:
    """Give the URL of the server under test, for any driver: `--db-url`, or an embedded mongod's.

    All that mongoshot does goes to this server: to name one by a program, as a container that was
    just started, override this fixture.
    """
    from mongoshot.server.provision import serve
    from mongoshot.server.urls import Url

    worker = worker_of(pytestconfig)
    run = (worker.run, worker.owner) if worker else None
    with contextlib.ExitStack() as stack:
        with one_line():
            url = stack.enter_context(
                serve(_mongoshot_settings.db_url, _mongoshot_settings.project.mongod, run)
            )
        yield Url(url)


@pytest.fixture(scope="session")
def mongo_client(pytestconfig: pytest.Config, db_url: str) -> Iterator[Client]:
    """Give the client of the server under test, that of `db_url`."""
    from mongoshot.server.connection import connect

    with one_line():
        client = connect(db_url)
    with client:
        pytestconfig.stash[_SERVED] = client, db_url
        yield client


@pytest.fixture(scope="session")
def _mongoshot_stage(
    request: pytest.FixtureRequest,
    mongo_client: Client,
    _mongoshot_settings: Settings,
) -> Iterator[Stage]:
    from mongoshot.staging.opening import use_stage
    from mongoshot.staging.stage import Stage, spare_names

    config = request.config
    worker = worker_of(config)
    suffix = f"_{worker.name}" if worker else ""
    with one_line():
        stage = Stage(
            mongo_client,
            _mongoshot_settings.db_name + suffix,
            _mongoshot_settings,
            url=_url_of(config, mongo_client) or "",
            main=_most_used_scenario(request.session),
            verify=config.getoption("--mongoshot-verify") or config.getini("mongoshot-verify"),
            find=Recording.of(config).begin(request.session, mongo_client, _mongoshot_settings),
            spare=spare_names(_mongoshot_settings, suffix),
        )
    if any(_is_ours(item, "db_name") for item in request.session.items):
        stage.share()
    use_stage(stage)
    yield stage
    stage.close()
    gather(config, stage.statistics)


def _most_used_scenario(session: pytest.Session) -> tuple[str, ...]:
    """Return the scenario that most of the collected tests ask for, whatever their order."""
    uses: dict[tuple[str, ...], int] = {}
    for item in session.items:
        if "staged" in getattr(item, "fixturenames", ()):
            names = asked_names(item)
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
def db_name(_mongoshot_stage: Stage) -> str:
    """Give the name of the database under test, for programs that make their own client.

    It is the same for the whole run, so all scenarios share that database, and each change of
    scenario loads. A client that is made for each test can do without: `db.name`.
    """
    with one_line():
        return _mongoshot_stage.share()


def _check_server(request: pytest.FixtureRequest, stage: Stage) -> None:
    """Fail where a test is told of another server than the one that it is staged on."""
    config, client = request.config, stage.database.client
    if "db_url" not in request.fixturenames or _url_of(config, client) is not None:
        return
    from mongoshot.server.identity import check_same_server

    if config.stash.get(_CHECKED, None) is not client:
        with one_line():
            check_same_server(client, request.getfixturevalue("db_url"))
        config.stash[_CHECKED] = client


@pytest.fixture
def async_db(
    request: pytest.FixtureRequest, staged: Staged, db_url: str
) -> Iterator[AsyncDatabase]:
    """Give the database of the test to coroutines: PyMongo's `AsyncDatabase`, of a new client.

    It works on the event loop that first uses it, under asyncio alone, and is closed with it.
    """
    check_backend(request)
    with contextlib.ExitStack() as stack:
        with one_line():
            from mongoshot.server.asynchronous import open_async

            database = stack.enter_context(open_async(staged.database, db_url))
        yield database


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
    # Without what was put there for it. What is asked for halfway is not among them.
    asked = request.node._fixtureinfo.names_closure  # noqa: SLF001 - pytest has no public way
    halfway = STAGED_FIXTURES.isdisjoint(asked)
    return halfway or "staged" in asked or is_readonly(request.node)


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

    _check_server(request, _mongoshot_stage)
    marked = read_mark(request.node)
    names = marked.names
    with one_line():
        _check_client(request, _mongoshot_stage)
        Recording.of(request.config).provide(request.node, marked)
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
