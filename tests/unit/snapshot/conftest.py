"""No test of snapshots sees the cache of the user, or that of another test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

Later = Callable[[], None]


@pytest.fixture(autouse=True)
def cache_directory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Name the directory of the cache, which is not there yet."""
    directory = tmp_path_factory.mktemp("cache") / "mongoshot"
    monkeypatch.setenv("MONGOSHOT_CACHE", str(directory))
    return directory


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let it be three seconds later: files that were just written have been left alone since."""

    def put_clock_on() -> None:
        now = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: now() + 3_000_000_000)

    return put_clock_on
