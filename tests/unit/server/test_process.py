"""Which process is which, and which are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mongoshot.server import process
from mongoshot.server.process import Process, this_process


@pytest.fixture(params=["by ticks", "by seconds"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Identify processes as Linux allows, and as any system does."""
    if request.param == "by seconds":
        monkeypatch.setattr(process, "_BOOT_ID", Path("/nowhere"))
    elif not Path("/proc/sys/kernel/random/boot_id").exists():
        pytest.skip("this system counts seconds")
    process._identify.cache_clear()
    yield
    process._identify.cache_clear()


def identify(pid: int) -> Process:
    found = process._identify(pid)
    process._identify.cache_clear()
    return found


@pytest.mark.usefixtures("way")
def test_this_process_lives_and_has_one_name() -> None:
    assert this_process() == this_process()
    assert this_process().pid == os.getpid()
    assert not this_process().is_gone


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("reaped", [True, False])
def test_a_process_that_has_ended_is_gone(reaped: bool) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = identify(child.pid)
    assert not name.is_gone
    assert not replace(name, machine="elsewhere").is_gone
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    if reaped:
        child.communicate()

    assert name.is_gone
    assert not replace(name, machine="elsewhere").is_gone
    child.communicate()


@pytest.mark.usefixtures("way")
def test_a_later_process_with_its_number_is_another() -> None:
    assert replace(this_process(), started=this_process().started - 500).is_gone


def test_where_the_machine_cannot_be_told_nobody_is_believed_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = []
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "readlink", lambda _: (_ for _ in ()).throw(OSError()))
            names.append(process._machine())
    if Path("/proc/sys/kernel/random/boot_id").exists():
        assert names[0] != names[1]
