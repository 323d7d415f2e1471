"""Write raw BSON values as Extended JSON text, straight from their bytes.

One walker for every style: a `Style` maps each type to the function that writes its payload and to
the text around that, so that styles differ in a table and in separators, not in code.

The walk is optimistic: it checks only what keeps it from running astray, and what it trips over is
explained afterwards by `validate_document`. That keeps the common case fast.

Source of the format:
https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

import struct
from typing import Final

from mongoshot.errors import InvalidBSONError, NotRepresentableError
from mongoshot.snapshot import elements as bson
from mongoshot.snapshot.elements import MAXIMUM_DEPTH, index_keys, validate_document, value_end
from mongoshot.snapshot.encoding import payloads
from mongoshot.snapshot.encoding.style import Form, Heads, Refusal, Style, Write, quoted

_SMALLEST_ELEMENT: Final = 3  # a type, a key of one byte, and its NUL
_unpack_int32 = struct.Struct("<i").unpack_from


def write_value(style: Style, kind: int, raw: bytes) -> str:
    """Write one value of type `kind`, given as the raw bytes of the value alone.

    Raises InvalidBSONError where they are not such a value, NotRepresentableError where the text
    would not give back the identical bytes.
    """
    try:
        write, before, after = style.forms[kind]
        text, stop = write(style, raw, 0, 1)
    except Refusal as refusal:
        _validate_value(kind, raw)  # damage explains more than what was met on the way to it
        raise NotRepresentableError(refusal.explanation()) from None
    except (LookupError, ValueError, struct.error):
        _validate_value(kind, raw)
        raise
    if stop != len(raw):
        _validate_value(kind, raw)
    return f"{before}{text}{after}"


def _validate_value(kind: int, raw: bytes) -> None:
    if kind in (bson.DOCUMENT, bson.ARRAY):
        validate_document(raw)
        return
    end = value_end(raw, kind, 0, len(raw))
    if end != len(raw):
        raise InvalidBSONError(f"{len(raw) - end} trailing bytes after the value")
    if kind == bson.CODE_WITH_SCOPE:
        validate_document(raw[value_end(raw, bson.STRING, 4, end) :])


def write_document(style: Style, buffer: bytes, position: int, depth: int) -> tuple[str, int]:
    """Write the members of a document; a `Write` of `style`."""
    end = position + _unpack_int32(buffer, position)[0] - 1
    if depth > MAXIMUM_DEPTH:
        raise ValueError("too deep")
    position += 4
    heads = style.heads
    key_end_of = buffer.index
    members: list[str] = []
    key_end = position
    try:
        while position < end:
            key_end = key_end_of(0, position + 1)
            write, before, after = heads[buffer[position:key_end]]
            text, position = write(style, buffer, key_end + 1, depth + 1)
            members.append(f"{before}{text}{after}")
    except Refusal as refusal:
        refusal.at("." + _printable(buffer[position + 1 : key_end]))
        raise
    if position != end or buffer[end]:
        raise ValueError("not a document")
    return _enclose("{", members, "}", style, depth), end + 1


def _array(style: Style, buffer: bytes, position: int, depth: int) -> tuple[str, int]:
    end = position + _unpack_int32(buffer, position)[0] - 1
    if depth > MAXIMUM_DEPTH:
        raise ValueError("too deep")
    position += 4
    forms = style.forms
    members: list[str] = []
    try:
        for key in index_keys((end - position) // _SMALLEST_ELEMENT + 1):
            if position >= end:
                break
            if not buffer.startswith(key, position + 1):
                found = _printable(buffer[position + 1 : buffer.index(0, position + 1)])
                raise Refusal(f'its key in the array is "{found}", not its index')  # noqa: TRY301
            write, before, after = forms[buffer[position]]
            text, position = write(style, buffer, position + 1 + len(key), depth + 1)
            members.append(f"{before}{text}{after}")
    except Refusal as refusal:
        refusal.at(f"[{len(members)}]")
        raise
    if position != end or buffer[end]:
        raise ValueError("not an array")
    return _enclose("[", members, "]", style, depth), end + 1


def _enclose(opening: str, members: list[str], closing: str, style: Style, depth: int) -> str:
    if style.indent is None or not members:
        return opening + style.comma.join(members) + closing
    outer = "\n" + " " * (style.indent * (depth - 1))
    inner = outer + " " * style.indent
    return opening + inner + ("," + inner).join(members) + outer + closing


def _code_with_scope(style: Style, buffer: bytes, position: int, depth: int) -> tuple[str, int]:
    code, start = payloads.string(style, buffer, position + 4, depth)
    try:
        scope, stop = write_document(style.indented(None), buffer, start, depth)
    except Refusal as refusal:
        refusal.at(".$scope")
        raise
    if stop != position + _unpack_int32(buffer, position)[0]:
        raise ValueError("not a code with scope")
    return f'{code}{style.comma}"$scope"{style.colon}{scope}', stop


def _printable(key: bytes) -> str:
    return quoted(key.decode(errors="backslashreplace"))[1:-1]


def _forms(colon: str, special: dict[int, Form]) -> dict[int, Form]:
    def wrapped(write: Write, *keys: str, quote: str = "") -> Form:
        before = "".join(f'{{"{key}"{colon}' for key in keys) + quote
        return write, before, quote + "}" * len(keys)

    return {
        bson.DOUBLE: wrapped(payloads.double, "$numberDouble", quote='"'),
        bson.STRING: wrapped(payloads.string),
        bson.DOCUMENT: wrapped(write_document),
        bson.ARRAY: wrapped(_array),
        bson.BINARY: wrapped(payloads.binary, "$binary", "base64"),
        bson.UNDEFINED: (payloads.nothing, f'{{"$undefined"{colon}true}}', ""),
        bson.OBJECT_ID: wrapped(payloads.object_id, "$oid", quote='"'),
        bson.BOOLEAN: wrapped(payloads.boolean),
        bson.DATE: wrapped(payloads.int64, "$date", "$numberLong", quote='"'),
        bson.NULL: (payloads.nothing, "null", ""),
        bson.REGULAR_EXPRESSION: wrapped(
            payloads.regular_expression, "$regularExpression", "pattern"
        ),
        bson.DB_POINTER: wrapped(payloads.db_pointer, "$dbPointer", "$ref"),
        bson.CODE: wrapped(payloads.string, "$code"),
        bson.SYMBOL: wrapped(payloads.string, "$symbol"),
        bson.CODE_WITH_SCOPE: wrapped(_code_with_scope, "$code"),
        bson.INT32: wrapped(payloads.int32, "$numberInt", quote='"'),
        bson.TIMESTAMP: wrapped(payloads.timestamp, "$timestamp", "t"),
        bson.INT64: wrapped(payloads.int64, "$numberLong", quote='"'),
        bson.DECIMAL128: wrapped(payloads.decimal128, "$numberDecimal", quote='"'),
        bson.MAX_KEY: (payloads.nothing, f'{{"$maxKey"{colon}1}}', ""),
        bson.MIN_KEY: (payloads.nothing, f'{{"$minKey"{colon}1}}', ""),
    } | special


def _style(colon: str, comma: str, special: dict[int, Form]) -> Style:
    forms = _forms(colon, special)
    return Style(forms, Heads(forms, colon), colon, comma)


CANONICAL: Final = _style(":", ",", {})
"""Canonical Extended JSON, without any space."""

_READABLE_FORMS: Final[dict[int, Form]] = {
    bson.DOUBLE: (payloads.readable_double, "", ""),
    bson.INT32: (payloads.int32, "", ""),
    bson.DATE: (payloads.readable_date, '{"$date": ', "}"),
}

READABLE: Final = _style(": ", ", ", _READABLE_FORMS)
"""Relaxed Extended JSON that keeps what tells the types apart."""


def styled(special: dict[int, Form]) -> Style:
    """Give the readable style with other forms for some types."""
    return _style(": ", ", ", _READABLE_FORMS | special)
