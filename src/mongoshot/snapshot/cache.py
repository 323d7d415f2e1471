"""What can be derived from snapshots, kept for the next process in a directory of the user's.

Everything in it can be made again, so that a cache which cannot be read or written is done
without. Entries are named by the SHA-256 of what they are about, and whoever reads one holds it
against that before believing it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import platformdirs

#: Names a directory to be used instead of the user's own.
CACHE_VARIABLE = "MONGOSHOT_CACHE"

_DAY = 24 * 60 * 60
_UNUSED_DAYS = 30
#: Bytes of all entries together, from which on those go that were not used for the longest time.
_LARGEST = 8 << 30

#: Names of entries: a directory given by the user may hold files of others, which are left alone.
_ENTRY = re.compile(r"[0-9a-f]{64}\.[a-z]+")
_ASIDE = re.compile(r"\.[0-9a-f]{64}\.[a-z]+\.[0-9]+\..*\.partial")

#: Nanoseconds that a file must have been left alone before it was looked at, so that a later change
#: shows in its times: they are as coarse as two seconds on some file systems. Git calls a younger
#: file "racily clean". https://git-scm.com/docs/racy-git
_SETTLED = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tell a file as it lies on the disk from what it may become: two equal ones, no change.

    Times are in nanoseconds; `looked_at` is when the file was asked for the others.
    """

    size: int
    modified: int
    changed: int
    inode: int
    looked_at: int = field(compare=False)

    @classmethod
    def of(cls, file: int | Path) -> Stamp:
        """Take the stamp of a file, given as a descriptor or a path. Raises OSError."""
        now = time.time_ns()
        status = os.stat(file)  # noqa: PTH116 - a descriptor has no method
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, now)

    @property
    def settled(self) -> bool:
        """Tell whether any change from now on will make another stamp."""
        return self.looked_at - max(self.modified, self.changed) >= _SETTLED


class Cache:
    """Keep entries by name: whole or absent, the user's alone, gone when unused for 30 days.

    Where all of them take more than 8 GiB, what was not used for the longest time goes earlier.
    """

    def __init__(self) -> None:
        """Use the directory that MONGOSHOT_CACHE names, else the one that the system has for it."""
        self._directory = _directory()
        self._swept = False

    def open(self, name: str) -> BufferedReader | None:
        """Open an entry for reading; None where there is none that can be read."""
        if not _ENTRY.fullmatch(name) or not self._is_private():
            return None
        path = self._directory / name
        try:
            file = path.open("rb")
        except OSError:
            return None
        with contextlib.suppress(OSError):
            if time.time() - os.fstat(file.fileno()).st_mtime > _DAY:
                os.utime(path)
        return file

    def write(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write an entry, or replace it, made of `parts`; do nothing where that cannot be done."""
        if not _ENTRY.fullmatch(name):
            return
        with contextlib.suppress(OSError, ValueError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._is_private():
                self._sweep()
                self._write_aside(name, parts)

    def was_verified(self, path: Path, stamp: Stamp, *digests: str | None) -> bool:
        """Tell whether the file with this stamp is known to have these digests."""
        file = self.open(_stamp_name(path))
        if file is None:
            return False
        with file, contextlib.suppress(OSError):
            return file.read() == _stamp_text(stamp, digests)
        return False

    def remember_verified(self, path: Path, stamp: Stamp, *digests: str | None) -> None:
        """Keep that the file, as it was when `stamp` was taken and ever since, has these digests.

        Does nothing where it was changed meanwhile, or so lately that a change might not show.
        """
        with contextlib.suppress(OSError):
            if stamp.settled and stamp == Stamp.of(path):
                self.write(_stamp_name(path), [_stamp_text(stamp, digests)])

    def _is_private(self) -> bool:
        """Tell whether the directory is there, and nobody else can have put something into it."""
        try:
            status = self._directory.stat()
        except (OSError, ValueError):
            return False
        # Windows has neither: there a user's directories are the user's by their place.
        return not hasattr(os, "geteuid") or (
            status.st_uid == os.geteuid() and not status.st_mode & 0o022
        )

    def _write_aside(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        # No fsync: what a crash of the system leaves of an entry fails the check of its reader.
        handle, aside = tempfile.mkstemp(".partial", f".{name}.{os.getpid()}.", self._directory)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
                for part in parts:
                    file.write(part)
            Path(aside).replace(self._directory / name)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise

    def _sweep(self) -> None:
        """Remove what nobody has used for long, what is too much, and what killed writers left."""
        if self._swept:
            return
        self._swept = True
        now, size = time.time(), 0
        entries: list[tuple[float, int, Path]] = []
        for entry in list(os.scandir(self._directory)):
            with contextlib.suppress(OSError):  # another process may have been faster
                status = entry.stat()
                if _ENTRY.fullmatch(entry.name):
                    entries.append((status.st_mtime, status.st_size, Path(entry)))
                elif _ASIDE.fullmatch(entry.name) and now - status.st_mtime > _DAY:
                    Path(entry).unlink()
        for used, taken, path in sorted(entries, reverse=True):
            size += taken
            if now - used > _UNUSED_DAYS * _DAY or size > _LARGEST:
                with contextlib.suppress(OSError):
                    path.unlink()


def _directory() -> Path:
    try:
        named = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("mongoshot")
        return Path(named).expanduser()
    except RuntimeError:  # a user without a home, whose files are not wanted anywhere else
        return Path(os.devnull)


def _stamp_name(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest() + ".stamp"


def _stamp_text(stamp: Stamp, digests: Iterable[str | None]) -> bytes:
    fields = (stamp.size, stamp.modified, stamp.changed, stamp.inode, *digests)
    return (" ".join(map(str, fields)) + "\n").encode()
