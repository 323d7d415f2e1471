"""A part of a collection's documents that is the same each time, to see what they look like."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.client_session import ClientSession

from mongoshot.server.connection import Database, collection_of, translated
from mongoshot.snapshot.elements import split_documents
from mongoshot.snapshot.model import Definition

#: Documents from each end of a collection.
EACH_END = 2000


def sample_documents(
    database: Database, definition: Definition, session: ClientSession | None = None
) -> Iterator[bytes]:
    """Read the first and the last 2,000 documents by `_id`, or all where there are no more.

    A time series gives as many of its first measurements, a view nothing.
    """
    if definition.type == "view":
        return
    source = collection_of(database, definition.name)
    session = None if definition.capped else session

    def read(direction: int, most: int) -> list[bytes]:
        order = [] if definition.type == "timeseries" else [("_id", direction)]
        with source.find_raw_batches(sort=order, limit=most, session=session) as cursor:
            chunks: Iterator[bytes] = cursor
            return [document for chunk in chunks for document in split_documents(chunk)]

    with translated(f"read {database.name}.{definition.name}"):
        first = read(1, 2 * EACH_END)
        if len(first) < 2 * EACH_END or definition.type == "timeseries":
            yield from first
            return
        yield from first[:EACH_END]
        yield from read(-1, EACH_END)
