"""Two runs at the same time on one server: each has its databases, or is told who has them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

Run = Callable[..., pytest.RunResult]
Begin = Callable[..., "subprocess.Popen[bytes]"]

#: A test that is done when somebody says so; each run leaves the names of its databases.
WAITING = """
import os, pathlib, time

def test_waits(db, request):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    db.orders.insert_one({"_id": os.getpid()})
    run = os.environ["RUN"]
    pathlib.Path(f"{run}{worker}.tmp").write_text(db.name)
    pathlib.Path(f"{run}{worker}.tmp").rename(f"{run}{worker}.name")
    deadline = time.monotonic() + 30
    while run == "first" and not pathlib.Path("second.done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [order["_id"] for order in db.orders.find()] == [os.getpid()]

def test_after(db):
    assert db.list_collection_names() == []
"""


@pytest.fixture
def begin(
    pytester: pytest.Pytester, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Begin]:
    """Begin the first run, and return when its test runs; the next ones are the second."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, until: str = "first.name") -> subprocess.Popen[bytes]:
        monkeypatch.setenv("RUN", "first")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--db-url", server_url]
        run = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, cwd=pytester.path)
        started.append(run)
        while not (pytester.path / until).exists():
            assert run.poll() is None
        monkeypatch.setenv("RUN", "second")
        return run

    yield begin
    for run in started:
        run.kill()
        run.wait()
        if run.stdout is not None:
            run.stdout.close()


def end(run: subprocess.Popen[bytes], pytester: pytest.Pytester) -> str:
    (pytester.path / "second.done").touch()
    output = run.communicate()[0].decode()
    assert run.returncode == 0, output
    return output


def test_the_second_takes_another_name_where_nobody_chose_one(
    pytester: pytest.Pytester, server_url: str, begin: Begin
) -> None:
    pytester.makepyfile(WAITING)
    first = begin()

    url = ("-p", "no:cacheprovider", "--db-url", server_url)
    second = pytester.runpytest_subprocess(*url)

    second.assert_outcomes(passed=2)
    names = [(pytester.path / f"{run}.name").read_text() for run in ("first", "second")]
    assert names[0].startswith("test_db")
    assert names[1].startswith("test_db_")
    assert names[0] != names[1]
    second.stdout.fnmatch_lines(
        [
            "mongoshot: test_db on 127.0.0.1:* is in use by pytest in *(process * on *, since *):"
            f" this run took {names[1]}"
        ]
    )
    assert "2 passed" in end(first, pytester)
    third = pytester.runpytest_subprocess(*url)
    third.assert_outcomes(passed=2)


def test_a_name_that_was_chosen_is_an_error_that_says_who_has_it(
    pytester: pytest.Pytester, run: Run, begin: Begin, inner_database: str
) -> None:
    pytester.makepyfile(WAITING)
    first = begin("--db-name", inner_database)

    second = run()

    second.assert_outcomes(errors=2)
    second.stdout.fnmatch_lines(
        [
            f"{inner_database} on 127.0.0.1:* is in use by pytest in *(process {first.pid} on *,"
            " since * UTC); wait until that has ended, or take another database: --db-name NAME"
        ]
    )
    second.stdout.no_fnmatch_line("*Traceback*")
    assert "2 passed" in end(first, pytester)
    run().assert_outcomes(passed=2)


def test_workers_of_two_runs_have_a_database_each(
    pytester: pytest.Pytester, server_url: str, begin: Begin
) -> None:
    pytester.makepyfile(WAITING)
    first = begin("-n", "1", until="firstgw0.name")

    second = pytester.runpytest_subprocess("--db-url", server_url, "-n", "1")

    second.assert_outcomes(passed=2)
    names = [(pytester.path / f"{run}gw0.name").read_text() for run in ("first", "second")]
    assert names[0] != names[1]
    assert all(name.endswith("_gw0") for name in names)
    assert "2 passed" in end(first, pytester)
