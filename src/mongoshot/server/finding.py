"""Questions to a server about some of a collection's documents, asked within a reading.

Everything here only reads, in the session of the reading where it has one, and gives documents as
the bytes that the server sent. A capped collection cannot be read in a session with snapshot reads,
and is read as it is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection as Sized
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument

from mongoshot.errors import CaptureError, NotRepresentableError
from mongoshot.server.connection import collection_of, translated
from mongoshot.server.documents import one_of
from mongoshot.server.reading import Reading
from mongoshot.snapshot.elements import (
    DATE,
    INT32,
    INT64,
    OBJECT_ID,
    STRING,
    document_id,
    framed,
    split_documents,
)
from mongoshot.snapshot.encoding import readable
from mongoshot.snapshot.model import Definition, join_documents
from mongoshot.snapshot.order import in_order

#: Values asked for at a time, and their bytes: they are one document of at most 16 MiB. Without an
#: index each question reads the whole collection, so that then the bytes alone count.
_MOST_VALUES, _MOST_BYTES = 5_000, 8_000_000
#: Ids of these types are sorted here exactly as the server sorts them.
_ORDERED = frozenset({OBJECT_ID, STRING, INT32, INT64, DATE})

_LONGEST_SHOWN = 100

_BY_ID = (("_id", 1),)
_EVERYTHING = framed(b"")


class GoneError(CaptureError):
    """Report documents that were chosen and are not there any more."""


def find(
    reading: Reading,
    definition: Definition,
    query: bytes = _EVERYTHING,
    *,
    sort: Iterable[tuple[str, Any]] = (),
    limit: int | None = None,
    fields: Iterable[str] | None = None,
) -> Iterator[bytes]:
    """Find documents by a query (one BSON document), each as BSON.

    `sort` is pairs of a path and a direction, `limit` at most that many documents; with `fields`,
    only these paths of them. Raises CommandError where the server does not take the query.
    """
    for chunk in _find_chunks(reading, definition, query, sort=sort, limit=limit, fields=fields):
        yield from split_documents(chunk)


def has_path(reading: Reading, definition: Definition, path: str) -> bool:
    """Tell whether any document of a collection has a field at a dotted path."""
    query = framed(b"\x03" + path.encode() + b"\0" + framed(b"\x08$exists\0\x01"))
    return any(True for _ in find(reading, definition, query, limit=1, fields=["_id"]))


def in_batches(values: Iterable[bytes], *, indexed: bool) -> Iterator[list[bytes]]:
    """Cut values into what one question takes; without an index, into as few as can be."""
    return _batches(values, _MOST_VALUES if indexed else _MOST_BYTES)


def find_one_of(
    reading: Reading,
    definition: Definition,
    path: str,
    batch: list[bytes],
    *,
    fields: Iterable[str] | None = None,
) -> Iterator[bytes]:
    """Find the documents that have one of some values at a dotted path, as the server compares.

    Values are a type byte and raw bytes, as `document_id` gives them, in a batch of `in_batches`;
    regular expressions among them would be patterns. With `fields`, gives only these paths of the
    documents. A collection with a collation also gives those that are equal in it alone.
    """
    return find(reading, definition, _one_of(path, batch), fields=fields)


def read_chosen(
    reading: Reading, definition: Definition, identities: Sized[bytes]
) -> Iterator[bytes]:
    """Read the documents with these ids (as `document_id` gives them), as chunks of BSON.

    Sorted by `_id`; those of a capped collection in natural order. Raises GoneError where one
    is not there any more, which only happens outside of a session with snapshot reads.
    """
    missing = set(identities)
    for chunk in join_documents(_in_their_order(reading, definition, identities)):
        for document in split_documents(chunk):
            missing.discard(document_id(document))
        yield chunk
    if missing:
        # No _id is said: it may be one that is masked.
        raise GoneError(
            f"{reading.database.name}.{definition.name}: {len(missing):,} of the documents that"
            " were chosen are gone; somebody writes to the database meanwhile and this collection"
            " cannot be read at one point in time: capture again"
        )


def shown_id(identity: bytes) -> str:
    """Write an id (as `document_id` gives it) for a message, as Extended JSON."""
    try:
        text = readable(identity[0], identity[1:])
    except NotRepresentableError:
        text = f"0x{identity[1:].hex()}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _in_their_order(
    reading: Reading, definition: Definition, identities: Sized[bytes]
) -> Iterator[bytes]:
    wanted = set(identities)
    batches = list(_batches(in_order(wanted), _MOST_BYTES))
    ordered = not definition.has_collation and all(each[0] in _ORDERED for each in wanted)
    if len(batches) > 1 and (definition.capped or not ordered):
        # Only the server knows the order across the parts: it shows all, in that order.
        found = find(reading, definition, sort=_order(definition))
        yield from (document for document in found if document_id(document) in wanted)
        return
    for batch in batches:
        yield from find(reading, definition, _one_of("_id", batch), sort=_order(definition))


def _order(definition: Definition) -> Iterable[tuple[str, Any]]:
    return (("$natural", 1),) if definition.capped else _BY_ID


def _find_chunks(
    reading: Reading,
    definition: Definition,
    query: bytes,
    *,
    sort: Iterable[tuple[str, Any]],
    limit: int | None,
    fields: Iterable[str] | None,
) -> Iterator[bytes]:
    source = collection_of(reading.database, definition.name)
    options: dict[str, Any] = {"session": None if definition.capped else reading.session}
    if fields is not None:
        options["projection"] = _projection(fields)
    if pairs := list(sort):
        options["sort"] = pairs
    if limit is not None:
        options["limit"] = limit
    pace = reading.pace
    if pace.batch_size is not None:
        options["batch_size"] = pace.batch_size
    with (
        translated(f"choose documents of {reading.database.name}.{definition.name}"),
        contextlib.closing(source.find_raw_batches(RawBSONDocument(query), **options)) as cursor,
    ):
        chunks: Iterator[bytes] = cursor
        for chunk in chunks:
            yield chunk
            if pace.pause:
                time.sleep(pace.pause)


def _projection(fields: Iterable[str]) -> Mapping[str, int]:
    # A part of the `_id` beside the whole, or without it, is what the server does not take.
    wanted = dict.fromkeys("_id" if each.startswith("_id.") else each for each in fields)
    return {**({} if "_id" in wanted else {"_id": 0}), **dict.fromkeys(wanted, 1)}


def _one_of(path: str, values: list[bytes]) -> bytes:
    return framed(b"\x03" + path.encode() + b"\0" + one_of(values))


def _batches(values: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for value in values:
        length = len(value) + 8  # its place in the array, as a key
        if batch and (len(batch) == most or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(value)
        size += length
    if batch:
        yield batch


def count(reading: Reading, definition: Definition, query: bytes) -> int:
    """Count the documents that match a query, a BSON document; about as they are now."""
    with translated(f"count documents of {reading.database.name}.{definition.name}"):
        source = collection_of(reading.database, definition.name)
        return int(source.count_documents(RawBSONDocument(query)))
