"""Single documents of a collection by their `_id`, without holding the collection in memory.

A file of the cache, `<SHA-256 of the documents>.index`, all numbers little-endian:

     8 bytes   magic and version: b"mgshidx1"
    32 bytes   SHA-256 of the documents
     8 bytes   number of documents
     4 bytes   CRC-32 of all that follows the header
     4 bytes   zero
     8 bytes   for each document, ascending: the hash of its `_id`
     8 bytes   for each document, in the order of the hashes: the offset where it begins
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
import struct
import sys
import weakref
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import IO, NamedTuple

from mongoshot.errors import SnapshotDamagedError
from mongoshot.snapshot import elements
from mongoshot.snapshot.cache import Cache, Stamp
from mongoshot.snapshot.directory import bson_chunks, reading
from mongoshot.snapshot.elements import STRING, document_at, document_id, split_documents
from mongoshot.snapshot.model import CHUNK_SIZE, Collection
from mongoshot.snapshot.spool import Scratch

#: Bytes of documents up to which a collection that lies in no BSON file is kept in memory.
_SPOOLED = 1 << 20

_MAGIC = b"mgshidx1"
_HEADER = struct.Struct("<8s32sQI4x")

#: The numbers of the file are used where they lie; other machines do without it.
_LITTLE_ENDIAN = sys.byteorder == "little"

_OFFSET_BITS = 40  # a file of a terabyte
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1

#: The modulus of the hash: prime, and such that 2**n counts as 2**(n % 61). ObjectIds that one
#: process made one after the other so have hashes that ascend, which sort five times as fast.
_PRIME = 2**61 - 1

#: Length, type, key and first four bytes of value of the first element of a document.
_FIRST_ELEMENT = struct.Struct("<iB4si")
_VALUE = 9  # bytes before the value of an element whose key is `_id`
_NO_ELEMENT = (0, 0, b"", 0)
#: Bytes of the values that most ids are; zero for a type that is better measured with care.
_WIDTHS = tuple(
    {
        elements.DOUBLE: 8,
        elements.OBJECT_ID: 12,
        elements.DATE: 8,
        elements.INT32: 4,
        elements.TIMESTAMP: 8,
        elements.INT64: 8,
        elements.DECIMAL128: 16,
    }.get(kind, 0)
    for kind in range(256)
)


class DocumentIndex:
    """Find documents of one collection by `_id`: 16 bytes a document, mapped or in memory.

    Documents of a BSON file stay in it; others are kept in the user's cache where their digest is
    known, else in a temporary file, or in memory while they are few. The index is kept in the cache
    too; where it is not there yet, the collection is read once.
    """

    def __init__(self, collection: Collection) -> None:
        """Index the documents of `collection`.

        Raises SnapshotDamagedError where they are not those of its digest.
        """
        cache = Cache()
        self._source, unread = _open(collection, cache)
        weakref.finalize(self, self._source.file.close)
        table = _load_table(cache, collection.digest)
        if table is None:
            # Whatever is believed of the file: what is read wrongly now is found wrongly for ever.
            chunks = self._source.chunks(0) if unread is None else unread
            table = _make_table(_checked(chunks, collection.digest, self._source.where))
            _store_table(cache, collection.digest, table)
        elif unread is not None:
            for _ in _checked(unread, collection.digest, self._source.where):
                pass
        self._hashes, self._offsets = table

    def __len__(self) -> int:
        """Count the documents."""
        return len(self._hashes)

    def find(self, identities: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the documents with these ids, as `document_id` gives them, by id and in order.

        Raises SnapshotDamagedError where their file was written to since it was opened.
        """
        located = sorted(self._locate(identities), key=lambda found: found[1])
        return {identity: document for identity, _, document in located}

    def find_up_to(self, most: int, identities: Iterable[bytes]) -> dict[bytes, bytes] | None:
        """Return what `find` does, or None where that is more than `most` bytes of documents."""
        size, located = 0, []
        for found in self._locate(identities):
            size += len(found[2])
            if size > most:
                return None
            located.append(found)
        located.sort(key=lambda found: found[1])
        return {identity: document for identity, _, document in located}

    def from_first(self, identities: Iterable[bytes], at_most: int) -> dict[bytes, bytes] | None:
        """Return the documents from the first of these to the last of the collection, in order.

        Returns None where they are more than `at_most`. Raises what `find` does.
        """
        first = min((offset for _, offset, _ in self._locate(identities)), default=None)
        if first is None:
            return {}
        documents = itertools.chain.from_iterable(map(split_documents, self._source.chunks(first)))
        several = list(itertools.islice(documents, at_most + 1))
        return {document_id(d): d for d in several} if len(several) <= at_most else None

    def _locate(self, identities: Iterable[bytes]) -> Iterator[tuple[bytes, int, bytes]]:
        self._source.require_unchanged()
        # By hash, so that no document is read twice, whoever chose the ids for their hashes.
        wanted: dict[int, set[bytes]] = {}
        for identity in identities:
            wanted.setdefault(_hash(identity), set()).add(identity)
        for hashed, alike in wanted.items():
            at = bisect_left(self._hashes, hashed)
            while at < len(self._hashes) and self._hashes[at] == hashed:
                offset = self._offsets[at]
                document = self._source.document(offset)
                if (identity := document_id(document)) in alike:
                    yield identity, offset, document
                at += 1


@dataclass(frozen=True, slots=True)
class _Source:
    """Hold the open file that documents are read from; `where` names it in errors.

    `stamp` is that of the file when it was opened, None where nobody else can write to it.
    """

    file: IO[bytes]
    where: str
    stamp: Stamp | None = None

    def chunks(self, start: int) -> Iterator[bytes]:
        """Read all documents from the offset `start` on."""
        self.file.seek(start)
        return bson_chunks(self.file, self.where)

    def document(self, offset: int) -> bytes:
        """Read one document."""
        self.file.seek(offset)
        start = self.file.read(4096)
        size = int.from_bytes(start[:4], "little")
        document = start[:size] if size <= len(start) else start + self.file.read(size - len(start))
        document_at(document, 0)
        return document

    def require_unchanged(self) -> None:
        """Raise SnapshotDamagedError where an offset may lead to something else by now."""
        if self.stamp is None:
            return
        now = Stamp.of(self.file.fileno())
        # Whatever became of its name: a new capture takes the place of a file that is still open.
        if (now.size, now.modified) != (self.stamp.size, self.stamp.modified):
            raise SnapshotDamagedError(
                f"{self.where} was changed while tests used it; start them again, after taking it"
                " from version control, or capturing the scenario anew with --replace"
            )


def _open(collection: Collection, cache: Cache) -> tuple[_Source, Iterator[bytes] | None]:
    """Open the documents of a collection, and give those that nobody may believe before reading.

    None are given where they are known to be those of the collection's digest.
    """
    digest, path = collection.digest, collection.file
    if path is not None:
        with reading(path):
            file = path.open("rb")
        stamp = Stamp.of(file.fileno())
        source = _Source(file, str(path), stamp)
        # The file that was opened, not its name: a new capture may have taken that over.
        if digest is not None and cache.was_verified(path, stamp, digest, digest):
            return source, None
        return source, source.chunks(0)
    if digest is not None and (kept := _open_kept(cache, digest)) is not None:
        return _Source(kept, f"{digest}.bson in the cache"), None
    spool = Scratch(_SPOOLED)
    return _Source(spool, "a temporary file"), _spooled(collection, spool, cache)


def _open_kept(cache: Cache, digest: str) -> BufferedReader | None:
    """Open what `_spooled` has kept in the cache, if that is what it should be."""
    file = cache.open(f"{digest}.bson")
    if file is None:
        return None
    with contextlib.suppress(OSError):
        if hashlib.file_digest(file, "sha256").hexdigest() == digest:
            return file
    file.close()
    return None


def _spooled(collection: Collection, spool: IO[bytes], cache: Cache) -> Iterator[bytes]:
    """Read a collection that lies in no BSON file, and keep what is read."""
    for chunk in collection.chunks():
        spool.write(chunk)
        yield chunk
    if collection.digest is not None:
        spool.seek(0)
        cache.write(f"{collection.digest}.bson", iter(partial(spool.read, CHUNK_SIZE), b""))


def _checked(chunks: Iterator[bytes], digest: str | None, where: str) -> Iterator[bytes]:
    """Raise SnapshotDamagedError at the end of documents that are not those of the digest."""
    found = hashlib.sha256()
    for chunk in chunks:
        if digest is not None:
            found.update(chunk)
        yield chunk
    if digest is not None and found.hexdigest() != digest:
        raise SnapshotDamagedError(
            f"{where} holds documents with the content {found.hexdigest()[:12]}…, and its manifest"
            f" says {digest[:12]}…: if it was captured meanwhile, start again; else take it from"
            " version control, or capture the scenario anew with --replace"
        )


class _Table(NamedTuple):
    """Hold the hashes of all ids, ascending, and where the document of each begins."""

    hashes: memoryview
    offsets: memoryview


def _make_table(chunks: Iterable[bytes]) -> _Table:
    # One integer a document, hash before offset, so that sorting them sorts by hash.
    keys: list[int] = []
    start = 0
    for chunk in chunks:
        keys += _keys(chunk, start)
        start += len(chunk)
    keys.sort()
    return _Table(
        memoryview(array("Q", (key >> _OFFSET_BITS for key in keys))),
        memoryview(array("Q", (key & _OFFSET_MASK for key in keys))),
    )


def _keys(chunk: bytes, start: int) -> list[int]:
    """Give hash and offset of each document, of which the first begins at the offset `start`.

    Calls nothing for a document that begins with an `_id` of a usual type: this is where the time
    goes that an index takes. Others, and such as look damaged, are left to `elements`.
    """
    keys = []
    unpack, widths, number = _FIRST_ELEMENT.unpack_from, _WIDTHS, int.from_bytes
    position, size = 0, len(chunk)
    last = size - _FIRST_ELEMENT.size
    while position < size:
        length, kind, key, string = unpack(chunk, position) if position <= last else _NO_ELEMENT
        end, value = position + length, position + _VALUE
        behind = value + (string + 4 if kind == STRING else widths[kind])
        if (
            key == b"_id\0"
            and value < behind < end <= size
            and not chunk[end - 1]
            and (kind != STRING or (string > 0 and not chunk[behind - 1]))
        ):
            hashed = number(chunk[value:behind], "big") % _PRIME
        else:
            end = document_at(chunk, position)
            hashed = _hash(document_id(chunk[position:end]))
        keys.append(hashed << _OFFSET_BITS | start + position)
        position = end
    return keys


def _hash(identity: bytes) -> int:
    """Give the same number in all processes; the type does not count."""
    return int.from_bytes(identity[1:], "big") % _PRIME


def _load_table(cache: Cache, digest: str | None) -> _Table | None:
    file = cache.open(f"{digest}.index") if digest and _LITTLE_ENDIAN else None
    if digest is None or file is None:
        return None
    with file, contextlib.suppress(OSError, ValueError):
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        numbers = mapped[_HEADER.size :]
        documents = len(numbers) // 16
        if mapped[: _HEADER.size] == _header(digest, documents, zlib.crc32(numbers)):
            return _Table(numbers[: documents * 8].cast("Q"), numbers[documents * 8 :].cast("Q"))
    return None


def _store_table(cache: Cache, digest: str | None, table: _Table) -> None:
    if digest and _LITTLE_ENDIAN:
        check = zlib.crc32(table.offsets, zlib.crc32(table.hashes))
        cache.write(f"{digest}.index", [_header(digest, len(table.hashes), check), *table])


def _header(digest: str, documents: int, check: int) -> bytes:
    return _HEADER.pack(_MAGIC, bytes.fromhex(digest), documents, check)
