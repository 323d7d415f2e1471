"""Archives of mongodump: many collections in one stream, interleaved.

    archive  = magic, header, *metadata, terminator, *block
    block    = namespace header, *document, terminator

All but the magic and the terminators are BSON documents. The header says the version of server and
tool; metadata is `{db, collection, metadata, size, type}`, `metadata` the text of a metadata file.
A namespace header is `{db, collection, EOF, CRC}`; the last one of a namespace has `EOF: true`, no
documents behind it, and in `CRC` the CRC-64/XZ of all its documents, as a signed number. There is
no end mark: an archive is whole where every namespace that it lists was closed so.

Source: `common/archive/spec.md`, `parser.go` and `demultiplexer.go` of
https://github.com/mongodb/mongo-tools
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from bson.errors import BSONError

from mongoshot.errors import DumpError, InvalidBSONError
from mongoshot.snapshot.bounds import LARGEST_DOCUMENT, LARGEST_DUMPED_METADATA
from mongoshot.snapshot.dump.checksum import Verification
from mongoshot.snapshot.dump.source import damaged, unpacked
from mongoshot.snapshot.dump.spool import Spool
from mongoshot.snapshot.elements import SMALLEST_DOCUMENT, count_documents, validate_document
from mongoshot.snapshot.model import BUCKETS_PREFIX, CHUNK_SIZE, Progress, decode

MAGIC = b"\x6d\xe2\x99\x81"
TERMINATOR = b"\xff\xff\xff\xff"
VERSION = "0.1"

#: Bytes that wait to be written to the temporary file: of one namespace, and of all.
_WAITING, _ALL_WAITING = 1 << 18, 1 << 25

#: Namespaces that have begun and not ended, at most; mongodump has as many as it has threads.
_MOST_OPEN = 4096

Namespace = tuple[str, str]

_length = struct.Struct("<i").unpack_from


@dataclass(frozen=True, slots=True)
class Prelude:
    """Hold what an archive says of itself before its documents.

    `metadata` has the text of the metadata file of each namespace, "" where there is none.
    """

    server_version: str
    tool_version: str
    metadata: dict[Namespace, str]

    @property
    def databases(self) -> list[str]:
        """Return the names of the databases, sorted; the oplog is in none."""
        return sorted({database for database, _ in self.metadata if database})


class Archive:
    """Read an archive once, from its beginning to its end."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        """Read what is before the documents; `where` names the archive in errors.

        Raises DumpError, also what `source.reading` translates to it.
        """
        beginning, unpacked_file = unpacked(file, len(MAGIC))
        if beginning != MAGIC:
            raise DumpError(
                f"{where} is no archive of mongodump: it does not begin with {MAGIC.hex(' ')};"
                " name an archive (mongodump --archive), or a dump directory"
            )
        self._stream = _Stream(unpacked_file, where)
        self.prelude = self._read_prelude()

    def documents(self, database: str, spool: Spool, progress: Progress) -> dict[str, Extents]:
        """Put the documents of one database into the spool; return where those of each are.

        Verifies the checksums of all databases. Raises DumpError.
        """
        opened: dict[Namespace, _Receiver] = {}
        waiting = closed = 0
        while not self._stream.at_end():
            offset = self._stream.offset
            namespace, is_end, checksum = self._read_header()
            receiver = opened.get(namespace)
            if receiver is None:
                if len(opened) - closed >= _MOST_OPEN:
                    raise self._damaged(offset, f"more than {_MOST_OPEN} collections are open")
                kept = spool if namespace[0] == database else None
                receiver = opened[namespace] = _Receiver(kept)
            if receiver.closed:
                raise self._damaged(offset, f"{_name(namespace)} goes on after its end")
            for chunk in self._stream.documents():
                if is_end:
                    raise self._damaged(offset, f"{_name(namespace)} has documents in its end")
                progress(namespace[1], count_documents(chunk))
                waiting += receiver.receive(chunk)
                if waiting >= _ALL_WAITING:
                    waiting -= sum(each.flush() for each in opened.values())
            if is_end and not receiver.verified(checksum):
                raise self._damaged(
                    offset,
                    f"the documents of {_name(namespace)} do not have the checksum {checksum}",
                )
            if is_end:
                closed += 1
                waiting -= receiver.flush()
        for namespace, receiver in opened.items():
            if not receiver.closed:
                raise damaged(f"{self._stream.where} ends before {_name(namespace)} does")
        return {
            collection: receiver.extents
            for (of, collection), receiver in opened.items()
            if of == database
        }

    def _read_prelude(self) -> Prelude:
        offset = self._stream.offset
        header = self._decode(self._stream.document(), offset)
        version = header.get("version")
        if version != VERSION:
            raise self._damaged(offset, f"it has version {version!r:.40}, and {VERSION!r} is known")
        metadata: dict[Namespace, str] = {}
        while True:
            offset = self._stream.offset
            if (document := self._stream.document()) is None:
                break
            entry = self._decode(document, offset)
            namespace = self._namespace(entry, offset)
            text = entry.get("metadata") or ""
            if not isinstance(text, str) or namespace in metadata:
                raise self._damaged(offset, f"{_name(namespace)} is listed wrongly, or twice")
            metadata[namespace] = text
            if self._stream.offset > LARGEST_DUMPED_METADATA:
                raise self._damaged(
                    offset, f"its metadata goes beyond {LARGEST_DUMPED_METADATA} bytes"
                )
        return Prelude(
            str(header.get("server_version") or ""), str(header.get("tool_version") or ""), metadata
        )

    def _read_header(self) -> tuple[Namespace, bool, int]:
        offset = self._stream.offset
        header = self._decode(self._stream.document(), offset)
        namespace = self._namespace(header, offset)
        of, collection = namespace
        if namespace not in self.prelude.metadata and (
            (of, collection.removeprefix(BUCKETS_PREFIX)) not in self.prelude.metadata
        ):
            raise self._damaged(offset, f"{_name(namespace)} is not listed in its beginning")
        is_end, checksum = header.get("EOF"), header.get("CRC")
        if not isinstance(is_end, bool) or not isinstance(checksum, int):
            raise self._damaged(offset, f"the header of {_name(namespace)} lacks EOF or CRC")
        return namespace, is_end, checksum

    def _namespace(self, document: dict[str, Any], offset: int) -> Namespace:
        database, collection = document.get("db"), document.get("collection")
        if not isinstance(database, str) or not isinstance(collection, str) or not collection:
            raise self._damaged(offset, "a document there names no db and collection")
        return database, collection

    def _decode(self, document: bytes | None, offset: int) -> dict[str, Any]:
        if document is None:
            raise self._damaged(offset, "a header is missing")
        try:
            validate_document(document)
            return decode(document)
        except (InvalidBSONError, BSONError) as error:
            raise self._damaged(offset, str(error)) from None

    def _damaged(self, offset: int, problem: str) -> DumpError:
        return damaged(f"{self._stream.where}, at byte {offset}: {problem}")


@dataclass(slots=True)
class Extents:
    """Say where in a spool the documents of a collection are."""

    spool: Spool
    offsets: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, start: int, end: int) -> None:
        """Append what was written between two offsets."""
        if self.offsets and self.offsets[-1] == start:
            self.offsets[-1] = end
        else:
            self.offsets.extend((start, end))

    def chunks(self) -> Iterator[bytes]:
        """Read the documents as chunks of whole ones."""
        for at in range(0, len(self.offsets), 2):
            yield from self.spool.documents(self.offsets[at], self.offsets[at + 1])


class _Receiver:
    """Take the documents of one namespace: checked, and kept where somebody wants them."""

    def __init__(self, spool: Spool | None) -> None:
        self.closed = False
        self._verification: Verification | None = Verification()
        self._spool = spool
        self._waiting = bytearray()
        if spool is not None:
            self.extents = Extents(spool)

    def receive(self, chunk: bytes) -> int:
        """Take whole documents; return by how many bytes more wait to be written now."""
        if self._verification is not None:
            self._verification.update(chunk)
        if self._spool is None:
            return 0
        before = len(self._waiting)
        self._waiting += chunk
        return -self.flush() + len(chunk) if before + len(chunk) >= _WAITING else len(chunk)

    def flush(self) -> int:
        """Write what waits; return how many bytes that were."""
        size = len(self._waiting)
        if size and self._spool is not None:
            self.extents.add(*self._spool.append(self._waiting))
            self._waiting = bytearray()
        return size

    def verified(self, checksum: int) -> bool:
        """Tell, at the end of the namespace, whether all that came has this checksum."""
        self.closed = True
        verification, self._verification = self._verification, None
        return verification is not None and verification.matches(checksum % (1 << 64))


class _Stream:
    """Cut a stream into documents and terminators; no length is believed before it was reached."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self.where = where
        self._file = file
        self._buffer, self._position = b"", 0
        self._read = len(MAGIC)

    @property
    def offset(self) -> int:
        """Return the number of bytes before what comes next, as they are behind gzip."""
        return self._read - len(self._buffer) + self._position

    def at_end(self) -> bool:
        """Tell whether nothing comes any more."""
        return self._position == len(self._buffer) and not self._fill()

    def document(self) -> bytes | None:
        """Take the next document; None for a terminator. Raises DumpError where it is cut."""
        while True:
            length = self._next_length()
            end = self._position + (length or len(TERMINATOR))
            if length is not None and end <= len(self._buffer):
                taken = self._buffer[self._position : end]
                self._position = end
                if not length:
                    return None
                if taken[-1]:
                    raise damaged(
                        f"{self.where}: the document before byte {self.offset} has no end"
                    )
                return taken
            if not self._fill():
                raise self._cut()

    def documents(self) -> Iterator[bytes]:
        """Take all documents up to the next terminator, and that; yield chunks of whole ones."""
        while True:
            end = _documents_end(self._buffer, self._position)
            if end > self._position:
                yield self._buffer[self._position : end]
                self._position = end
            length = self._next_length()
            if length == 0:
                self._position += len(TERMINATOR)
                return
            if length is not None and self._position + length <= len(self._buffer):
                raise damaged(f"{self.where}: the document at byte {self.offset} has no end")
            if not self._fill():
                raise self._cut()

    def _next_length(self) -> int | None:
        """Give the length of the document that comes, 0 for a terminator, None where it is cut."""
        if len(self._buffer) - self._position < len(TERMINATOR):
            return None
        length: int = _length(self._buffer, self._position)[0]
        if length == -1:
            return 0
        if not SMALLEST_DOCUMENT <= length <= LARGEST_DOCUMENT:
            raise damaged(
                f"{self.where}, at byte {self.offset}: {length} is neither the length of a document"
                " nor the end of a block"
            )
        return length

    def _fill(self) -> bool:
        block = self._file.read(CHUNK_SIZE)
        self._buffer = self._buffer[self._position :] + block
        self._position = 0
        self._read += len(block)
        return bool(block)

    def _cut(self) -> DumpError:
        return damaged(f"{self.where} is cut: it ends in the middle, at byte {self._read}")


def _documents_end(buffer: bytes, position: int) -> int:
    """Give the offset behind the last of the whole documents that begin at a position."""
    last_start = len(buffer) - SMALLEST_DOCUMENT
    unpack, size = _length, len(buffer)
    while position <= last_start:
        end = position + unpack(buffer, position)[0]
        if end - position < SMALLEST_DOCUMENT or end > size or buffer[end - 1]:
            break
        position = end
    return position


def _name(namespace: Namespace) -> str:
    return ".".join(namespace)
