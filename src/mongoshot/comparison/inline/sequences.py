"""The documents that a difference has found, as sequences which compare exactly.

A sequence equals a list where each document of the one has an equal one of its own in the other,
whatever their order. Equal are those that are written as the same BSON; `inline` has the rule. At
the outermost level of a document the place of `_id` does not count, as the server puts it first.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

from mongoshot.comparison.documents import DocumentChange, Value
from mongoshot.comparison.inline.expected import (
    ByValue,
    Unordered,
    decides_itself,
    make_pattern,
)
from mongoshot.comparison.inline.pairing import Pattern, pair
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, framed, iterate_elements
from mongoshot.snapshot.model import decode

Section = Literal["inserted", "updated", "deleted", "documents"]
Raw = TypeVar("Raw")
Item = TypeVar("Item")


class Observed(Sequence[Item], Generic[Raw, Item]):
    """Hold what was found in one collection, as it came, decoded where it is looked at."""

    __slots__ = ("_raw", "collection", "section")

    def __init__(self, section: Section, collection: str, raw: Sequence[Raw] = ()) -> None:
        """Take what was found, and say where."""
        self.section = section
        self.collection = collection
        self._raw = tuple(raw)

    @abstractmethod
    def _decode(self, raw: Raw) -> Item:
        """Return one of them as Python values."""

    @abstractmethod
    def _value(self, raw: Raw) -> Value:
        """Return one of them as a BSON value."""

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Observed[Raw, Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Observed[Raw, Item]:
        """Return one as Python values, or a part, which compares in the same way."""
        if isinstance(index, slice):
            return type(self)(self.section, self.collection, self._raw[index])
        return self._decode(self._raw[index])

    def __len__(self) -> int:
        """Count them."""
        return len(self._raw)

    def __iter__(self) -> Iterator[Item]:
        """Give each as Python values."""
        return map(self._decode, self._raw)

    def __contains__(self, expected: object) -> bool:
        """Tell whether one of them is as expected, by the rule of `==`."""
        accepts = pattern_of(expected).accepts
        return any(accepts(value) for value in self.values())

    def __eq__(self, other: object) -> bool:
        """Compare with a list of what is expected, exactly, whatever the order.

        What is no list equals as it would a list: never, but for an object that says so itself.
        """
        if isinstance(other, Observed):
            return sorted(map(_sort_key, self.values())) == sorted(map(_sort_key, other.values()))
        expected = expected_items(other)
        if expected is None:
            return decides_itself(other) and bool(other == list(self))
        patterns = [pattern_of(item) for item in expected]
        return len(patterns) == len(self) == len(pair(patterns, self.values()))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    def values(self) -> list[Value]:
        """Return them as BSON values: documents, or arrays of one before and one after."""
        return [self._value(raw) for raw in self._raw]


class Documents(Observed[bytes, dict[str, Any]]):
    """Hold documents of one collection: those that were inserted or deleted, or all."""

    __slots__ = ()

    def _decode(self, raw: bytes) -> dict[str, Any]:
        return decode(raw)

    def _value(self, raw: bytes) -> Value:
        return Value(DOCUMENT, _id_first(raw))


class Updates(Observed[DocumentChange, tuple[dict[str, Any], dict[str, Any]]]):
    """Hold the documents of one collection that were updated, as pairs: before and after."""

    __slots__ = ()

    def _decode(self, raw: DocumentChange) -> tuple[dict[str, Any], dict[str, Any]]:
        return raw.decoded()

    def _value(self, raw: DocumentChange) -> Value:
        sides = (b"\x030\0" + _id_first(raw.before), b"\x031\0" + _id_first(raw.after))
        return Value(ARRAY, framed(b"".join(sides)))


Found = TypeVar("Found", bound=Observed[Any, Any])


class ByCollection(dict[str, Found]):
    """Hold what was found by collection; a collection without any has an empty sequence."""

    def __init__(self, kind: type[Found], section: Section, found: Mapping[str, Found]) -> None:
        """Take what was found, and what stands for nothing."""
        super().__init__(found)
        self.section = section
        self._kind = kind

    def __missing__(self, collection: str) -> Found:
        return self._kind(self.section, collection)

    def __eq__(self, other: object) -> bool:
        """Compare with a dict of lists; a list that is empty may as well not be there."""
        if isinstance(other, Mapping) and not decides_itself(other):
            names: set[Any] = {*self, *other}
            return all(self[name] == other.get(name, []) for name in names)
        return decides_itself(other) and bool(other == dict(self))

    def __ne__(self, other: object) -> bool:
        return not self == other


def expected_items(other: object) -> list[object] | None:
    """Return what a sequence is compared with, item by item; None where it is no list."""
    if isinstance(other, ByValue) and isinstance(other.expected, list):
        return [ByValue(item) for item in other.expected]
    if isinstance(other, Unordered):
        return list(other.items)
    return other if isinstance(other, list) and not decides_itself(other) else None


def pattern_of(expected: object) -> Pattern:
    """Make ready what is expected of a document, or of one before and one after."""
    return make_pattern(normalize(expected))


def normalize(expected: object) -> object:
    """Put `_id` first in a document, or in each of a pair, as the server does."""
    if isinstance(expected, tuple | list):
        return [normalize(each) for each in expected]
    if isinstance(expected, Mapping) and "_id" in expected and not decides_itself(expected):
        return {"_id": expected["_id"], **expected}
    return expected


def _id_first(document: bytes) -> bytes:
    if document.startswith(b"_id\0", 5):
        return document
    for _, key, start, end in iterate_elements(document):
        if key == b"_id":
            begin = start - 5
            element = document[begin:end]
            return framed(element + document[4:begin] + document[end:-1])
    return document


def _sort_key(value: Value) -> tuple[int, bytes]:
    return value.type, value.raw
