"""Files that are packed with gzip: read and written in pieces.

Packing the same bytes gives the same bytes, as neither a name nor a time is kept; another build of
zlib may find shorter ones.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, cast

GZIP_SUFFIX = ".gz"

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
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def unpacking_problem(error: Exception) -> str:
    """Say which of `UNPACKING_ERRORS` happened."""
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
