"""The write points of a process: every change that it makes to the file system, and each command.

A point is reached before the change is made. Changes are told by Python's audit events, which no
code of Python's escapes, and those that have none (a write, an fsync) by files and functions of our
own in the place of Python's. What is opened for writing by any other way is an escape, and makes a
test fail.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import shutil
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pymongo import monitoring

Kind = Literal["SIGKILL", "ENOSPC", "EIO"]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events of changes, and what they are called here; a rename and a link have two names.
_CHANGES = {
    "os.rename": "rename",
    "os.link": "link",
    "os.symlink": "symlink",
    "os.remove": "unlink",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "truncate",
    "os.chmod": "chmod",
    "os.chown": "chown",
    "os.utime": "utime",
}
#: What needs room on the disk.
_NEEDS_ROOM = frozenset({"create", "write", "mkdir", "link", "symlink"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what happens at which point: counted from 1, commands only where a process is killed.

    SIGKILL ends the process, in the middle of a write; ENOSPC fails there and wherever room is
    needed from then on, EIO fails there alone. Without `replies` these do not count: what a process
    leaves that is killed then is what it leaves before its next command, or change.
    """

    at: int
    kind: Kind
    replies: bool = True


@dataclass
class Points:
    """Count the write points of this process, and let a fault happen at one of them."""

    fault: Fault | None = None
    reached: list[list[Any]] = field(default_factory=list)
    count: int = 0
    fired: str = ""
    escaped: list[str] = field(default_factory=list)
    #: What was written, for who wants to know what a crash of the system may leave.
    tracing: bool = False

    def reach(self, what: str, *names: str, torn: Callable[[], object] | None = None) -> None:
        """Reach a point; `torn` does half of what was to be done."""
        is_command = what in ("command", "reply")
        fault = self.fault
        if is_command and fault is not None and fault.kind != "SIGKILL":
            return
        if what == "reply" and fault is not None and not fault.replies:
            return
        self.count += 1
        self.reached.append([what, *names])
        if fault is None:
            return
        if self.count == fault.at:
            if torn is not None:
                torn()
            self.fired = " ".join([what, *names])
            if fault.kind == "SIGKILL":
                os.kill(os.getpid(), signal.SIGKILL)
            raise _error(fault.kind, names)
        if self.fired and fault.kind == "ENOSPC" and what in _NEEDS_ROOM:
            raise _error("ENOSPC", names)


def _error(kind: Kind, names: tuple[str, ...]) -> OSError:
    number = getattr(errno, kind)
    return OSError(number, os.strerror(number), *names[:1])


_within = threading.local()


@contextlib.contextmanager
def _counted_already() -> Iterator[None]:
    _within.depth = getattr(_within, "depth", 0) + 1
    try:
        yield
    finally:
        _within.depth -= 1


def install(points: Points) -> None:
    """Let this process reach `points`, from now until its end."""
    monitoring.register(_Commands(points))
    _install_files(points)
    _install_functions(points)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            known = getattr(_within, "depth", 0)
            if not known and isinstance(flags, int) and flags & _WRITING and not _is_apart(path):
                points.escaped.append(f"open {path!r}")
        elif (what := _CHANGES.get(event)) is not None:
            names = _names(event, arguments)
            # Said before it is tried: a directory that is there is not made, nor one below none; a
            # file that is gone is not removed, and a directory that is not empty stays.
            above = os.path.dirname(names[0])
            if what == "mkdir" and (os.path.lexists(names[0]) or not os.path.isdir(above)):
                return
            if what in ("unlink", "rmdir") and not os.path.lexists(names[0]):
                return
            if what == "rmdir" and os.listdir(names[0]):
                return
            points.reach(what, *names)

    sys.addaudithook(hook)


def _names(event: str, arguments: tuple[Any, ...]) -> list[str]:
    if event in ("os.rename", "os.link"):
        source, target, source_directory, target_directory = arguments[:4]
        return [_place(source, source_directory), _place(target, target_directory)]
    if event == "os.symlink":
        return [_place(arguments[1], arguments[2])]
    directory = arguments[-1] if event not in ("os.truncate", "os.utime") else -1
    return [_place(arguments[0], directory)]


def _place(path: Any, directory: Any = -1) -> str:
    """Return the absolute path that a change is about; a descriptor is one, too."""
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}")
    name = os.fsdecode(path)
    if isinstance(directory, int) and directory >= 0 and not os.path.isabs(name):
        return os.path.join(os.readlink(f"/proc/self/fd/{directory}"), name)
    return os.path.abspath(name)


def _is_apart(path: Any) -> bool:
    """Tell whether something is no file on a disk: a device, a pipe, a socket."""
    try:
        status = os.stat(path)
    except (OSError, TypeError, ValueError):
        return False
    return not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))


def _install_files(points: Points) -> None:
    real_open, real_file = io.open, io.FileIO

    class CountedFile(real_file):  # type: ignore[valid-type, misc]
        """A file whose writes are points."""

        def __init__(
            self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None
        ) -> None:
            if not isinstance(file, int):
                _reach_open(points, _place(file), is_new="r" not in mode, empties="w" in mode)
            with _counted_already():
                super().__init__(file, mode, closefd, opener)
            self.place = _place(self.fileno())

        def write(self, data: Any, /) -> int:
            whole = bytes(data)
            at = [str(self.tell()), whole.hex()] if points.tracing else []
            half = whole[: len(whole) // 2]
            points.reach("write", self.place, *at, torn=lambda: real_file.write(self, half))
            return int(super().write(whole))

        def truncate(self, size: int | None = None, /) -> int:
            with _counted_already():
                return int(super().truncate(size))

    def counted_open(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if not set(mode) & set("wax+") or _is_apart(file):
            return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = CountedFile(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering < 2 else buffering
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw, size)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, encoding, errors, newline)

    io.open = builtins.open = counted_open
    io.FileIO = CountedFile  # type: ignore[misc]
    setattr(shutil, "_USE_CP_SENDFILE", False)  # noqa: B010 - which copies without a write


def _reach_open(points: Points, place: str, *, is_new: bool, empties: bool) -> None:
    if not os.path.exists(place):
        points.reach("create", place)
    elif empties:
        points.reach("empty", place)
    else:
        points.reach("reopen", place)


def _install_functions(points: Points) -> None:
    real_open, real_write, real_fsync = os.open, os.write, os.fsync

    def counted_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & _WRITING and not _is_apart(path):
            place = _place(path, -1 if dir_fd is None else dir_fd)
            anonymous = bool(flags & getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY)
            if anonymous:
                points.reach("create", f"{place}/(unnamed)")
            else:
                _reach_open(points, place, is_new=True, empties=bool(flags & os.O_TRUNC))
        with _counted_already():
            return real_open(path, flags, mode, dir_fd=dir_fd)

    def counted_write(fd: int, data: Any) -> int:
        if not _is_apart(fd):
            half = bytes(data)[: len(bytes(data)) // 2]
            points.reach("write", _place(fd), torn=lambda: real_write(fd, half))
        return real_write(fd, data)

    def counted_fsync(fd: Any) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        points.reach("fsync", _place(number))
        real_fsync(number)

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSYS, "not while points are counted")

    os.open, os.write, os.fsync = counted_open, counted_write, counted_fsync
    os.fdatasync = counted_fsync
    for name in ("sendfile", "copy_file_range", "pwrite", "pwritev", "writev", "posix_fallocate"):
        if hasattr(os, name):
            setattr(os, name, refused)


class _Commands(monitoring.CommandListener):
    """Reach a point before each command is sent, and after its reply has come."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self._points.reach("command", event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._points.reach("reply", event.command_name)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._points.reach("reply", event.command_name)
