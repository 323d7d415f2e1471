"""The embedded mongod of a run is gone when the run is, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_run_leaves_nothing(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    pytester.makepyfile(
        """
        import pathlib, time, pytest

        @pytest.mark.parametrize("number", range(2))
        def test_hangs(db, number):
            db.orders.insert_one({})
            pathlib.Path(f"reached_{number}").touch()
            time.sleep(60)
        """
    )
    command = [sys.executable, "-m", "pytest", "-n", workers, "-p", "no:cacheprovider"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as pytest_process:
        wait_for(lambda: (pytester.path / "reached_0").exists(), 30)
        servers = mongods(temporary)
        assert len(servers) == 1
        os.kill(pytest_process.pid, signal.SIGKILL)

    wait_for(lambda: not mongods(temporary), 10)
    wait_for(lambda: not list(temporary.glob("mongoshot-*")), 10)


def test_no_server_to_be_had_is_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_one(db): ...\ndef test_pure(): ...")
    monkeypatch.setenv("MONGOSHOT_MONGOD", str(pytester.path / "nowhere"))

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*no mongod at the configured path *nowhere*"])


def mongods(directory: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if any(str(directory) in word for word in process.info["cmdline"] or [])
        and "--dbpath" in process.info["cmdline"]
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def wait_for(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
