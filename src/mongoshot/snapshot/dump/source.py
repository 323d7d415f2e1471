"""The bytes of a dump: opened, unpacked where they are packed, and read in pieces.

What comes out of gzip is never held as a whole, so that a small file which unpacks to a very large
one costs time, and disk where documents have to be sorted, but no more memory than any other.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from mongoshot.errors import DumpError
from mongoshot.snapshot.bounds import read_up_to
from mongoshot.snapshot.directory import bson_chunks
from mongoshot.snapshot.packing import (
    UNPACKING_ERRORS,
    open_unpacked,
    unpacking,
    unpacking_problem,
)

#: The two bytes that gzip begins with. https://www.rfc-editor.org/rfc/rfc1952
_GZIP_MAGIC = b"\x1f\x8b"

_REMEDY = "copy the dump again, or make a new one with mongodump"


def damaged(problem: str) -> DumpError:
    """Say that a dump is not what mongodump wrote."""
    return DumpError(f"{problem}; {_REMEDY}")


@contextlib.contextmanager
def reading(where: Path | str) -> Iterator[None]:
    """Translate what goes wrong when the bytes of a dump are read to DumpError."""
    try:
        yield
    except FileNotFoundError:
        raise DumpError(f"there is no {where}; name a dump directory or an archive") from None
    except UNPACKING_ERRORS as error:
        raise damaged(f"{where} {unpacking_problem(error)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DumpError(f"cannot read {where}: {reason}; make it readable") from None


def unpacked(file: IO[bytes], begins_with: int) -> tuple[bytes, IO[bytes]]:
    """Read the first bytes of a stream, behind gzip where it begins with that, and go on there."""
    beginning = file.read(begins_with)
    if beginning.startswith(_GZIP_MAGIC):
        file = unpacking(cast("IO[bytes]", _Begun(beginning, file)))
        beginning = file.read(begins_with)
    return beginning, file


class _Begun(io.RawIOBase):
    """Put back what was read of a stream that cannot be wound back, such as standard input."""

    def __init__(self, beginning: bytes, file: IO[bytes]) -> None:
        super().__init__()
        self._beginning, self._file = beginning, file

    def read(self, size: int = -1) -> bytes:
        if not self._beginning or size < 0:
            given, self._beginning = self._beginning, b""
            return given + self._file.read(size)
        given, self._beginning = self._beginning[:size], self._beginning[size:]
        return given


def read_documents(path: Path) -> Iterator[bytes]:
    """Read a `.bson` or `.bson.gz` file as chunks of whole documents. Raises DumpError."""
    with reading(path), open_unpacked(path) as file:
        yield from bson_chunks(file, path, damaged)


def read_text(path: Path, at_most: int) -> bytes:
    """Read a small file, packed or not, whole. Raises DumpError where it is larger."""
    with reading(path), open_unpacked(path) as file:
        text = read_up_to(file, at_most)
    if len(text) > at_most:
        raise damaged(f"{path} has more than {at_most} bytes, which none of its kind needs")
    return text
