"""What a command writes reaches every kind of terminal, pipe and file, or is missed by nobody."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mongoshot import capture
from mongoshot.server.connection import Database

from .conftest import Run

pytest.importorskip("pty")

Refused = Callable[..., str]
MakeDatabase = Callable[[], Database]
Terminal = Callable[..., tuple[int, str]]

SHELL = ["sh", "-c"]


@pytest.fixture
def odd(orders: Database, tmp_path: Path) -> Database:
    """Give a database that differs from its scenario `odd` in what terminals take for commands."""
    capture(orders, tmp_path / "snapshots" / "odd")
    orders["\x1b[31mred \u202e"].insert_one({"_id": "\x1b]0;title\x07 \x9b31m é → … 日本語"})
    return orders


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_a_terminal_with_few_characters(
    variables: dict[str, str], run: Run, odd: Database, server_url: str
) -> None:
    done = run("diff", "odd", f"{server_url}/{odd.name}", variables=variables)
    assert done.returncode == 1, done
    assert done.stderr == ""
    assert "1 collection" in done.stdout
    mistake = run("show", "żółć…", variables=variables)
    assert mistake.returncode == 2
    assert mistake.stderr.startswith("mongoshot: ")
    assert len(mistake.stderr.splitlines()) == 1


def test_no_name_commands_the_terminal(
    terminal: Terminal, run: Run, odd: Database, server_url: str, tmp_path: Path
) -> None:
    live = f"{server_url}/{odd.name}"
    for status, screen in (
        terminal("diff", "odd", live),
        terminal("capture", "new", "--db-url", live),
        terminal("show", "new"),
        terminal("show", "\x1b[31m\x9b"),
        terminal("restore", "odd", "--db-url", live),
        terminal("adopt", odd.name, "--db-url", live, answer=b"n\n"),
    ):
        assert status in {0, 1, 2}
        # The progress bar's own commands aside: it hides the cursor, and clears its line.
        assert "\x1b[31m" not in screen
        assert "\x1b]0;" not in screen
        assert not set("\x07\x9b\u202e") & set(screen)
    assert r"\x1b[31mred \u202e" in run("show", "new").stdout


def test_a_table_with_wide_characters(
    run: Run, make_database: MakeDatabase, tmp_path: Path
) -> None:
    source = make_database()
    for name in ("a", "日本語", "имя"):
        source[name].insert_one({"_id": 1})
    capture(source, tmp_path / "snapshots" / "wide")
    rows = run("show", "wide").stdout.splitlines()[4:]
    # Two columns a character.
    assert [row.index("collection") for row in rows] == [0, 12, 12, 9]


@pytest.mark.parametrize("columns", ["1", "20"])
def test_a_narrow_terminal(
    columns: str, terminal: Terminal, run: Run, captured: Path, where: list[str]
) -> None:
    for words in (["--help"], ["capture", "--help"], ["list"], ["show", "orders"]):
        status, screen = terminal(*words, COLUMNS=columns)
        assert (status, "Traceback" in screen) == (0, False)
    status, screen = terminal("capture", "orders", "--replace", *where, COLUMNS=columns)
    assert (status, "Traceback" in screen) == (0, False)
    assert "nothing has changed since revision 1" in screen


def test_a_comparison_shows_how_far_it_is(
    terminal: Terminal, odd: Database, server_url: str
) -> None:
    status, screen = terminal("diff", "odd", f"{server_url}/{odd.name}")
    assert status == 1
    assert re.search(r"comparing.*documents", screen)


def test_an_adoption_is_asked_for(
    terminal: Terminal, run: Run, orders: Database, where: list[str]
) -> None:
    words = ["adopt", orders.name, *where[:2]]
    ledger = orders.client["mongoshot"]["databases"]
    for answer, said in (
        (b"n\n", "stays as it is"),
        (b"\n", "stays as it is"),
        (b"\x04", "interrupted"),
    ):
        status, screen = terminal(*words, answer=answer)
        assert status == 2
        assert said in screen
        assert ledger.find_one({"_id": orders.name}) is None
    status, screen = terminal(*words, answer=b"y\n")
    assert (status, "adopted" in screen) == (0, True)
    assert ledger.find_one({"_id": orders.name}) is not None


@pytest.fixture
def broken() -> Any:
    """Give a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def test_a_reader_that_has_gone(
    run: Run, broken: int, odd: Database, server_url: str, tmp_path: Path
) -> None:
    """It has seen enough, as `head -1` has: no complaint, and the command's own exit status."""
    live = f"{server_url}/{odd.name}"
    for words, status in (
        (["diff", "odd", live], 1),
        (["diff", "odd", live, "--json"], 1),
        (["diff", "odd", "odd"], 0),
        (["list"], 0),
        (["--help"], 0),
        (["capture", "new", "--db-url", live], 0),
    ):
        done = run(*words, stdout=broken)
        assert (done.returncode, done.stderr) == (status, ""), words
    assert (tmp_path / "snapshots" / "new" / "manifest.json").is_file()
    assert run("show", "nope", stderr=broken).returncode == 2


def test_a_pipe_that_is_read_by_head(run: Run, odd: Database, server_url: str) -> None:
    odd["orders"].insert_many([{"text": "x" * 100_000} for _ in range(10)])
    shell = [*SHELL, '"$@" | head -1', "sh"]
    done = run("diff", "odd", f"{server_url}/{odd.name}", "--json", prefix=shell)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_standard_streams_that_are_closed(
    run: Run, refused: Refused, captured: Path, where: list[str], orders: Database
) -> None:
    def closing(streams: str) -> list[str]:
        return [*SHELL, f'exec "$@" {streams}', "sh"]

    assert run("list", prefix=closing(">&-")).returncode == 0
    assert run("list", prefix=closing("<&- >&- 2>&-")).returncode == 0
    assert run("show", "nope", prefix=closing("2>&-")).returncode == 2
    for streams in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = run("capture", "orders", "--replace", *where, prefix=closing(streams))
        assert (done.returncode, done.stderr) == (0, "")
    done = run("adopt", orders.name, *where[:2], prefix=closing("<&-"))
    refused(done, "add --yes")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_standard_streams_that_are_full(run: Run, captured: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("list", stdout=full)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("mongoshot: cannot write to standard output: No space left")
        assert run("show", "nope", stderr=full).returncode == 2


def test_without_a_home(run: Run, captured: Path, where: list[str], tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    for words in (["list"], ["capture", "new", *where], ["diff", "new", "orders"]):
        done = run(*words, env=bare)
        assert (done.returncode, done.stderr) == (0, ""), words


def test_a_traceback_for_those_who_ask(run: Run) -> None:
    done = run("--debug", "show", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Traceback")
