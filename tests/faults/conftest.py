"""Fixtures for faults: the nursery of the run, and a small database."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.nursery import Nursery

from mongoshot import Snapshot, capture
from mongoshot.server.connection import Client, Database

MakeDatabase = Callable[[], Database]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Give the process that all children of this run are forks of."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def server_url(mongo_client: Client) -> str:
    """Give the URL of the run's server."""
    host, port = next(iter(mongo_client.nodes))
    return f"mongodb://{host}:{port}/?replicaSet={mongo_client.admin.command('hello')['setName']}"


@pytest.fixture
def make_database(mongo_client: Client) -> Iterator[MakeDatabase]:
    """Make names of databases that nobody else uses; they go, with their place in the ledger."""
    names: list[str] = []

    def make() -> Database:
        names.append(f"faults_{os.getpid()}_{next(_numbers)}")
        return mongo_client[names[-1]]

    yield make
    for name in names:
        mongo_client.drop_database(name)
        mongo_client["mongoshot"]["databases"].delete_one({"_id": name})


@pytest.fixture
def source(make_database: MakeDatabase) -> Database:
    """Give a small database with an index, a view, and names and addresses to be masked."""
    return fill(make_database())


def fill(database: Database) -> Database:
    """Give a database two collections and a view."""
    database["orders"].insert_many(
        [{"_id": n, "total": n * 1.5, "email": f"ann{n}@example.org"} for n in range(5)]
    )
    database["orders"].create_index("total")
    database["payments"].insert_one({"_id": "one", "order": 1})
    database.create_collection("large_orders", viewOn="orders", pipeline=[])
    return database


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the directory of a project, with nothing but its configuration, and a cache beside it.

    In memory where that can be: thousands of fsyncs would wait for a disk, and prove nothing there.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as directory:
        project = Path(directory, "project")
        project.mkdir()
        (project / "pyproject.toml").write_text("")
        monkeypatch.setenv("MONGOSHOT_CACHE", str(Path(directory, "cache")))
        yield project


@pytest.fixture
def scenario(project: Path, source: Database) -> Snapshot:
    """Give the scenario `orders` of the small database, beside another one, `small`."""
    small = source.client[f"{source.name}_small"]
    small["orders"].insert_one({"_id": 1})
    capture(small, project / "snapshots" / "small")
    source.client.drop_database(small)
    return capture(source, project / "snapshots" / "orders")
