"""Fixtures for tests that run pytest on a project of a user's, in a process of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from tests.inner import without_plugins

from mongoshot import capture
from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def _no_worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inner run is not a worker of the outer one."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # before what follows: it discards PYTEST_ADDOPTS
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        monkeypatch.delenv(name)
    for name in ("DB_URL", "DB_NAME", "SNAPSHOTS_PATH", "TEMPLATES_PATH", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SCENARIO_RECORD", "SCENARIO_SOURCE_URL", "SCENARIO_SOURCE_NAME"):
        monkeypatch.delenv(name, raising=False)
    # Plugins of what the tests of this project need besides: loading them takes most of a run.
    monkeypatch.setenv("PYTEST_ADDOPTS", without_plugins())


@pytest.fixture
def server_url(mongo_client: Client) -> str:
    """Give the URL of the outer run's server."""
    host, port = next(iter(mongo_client.nodes))
    return f"mongodb://{host}:{port}"


@pytest.fixture
def inner_database(mongo_client: Client) -> Iterator[str]:
    """Name a database for inner runs that nobody else uses."""
    name = f"inner_{os.getpid()}_{next(_NUMBERS)}"
    yield name
    for found in mongo_client.list_database_names():
        if found.startswith(name):
            mongo_client.drop_database(found)
            mongo_client["mongoshot"]["databases"].delete_one({"_id": found})


_NUMBERS = itertools.count()


@pytest.fixture
def run(pytester: pytest.Pytester, server_url: str, inner_database: str) -> Run:
    """Run pytest as a user does, on the outer run's server."""

    def run(*arguments: str) -> pytest.RunResult:
        where = ("--db-url", server_url, "--db-name", inner_database)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *where, *arguments)

    return run


@pytest.fixture
def shop(pytester: pytest.Pytester, mongo_client: Client, inner_database: str) -> None:
    """Put a small scenario `shop`, and one `extras` to lay over it, into the user's project."""
    source = mongo_client[f"{inner_database}_source"]
    source["orders"].insert_many(
        [{"_id": 1, "status": "open", "total": 5}, {"_id": 2, "status": "paid", "total": 7}]
    )
    source["orders"].create_index("status")
    capture(source, pytester.path / "snapshots" / "shop")
    source["orders"].update_one({"_id": 1}, {"$set": {"total": 6}})
    source["coupons"].insert_one({"_id": "summer"})
    capture(source, pytester.path / "snapshots" / "extras")
