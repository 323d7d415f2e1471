"""Single documents of a collection by their `_id`, without holding the collection in memory."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import IO

from mongoshot.snapshot.elements import document_at, document_id, split_documents
from mongoshot.snapshot.model import Collection

#: Bytes of documents up to which a collection that lies in no BSON file is kept in memory.
_SPOOLED = 1 << 20
_OFFSET_BITS = 40  # a file of a terabyte


class DocumentIndex:
    """Find documents of one collection by `_id`: 16 bytes of memory a document.

    Reads the collection once when it is made. Documents of a BSON file stay in it; others are kept
    in a temporary file, or in memory while they are small.
    """

    def __init__(self, collection: Collection) -> None:
        """Index the documents of `collection`."""
        self._file: IO[bytes]
        if collection.file is None:
            self._file = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - see finalize
        else:
            self._file = collection.file.open("rb")
        weakref.finalize(self, self._file.close)
        # One integer a document, hash before offset, so that sorting them sorts by hash.
        keys: list[int] = []
        offset = 0
        for chunk in collection.chunks():
            if collection.file is None:
                self._file.write(chunk)
            for document in split_documents(chunk):
                keys.append(_hash(document_id(document)) << _OFFSET_BITS | offset)
                offset += len(document)
        keys.sort()
        self._hashes = array("Q", (key >> _OFFSET_BITS for key in keys))
        self._offsets = array("Q", (key & ((1 << _OFFSET_BITS) - 1) for key in keys))

    def find(self, identities: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the documents with these ids, as `document_id` gives them, by id."""
        found = {}
        for identity in identities:
            for document in self._candidates(identity):
                if document_id(document) == identity:
                    found[identity] = document
        return found

    def _candidates(self, identity: bytes) -> Iterator[bytes]:
        wanted = _hash(identity)
        at = bisect_left(self._hashes, wanted)
        while at < len(self._hashes) and self._hashes[at] == wanted:
            yield self._read(self._offsets[at])
            at += 1

    def _read(self, offset: int) -> bytes:
        self._file.seek(offset)
        start = self._file.read(4096)
        size = int.from_bytes(start[:4], "little")
        document = (
            start[:size] if size <= len(start) else start + self._file.read(size - len(start))
        )
        document_at(document, 0)
        return document


def _hash(identity: bytes) -> int:
    # Python's own: it is only for this process, and takes a quarter of the time of a digest.
    return hash(identity) & 0xFFFF_FFFF_FFFF_FFFF
