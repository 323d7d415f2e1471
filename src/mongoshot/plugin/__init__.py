"""The pytest plugin: options and hooks, which translate and delegate; tests use the `fixtures`.

Nothing heavy is imported before a test needs it: a suite that does not use mongoshot pays for the
lines of this package's modules alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mongoshot.plugin import errors, fixtures, halfway, mark
from mongoshot.plugin.errors import one_line
from mongoshot.plugin.recording import Recording
from mongoshot.plugin.workers import hear_worker, summary, tell_worker

if TYPE_CHECKING:
    from collections.abc import Generator

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

    config.pluginmanager.register(fixtures, "mongoshot-fixtures")
    config.pluginmanager.register(errors, "mongoshot-errors")
    RunRecord.watch(config)
    config.pluginmanager.register(FailingTests(config), "mongoshot-failing")
    Recording.watch(config)
    config.addinivalue_line("markers", mark.HELP)
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
    """Tell each xdist worker what it cannot know."""
    tell_worker(node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from each xdist worker at its end."""
    hear_worker(node)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what staging has cost, and what it found on the way."""
    lines = summary(config) if config.get_verbosity() >= 0 else []
    if lines:
        from mongoshot.comparison import printable

        for line in lines:
            terminalreporter.write_line(f"mongoshot: {printable.one_line(line)}")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Stage the database of a test that uses it before the first fixture of the test's own."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is None:
        return
    if errors.stages_itself(item):
        # pytest leaves it to unittest to skip, which does so when all fixtures are there.
        if not getattr(item.cls, "__unittest_skip__", False):  # type: ignore[attr-defined]
            names.insert(0, "_mongoshot_stage")
    elif item.get_closest_marker(mark.NAME) or fixtures.asks_for_staging(item):
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


def pytest_collection_finish(session: pytest.Session) -> None:
    """Watch for tests that ask for a fixture halfway."""
    halfway.watch(session)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let changes count from the beginning of the test's body: fixtures arrange."""
    given: dict[str, Any] = getattr(item, "funcargs", {})
    readonly = "staged" in given and mark.is_readonly(item)
    if "db_changes" in given or readonly:
        with one_line():
            given["staged"].mark()
    result = yield
    if readonly:
        with one_line():
            changes = given["staged"].changes()
        if changes:
            from mongoshot.assertion.changes import show_changes
            from mongoshot.comparison.text import summarize

            pytest.fail(
                f"marked readonly, this test has written: {summarize(changes.collections)}\n"
                + show_changes(changes),
                pytrace=False,
            )
    return result
