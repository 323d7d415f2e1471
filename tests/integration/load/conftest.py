"""Fixtures for tests under load: programs of their own, whose memory is measured."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.inner import without_plugins

from mongoshot.errors import MongodNotFoundError
from mongoshot.server.connection import Client, connect
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.embedded.mongod import start_mongod

MEASURE = Path(__file__).with_name("measure.py")


@dataclass(frozen=True, slots=True)
class Ran:
    """Hold what a program wrote, and the most memory that it had, in MB of 10**6 bytes."""

    output: str
    megabytes: int


@dataclass(slots=True)
class Project:
    """Be a user's project: programs that run in its directory, on a server, and what they took.

    `peaks` has the most memory of each, by the first argument of its module.
    """

    directory: Path
    url: str
    peaks: dict[str, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, module: str, *arguments: object, status: int = 0) -> Ran:
        """Run a module in a process of its own, as a user does, and measure its memory.

        `mongoshot` is the command line, `pytest` a run of the project's tests.
        """
        file = self.directory / f".peak_{next(self._numbers)}"
        words = [str(argument) for argument in arguments]
        done = subprocess.run(
            [sys.executable, str(MEASURE), str(file), module, *words],
            cwd=self.directory,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == status, done.stdout[-4000:]
        ran = Ran(done.stdout, round(int(file.read_text()) * 1024 / 10**6))
        self.peaks[words[0]] = max(ran.megabytes, self.peaks.get(words[0], 0))
        return ran

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.directory / name).write_text(textwrap.dedent(text), encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        ours = ("PYTEST_", "DB_", "SCENARIO_", "SNAPSHOTS_", "CI")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        urls = {"DB_URL": self.url, "SCENARIO_SOURCE_URL": self.url}
        return kept | {"PYTEST_ADDOPTS": without_plugins(), **urls}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Give a server of the module's own: it ends sooner than what is in it could be dropped."""
    try:
        binary = find_mongod(os.environ.get("MONGOSHOT_MONGOD") or None)
    except MongodNotFoundError as error:
        pytest.skip(str(error))
    with start_mongod(binary) as server, connect(server.url) as client:
        # A machine with much else to do may read for longer than this server keeps what was.
        client.admin.command({"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 600})
        yield client


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Project:
    """Make an empty project of the module's tests, on the server that they have."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read in /proc")
    directory = tmp_path_factory.mktemp("project")
    (directory / "pyproject.toml").touch()
    [(host, port)] = client.nodes
    return Project(directory, f"mongodb://{host}:{port}")
