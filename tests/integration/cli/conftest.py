"""Fixtures for tests of the command line: commands typed in a directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from mongoshot import capture
from mongoshot.server.connection import Database

Completed = subprocess.CompletedProcess[str]

#: What would answer for an option that a test leaves out.
_VARIABLES = ("DB_URL", "DB_NAME", "SNAPSHOTS_PATH", "SCENARIO_SOURCE_URL", "SCENARIO_SOURCE_NAME")


class Run(Protocol):
    """Type a command, or what a prefix makes of it, and wait for its end."""

    def __call__(
        self,
        *words: str | Path,
        prefix: Sequence[str] = (),
        variables: dict[str, str] | None = None,
        **options: Any,
    ) -> Completed: ...


def without_privileges() -> list[str]:
    """Write the prefix of a command for which the modes of files count, also for root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("modes of files mean nothing to root")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _VARIABLES}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Type `mongoshot …` in the test's directory."""

    def run(
        *words: str | Path,
        prefix: Sequence[str] = (),
        variables: dict[str, str] | None = None,
        **options: Any,
    ) -> Completed:
        command = [*prefix, sys.executable, "-m", "mongoshot", *map(str, words)]
        settings: dict[str, Any] = {
            "cwd": tmp_path,
            "env": environment | (variables or {}),
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.DEVNULL,
            "encoding": "utf-8",
            "errors": "surrogateescape",
            "timeout": 60,
        }
        return subprocess.run(command, check=False, **(settings | options))

    return run


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Type a command on a terminal, and an answer where it asks; returns status and screen."""

    pty = pytest.importorskip("pty")

    def terminal(*words: str, answer: bytes = b"", **variables: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "mongoshot", *words]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment | {"TERM": "xterm"} | variables,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as program:
            os.close(theirs)
            screen = b""
            # Linux tells by an error that the last one to hold the other side is gone.
            with contextlib.suppress(OSError):
                while part := os.read(ours, 4096):
                    screen += part
                    if answer and b"[y/N]" in screen:
                        os.write(ours, answer)
                        answer = b""
        os.close(ours)
        return program.returncode, screen.decode()

    return terminal


@pytest.fixture
def refused() -> Callable[..., str]:
    """Assert that a command ended as a mistake should, in one clear line; return the line."""

    def refused(done: Completed, *parts: str, stdout: str = "") -> str:
        assert done.returncode == 2, done
        assert done.stdout == stdout
        lines = done.stderr.strip("\n").splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("mongoshot: ")
        for word in ("Traceback", "not foreseen"):
            assert word not in lines[0]
        for part in parts:
            assert part in lines[0]
        return lines[0]

    return refused


@pytest.fixture
def orders(make_database: Callable[[], Database]) -> Database:
    """Give a small database: two collections and a view."""
    database = make_database()
    database["orders"].insert_many([{"_id": n, "total": n * 1.5} for n in range(5)])
    database["orders"].create_index("total")
    database["payments"].insert_one({"_id": "one", "order": 1})
    database.create_collection("large_orders", viewOn="orders", pipeline=[])
    return database


@pytest.fixture
def where(server_url: str, orders: Database) -> list[str]:
    """Give the options that name the small database."""
    return ["--db-url", server_url, "--db-name", orders.name]


@pytest.fixture
def captured(orders: Database, tmp_path: Path) -> Path:
    """Give the scenario `orders` of the small database: its directory."""
    return capture(orders, tmp_path / "snapshots" / "orders").path
