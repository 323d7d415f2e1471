"""The value that flows through the house: the state of one database.

Documents, options and index specifications stay the BSON bytes that came off the wire, so that
nothing between a capture and a restore can change a type, an order or a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from mongoshot.snapshot.elements import iterate_elements, split_documents

CollectionType = Literal["collection", "view", "timeseries"]

#: Bytes of documents read, and handed on, at a time.
CHUNK_SIZE = 1 << 20

#: Called while documents stream by, with a collection's name and how many more have passed.
Progress = Callable[[str, int], None]

#: Collections of the server's own in every database. `system.views` and the buckets of time series
#: are part of a state as the views and time series that they hold; the others are the server's log
#: and its users.
#: https://www.mongodb.com/docs/manual/reference/system-collections/
SERVER_COLLECTIONS = frozenset(
    {"system.views", "system.profile", "system.indexes", "system.users", "system.roles"}
)
BUCKETS_PREFIX = "system.buckets."

#: Python has no datetime for years beyond 9999, which stand for "never" in many a database: those
#: become `bson.DatetimeMS`, everything else what pymongo makes of it by default.
_DECODING: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def decode(document: bytes) -> dict[str, Any]:
    """Return a BSON document as Python values."""
    return bson.decode(document, _DECODING)


@dataclass(frozen=True, slots=True)
class Definition:
    """Say what a collection is, apart from its documents.

    `options` is one BSON document as `listCollections` gives it (validator, collation, capped,
    clusteredIndex, timeseries; viewOn and pipeline of a view); `indexes` are BSON documents as
    `listIndexes` gives them, in the server's order, `_id_` included.
    https://www.mongodb.com/docs/manual/reference/command/listCollections/
    """

    name: str
    type: CollectionType = "collection"
    options: bytes = bson.encode({})
    indexes: tuple[bytes, ...] = ()

    @property
    def data_name(self) -> str | None:
        """Name the collection that holds the documents: None for a view, else mostly its own."""
        if self.type == "view":
            return None
        return BUCKETS_PREFIX + self.name if self.type == "timeseries" else self.name

    @property
    def capped(self) -> bool:
        """Tell whether the natural order of the documents is part of what the collection is."""
        return self._has_option(b"capped") and bool(self.decoded_options()["capped"])

    @property
    def has_validator(self) -> bool:
        """Tell whether the server checks what is written."""
        # What is encrypted comes from clients that know the key, or passes this check by.
        return self._has_option(b"validator") or self._has_option(b"encryptedFields")

    @property
    def has_collation(self) -> bool:
        """Tell whether strings that are not the same may be equal in it."""
        return self._has_option(b"collation")

    def _has_option(self, key: bytes) -> bool:
        return any(each == key for _, each, _, _ in iterate_elements(self.options))

    def decoded_options(self) -> dict[str, Any]:
        """Return the options as Python values."""
        return decode(self.options)

    def decoded_indexes(self) -> list[dict[str, Any]]:
        """Return the index specifications as Python values, in order."""
        return [decode(index) for index in self.indexes]


def no_progress(collection: str, documents: int) -> None:
    """Show nothing."""


def join_documents(documents: Iterable[bytes]) -> Iterator[bytes]:
    """Put single documents together into chunks of about `CHUNK_SIZE`."""
    chunk: list[bytes] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document)
        if size >= CHUNK_SIZE:
            yield b"".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk)


def no_documents() -> Iterator[bytes]:
    """Read the documents of a collection that has none."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Collection:
    """Join a definition with a way to read its documents.

    `chunks()` starts a new reading: byte strings of whole, concatenated BSON documents, sorted by
    `_id` (a capped collection: in natural order). Those of a time series are its buckets. `file` is
    a file that holds just these bytes, where there is one; `digest` their SHA-256 in hexadecimal,
    where it is known and a reading to the end raises SnapshotDamagedError unless it is right.
    """

    definition: Definition
    chunks: Callable[[], Iterator[bytes]] = field(default=no_documents, compare=False)
    file: Path | None = None
    digest: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Return the collection's name, without the database's."""
        return self.definition.name

    def documents(self) -> Iterator[bytes]:
        """Read the documents one at a time, each as BSON bytes."""
        for chunk in self.chunks():
            yield from split_documents(chunk)


class State(Protocol):
    """Stand for the state of one database, wherever it lies: files, a server, an overlay."""

    @property
    def label(self) -> str:
        """Say in a report what state this is."""
        ...

    @property
    def collections(self) -> Mapping[str, Collection]:
        """Return the collections by name, sorted by name."""
        ...


class Scenario(State, Protocol):
    """Stand for a state that a database can be staged from, and be recognised by later."""

    @property
    def digest(self) -> str:
        """Identify what the state holds: equal digests, equal states."""
        ...

    @property
    def captured_at(self) -> str:
        """Say until when what it holds was made, as ISO 8601; "" where it holds nothing."""
        ...

    def verify(self, *, unchanged_is_enough: bool = False) -> None:
        """Raise SnapshotDamagedError unless all of it can be read as it was written.

        With `unchanged_is_enough`, documents are not read again where their file has not been
        touched since it was last verified.
        """
        ...


@dataclass(frozen=True, slots=True)
class MemoryState:
    """Put together a state from collections that are read wherever they lie."""

    label: str
    collections: Mapping[str, Collection]


def in_creation_order(definitions: Mapping[str, Definition]) -> list[Definition]:
    """Sort definitions so that each view comes after what it reads from.

    A view takes its collation from what it stands on, and the server checks that at its creation.
    https://www.mongodb.com/docs/manual/reference/collation/#collation-and-views
    """
    ordered: dict[str, Definition] = {}
    begun: set[str] = set()
    # The server refuses views that form a cycle, and more than 20 one on the other; a snapshot from
    # a stranger may have both.
    for name in sorted(definitions, key=lambda name: (definitions[name].type == "view", name)):
        pending = [(name, False)]
        while pending:
            wanted, is_known = pending.pop()
            if is_known:
                ordered[wanted] = definitions[wanted]
            elif wanted in definitions and wanted not in begun:
                begun.add(wanted)
                pending.append((wanted, True))
                if definitions[wanted].type == "view":
                    sources = list(_sources(definitions[wanted].decoded_options()))
                    pending += [(source, False) for source in reversed(sources)]
    return list(ordered.values())


def _sources(value: Any) -> Iterator[str]:
    """Find the namespaces that a view's definition names: viewOn, $lookup, $unionWith and so on."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and key in {"viewOn", "from", "coll", "$unionWith"}:
                yield inner
            else:
                yield from _sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _sources(inner)
