"""What documents look like: which fields there are, of which types, and how often.

A profile holds names and counts and no value. Fields are told by their paths as `paths.path_step`
writes them, but for the elements of an array, which all are `[]`: `lines[].sku`. Where keys are
data, as in a map from ids to settings, `*` stands for all of them: where there are many and most
are rare, and always for a key that no program would have as the name of a field, an e-mail address.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mongoshot.snapshot.elements import (
    ARRAY,
    DOCUMENT,
    TYPE_NAMES,
    iterate_elements,
    split_documents,
)
from mongoshot.snapshot.paths import path_step

#: Types of the values at a path, by name, each with how many were met.
Types: TypeAlias = Mapping[str, int]

#: What a name of a field looks like, and what looks like one and is an id.
_NAME = re.compile(r"[^\W\d][\w$-]{0,63}|\$\w+")
_ID = re.compile(r"[0-9A-Fa-f-]{16,}")

#: So many different keys of one (sub)document, if most are rare, are data and no names of fields;
#: they are looked at as soon as there are that many more.
_MANY_KEYS = 64
#: Keys are rare that stand, on average, in less than this part of the documents.
_RARE = 0.1


@dataclass(frozen=True, slots=True)
class Profile:
    """Describe the documents of a collection, as far as they were looked at.

    `documents` is how many were; `fields` the types by path.
    """

    documents: int
    fields: Mapping[str, Types]


def profile(chunks: Iterator[bytes]) -> Profile:
    """Describe documents, given as chunks of concatenated BSON. Raises InvalidBSONError."""
    root = _Node()
    documents = 0
    for chunk in chunks:
        for document in split_documents(chunk):
            documents += 1
            root.meet(DOCUMENT)
            root.look_into(document, False)
    root.settle()
    return Profile(documents, dict(sorted(root.fields(""))))


def _is_name(key: bytes) -> bool:
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return False
    return bool(_NAME.fullmatch(name)) and not _ID.fullmatch(name)


@dataclass(slots=True)
class _Node:
    """Hold what was met at one path, and below it."""

    types: Counter[int] = field(default_factory=Counter)
    members: dict[bytes, _Node] = field(default_factory=dict)
    elements: _Node | None = None
    others: _Node | None = None  # `*`: the members whose names are data
    is_map: bool = False  # so that all are
    _looked_at: int = 2 * _MANY_KEYS

    def meet(self, kind: int) -> None:
        self.types[kind] += 1

    def look_into(self, raw: bytes, in_array: bool) -> None:
        for kind, key, start, end in iterate_elements(raw):
            node = self._below(key, in_array)
            node.types[kind] += 1
            if kind in (DOCUMENT, ARRAY):
                node.look_into(raw[start:end], kind == ARRAY)

    def _below(self, key: bytes, in_array: bool) -> _Node:
        if in_array:
            if self.elements is None:
                self.elements = _Node()
            return self.elements
        if (known := self.members.get(key)) is not None:
            return known
        if self.others is not None and self.is_map:
            return self.others
        if not _is_name(key):
            self.others = self.others or _Node()
            return self.others
        if len(self.members) >= self._looked_at:
            self._fold()
            self._looked_at *= 2
            return self._below(key, in_array)
        return self.members.setdefault(key, _Node())

    def _fold(self) -> None:
        """Let `*` stand for the members if their names are data."""
        met = sum(node.types.total() for node in self.members.values())
        if met < _RARE * len(self.members) * self.types.total():
            self.is_map = True
            self.others = self.others or _Node()
            for node in self.members.values():
                self.others.take(node)
            self.members = {}

    def take(self, other: _Node) -> None:
        self.types += other.types
        for key, node in other.members.items():
            self._below(key, False).take(node)
        if other.elements is not None:
            self._below(b"", True).take(other.elements)
        if other.others is not None:
            self.others = self.others or _Node()
            self.others.take(other.others)

    def settle(self) -> None:
        if len(self.members) > _MANY_KEYS:
            self._fold()
        for node in (*self.members.values(), self.elements, self.others):
            if node is not None:
                node.settle()

    def fields(self, path: str) -> Iterator[tuple[str, Types]]:
        below = [(path + path_step(key, False), node) for key, node in self.members.items()]
        below += [
            (path + step, node)
            for step, node in (("[]", self.elements), (".*", self.others))
            if node is not None
        ]
        for inner, node in below:
            named = Counter({TYPE_NAMES[kind]: count for kind, count in node.types.items()})
            yield inner.removeprefix("."), dict(sorted(named.items()))
            yield from node.fields(inner)
