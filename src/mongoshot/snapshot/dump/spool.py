"""Documents of several collections in one temporary file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mongoshot.errors import DumpError
from mongoshot.snapshot.elements import whole_documents
from mongoshot.snapshot.model import CHUNK_SIZE


class Spool:
    """Hold bytes in a file that has no name where the system can do that, and goes when closed."""

    def __init__(self, directory: Path) -> None:
        """Make the file in `directory`. Raises DumpError where that cannot be done."""
        self._directory = directory
        self._end = 0
        with self._writing():
            # Not in memory, which the system's own directory for such files may be.
            self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - see close

    def close(self) -> None:
        """Give the file up; nobody misses what could not be written to it."""
        with contextlib.suppress(OSError):
            self._file.close()

    def append(self, data: bytes | bytearray) -> tuple[int, int]:
        """Write bytes; return the offsets where they begin and end."""
        with self._writing():
            self._file.seek(self._end)
            self._file.write(data)
        start, self._end = self._end, self._end + len(data)
        return start, self._end

    def documents(self, start: int, end: int, block: int = CHUNK_SIZE) -> Iterator[bytes]:
        """Read what was written between two offsets as chunks of whole documents."""
        rest = b""
        while start < end:
            with self._writing():  # what was not written yet is
                self._file.seek(start)  # somebody else may be reading, too
                read = self._file.read(min(block, end - start))
            start += len(read)
            buffer = rest + read
            whole = whole_documents(buffer)
            if whole:
                yield buffer[:whole]
            rest = buffer[whole:]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DumpError(
                f"cannot write a temporary file in {self._directory}: {error.strerror or error};"
                " make room there, or name another place with --snapshots-path"
            ) from None
