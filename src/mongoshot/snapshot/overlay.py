"""Scenarios laid over each other: later documents win, collections must agree on what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mongoshot.errors import OverlayError
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.model import Collection, Scenario, join_documents


def overlay(scenarios: Sequence[Scenario]) -> Scenario:
    """Lay scenarios over each other in order: none is an empty database, one is itself.

    A collection that several of them have holds the documents of all, those of the first layer
    first, and of the same `_id` the last layer's. Raises OverlayError, when the collections are
    asked for, where they differ in type, options or indexes.
    """
    return scenarios[0] if len(scenarios) == 1 else Overlay(tuple(scenarios))


@dataclass(frozen=True)
class Overlay:
    """Be a scenario made of others, in order; an empty database where there are none."""

    layers: tuple[Scenario, ...]

    @property
    def label(self) -> str:
        """Say in a report what state this is."""
        return " + ".join(layer.label for layer in self.layers) or "an empty database"

    @property
    def digest(self) -> str:
        """Identify what the layers hold, in their order."""
        joined = "\n".join(layer.digest for layer in self.layers)
        return f"sha256:{hashlib.sha256(joined.encode()).hexdigest()}"

    @property
    def captured_at(self) -> str:
        """Say until when what the layers hold was made: that of the last one."""
        return max((layer.captured_at for layer in self.layers), default="")

    def verify(self, *, unchanged_is_enough: bool = False) -> None:
        """Raise SnapshotDamagedError unless all layers can be read as they were written.

        `unchanged_is_enough` is what it is for a single scenario.
        """
        for layer in self.layers:
            layer.verify(unchanged_is_enough=unchanged_is_enough)

    @cached_property
    def collections(self) -> Mapping[str, Collection]:
        """Return the collections of all layers by name, sorted by name."""
        found: dict[str, list[Collection]] = {}
        for layer in self.layers:
            for name, collection in layer.collections.items():
                found.setdefault(name, []).append(collection)
        return {name: self._lay(found[name]) for name in sorted(found)}

    def _lay(self, layers: list[Collection]) -> Collection:
        if len(layers) == 1:
            return layers[0]
        first = layers[0].definition
        for part in ("type", "options", "indexes"):
            if any(getattr(layer.definition, part) != getattr(first, part) for layer in layers):
                raise OverlayError(
                    f"cannot lay {self.label} over each other: they differ in the {part} of"
                    f" {first.name!r}; capture them anew from one database, or use only one"
                )
        return Collection(first, lambda: join_documents(_lay_documents(layers)))


def _lay_documents(layers: list[Collection]) -> Iterator[bytes]:
    # The first layer is mostly the large one: only of the others are the identities kept in memory.
    later = [{document_id(d) for d in layer.documents()} for layer in layers[1:]]
    for at, layer in enumerate(layers):
        hidden = set().union(*later[at:]) - {b""}  # without an _id no document replaces another
        yield from (d for d in layer.documents() if document_id(d) not in hidden)


def with_others(collection: Collection, documents: Mapping[bytes, bytes | None]) -> Iterator[bytes]:
    """Read a collection with these documents, by their ids, in place of its own; None for none."""
    for document in collection.documents():
        if document_id(document) not in documents:
            yield document
    yield from (document for document in documents.values() if document is not None)
