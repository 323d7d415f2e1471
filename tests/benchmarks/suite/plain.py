"""A pytest plugin: `db` as a project without mongoshot has it, where what is written stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(*names): nothing, without mongoshot")


@pytest.fixture(scope="session")
def db() -> Iterator[Any]:
    with pymongo.MongoClient[Any](os.environ["BENCHMARK_URL"]) as client:
        yield client[os.environ["BENCHMARK_DATABASE"]]
