"""The order in which MongoDB sorts ids of different types.

Source: https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bson

from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import framed, iterate_elements

_RANKS = {
    kind: rank
    for rank, kinds in enumerate(
        (
            (elements.MIN_KEY,),
            (elements.UNDEFINED, elements.NULL),
            (elements.INT32, elements.INT64, elements.DOUBLE, elements.DECIMAL128),
            (elements.SYMBOL, elements.STRING),
            (elements.DOCUMENT,),
            (elements.ARRAY,),
            (elements.BINARY,),
            (elements.OBJECT_ID,),
            (elements.BOOLEAN,),
            (elements.DATE,),
            (elements.TIMESTAMP,),
            (elements.REGULAR_EXPRESSION,),
            (elements.DB_POINTER,),
            (elements.CODE,),
            (elements.CODE_WITH_SCOPE,),
            (elements.MAX_KEY,),
        )
    )
    for kind in kinds
}
_INTEGERS = frozenset({elements.INT32, elements.INT64})
_FRACTIONS = frozenset({elements.DOUBLE, elements.DECIMAL128})
_BEFORE_NUMBERS = (_RANKS[elements.INT32] - 0.5, b"")

#: What an id sorts by; only such keys compare with each other.
SortKey = tuple[float, Any]


def in_order(identities: Iterable[bytes]) -> list[bytes]:
    """Sort ids (as `document_id` gives them) as the server does; equal ones by their bytes."""
    return sorted(identities, key=lambda identity: (sort_key(identity), identity[1:]))


def sort_key(identity: bytes) -> SortKey:
    """Give what an id (as `document_id` gives it) sorts by, under the simple collation.

    Two keys are equal where the server takes the ids for the same: 1, 1.0 and Decimal128("1").
    """
    return _key(identity[0], identity[1:])


def _key(kind: int, raw: bytes) -> SortKey:
    rank = _RANKS.get(kind, len(_RANKS))
    if kind == elements.OBJECT_ID:
        return rank, raw
    if kind in _INTEGERS:
        return rank, int.from_bytes(raw, "little", signed=True)
    if kind in _FRACTIONS:
        return _fraction_key(rank, framed(bytes((kind, 0)) + raw))
    if kind in (elements.STRING, elements.SYMBOL, elements.CODE):
        return rank, raw[4:]
    if kind in (elements.DOCUMENT, elements.ARRAY):
        members = iterate_elements(raw)
        return rank, tuple(_member_key(each, name, raw[a:b]) for each, name, a, b in members)
    if kind == elements.BINARY:
        return rank, (raw[:4][::-1], raw[4:])
    if kind in (elements.DATE, elements.TIMESTAMP):
        return rank, int.from_bytes(raw, "little", signed=kind == elements.DATE)
    return rank, raw


def _member_key(kind: int, name: bytes, raw: bytes) -> tuple[float, bytes, Any]:
    rank, value = _key(kind, raw)
    return rank, name, value


def _fraction_key(rank: int, document: bytes) -> SortKey:
    value = bson.decode(document)[""]
    if isinstance(value, bson.Decimal128):
        value = value.to_decimal()
        if value.is_nan():
            return _BEFORE_NUMBERS
    return _BEFORE_NUMBERS if value != value else (rank, value)
