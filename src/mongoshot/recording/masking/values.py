"""Raw BSON values by type: what masks share."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from mongoshot.snapshot import elements

#: Makes the raw value that stands for one: of its type, in its (unmasked) document.
Apply = Callable[[int, bytes, bytes], bytes]

TEXTS: Final = frozenset({elements.STRING, elements.SYMBOL})
NUMBERS: Final = frozenset({elements.INT32, elements.INT64, elements.DOUBLE, elements.DECIMAL128})
#: What says nothing but that there is nothing.
EMPTY: Final = frozenset({elements.NULL, elements.UNDEFINED, elements.MIN_KEY, elements.MAX_KEY})

_pack = struct.Struct("<i").pack

#: https://www.mongodb.com/docs/manual/reference/bson-types/
TYPE_NAMES: Final = {
    elements.DOUBLE: "double",
    elements.STRING: "string",
    elements.DOCUMENT: "object",
    elements.ARRAY: "array",
    elements.BINARY: "binData",
    elements.UNDEFINED: "undefined",
    elements.OBJECT_ID: "objectId",
    elements.BOOLEAN: "bool",
    elements.DATE: "date",
    elements.NULL: "null",
    elements.REGULAR_EXPRESSION: "regex",
    elements.DB_POINTER: "dbPointer",
    elements.CODE: "javascript",
    elements.SYMBOL: "symbol",
    elements.CODE_WITH_SCOPE: "javascriptWithScope",
    elements.INT32: "int",
    elements.TIMESTAMP: "timestamp",
    elements.INT64: "long",
    elements.DECIMAL128: "decimal",
    elements.MAX_KEY: "maxKey",
    elements.MIN_KEY: "minKey",
}

_EMPTY_DOCUMENT = elements.framed(b"")
_REDACTED = b"redacted"


class Refused(Exception):  # noqa: N818 - it never leaves the package
    """Say that a mask cannot be applied: what the value is, never itself, and what to take."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead


def refuse_kind(kind: int, takes: str) -> Refused:
    """Say that a mask does not take a type."""
    if kind in NUMBERS:
        instead = "number"
    elif kind == elements.DATE:
        instead = "shift-date"
    elif kind == elements.OBJECT_ID:
        instead = "objectid"
    elif kind in TEXTS:
        instead = "text"
    else:
        instead = "redact"
    return Refused(f"type {TYPE_NAMES[kind]}, where it takes {takes}", instead)


def text_of(text: bytes) -> str:
    """Decode a string for a mask that looks at its characters."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        pass
    raise Refused("a string that is not UTF-8", "hash")


def with_text(text: bytes) -> bytes:
    """Return the raw value of a string."""
    return _pack(len(text) + 1) + text + b"\0"


def redacted(kind: int, raw: bytes) -> bytes:
    """Return the raw value that says nothing, of the same type.

    "redacted" for strings and symbols, 0, false, 1970-01-01, an ObjectId and a UUID of zeros,
    empty binary values, code, expressions, documents and arrays.
    """
    if kind in TEXTS:
        return with_text(_REDACTED)
    if kind in (elements.DOCUMENT, elements.ARRAY):
        return _EMPTY_DOCUMENT
    if kind == elements.BINARY:
        if raw[4] in (3, 4) and len(raw) == 21:
            return raw[:5] + bytes(16)
        # The old generic subtype has a length of its own within.
        return _pack(4) + b"\x02" + bytes(4) if raw[4] == 2 else _pack(0) + raw[4:5]
    if kind == elements.CODE:
        return with_text(b"")
    if kind == elements.CODE_WITH_SCOPE:
        inner = with_text(b"") + _EMPTY_DOCUMENT
        return _pack(len(inner) + 4) + inner
    if kind == elements.DB_POINTER:
        return with_text(_REDACTED) + bytes(12)
    if kind == elements.DECIMAL128:
        return bytes(14) + b"\x40\x30"
    if kind == elements.TIMESTAMP:
        # One of zero is a request to the server for the time of the insertion.
        return b"\x01\0\0\0\x01\0\0\0"
    return bytes(2) if kind == elements.REGULAR_EXPRESSION else bytes(len(raw))
