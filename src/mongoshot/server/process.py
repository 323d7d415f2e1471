"""Which process this is, in words that processes of other machines understand; which are gone."""

from __future__ import annotations

import functools
import os
import platform
import uuid
from dataclasses import dataclass
from pathlib import Path

from mongoshot.server.embedded.supervisor import find_owner


@dataclass(frozen=True, slots=True)
class Process:
    """Name a process so that no other has its name, at any time, on any machine.

    `machine` tells machines apart, and containers and boots of one machine, as `pid` and `started`
    mean something within these alone; `host` is its name, for a person. `started` are ticks since
    the boot on Linux, where setting the clock must not give a process another name, and seconds
    since 1970 elsewhere.
    """

    machine: str
    host: str
    pid: int
    started: float

    @property
    def is_gone(self) -> bool:
        """Tell whether the process has certainly ended; False for one of another machine."""
        if self.machine != this_process().machine:
            return False
        if not _counts_ticks():
            return find_owner(self.pid, self.started) is None
        import psutil

        try:
            state, started = _read_stat(self.pid)
        except OSError:  # it is gone, or another user's where these are hidden
            return not psutil.pid_exists(self.pid)
        return state in "ZX" or started != self.started  # a zombie writes nothing any more


def this_process() -> Process:
    """Return what this process is called."""
    return _identify(os.getpid())  # another one after a fork


@functools.cache
def _identify(pid: int) -> Process:
    if _counts_ticks():
        started: float = _read_stat(pid)[1]
    else:
        import psutil

        started = psutil.Process(pid).create_time()
    return Process(_machine(), platform.node(), pid, started)


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _counts_ticks() -> bool:
    return _BOOT_ID.exists()


def _read_stat(pid: int) -> tuple[str, int]:
    """Return the state of a process and when it started, in ticks since the boot.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _machine() -> str:
    if _counts_ticks():
        # Containers of one machine have the same boot id, and may have the same host name.
        # https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
        try:
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
            return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
        except OSError:
            # As if each process had a machine of its own: none is believed to be dead.
            return f"{platform.node()} {uuid.uuid4()}"
    # So it is without a network card, too, where this number is the process's own.
    return f"{platform.node()} {uuid.getnode():x}"
