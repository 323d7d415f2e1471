"""A pytest plugin: tell how long the first test's setup took, in which a scenario is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FILE = Path(os.environ["BENCHMARK_FIRST_SETUP"])


def pytest_sessionstart() -> None:
    _FILE.unlink(missing_ok=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "setup" and not _FILE.exists():
        _FILE.write_text(str(report.duration))
