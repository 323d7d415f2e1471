"""Walk raw BSON bytes without making Python objects of them.

What a driver decodes it also changes: duplicate keys, deprecated types and the difference between
int32 and int64 do not survive. Everything here works on offsets instead, and believes no length
field before it has been held against the document around it.

Source of the format: https://bsonspec.org/spec.html
"""

from __future__ import annotations

import struct
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from mongoshot.errors import InvalidBSONError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DOUBLE: Final = 0x01
STRING: Final = 0x02
DOCUMENT: Final = 0x03
ARRAY: Final = 0x04
BINARY: Final = 0x05
UNDEFINED: Final = 0x06
OBJECT_ID: Final = 0x07
BOOLEAN: Final = 0x08
DATE: Final = 0x09
NULL: Final = 0x0A
REGULAR_EXPRESSION: Final = 0x0B
DB_POINTER: Final = 0x0C
CODE: Final = 0x0D
SYMBOL: Final = 0x0E
CODE_WITH_SCOPE: Final = 0x0F
INT32: Final = 0x10
TIMESTAMP: Final = 0x11
INT64: Final = 0x12
DECIMAL128: Final = 0x13
MAX_KEY: Final = 0x7F
MIN_KEY: Final = 0xFF

MAXIMUM_DEPTH: Final = 256
"""Levels of documents and arrays within each other, the outermost included; the server's own limit
is lower (100 for what clients write)."""

SMALLEST_DOCUMENT: Final = 5
"""Bytes of the empty document: its length and its final NUL."""

Element = tuple[int, bytes, int, int]
"""Type byte, key without its NUL, and the offsets where the raw value starts and ends.

A plain tuple: a named one takes five times as long to make, and documents are made of these."""

_pack_int32 = struct.Struct("<i").pack
_unpack_int32 = struct.Struct("<i").unpack_from

_FIXED_SIZES: Final = {
    DOUBLE: 8,
    UNDEFINED: 0,
    OBJECT_ID: 12,
    BOOLEAN: 1,
    DATE: 8,
    NULL: 0,
    INT32: 4,
    TIMESTAMP: 8,
    INT64: 8,
    DECIMAL128: 16,
    MAX_KEY: 0,
    MIN_KEY: 0,
}

TYPE_NAMES: Final = {
    DOUBLE: "double",
    STRING: "string",
    DOCUMENT: "document",
    ARRAY: "array",
    BINARY: "binary",
    UNDEFINED: "undefined",
    OBJECT_ID: "ObjectId",
    BOOLEAN: "boolean",
    DATE: "date",
    NULL: "null",
    REGULAR_EXPRESSION: "regular expression",
    DB_POINTER: "DBPointer",
    CODE: "code",
    SYMBOL: "symbol",
    CODE_WITH_SCOPE: "code with scope",
    INT32: "int32",
    TIMESTAMP: "timestamp",
    INT64: "int64",
    DECIMAL128: "decimal128",
    MAX_KEY: "MaxKey",
    MIN_KEY: "MinKey",
}
"""What people call the types, as in "int32 expected, is int64"."""

_INDEX_KEYS: Final = tuple(b"%d\0" % index for index in range(1024))


def iterate_elements(buffer: bytes, start: int = 0) -> Iterator[Element]:
    """Walk the elements of the document (or array) that begins at `start`, one level deep.

    Yields each element in its order. The extent of every value is checked against the document;
    what nested documents are made of is not, until they are walked themselves.

    Raises InvalidBSONError, with the byte offset, where the bytes stop being a document.
    """
    limit = document_at(buffer, start) - 1
    position = start + 4
    while position < limit:
        kind = buffer[position]
        key_end = buffer.find(0, position + 1, limit)
        if key_end < 0:
            raise InvalidBSONError(f"the key at byte offset {position + 1} has no end")
        value_start = key_end + 1
        value_stop = value_end(buffer, kind, value_start, limit)
        yield kind, buffer[position + 1 : key_end], value_start, value_stop
        position = value_stop


def document_at(buffer: bytes, start: int) -> int:
    """Give the offset where the document that begins at `start` ends.

    Raises InvalidBSONError where its length is less than 5 bytes or reaches beyond the buffer, or
    its last byte is not NUL.
    """
    if start < 0:
        raise InvalidBSONError(f"byte offset {start} lies before the buffer")
    return _document_end(buffer, start, len(buffer))


def split_documents(buffer: bytes) -> Iterator[bytes]:
    """Cut a buffer of concatenated documents (the content of a `.bson` file) into documents.

    Raises InvalidBSONError, with the byte offset, where no whole document begins.
    """
    position, size = 0, len(buffer)
    while position < size:
        end = _document_end(buffer, position, size)
        yield buffer[position:end]
        position = end


def count_documents(buffer: bytes) -> int:
    """Count the documents of a buffer of concatenated documents by their length prefixes.

    Raises InvalidBSONError, with the byte offset, where no whole document begins.
    """
    documents, end = _skip_documents(buffer)
    if end != len(buffer):
        _document_end(buffer, end, len(buffer))
    return documents


def whole_documents(buffer: bytes) -> int:
    """Give the offset where the last whole document of a buffer that may be cut anywhere ends.

    Raises InvalidBSONError where what follows is not the beginning of a document.
    """
    _, end = _skip_documents(buffer)
    rest = len(buffer) - end
    if rest >= 4 and _unpack_int32(buffer, end)[0] <= rest:
        _document_end(buffer, end, len(buffer))  # all of it is here, so it says what is wrong
    return end


def _skip_documents(buffer: bytes) -> tuple[int, int]:
    position, size, documents = 0, len(buffer), 0
    unpack = _unpack_int32
    last_start = size - SMALLEST_DOCUMENT
    while position <= last_start:
        end = position + unpack(buffer, position)[0]
        if end - position < SMALLEST_DOCUMENT or end > size or buffer[end - 1]:
            break
        position = end
        documents += 1
    return documents, position


def document_id(document: bytes) -> bytes:
    """Give the type byte and the raw value of the top-level `_id`; b"" where there is none.

    With several of them, the first one counts, as it does for the server.

    Raises InvalidBSONError where the bytes up to the `_id` are not those of one document.
    """
    _require_single(document)
    if document.startswith(b"_id\0", 5):
        end = value_end(document, document[4], 9, len(document) - 1)
        return document[4:5] + document[9:end]
    for kind, key, start, end in iterate_elements(document):
        if key == b"_id":
            return bytes((kind,)) + document[start:end]
    return b""


def framed(members: bytes) -> bytes:
    """Make a document or array of its concatenated elements: length before, NUL behind."""
    return b"".join((_pack_int32(len(members) + SMALLEST_DOCUMENT), members, b"\0"))


def validate_document(document: bytes) -> None:
    """Check one document through all its levels.

    Raises InvalidBSONError, with the byte offset, at lengths that contradict each other, missing
    NULs, unknown types, booleans other than 0 and 1, trailing bytes, and more than 256 levels.
    Strings are not decoded: the server stores invalid UTF-8, so it is BSON here.
    """
    _require_single(document)
    pending = [(0, 1)]
    while pending:
        outer, depth = pending.pop()
        if depth > MAXIMUM_DEPTH:
            raise InvalidBSONError(
                f"the document at byte offset {outer} lies more than {MAXIMUM_DEPTH} levels deep"
            )
        for kind, _, start, end in iterate_elements(document, outer):
            if kind in (DOCUMENT, ARRAY):
                pending.append((start, depth + 1))
            elif kind == CODE_WITH_SCOPE:
                pending.append((_string_end(document, start + 4, end), depth + 1))


def value_end(buffer: bytes, kind: int, start: int, limit: int) -> int:
    """Give the offset where the raw value of type `kind` that starts at `start` ends.

    `limit` is the offset of the final NUL of the enclosing document (or the end of the buffer, for
    a value on its own), which no value may pass.

    Raises InvalidBSONError, with the byte offset.
    """
    size = _FIXED_SIZES.get(kind)
    if size is None:
        measure = _MEASURES.get(kind)
        if measure is None:
            raise InvalidBSONError(f"unknown type 0x{kind:02x} of the value at byte offset {start}")
        return measure(buffer, start, limit)
    end = start + size
    if end > limit:
        raise _outside("value", start)
    if kind == BOOLEAN and buffer[start] > 1:
        raise InvalidBSONError(
            f"the boolean at byte offset {start} is 0x{buffer[start]:02x}, neither 0 nor 1"
        )
    return end


def index_keys(at_most: int) -> Iterable[bytes]:
    """Give the keys of an array's elements, b"0", b"1", …, each with its NUL.

    They are at least as many as asked for; ask for few where that is known, it is faster.
    """
    if at_most <= len(_INDEX_KEYS):
        return _INDEX_KEYS
    return chain(_INDEX_KEYS, map(b"%d\0".__mod__, count(len(_INDEX_KEYS))))


def _require_single(document: bytes) -> None:
    end = document_at(document, 0)
    if end != len(document):
        raise InvalidBSONError(
            f"{len(document) - end} trailing bytes after the document, at byte offset {end}"
        )


def _length(buffer: bytes, start: int, limit: int, what: str) -> int:
    if start + 4 > limit:
        raise _outside(what, start)
    length: int = _unpack_int32(buffer, start)[0]
    return length


def _document_end(buffer: bytes, start: int, limit: int) -> int:
    length = _length(buffer, start, limit, "document")
    end = start + length
    if length < SMALLEST_DOCUMENT:
        raise InvalidBSONError(
            f"the document at byte offset {start} gives its length as {length} bytes; "
            f"the smallest has {SMALLEST_DOCUMENT}"
        )
    if end > limit:
        raise _outside("document", start)
    if buffer[end - 1]:
        raise InvalidBSONError(
            f"the document at byte offset {start} does not end with NUL at byte offset {end - 1}"
        )
    return end


def _string_end(buffer: bytes, start: int, limit: int) -> int:
    length = _length(buffer, start, limit, "string")
    end = start + 4 + length
    if length < 1:
        raise InvalidBSONError(
            f"the string at byte offset {start} gives its length as {length} bytes; "
            "the smallest has 1"
        )
    if end > limit:
        raise _outside("string", start)
    if buffer[end - 1]:
        raise InvalidBSONError(
            f"the string at byte offset {start} does not end with NUL at byte offset {end - 1}"
        )
    return end


def _binary_end(buffer: bytes, start: int, limit: int) -> int:
    length = _length(buffer, start, limit, "binary value")
    end = start + 5 + length
    if length < 0:
        raise InvalidBSONError(
            f"the binary value at byte offset {start} gives its length as {length} bytes"
        )
    if end > limit:
        raise _outside("binary value", start)
    return end


def _regular_expression_end(buffer: bytes, start: int, limit: int) -> int:
    pattern_end = buffer.find(0, start, limit)
    options_end = buffer.find(0, pattern_end + 1, limit) if pattern_end >= 0 else -1
    if options_end < 0:
        raise InvalidBSONError(f"the regular expression at byte offset {start} has no end")
    return options_end + 1


def _db_pointer_end(buffer: bytes, start: int, limit: int) -> int:
    end = _string_end(buffer, start, limit) + 12
    if end > limit:
        raise _outside("DBPointer", start)
    return end


def _code_with_scope_end(buffer: bytes, start: int, limit: int) -> int:
    length = _length(buffer, start, limit, "code with scope")
    end = start + length
    if end > limit:
        raise _outside("code with scope", start)
    if _document_end(buffer, _string_end(buffer, start + 4, end), end) != end:
        raise InvalidBSONError(
            f"the code with scope at byte offset {start} gives its length as {length} bytes, "
            "which its code and its scope do not fill"
        )
    return end


def _outside(what: str, start: int) -> InvalidBSONError:
    return InvalidBSONError(f"the {what} at byte offset {start} reaches beyond what encloses it")


_MEASURES: Final[dict[int, Callable[[bytes, int, int], int]]] = {
    STRING: _string_end,
    DOCUMENT: _document_end,
    ARRAY: _document_end,
    BINARY: _binary_end,
    REGULAR_EXPRESSION: _regular_expression_end,
    DB_POINTER: _db_pointer_end,
    CODE: _string_end,
    SYMBOL: _string_end,
    CODE_WITH_SCOPE: _code_with_scope_end,
}
