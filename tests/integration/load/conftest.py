"""Fixtures for tests under load: programs of their own, whose memory is measured."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.inner import without_plugins

MEASURE = Path(__file__).with_name("measure.py")


@dataclass(frozen=True, slots=True)
class Ran:
    """Hold what a program wrote, and the most memory that it had, in MB of 10**6 bytes."""

    status: int
    output: str
    megabytes: int


Measured = Callable[..., Ran]


@pytest.fixture
def measured(tmp_path: Path, server_url: str) -> Measured:
    """Run a module in a process of its own, as a user does, and measure its memory.

    `mongoshot` is the command line, `pytest` a run of the files in `tmp_path`.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read in /proc")
    numbers = itertools.count()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "DB_", "SCENARIO_", "SNAPSHOTS_"))
    } | {"PYTEST_ADDOPTS": without_plugins(), "DB_URL": server_url}
    (tmp_path / "pyproject.toml").touch()

    def run(module: str, *arguments: object, status: int = 0) -> Ran:
        file = tmp_path / f"peak_{next(numbers)}"
        command = [sys.executable, str(MEASURE), str(file), module, *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == status, done.stdout[-4000:]
        return Ran(status, done.stdout, round(int(file.read_text()) * 1024 / 10**6))

    return run


@pytest.fixture
def write_module(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a module for `measured`; returns its name."""

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return name

    return write
