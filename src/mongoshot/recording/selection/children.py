"""Documents that refer to others: the first ones of each, by `_id`."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from mongoshot.recording.selection.evidence import is_indexed
from mongoshot.recording.selection.model import Path, Reference
from mongoshot.recording.selection.values import Extractor, equality_key, find_dbrefs
from mongoshot.server.finding import find_one_of, in_batches
from mongoshot.server.reading import Reading
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.order import in_order


@dataclass(slots=True)
class Children:
    """Hold the `_id`s that were chosen; `cut` others were too many, of `cut_at` values."""

    chosen: set[bytes] = field(default_factory=set)
    cut: int = 0
    cut_at: int = 0


@dataclass(slots=True)
class _First:
    """Keep the first of many ids, in the order of the server, without keeping all of them."""

    most: int
    count: int = 0
    identities: list[bytes] = field(default_factory=list)

    def add(self, identity: bytes) -> None:
        self.count += 1
        self.identities.append(identity)
        if len(self.identities) >= 2 * self.most + 100:
            self.identities = self.first()

    def first(self) -> list[bytes]:
        return in_order(self.identities)[: self.most]


def find_children(
    reading: Reading,
    definition: Definition,
    reference: Reference,
    values: Mapping[Hashable, bytes],
    most: int,
) -> Children:
    """Find the documents that refer to `values`, by their equality keys; up to `most` for each.

    Where there are more, the first ones by `_id` are chosen. A document that refers to several of
    the values is chosen where one of them has room for it.
    """
    first: dict[Hashable, _First] = {}
    path, indexed = ".".join(reference.keys), is_indexed(definition, reference.keys)
    # The server projects no `$id`, but all of the field around it.
    fields = ["_id", ".".join(reference.keys[:-1]) if reference.is_dbref else path]
    for batch in in_batches(values.values(), indexed=indexed):
        wanted = set(map(equality_key, batch))
        for document in find_one_of(reading, definition, path, batch, fields=fields):
            identity = document_id(document)
            for key in wanted.intersection(_held(document, reference, reading.database.name)):
                first.setdefault(key, _First(most)).add(identity)
    children = Children()
    for each in first.values():
        children.chosen.update(each.first())
        if each.count > most:
            children.cut += each.count - most
            children.cut_at += 1
    return children


def _held(document: bytes, reference: Reference, database: str) -> Iterator[Hashable]:
    """Give the equality keys of the values that a document has for a reference."""
    if not reference.is_dbref:
        for _, value in Extractor([reference.keys]).values(document):
            yield equality_key(value)
        return
    for dbref in find_dbrefs(document):
        meant = dbref.target == reference.target and _keys(dbref.path) == reference.keys
        if meant and dbref.is_within(database):
            yield equality_key(dbref.value)


def _keys(path: Path) -> tuple[str, ...]:
    return tuple(step for step in path if step is not None)
