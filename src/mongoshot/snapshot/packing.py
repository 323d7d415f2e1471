"""Files that are packed with gzip: read and written in pieces.

Packing the same bytes gives the same bytes, as neither a name nor a time is kept; another build of
zlib may find shorter ones.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, cast

from mongoshot.snapshot.bounds import MOST_UNPACKED, UNPACKED_FREELY

GZIP_SUFFIX = ".gz"


class TooMuchError(EOFError):
    """Report that a packed file comes to more than it may."""


#: What reading a packed file raises where it is damaged; BadGzipFile is an OSError, too.
UNPACKING_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)

#: Little is gained beyond the level that gzip itself takes, and much time lost.
_LEVEL = 6


class Sink(Protocol):
    """Take bytes."""

    def write(self, data: bytes, /) -> object:
        """Write all of them."""
        ...


def encoding_of(name: str) -> str:
    """Tell from the name of a file how it is read behind gzip: its last suffix but `.gz`."""
    return Path(name.removesuffix(GZIP_SUFFIX)).suffix


def open_unpacked(path: Path) -> IO[bytes]:
    """Open a file for reading, behind gzip where its name says so. Raises OSError."""
    if path.suffix == GZIP_SUFFIX:
        return unpacking(path.open("rb"))
    return path.open("rb")


def unpacking(file: IO[bytes]) -> IO[bytes]:
    """Read a stream of gzip in pieces; closing what this gives closes `file`.

    Reading raises TooMuchError where it comes to more than `snapshot.bounds` lets it.
    """
    return cast("IO[bytes]", _Unpacked(_Taken(file)))


class _Taken(io.RawIOBase):
    """Count the bytes that are taken of a stream."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.size += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


class _Unpacked(gzip.GzipFile):
    """Unpack a stream for as long as there is a relation between what goes in and comes out."""

    def __init__(self, packed: _Taken) -> None:
        super().__init__(fileobj=cast("IO[bytes]", packed), mode="rb")
        self._packed, self._size = packed, 0

    def read(self, size: int | None = -1) -> bytes:
        return self._counted(super().read(size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._counted(super().readline(-1 if size is None else size))

    def close(self) -> None:
        super().close()
        self._packed.close()

    def _counted(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > UNPACKED_FREELY and self._size > self._packed.size * MOST_UNPACKED:
            raise TooMuchError
        return data


def unpacking_problem(error: Exception) -> str:
    """Say which of `UNPACKING_ERRORS` happened."""
    if isinstance(error, TooMuchError):
        return (
            f"comes to more than {MOST_UNPACKED} times its size when it is unpacked, which is more"
            " than documents do: if you know where it is from, unpack it with gunzip"
        )
    problem = "it ends too soon" if isinstance(error, EOFError) else str(error)
    return f"cannot be unpacked with gzip: {problem}"


@contextlib.contextmanager
def packing(sink: Sink, *, packed: bool) -> Iterator[Sink]:
    """Give what takes bytes and writes them to `sink`, packed or as they are."""
    if not packed:
        yield sink
        return
    with gzip.GzipFile("", "wb", _LEVEL, cast("IO[bytes]", sink), mtime=0) as file:
        yield cast("Sink", file)
