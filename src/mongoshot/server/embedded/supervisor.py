"""Keep one mongod running as long as its owner lives, then remove its directory.

This file is also a program, started by `launch` with `python -I -S`, as a process of its own that
outlives whatever happens to the owner. It imports the standard library alone until mongod runs,
then psutil and filelock from the places that its order names, and nothing of mongoshot: its start
is on the way of every run.

The directory of one server:

    order.json        what the starter asked for; marks the directory as mongoshot's
    supervisor.json   the record: which processes run; rewritten when mongod exits
    supervisor.lock   held by the supervisor while it lives, from before its record is written
    mongod.log
    data/
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

ORDER = "order.json"
RECORD = "supervisor.json"
LOCK = "supervisor.lock"
LOG = "mongod.log"
DATA = "data"
LAYOUT = frozenset({ORDER, RECORD, RECORD + ".new", LOCK, LOG, DATA})
# In the directory in which the processes of a run meet: the path of the server's directory.
POINTER = "server"

# Isolated and without site: no PYTHON* variable, no module of the working directory and no .pth
# file (coverage tools start themselves from those) gets into the supervisor or delays it.
PYTHON_OPTIONS = ("-I", "-S")
# No console of its own on Windows, and no Ctrl-C from the one of the test run.
DETACHED: int = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(
    subprocess, "CREATE_NEW_PROCESS_GROUP", 0
)

_INTERVAL = 0.2  # seconds between two looks at the owner and at mongod
_PATIENCE = 5.0  # seconds for a process to end, or for a directory to go
_SAME_START = 2.0  # seconds; a start time is computed from the clock, which is set now and then
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Order(TypedDict):
    """What a supervisor is to do."""

    directory: str
    command: list[str]
    """mongod and its arguments."""
    owner: int
    """The process that the server lives for."""
    owner_started: float
    """Seconds since the epoch; tells the owner from a later process with the same pid."""
    port: int
    replica_set: str
    meeting: str | None
    """The directory in which the processes of a run meet, if they share the server."""
    import_paths: list[str]
    """Where psutil and filelock are imported from."""


class Record(TypedDict):
    """What a supervisor runs."""

    supervisor: int
    mongod: int | None
    """None where the binary could not be executed."""
    exit: int | None
    """What mongod exited with, negative for a signal; None while it runs."""


def read_json(path: Path) -> Any:
    """Read a JSON file; None when it is not there or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def lives(process: psutil.Process) -> bool:
    """Say whether this very process still runs; a zombie and a reused pid do not count."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # of another user's process macOS tells only that it runs
        return True


def find_process(pid: int, argument: str) -> psutil.Process | None:
    """Find the living process `pid` that has `argument`, a path that no other has, on its line."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process if lives(process) and argument in process.cmdline() else None
    except psutil.Error:
        return None


def end_server(directory: Path) -> None:
    """End the supervisor and the mongod of a directory and remove it; nothing left is success.

    Waits at most about 15 seconds. Only a directory with an order of its own is removed, and only
    processes that have it on their command line are ended.
    """
    order: Order | None = read_json(directory / ORDER)
    if order is None or order["directory"] != str(directory):
        return
    record: Record | None = read_json(directory / RECORD)
    if record is not None:
        supervisor = find_process(record["supervisor"], str(directory))
        if supervisor is not None:
            _end(supervisor, kindly=True)  # it ends mongod, reaps it, and removes the directory
    if not directory.exists():
        return
    # The supervisor was killed, or is stuck; or there is no SIGTERM (Windows).
    for mongod in _mongods_on(directory):
        _end(mongod, kindly=False)
    _remove(directory)


def find_owner(pid: int, started: float) -> psutil.Process | None:
    """Find the process `pid` that started `started` seconds after the epoch, if it lives."""
    import psutil

    try:
        owner = psutil.Process(pid)
        same = abs(owner.create_time() - started) < _SAME_START
        return owner if same and lives(owner) else None
    except psutil.NoSuchProcess:
        return None


def _remove(directory: Path) -> None:
    import shutil

    deadline = time.monotonic() + _PATIENCE
    while directory.exists() and time.monotonic() < deadline:
        # Repeated: Windows frees the files of an ended process late, and two sweeps may meet here.
        shutil.rmtree(directory / DATA, ignore_errors=True)  # while the order marks it as ours
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            time.sleep(0.05)


def _mongods_on(directory: Path) -> list[psutil.Process]:
    import psutil

    wanted = ("--dbpath", str(directory / DATA))
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if wanted in itertools.pairwise(process.info["cmdline"] or [])
    ]


def _end(process: psutil.Process, *, kindly: bool) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        if kindly:
            process.terminate()
            _await_end(process)
        if lives(process):
            process.kill()
            _await_end(process)
        # Reaps it where it is a child of this process, as it is when this process is pid 1.
        process.wait(timeout=0)


def _await_end(process: psutil.Process) -> None:
    deadline = time.monotonic() + _PATIENCE
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.005)


def _launch(directory: Path) -> int:
    """Start the supervisor as nobody's child; return 0 as soon as its record is there.

    The process between starter and supervisor is what makes it nobody's: code under test that
    waits for all of its children, or counts them, must not meet a server among them.
    """
    supervisor = subprocess.Popen(  # noqa: S603 - this file
        [sys.executable, *PYTHON_OPTIONS, __file__, "supervise", str(directory)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=DETACHED,
    )
    while not (directory / RECORD).exists():
        if supervisor.poll() is not None:
            return 1
        time.sleep(0.002)
    return 0


def _supervise(directory: Path) -> None:
    order: Order = json.loads((directory / ORDER).read_text(encoding="utf-8"))
    mongod = _start_mongod(order["command"], directory)
    try:
        for number in _stop_signals():
            signal.signal(number, lambda *_: sys.exit(0))
        sys.path.extend(order["import_paths"])
        from filelock import FileLock

        with FileLock(directory / LOCK).acquire(timeout=_PATIENCE):  # a sweep has it for an instant
            _watch(order, mongod)
    finally:
        for number in _stop_signals():
            signal.signal(number, signal.SIG_IGN)
        if mongod is not None:
            mongod.kill()
            mongod.wait()
        _remove(directory)


def _watch(order: Order, mongod: subprocess.Popen[bytes] | None) -> None:
    """Return when the owner is gone, and take the meeting directory of its run along."""
    directory = Path(order["directory"])
    record: Record = {
        "supervisor": os.getpid(),
        "mongod": None if mongod is None else mongod.pid,
        "exit": 127 if mongod is None else mongod.poll(),  # 127: what a shell says of no command
    }
    _write_record(directory, record)
    owner = find_owner(order["owner"], order["owner_started"])
    while owner is not None and lives(owner):
        time.sleep(_INTERVAL)
        if mongod is not None and record["exit"] is None and mongod.poll() is not None:
            # The directory stays as long as the owner: the log says why mongod ended.
            record["exit"] = mongod.returncode
            _write_record(directory, record)
    if order["meeting"] is not None:  # nobody of a run without an owner will come any more
        _remove(Path(order["meeting"]))


def _start_mongod(command: list[str], directory: Path) -> subprocess.Popen[bytes] | None:
    _allow_many_files()
    with (directory / LOG).open("ab") as log:
        try:
            return subprocess.Popen(  # noqa: S603 - the binary is the user's choice
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory.anchor,
                preexec_fn=_tie_to_this_process(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.SubprocessError) as error:
            log.write(f"{error}\n".encode())
            return None


def _allow_many_files() -> None:
    """Let mongod open as many files as this user may: it needs one a collection and index.

    https://www.mongodb.com/docs/manual/reference/ulimit/
    """
    if sys.platform == "win32":
        return
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tie_to_this_process() -> Callable[[], None] | None:
    """Make what runs in the child before mongod: on Linux, have it killed when this one dies.

    Between fork and exec only prctl(2), getppid(2) and _exit(2) are called, by a process that has
    one thread. The signal follows the thread that forked; here that is the main thread, which ends
    with the process.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    supervisor = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != supervisor:  # it died before the line above
            os._exit(1)

    return tie


def _write_record(directory: Path, record: Record) -> None:
    new = directory / (RECORD + ".new")
    new.write_text(json.dumps(record), encoding="utf-8")
    new.replace(directory / RECORD)


def _stop_signals() -> list[signal.Signals]:
    names = ("SIGTERM", "SIGINT", "SIGHUP")
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]


def main(role: str, directory: str) -> int:
    """Run as a program: `launch DIRECTORY` starts `supervise DIRECTORY`, which does the work."""
    if role == "launch":
        return _launch(Path(directory))
    _supervise(Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
