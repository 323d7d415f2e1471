"""Fixtures for tests of the command line: commands typed in a directory, servers of odd kinds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pymongo
import pytest
from pymongo.errors import PyMongoError

from mongoshot import capture
from mongoshot.errors import MongodNotFoundError
from mongoshot.server.connection import Client, Database
from mongoshot.server.embedded.binary import find_mongod

Completed = subprocess.CompletedProcess[str]
StartMongod = Callable[..., str]

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


@pytest.fixture(scope="session")
def start_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartMongod]:
    """Start a mongod with options of its own; returns its `host:port` when it answers."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> str:
        try:
            binary = find_mongod(os.environ.get("MONGOSHOT_MONGOD") or None)
        except MongodNotFoundError as error:
            pytest.skip(str(error))
        directory = tmp_path_factory.mktemp("mongod")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listens = ("--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket")
        stores = ("--dbpath", str(directory), "--logpath", str(directory / "log"))
        command = [str(binary), *listens, *stores, "--wiredTigerCacheSizeGB", "0.25", *options]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        _await(f"127.0.0.1:{port}", started[-1])
        return f"127.0.0.1:{port}"

    yield start
    for mongod in started:
        mongod.kill()
        mongod.wait()


def _await(address: str, mongod: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        client: Client = pymongo.MongoClient(
            f"mongodb://{address}", directConnection=True, serverSelectionTimeoutMS=200
        )
        with client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                assert mongod.poll() is None
                assert time.monotonic() < deadline
            else:
                return
