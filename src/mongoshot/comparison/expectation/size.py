"""Whether a state is small enough that its expectation is the whole of it, to be read by a person.

It depends on the state alone, so that the same one is recorded in the same form wherever it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial

from mongoshot.snapshot.elements import count_documents
from mongoshot.snapshot.model import Collection

#: Documents, and bytes of them as BSON, up to which all collections together are written whole.
MOST_DOCUMENTS, MOST_BYTES = 1000, 256 << 10


def measure(collections: Mapping[str, Collection]) -> tuple[bool, Mapping[str, Collection]]:
    """Tell whether collections are too large to be written whole, or hold what is not to be read.

    That are the buckets of a time series, in the server's own compression. Also returns the
    collections to read once from their beginning: what was read here is kept, and not read again.
    """
    read = dict(collections)
    if any(each.definition.type == "timeseries" for each in collections.values()):
        return True, read
    documents = size = 0
    for name, collection in collections.items():
        kept: deque[bytes] = deque()
        chunks = collection.chunks()
        read[name] = Collection(collection.definition, partial(_read_on, kept, chunks))
        for chunk in chunks:
            kept.append(chunk)
            documents += count_documents(chunk)
            size += len(chunk)
            if documents > MOST_DOCUMENTS or size > MOST_BYTES:
                return True, read
    return False, read


def _read_on(kept: deque[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    while kept:
        yield kept.popleft()
    yield from rest
