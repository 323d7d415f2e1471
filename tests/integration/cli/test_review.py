"""What failing tests proposed is listed, shown and decided, by keys and by names."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mongoshot.review.proposal import Proposal
from mongoshot.review.store import Store

from .conftest import Run

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")

Refused = Callable[..., str]
Review = Callable[..., tuple[int, str]]

EXPECTATION = (
    '{"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "sha256:00",'
    ' "collections": {"orders": {"inserted": [{"_id": "%s"}]}}}\n'
)
NAMES = ("one", "two", "three")
PROMPT = b"? help"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give the store of a project with a test module, and proposals of three of its tests."""
    (tmp_path / "test_shop.py").touch()
    store = Store(tmp_path)
    for name in NAMES:
        leave(store, name)
    return store


def leave(
    store: Store, name: str, report: str = "+ a line\n~ another\n- and one\nplain"
) -> Proposal:
    path = store.root / "__expectations__" / "test_shop" / f"test_{name}.json"
    expected = path.read_text() if path.exists() else None
    proposal = store.propose(
        f"test_shop.py::test_{name}",
        "",
        path,
        expected=expected,
        actual=EXPECTATION % name,
        scenario="shop",
        report=report,
    )
    store.replace(proposal.test, [proposal])
    return proposal


def left(store: Store) -> list[str]:
    return [proposal.test.removeprefix("test_shop.py::test_") for proposal in store.read()[0]]


def written(store: Store) -> list[str]:
    files = (store.root / "__expectations__").rglob("*.json")
    return sorted(path.stem.removeprefix("test_") for path in files)


def spoil(store: Store, name: str) -> None:
    """Write the file of an expectation that was not there when its test failed."""
    path = store.root / "__expectations__" / "test_shop" / f"test_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("by somebody else")


@pytest.fixture
def review(tmp_path: Path, environment: dict[str, str]) -> Review:
    """Review at a terminal: a key, or what comes in one piece, when asked; gives status, screen."""

    def review(*keys: bytes, **variables: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        settings = environment | {"TERM": "xterm", "LINES": "40", "COLUMNS": "100"} | variables
        program = subprocess.Popen(
            [sys.executable, "-m", "mongoshot", "review"],
            cwd=tmp_path,
            env=settings,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        screen, typed = b"", 0
        try:
            # Linux tells by an error that the last one to hold the other side is gone.
            with contextlib.suppress(OSError):
                while part := _read(ours):
                    screen += part
                    if screen.count(PROMPT) > typed and typed < len(keys):
                        _await_raw(ours)
                        os.write(ours, keys[typed])
                        typed += 1
            status = program.wait(60)
        finally:
            program.kill()
            program.wait()
            os.close(ours)
        assert typed == len(keys), screen
        return status, screen.decode().replace("\r\n", "\n")

    return review


def _read(terminal: int) -> bytes:
    assert select.select([terminal], [], [], 60)[0], "the program waits for a key"
    return os.read(terminal, 4096)


def _await_raw(terminal: int) -> None:
    # What is typed before the program reads single keys is thrown away, as nobody has seen enough.
    while termios.tcgetattr(terminal)[3] & termios.ICANON:
        select.select([], [], [], 0.01)


@pytest.mark.parametrize(
    ("keys", "accepted", "pending", "told"),
    [
        ([b"a", b"a", b"a"], ["one", "three", "two"], [], ["accepted 3:"]),
        ([b"r", b"r", b"r"], [], [], ["rejected 3:"]),
        ([b"s", b"s", b"s"], [], ["one", "three", "two"], ["3 expectations left to review: m"]),
        ([b"A"], ["one", "three", "two"], [], ["accepted 3:"]),
        ([b"R"], [], [], ["rejected 3:"]),
        ([b"s", b"A"], ["three", "two"], ["one"], ["accepted 2:", "1 expectation left to review"]),
        ([b"a", b"R"], ["one"], [], ["accepted 1:", "rejected 2:"]),
        ([b"q"], [], ["one", "three", "two"], ["3 expectations left to review"]),
        ([b"a", b"q"], ["one"], ["three", "two"], ["accepted 1:", "2 expectations left"]),
        ([b"r", b"\x04"], [], ["three", "two"], ["rejected 1:", "2 expectations left"]),
        ([b"?", b"x", b"aa", b"\x1b[A", b"\r", b"q"], [], ["one", "three", "two"], ["a  accept:"]),
        ([b"d", b"q"], [], ["one", "three", "two"], [(EXPECTATION % "one").strip()]),
    ],
    ids=str,
)
def test_each_key_does_what_it_says(
    review: Review,
    store: Store,
    keys: list[bytes],
    accepted: list[str],
    pending: list[str],
    told: list[str],
) -> None:
    status, screen = review(*keys, NO_COLOR="1", TERM="dumb")
    assert status == 0
    assert (written(store), left(store)) == (accepted, pending)
    for part in told:
        assert part in screen.replace("\x1b[1m", "").replace("\x1b[0m", "")


def test_what_is_shown(review: Review, store: Store) -> None:
    status, screen = review(b"s", b"s", b"s", TERM="dumb", NO_COLOR="1")
    assert status == 0
    first, second, third, told = screen.split("\na accept · ")
    assert told.endswith("\n\x1b[1m3 expectations left to review\x1b[0m: mongoshot review\n")
    assert first.splitlines() == [
        "\x1b[1m1 of 3  test_shop.py::test_one\x1b[0m  new, on shop, just now",
        "__expectations__/test_shop/test_one.json",
        "",
        "+ a line",
        "~ another",
        "- and one",
        "plain",
    ]
    assert "2 of 3  test_shop.py::test_three" in second
    assert "A accept all 3 · R reject all 3" in second
    assert "3 of 3  test_shop.py::test_two" in third
    assert "A accept all 2" in third
    assert screen.count("accept all") == 2  # of the last one alone nobody needs to speak


def test_colours_are_for_those_who_want_them(review: Review, store: Store) -> None:
    _, coloured = review(b"q")
    for part in ("\x1b[32m+ a line", "\x1b[33m~ another", "\x1b[31m- and one", "\x1b[2J"):
        assert part in coloured
    _, plain = review(b"q", NO_COLOR="1")
    assert "\x1b[3" not in plain


def test_a_long_message_is_cut_to_the_screen(review: Review, store: Store) -> None:
    leave(store, "one", "\n".join(f"line {n}" for n in range(100)))
    _, screen = review(b"m", b"q", LINES="24")
    cut, whole = screen.split("? help")[:2]
    assert "line 14\n" in cut
    assert "line 15\n" not in cut
    assert "… and 85 more lines: m shows them" in cut
    assert "line 99\n" in whole


def test_ctrl_c_leaves_the_rest_as_it_was(review: Review, store: Store) -> None:
    status, screen = review(b"a", b"\x03")
    assert status == 2
    assert (written(store), left(store)) == (["one"], ["three", "two"])
    assert "accepted 1" in screen
    assert "2 expectations left to review" in screen
    assert "Traceback" not in screen


def test_one_that_is_stale_is_asked_for_again(review: Review, store: Store) -> None:
    spoil(store, "one")
    status, screen = review(b"a", b"r", b"q", NO_COLOR="1")
    assert status == 0
    assert "stale, and can only be rejected: its file is no longer what" in screen
    assert screen.index("\nr reject · s skip") < screen.index("\na accept")
    assert "test_shop.py::test_one is not accepted: its file is no longer" in screen
    assert left(store) == ["three", "two"]

    spoil(store, "two")
    status, screen = review(b"A")
    assert left(store) == ["two"]
    assert "test_shop.py::test_two is not accepted" in screen
    assert "accepted 1" in screen


def test_no_proposal_commands_the_terminal(review: Review, run: Run, store: Store) -> None:
    hostile = "\x1b]0;title\x07\x1b[31mred\x9b31m\u202e"
    proposal = replace(
        leave(store, "zero", hostile),
        test=f"test_shop.py::{hostile}\nmongoshot: fine",
        scenario=f"{hostile}\nfine",
        file=f"{hostile}\nfine/__expectations__/test_shop/x.json",
        proposed=hostile,
    )
    store.replace(proposal.test, [proposal])
    store.replace("test_shop.py::test_zero", [])
    _, screen = review(b"m", b"d", b"a", b"s", b"s", b"s", b"s")
    listed = run("pending")
    for text in (screen, listed.stdout, run("accept", "--all").stderr):
        assert "\x1b]0;" not in text
        assert "\x1b[31mred" not in text
        assert not set("\x07\x9b\u202e") & set(text)
        assert "\nmongoshot: fine" not in text
        assert "\nfine" not in text
    assert len(listed.stdout.splitlines()) == 5
    assert r"\x1b[31mred" in listed.stdout


def test_a_window_that_is_closed(store: Store, environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mongoshot", "review"],
        cwd=store.root,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as program:
        os.close(theirs)
        screen = b""
        while PROMPT not in screen:
            screen += _read(ours)
        _await_raw(ours)
        os.close(ours)
        assert program.wait(60) in {0, 2}
        assert program.stderr is not None
        assert b"Traceback" not in program.stderr.read()
    assert (written(store), left(store)) == ([], ["one", "three", "two"])


def test_nothing_to_review(review: Review, run: Run, tmp_path: Path) -> None:
    assert review() == (0, "nothing to review\n")
    for words in (["pending"], ["accept", "--all"], ["reject", "--all"]):
        done = run(*words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to review\n", "")
    done = run("pending", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_names_are_taken(run: Run, refused: Refused, store: Store) -> None:
    refused(run("review"), "no terminal", "mongoshot pending", "accept NAME", "reject NAME")
    assert left(store) == ["one", "three", "two"]


def test_a_list_for_people(run: Run, store: Store, tmp_path: Path) -> None:
    spoil(store, "one")
    leave(store, "one")
    spoil(store, "two")
    [path] = (path for path in store.root.rglob("*.json") if "test_three" in path.read_text())
    os.utime(path, (0, path.stat().st_mtime - 2 * 3600 - 5))
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    done = run("pending", cwd=below)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "expectation               is       proposed",
        "test_shop.py::test_one    changed  just now",
        "test_shop.py::test_three  new      2 hours ago",
        "test_shop.py::test_two    new      just now     stale: its file is no longer what the test"
        " was compared with",
    ]


def test_a_list_for_programs(run: Run, store: Store) -> None:
    leave(store, "one", "é\x1b")
    listed = json.loads(run("pending", "--json").stdout)
    assert [entry["name"] for entry in listed] == [
        f"test_shop.py::test_{name}" for name in ("one", "three", "two")
    ]
    assert listed[0]["report"] == "é\x1b"
    assert ", ".join(listed[0]) == "name, test, file, kind, stale, scenario, proposed_at, report"


def test_names_are_accepted_and_rejected(run: Run, store: Store) -> None:
    done = run("accept", "test_one", "__expectations__/test_shop/test_two.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "accepted test_shop.py::test_one",
        "accepted test_shop.py::test_two",
    ]
    assert (written(store), left(store)) == (["one", "two"], ["three"])
    assert (store.root / "__expectations__" / "test_shop" / "test_one.json").read_text() == (
        EXPECTATION % "one"
    )
    done = run("reject", "*three")
    assert (done.returncode, done.stdout) == (0, "rejected test_shop.py::test_three\n")
    assert (written(store), left(store)) == (["one", "two"], [])


def test_an_unknown_name_does_nothing_at_all(run: Run, refused: Refused, store: Store) -> None:
    refused(
        run("accept", "test_one", "test_treee"),
        "no proposal is called 'test_treee'",
        "did you mean test_shop.py::test_three",
    )
    for command in ("accept", "reject"):
        refused(run(command), "--all")
        refused(run(command, "--all", "test_one"), "--all")
    assert (written(store), left(store)) == ([], ["one", "three", "two"])


def test_a_stale_one_is_refused_and_stops_no_other(
    run: Run, refused: Refused, store: Store
) -> None:
    spoil(store, "one")
    refused(run("accept", "test_one"), "test_one is not accepted", "run pytest again")
    done = run("accept", "--all")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout.count("accepted") == 2
    assert left(store) == ["one"]
    assert (store.root / "__expectations__" / "test_shop" / "test_one.json").read_text() == (
        "by somebody else"
    )


def test_a_damaged_one_is_a_warning(run: Run, store: Store) -> None:
    [path] = (path for path in store.root.rglob("*.json") if "test_three" in path.read_text())
    path.write_text("{")
    done = run("pending")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == f"warning: {path} is not JSON; delete it, and run pytest again\n"
