"""The documents of a collection in the order of a snapshot, whatever order a dump has them in.

mongodump reads in natural order, a snapshot is sorted by `_id`. Where a collection is sorted
already, as most are, it is read twice and kept nowhere. Else sorted runs of it go to a temporary
file and are merged: memory stays within some 100 MB, however large the collection.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from mongoshot.errors import DumpError, InvalidBSONError
from mongoshot.snapshot import elements
from mongoshot.snapshot.dump.source import damaged
from mongoshot.snapshot.dump.spool import Spool
from mongoshot.snapshot.elements import document_id, split_documents, validate_document
from mongoshot.snapshot.encoding import readable
from mongoshot.snapshot.model import Definition, join_documents
from mongoshot.snapshot.order import SortKey, sort_key

Read = Callable[[], Iterator[bytes]]

#: What is sorted in memory at a time, at most: bytes and documents.
_RUN_BYTES, _RUN_DOCUMENTS = 16 << 20, 50_000
#: Bytes of all runs together that are read ahead while they are merged, and of each at least.
_MERGE_BYTES, _MERGE_LEAST = 32 << 20, 1 << 14

_WITH_STRINGS = frozenset({elements.STRING, elements.SYMBOL, elements.DOCUMENT, elements.ARRAY})

#: How an ObjectId begins that is the first element of a document, and what it sorts by.
_OBJECT_ID = bytes((elements.OBJECT_ID,)) + b"_id\0"
_OBJECT_ID_RANK = sort_key(bytes((elements.OBJECT_ID,)) + bytes(12))[0]

#: Takes whatever the server does: this decoding only tells whether there is something to look at.
_LENIENT: CodecOptions[dict[str, object]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)


def in_snapshot_order(
    definition: Definition, read: Read, where: str, scratch: Path
) -> Iterator[bytes]:
    """Check the documents that each call of `read` gives anew, and yield them in chunks, sorted.

    Those of a capped collection stay in the order that they have, and so do those whose ids have
    strings in them where the collection has a collation: the server alone knows how that sorts.
    `where` names the file or namespace in errors; temporary files go to the directory `scratch`.
    Raises DumpError where they are not documents with an `_id` each, or two have the same one.
    """
    ids = _check(read(), where)
    stay = definition.capped or (definition.has_collation and bool(ids.kinds & _WITH_STRINGS))
    if stay or ids.are_sorted:
        yield from read()
    else:
        yield from join_documents(_without_duplicates(_sorted(read, scratch), where))


@dataclass(slots=True)
class _Ids:
    """Say whether the ids of a collection are sorted, and which types they have."""

    are_sorted: bool
    kinds: set[int]


def _check(chunks: Iterator[bytes], where: str) -> _Ids:
    """Look into every document, and at all ids."""
    are_sorted, last, offset = True, None, 0
    kinds = set()
    for chunk in chunks:
        _validate(chunk, where, offset)
        for document in split_documents(chunk):
            if document.startswith(_OBJECT_ID, 4):
                kind = elements.OBJECT_ID
            elif identity := document_id(document):
                kind = identity[0]
            else:
                raise damaged(f"{where}: the document at byte {offset} has no _id")
            offset += len(document)
            kinds.add(kind)
            if are_sorted:
                key = _key(document)
                are_sorted = last is None or last < key
                last = key
    return _Ids(are_sorted, kinds)


def _validate(chunk: bytes, where: str, offset: int) -> None:
    try:
        # At the speed of C; what it does not like may still be what a server stores.
        bson.decode_all(chunk, _LENIENT)
    except (BSONError, RecursionError):
        for document in split_documents(chunk):
            try:
                validate_document(document)
            except InvalidBSONError as error:
                raise damaged(f"{where}: in the document at byte {offset}: {error}") from None
            offset += len(document)


def _sorted(read: Read, scratch: Path) -> Iterator[bytes]:
    runs = _runs(read)
    run = next(runs)
    following = next(runs, None)
    if following is None:
        yield from run
        return
    with closing(Spool(scratch)) as spool:
        extents = [spool.append(b"".join(run))]
        del run  # which would stay in memory for as long as this is read
        while following is not None:
            extents.append(spool.append(b"".join(following)))
            following = next(runs, None)
        block = max(_MERGE_BYTES // len(extents), _MERGE_LEAST)
        yield from heapq.merge(
            *(_documents(spool, start, end, block) for start, end in extents), key=_key
        )


def _documents(spool: Spool, start: int, end: int, block: int) -> Iterator[bytes]:
    for chunk in spool.documents(start, end, block):
        yield from split_documents(chunk)


def _runs(read: Read) -> Iterator[list[bytes]]:
    run: list[bytes] = []
    size = 0
    for chunk in read():
        for document in split_documents(chunk):
            run.append(document)
            size += len(document)
        if size >= _RUN_BYTES or len(run) >= _RUN_DOCUMENTS:
            run.sort(key=_key)
            yield run
            run, size = [], 0
    if run:
        run.sort(key=_key)
        yield run


def _without_duplicates(documents: Iterator[bytes], where: str) -> Iterator[bytes]:
    last: SortKey | None = None
    for document in documents:
        identity = document_id(document)
        if (key := sort_key(identity)) == last:
            raise DumpError(
                f"{where} has two documents with the _id {readable(identity[0], identity[1:])}:"
                " they were written to while mongodump read them; make a new dump"
            )
        last = key
        yield document


def _key(document: bytes) -> SortKey:
    if document.startswith(_OBJECT_ID, 4):
        # What most ids are; this is where the time goes.
        return _OBJECT_ID_RANK, document[9:21]
    return sort_key(document_id(document))
