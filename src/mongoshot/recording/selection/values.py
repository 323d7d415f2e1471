"""The values of references in a document's bytes, and which of them the server takes for equal."""

from __future__ import annotations

import re
import struct
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

import bson

from mongoshot.recording.selection.model import Path
from mongoshot.snapshot.elements import (
    ARRAY,
    DECIMAL128,
    DOCUMENT,
    DOUBLE,
    INT32,
    INT64,
    NULL,
    REGULAR_EXPRESSION,
    STRING,
    SYMBOL,
    UNDEFINED,
    iterate_elements,
)

#: What refers to nothing, and a regular expression, which in a question is a pattern.
_NO_VALUES = frozenset({NULL, UNDEFINED, REGULAR_EXPRESSION})
_NAN = b"not a number"
_DBREF_MARK = b"\x02$ref\0"
_FIRST_KEY = 5  # offset in a document's bytes: behind its length and the first type

_GENERATED_KEY = re.compile(r"[0-9]+|[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}.*")

_unpack_double = struct.Struct("<d").unpack


def equality_key(value: bytes) -> Hashable:
    """Give equal keys for values that the server takes for equal, and only for those.

    Takes a type byte and raw bytes. Numbers are equal across their types, strings and symbols too;
    collations do not count.
    https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
    """
    kind, raw = value[0], value[1:]
    if kind in (INT32, INT64):
        return int.from_bytes(raw, "little", signed=True)
    if kind == DOUBLE:
        (double,) = _unpack_double(raw)
        return double if double == double else _NAN
    if kind == DECIMAL128:
        decimal = bson.Decimal128.from_bid(raw).to_decimal()
        return _NAN if decimal.is_nan() else decimal
    if kind in (DOCUMENT, ARRAY):
        return kind, tuple(
            (key, equality_key(bytes((inner,)) + raw[start:end]))
            for inner, key, start, end in iterate_elements(raw)
        )
    return bytes((STRING,)) + raw if kind == SYMBOL else value


@dataclass(slots=True)
class _Node:
    children: dict[bytes, _Node] = field(default_factory=dict)
    number: int | None = None


class Extractor:
    """Read the values at several paths out of documents, in one walk each.

    A path is its keys, without arrays: those are walked through.
    """

    def __init__(self, paths: Iterable[tuple[str, ...]]) -> None:
        """Read `paths`; their place in it is their number."""
        self._root = _Node()
        for number, path in enumerate(paths):
            node = self._root
            for key in path:
                node = node.children.setdefault(key.encode(), _Node())
            node.number = number

    def values(self, document: bytes) -> Iterator[tuple[int, bytes]]:
        """Give each value with its path's number: a type byte and raw bytes.

        Null, undefined and regular expressions are left out, and documents that begin with a key
        with a dollar, such as DBRefs.
        """
        if self._root.children:
            yield from _walk(document, 0, self._root)


def _walk(document: bytes, start: int, node: _Node) -> Iterator[tuple[int, bytes]]:
    children = node.children
    for kind, key, begin, end in iterate_elements(document, start):
        child = children.get(key)
        if child is not None:
            yield from _visit(document, kind, begin, end, child)


def _visit(
    document: bytes, kind: int, start: int, end: int, node: _Node
) -> Iterator[tuple[int, bytes]]:
    if kind == ARRAY:
        for inner, _, begin, stop in iterate_elements(document, start):
            yield from _visit(document, inner, begin, stop, node)
        return
    if kind == DOCUMENT:
        if node.children:
            yield from _walk(document, start, node)
        if document[start + _FIRST_KEY : start + _FIRST_KEY + 1] == b"$":
            return
    if node.number is not None and kind not in _NO_VALUES:
        yield node.number, bytes((kind,)) + document[start:end]


@dataclass(frozen=True, slots=True)
class DBRef:
    """Hold one DBRef of a document: where it is, its collection and id, its database or None.

    `path` ends in `$id`; `value` is a type byte and raw bytes.
    https://www.mongodb.com/docs/manual/reference/database-references/
    """

    path: Path
    target: str
    value: bytes
    database: str | None

    def is_within(self, database: str) -> bool:
        """Tell whether it leads to the database that it is in."""
        return self.database in (None, database)


def is_generated(key: str) -> bool:
    """Tell whether a key is data, as in a map from ids to values: a number, hexadecimal, a UUID."""
    return _GENERATED_KEY.fullmatch(key) is not None


def find_dbrefs(document: bytes) -> Iterator[DBRef]:
    """Find the DBRefs of a document, at any depth: `$ref` first, then `$id`."""
    if _DBREF_MARK in document:
        yield from _dbrefs(document, 0, (), in_array=False)


def _dbrefs(document: bytes, start: int, path: Path, *, in_array: bool) -> Iterator[DBRef]:
    if path and document.startswith(_DBREF_MARK, start + 4):
        yield from _dbref(document, start, path)
        return
    for kind, key, begin, _ in iterate_elements(document, start):
        if kind in (DOCUMENT, ARRAY):
            step = None if in_array else key.decode(errors="replace")
            yield from _dbrefs(document, begin, (*path, step), in_array=kind == ARRAY)


def _dbref(document: bytes, start: int, path: Path) -> Iterator[DBRef]:
    found: dict[bytes, bytes] = {}
    for kind, key, begin, end in iterate_elements(document, start):
        found.setdefault(key, bytes((kind,)) + document[begin:end])
    if (value := found.get(b"$id")) is not None and value[0] not in (*_NO_VALUES, ARRAY):
        names = {
            key: each[5:-1].decode(errors="replace")
            for key in (b"$ref", b"$db")
            if (each := found.get(key)) is not None and each[0] == STRING
        }
        yield DBRef((*path, "$id"), names[b"$ref"], value, names.get(b"$db"))
