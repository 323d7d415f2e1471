"""Documents kept for a while: in memory while they are few, in a temporary file beyond that."""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from mongoshot.errors import SnapshotError
from mongoshot.snapshot.elements import whole_documents
from mongoshot.snapshot.model import CHUNK_SIZE, Collection

#: Bytes of documents up to which they are kept in memory.
_SPOOLED = 1 << 20


class Scratch(tempfile.SpooledTemporaryFile[bytes]):
    """Hold bytes in memory while they are few, beyond that in a file without a name.

    Raises SnapshotError where that file cannot be written, or read again.
    """

    def __init__(self, most_in_memory: int) -> None:
        """Hold up to so many bytes in memory."""
        super().__init__(most_in_memory)

    def write(self, data: Any, /) -> int:
        """Write bytes."""
        with _scratching():
            return super().write(data)

    def seek(self, position: int, whence: int = 0, /) -> int:
        """Go to a position; what was written before is written by then."""
        with _scratching():
            return super().seek(position, whence)

    def read(self, size: int = -1, /) -> bytes:
        """Read bytes."""
        with _scratching():
            return super().read(size)

    def close(self) -> None:
        """Give the file up; nobody misses what could not be written to it."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def _scratching() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotError(
            f"cannot keep documents in the temporary directory {tempfile.gettempdir()}:"
            f" {error.strerror or error}; make room there, or name another with TMPDIR"
        ) from None


def spooled(collection: Collection) -> Collection:
    """Return a collection with the documents that it has now, whatever becomes of it."""
    return Collection(collection.definition, _Spool(collection.chunks()).chunks)


class _Spool:
    """Hold chunks of documents for as long as somebody may read them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = Scratch(_SPOOLED)
        weakref.finalize(self, self._file.close)
        for chunk in chunks:
            self._file.write(chunk)

    def chunks(self) -> Iterator[bytes]:
        position, rest = 0, b""
        while True:
            self._file.seek(position)  # another reading may have moved it
            if not (block := self._file.read(CHUNK_SIZE)):
                return
            position += len(block)
            buffer = rest + block
            end = whole_documents(buffer)
            if end:
                yield buffer[:end]
            rest = buffer[end:]
