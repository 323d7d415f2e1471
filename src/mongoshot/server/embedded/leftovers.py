"""Directories of embedded servers in the temporary directory: which are ours, and which are left.

A directory or process is touched only when it is certainly mongoshot's and its run is certainly
over: other runs of the same user, and other users, work in the same place at the same time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mongoshot.errors import MongodFailedError
from mongoshot.server.embedded.supervisor import (
    LAYOUT,
    LOCK,
    ORDER,
    POINTER,
    RECORD,
    Order,
    end_server,
    find_owner,
    read_json,
)

PREFIX = "mongoshot-"
JOIN_LOCK = "join.lock"
_OWNER = "owner.json"
_MEETING_LAYOUT = frozenset({JOIN_LOCK, _OWNER, POINTER})
_SERVER_NAME = re.compile(r"mongoshot-[a-z0-9_]{8}")  # as tempfile.mkdtemp makes them
_DEMO_NAME = re.compile(r"mongoshot-demo-([0-9]{1,9})-[a-z0-9_]{8}")
_MEETING_NAME = re.compile(r"mongoshot-run-[0-9a-f]{16}")
_NEWBORN = 60.0  # seconds in which a directory may still lack what its supervisor will write
# What a sweep meets in a directory that is gone, or shut, or holds something else than it should.
_UNSWEPT = (OSError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class Owner:
    """The process that a server lives for."""

    pid: int
    started: float
    """Seconds since the epoch; tells it from a later process with the same pid."""


def identify_owner(pid: int) -> Owner:
    """Return the identity of a process that runs; raises MongodFailedError when it does not."""
    import psutil

    try:
        return Owner(pid, psutil.Process(pid).create_time())
    except psutil.Error as error:
        raise MongodFailedError(
            f"mongod was to live as long as process {pid}, and that cannot be watched: {error}; "
            "give the pid of a process that runs"
        ) from error


def meeting_directory(run: str, owner: Owner) -> Path:
    """Make, or find, the directory in which the processes of a run meet.

    Only this user can enter it. It is removed when the owner is gone.

    Raises MongodFailedError when somebody else has made a directory of that name, and OSError.
    """
    digest = hashlib.sha256(run.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"{PREFIX}run-{digest}"
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(path):
        raise MongodFailedError(
            f"{path} belongs to another user or is open to others; "
            "remove it, or set TMPDIR to a directory of your own"
        )
    (path / _OWNER).write_text(json.dumps([owner.pid, owner.started]), encoding="utf-8")
    return path


def demo_prefix() -> str:
    """Return how the name of a demo's directory begins, by which a sweep knows it."""
    return f"{PREFIX}demo-{os.getpid()}-"


def sweep() -> None:
    """Remove what earlier runs left: directories without a supervisor, and the mongod on them.

    So go the files of demos that were killed.

    Never raises: a directory that cannot be removed now is for the next start.
    """
    paths = list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    for path in paths:
        with contextlib.suppress(*_UNSWEPT):
            if _SERVER_NAME.fullmatch(path.name) and _is_left_server(path):
                end_server(path)
    for path in paths:
        with contextlib.suppress(*_UNSWEPT):
            if (_MEETING_NAME.fullmatch(path.name) and _is_left_meeting(path)) or (
                (match := _DEMO_NAME.fullmatch(path.name)) and _is_left_demo(path, int(match[1]))
            ):
                shutil.rmtree(path, ignore_errors=True)


def _is_left_server(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if not _is_private(path) or not _holds_only(path, LAYOUT):
        return False
    order: Order | None = read_json(path / ORDER)
    if not isinstance(order, dict) or order.get("directory") != str(path):
        return False
    # A supervisor has the lock before it writes the record, and until it ends. So a lock that is
    # free under a record means that it is gone, also in another container with the same /tmp,
    # where its pid would say nothing.
    if not (path / RECORD).exists() and _age(path / ORDER) < _NEWBORN:
        return False
    try:
        with FileLock(path / LOCK).acquire(timeout=0):
            return True
    except Timeout:
        return False


def _is_left_meeting(path: Path) -> bool:
    if not _is_private(path) or not _holds_only(path, _MEETING_LAYOUT):
        return False
    pointer = path / POINTER
    if pointer.exists() and Path(os.fsdecode(pointer.read_bytes())).exists():
        return False
    owner = read_json(path / _OWNER)
    if owner is None:
        return _age(path) > _NEWBORN
    return find_owner(*owner) is None


def _is_left_demo(path: Path, pid: int) -> bool:
    import psutil

    # A demo takes seconds; its pid means nothing in another container with the same /tmp.
    return _is_private(path) and _age(path) > _NEWBORN and not psutil.pid_exists(pid)


def _is_private(path: Path) -> bool:
    """Say whether this is a directory, not a link to one, that this user alone can enter."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    if os.name == "nt":  # no owner and no mode there; the temporary directory is the user's own
        return True
    return found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) & 0o077 == 0


def _holds_only(path: Path, names: frozenset[str]) -> bool:
    return all(entry.name in names for entry in path.iterdir())


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
