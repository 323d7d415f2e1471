"""The order in which MongoDB sorts ids of different types.

Source: https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bson

from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import framed

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
_NUMBERS = frozenset({elements.INT32, elements.INT64, elements.DOUBLE})
_LITTLE_ENDIAN = frozenset({elements.DATE, elements.TIMESTAMP})


def in_order(identities: Iterable[bytes]) -> list[bytes]:
    """Sort ids (as `document_id` gives them) as the server does; documents among them by bytes."""
    return sorted(identities, key=_key)


def _key(identity: bytes) -> tuple[int, Any, bytes]:
    kind, raw = identity[0], identity[1:]
    value: Any = 0
    if kind in _NUMBERS:
        value = bson.decode(framed(identity[:1] + b"\0" + raw))[""]
    elif kind == elements.DECIMAL128:
        value = float(str(bson.decode(framed(identity[:1] + b"\0" + raw))[""]))
    elif kind in _LITTLE_ENDIAN:
        value = int.from_bytes(raw, "little", signed=kind == elements.DATE)
    if value != value:  # NaN, which comes before all numbers
        value = float("-inf")
    return _RANKS.get(kind, len(_RANKS)), value, raw[4:] if kind == elements.STRING else raw
