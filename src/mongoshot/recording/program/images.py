"""Documents as they came to be, one after the other, by collection and id."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.spool import Scratch

#: Bytes of documents up to which they are kept in memory.
_SPOOLED = 8 << 20

#: Opens the documents of a collection as they were before.
Original = Callable[[], DocumentIndex]


class Images:
    """Keep documents, the newest of each id; beyond 8 MiB on disk, without a name there."""

    def __init__(self) -> None:
        """Begin with none."""
        self._file = Scratch(_SPOOLED)
        weakref.finalize(self, self._file.close)
        self._end = 0

    def keep(self, document: bytes) -> tuple[int, int]:
        """Keep a document; return where it is."""
        place = self._end, len(document)
        self._file.seek(self._end)
        self._file.write(document)
        self._end += len(document)
        return place

    def at(self, place: tuple[int, int]) -> bytes:
        """Return the document at a place."""
        self._file.seek(place[0])
        return self._file.read(place[1])


@dataclass(slots=True)
class Following:
    """Follow what becomes of one collection: its definition, and its documents that were written.

    `original` opens what it held before, None where it was made since. `places` are where the
    newest images are kept, None for documents that are gone; `inserted` are those of which nothing
    else was told before.
    """

    definition: Definition
    images: Images
    original: Original | None = None
    places: dict[bytes, tuple[int, int] | None] = field(default_factory=dict)
    inserted: list[bytes] = field(default_factory=list)

    def put(self, identity: bytes, document: bytes | None) -> None:
        """Note what became of a document; None: it is gone."""
        self.places[identity] = None if document is None else self.images.keep(document)

    def get(self, identity: bytes) -> bytes | None:
        """Return a document as it is by now; None where there is none."""
        if identity in self.places:
            place = self.places[identity]
            return None if place is None else self.images.at(place)
        return self.original().find([identity]).get(identity) if self.original else None

    def had_inserted(self) -> bool:
        """Tell whether it held a document before that was inserted since."""
        # All others are read at the point in time that is followed from.
        if self.original is None or not self.definition.capped:
            return False
        return bool(self.original().find(self.inserted))

    def written(self, identities: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """Give what became of documents, None for those that are gone."""
        return ((identity, self.get(identity)) for identity in identities)
