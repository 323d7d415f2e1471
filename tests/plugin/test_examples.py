"""The example projects pass in every way that people run tests, killed ones among them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.inner import without_plugins

Project = Callable[..., dict[str, int]]

ROOT = Path(__file__).parents[2]

#: Each with a scenario that its tests start from, and the plugins that they need.
EXAMPLES = {"checkout": ("shop", ()), "notes_api": ("notebook", ("anyio",))}

pytestmark = [pytest.mark.long, pytest.mark.parametrize("example", EXAMPLES)]

#: A test between the others that is killed while its database is upside down.
KILLED = """
import os
import signal

import pytest


@pytest.mark.scenario("SCENARIO")
def test_is_killed(db):
    names = db.list_collection_names(filter={"type": "collection"})
    for name in names:
        if not name.startswith("system."):
            db[name].delete_many({})
    db.drop_collection(min(names))
    db.stray.insert_one({})
    if os.environ.get("KILL"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def project(
    example: str,
    pytester: pytest.Pytester,
    server_url: str,
    inner_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Project]:
    """Copy an example, and run its tests there on one server; return how many ended how."""
    copy = pytester.path / "examples" / example
    shutil.copytree(ROOT / "examples" / example, copy, ignore=shutil.ignore_patterns(".*", "__py*"))
    shutil.copytree(ROOT / "snapshots", pytester.path / "snapshots")
    monkeypatch.chdir(copy)
    monkeypatch.setenv("PYTEST_ADDOPTS", without_plugins(*EXAMPLES[example][1]))

    def run(*arguments: str) -> dict[str, int]:
        where = ("--db-url", server_url, "--db-name", inner_database)
        result = pytester.runpytest_subprocess(*where, *arguments)
        outcomes = result.parseoutcomes() if result.ret >= 0 else {}
        return {name: number for name, number in outcomes.items() if "snapshot" not in name}

    yield run
    # A service outlives tests that are killed.
    for process in psutil.process_iter(["cmdline"]):
        if any(str(copy) in argument for argument in process.info["cmdline"] or ()):
            process.kill()


def test_twice_without_cleaning_and_by_four_workers(project: Project) -> None:
    first = project()
    assert first.keys() == {"passed"}
    assert project() == first
    assert project("-n", "4") == first
    assert project("-n", "4", "--mongoshot-verify") == first


def test_in_twenty_orders(project: Project) -> None:
    first = project()
    for seed in range(20):
        arguments = ("-p", "randomly", f"--randomly-seed={seed}")
        assert project(*arguments) == first


def test_a_test_in_the_middle_that_is_killed(
    project: Project, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = Path("tests/test_p_is_killed.py")  # comes before test_payment, and before test_service
    test.write_text(KILLED.replace("SCENARIO", EXAMPLES[example][0]), encoding="utf-8")
    first = project()
    assert first.keys() == {"passed"}

    for workers in ((), ("-n", "2")):
        monkeypatch.setenv("KILL", "1")
        killed = project(*workers)
        assert killed == ({"passed": first["passed"] - 1, "failed": 1} if workers else {})
        monkeypatch.delenv("KILL")
        assert project(*workers) == first
