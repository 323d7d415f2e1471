"""Files that are whole or as they were, also after the system has failed.

What is renamed into place was on the disk before; and a name is on the disk once its directory is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import IO

from mongoshot.errors import UsageError

#: What a file system says that syncs no directories.
_NOT_ASKED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})

#: What a file is called until it is whole: the process that writes it, and a name of its own. A
#: short one: that of the file may already be as long as a name can be.
_ASIDE = re.compile(r"\.([0-9]{1,9})\.[0-9a-f]{16}\.partial")


def write_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file in UTF-8: aside, and put in its place when it is whole.

    A `durable` one is on the disk by then, also if the system fails a moment later. What killed
    writers have left beside it goes. Raises OSError, and UnicodeEncodeError for half a surrogate
    pair; what was there before is then as it was.
    """
    aside = name_aside(path)
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            if durable:
                sync(file)
        aside.replace(path)
    except BaseException:
        remove_aside(aside)
        raise
    if durable:
        sync_directory(path.parent)


def name_aside(path: Path) -> Path:
    """Name a file beside `path` to write first; those that killed writers have left go."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(path.parent)):
            if (match := _ASIDE.fullmatch(entry.name)) and _is_gone(int(match[1])):
                remove_aside(Path(entry))
    return path.with_name(f".{os.getpid()}.{os.urandom(8).hex()}.partial")


def remove_aside(aside: Path) -> None:
    """Remove a file that is not wanted any more; where that cannot be, a later writer does."""
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)


def _is_gone(pid: int) -> bool:
    import psutil  # what is left is rare, and this takes time

    return not psutil.pid_exists(pid)


def write_file(path: Path, text: str) -> None:
    """Write a file that somebody has named, as `write_whole` does; a link stays one.

    Raises UsageError where that cannot be.
    """
    try:
        write_whole(path.resolve(), text)
    except OSError as error:
        raise cannot_write(str(path), error) from None


def cannot_write(what: str, error: Exception) -> UsageError:
    """Say that a file, or what an option names, cannot be written, and why."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return UsageError(
        f"{what} cannot be written: {reason}; make room there, or name a file elsewhere"
    )


def sync(file: IO[bytes] | IO[str]) -> None:
    """Wait until a file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk; where that cannot be asked, do not."""
    # A rename is durable once its directory is. Windows opens none, and needs not; nor is a
    # directory always readable, or of a file system that knows of this.
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_ASKED:
            raise
    finally:
        os.close(handle)


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, where they are not there yet; they are on the disk."""
    missing = []
    directory = path
    while not directory.exists() and directory != directory.parent:
        missing.append(directory)
        directory = directory.parent
    path.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync_directory(made.parent)
