"""Documents kept for a while: in memory while they are few, in a temporary file beyond that."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator

from mongoshot.snapshot.elements import whole_documents
from mongoshot.snapshot.model import CHUNK_SIZE, Collection

#: Bytes of documents up to which they are kept in memory.
_SPOOLED = 1 << 20


def spooled(collection: Collection) -> Collection:
    """Return a collection with the documents that it has now, whatever becomes of it."""
    return Collection(collection.definition, _Spool(collection.chunks()).chunks)


class _Spool:
    """Hold chunks of documents for as long as somebody may read them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - see finalize
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
