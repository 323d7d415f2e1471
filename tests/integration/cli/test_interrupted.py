"""Ended in the middle, a command leaves what was there, or what the next one recognises."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from mongoshot import Snapshot, compare
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database
from mongoshot.server.ledger import read_baseline

from .conftest import Completed, Run

MakeDatabase = Callable[[], Database]
Refused = Callable[..., str]
Strike = Callable[..., Completed]

#: Runs a command of mongoshot, and sends itself a signal at a moment that does not depend on time:
#: before a file is opened, a directory made or renamed (audit events of Python), or a command sent.
_PROGRAM = """
import os, signal, sys
from pymongo import monitoring

number, event, part, times = signal.Signals[sys.argv[1]], sys.argv[2], sys.argv[3], int(sys.argv[4])

def strike(name, what):
    global times
    if name == event and part in what:
        times -= 1
        if times == 0:
            os.kill(os.getpid(), number)

class Listener(monitoring.CommandListener):
    def started(self, command):
        strike("command", command.command_name)
    def succeeded(self, command):
        strike("reply", command.command_name)
    def failed(self, command):
        pass

monitoring.register(Listener())
sys.addaudithook(lambda name, arguments: strike(name, str(arguments[:2])))
sys.argv[:] = ["mongoshot", *sys.argv[5:]]
from mongoshot.cli import main
main()
"""

MOMENTS_OF_A_CAPTURE = {
    "connecting": ("command", "ping", 1),
    "listing": ("command", "listCollections", 1),
    "beginning": ("os.mkdir", ".partial", 1),
    "reading": ("reply", "find", 1),
    "writing": ("open", "payments.json", 1),
    "verifying": ("open", "orders.json", 2),
    "checking": ("reply", "listIndexes", 3),
    "completing": ("open", "manifest.json", 3),
}
MOMENTS_OF_A_RESTORE = {
    "taking the lease": ("reply", "update", 2),
    "claiming": ("reply", "update", 3),
    "dropping": ("command", "drop", 2),
    "creating": ("command", "create", 1),
    "indexing": ("reply", "createIndexes", 1),
    "inserting": ("reply", "insert", 1),
    "creating a view": ("command", "create", 3),
    "completing": ("command", "update", 4),
}


@pytest.fixture
def strike(tmp_path: Path, environment: dict[str, str]) -> Strike:
    def strike(number: str, moment: tuple[str, str, int], *words: str) -> Completed:
        command = [sys.executable, "-c", _PROGRAM, number, *map(str, moment), *words]
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    return strike


def assert_interrupted(done: Completed, number: str, refused: Refused) -> None:
    if number == "SIGKILL":
        assert done.returncode == -signal.SIGKILL
    else:
        refused(done, "interrupted", "as it was before", "marked incomplete", "same command again")


@pytest.mark.parametrize(
    ("number", "moment"),
    [*product(["SIGINT", "SIGKILL"], MOMENTS_OF_A_CAPTURE), ("SIGTERM", "writing")],
)
def test_a_capture_that_is_ended(
    number: str,
    moment: str,
    strike: Strike,
    refused: Refused,
    run: Run,
    captured: Path,
    orders: Database,
    where: list[str],
) -> None:
    before = {file.name: file.read_bytes() for file in captured.iterdir()}
    orders["orders"].insert_one({"_id": "new"})
    command = ["capture", "orders", "--replace", "--yes", *where]

    done = strike(number, MOMENTS_OF_A_CAPTURE[moment], *command)

    assert_interrupted(done, number, refused)
    assert {file.name: file.read_bytes() for file in captured.iterdir()} == before
    if number != "SIGKILL":
        assert [entry.name for entry in captured.parent.iterdir()] == ["orders"]

    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert [entry.name for entry in captured.parent.iterdir()] == ["orders"]
    assert not compare(Snapshot.load(captured), live_state(orders))


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", ["SIGINT", "SIGKILL"])
def test_a_capture_that_is_ended_between_its_renames(
    number: str,
    times: int,
    strike: Strike,
    refused: Refused,
    run: Run,
    captured: Path,
    orders: Database,
    where: list[str],
) -> None:
    """The old snapshot or the new one is there, whole, whoever looks next."""
    orders["orders"].insert_one({"_id": "new"})
    command = ["capture", "orders", "--replace", "--yes", *where]

    done = strike(number, ("os.rename", "snapshots", times), *command)

    assert_interrupted(done, number, refused)
    assert run("verify", "orders").returncode == 0
    assert Snapshot.load(captured).manifest.revision in {1, 2}
    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert [entry.name for entry in captured.parent.iterdir()] == ["orders"]
    assert not compare(Snapshot.load(captured), live_state(orders))


@pytest.mark.parametrize(
    ("number", "moment"),
    [*product(["SIGINT", "SIGKILL"], MOMENTS_OF_A_RESTORE), ("SIGTERM", "inserting")],
)
def test_a_restore_that_is_ended(
    number: str,
    moment: str,
    strike: Strike,
    refused: Refused,
    run: Run,
    captured: Path,
    make_database: MakeDatabase,
    where: list[str],
) -> None:
    target = make_database()
    to = [*where[:2], "--db-name", target.name]
    if moment == "dropping":
        assert run("restore", "orders", *to).returncode == 0

    done = strike(number, MOMENTS_OF_A_RESTORE[moment], "restore", "orders", *to)

    assert_interrupted(done, number, refused)
    baseline = read_baseline(target)
    assert (baseline is None) == (moment == "taking the lease")
    assert baseline is None or not baseline.complete
    again = run("restore", "orders", *to)
    assert again.returncode == 0, again.stderr
    assert not compare(Snapshot.load(captured), live_state(target))
    baseline = read_baseline(target)
    assert baseline is not None
    assert baseline.complete


def test_a_restore_that_is_ended_before_its_first_write(
    strike: Strike,
    refused: Refused,
    run: Run,
    captured: Path,
    make_database: MakeDatabase,
    count_writes: Callable[[Database], int],
    where: list[str],
) -> None:
    target = make_database()
    to = [*where[:2], "--db-name", target.name]
    assert run("restore", "orders", *to).returncode == 0
    before = count_writes(target)
    for moment in (("command", "ping", 1), ("open", "orders.json", 1), ("command", "find", 1)):
        refused(strike("SIGINT", moment, "restore", "orders", *to), "interrupted")
    assert count_writes(target) == before
    baseline = read_baseline(target)
    assert baseline is not None
    assert baseline.complete


def test_convert_that_is_ended(strike: Strike, refused: Refused, run: Run, captured: Path) -> None:
    before = {file.name: file.read_bytes() for file in captured.iterdir()}
    moment = ("open", "payments.bson", 1)
    refused(strike("SIGINT", moment, "convert", "orders", "--format", "bson"), "interrupted")
    assert {file.name: file.read_bytes() for file in captured.iterdir()} == before
    assert [entry.name for entry in captured.parent.iterdir()] == ["orders"]


@pytest.mark.parametrize("number", ["SIGINT", "SIGHUP"])
def test_a_demo_that_is_ended_leaves_nothing(
    number: str,
    strike: Strike,
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment["TMPDIR"] = str(temporary)
    done = strike(number, ("reply", "insert", 5), "demo")
    assert done.returncode == 2
    assert done.stderr.strip("\n").startswith("mongoshot: interrupted")
    assert list(temporary.iterdir()) == []


def test_a_signal_that_the_shell_ignores_stays_ignored(
    strike: Strike, captured: Path, orders: Database, where: list[str]
) -> None:
    """As under nohup."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        done = strike(
            "SIGHUP", ("reply", "find", 1), "capture", "orders", "--replace", "--yes", *where
        )
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert done.returncode == 0, done.stderr
