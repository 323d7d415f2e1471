"""Read Extended JSON text as BSON bytes.

The scanner of the `json` module calls a hook for each object, innermost first. The hook builds BSON
fragments from the bottom up, so that duplicate keys, their order and all types survive.

Source of the format:
https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, Final

from mongoshot.errors import InvalidBSONError, InvalidExtendedJSONError
from mongoshot.snapshot.bounds import FEW_CHARACTERS, LARGEST_DOCUMENT, LONGEST_LINE
from mongoshot.snapshot.elements import MAXIMUM_DEPTH, framed, index_keys, validate_document
from mongoshot.snapshot.encoding.placeholders import read_placeholder
from mongoshot.snapshot.encoding.style import STRINGS, has_too_many_values
from mongoshot.snapshot.encoding.wrappers import (
    ARRAY,
    BOOLEAN,
    CODE_KEYS,
    DOCUMENT,
    DOUBLE,
    INT32,
    NULL,
    PLAIN_INT64,
    STRING,
    WRAPPERS,
    Typed,
    code_with_scope,
)

_pack_int32 = struct.Struct("<i").pack
_pack_int64 = struct.Struct("<q").pack
_pack_double = struct.Struct("<d").pack
_INFINITIES: Final = (float("inf"), float("-inf"))
_NULL: Final = (NULL, b"")
_TRUE: Final = (BOOLEAN, b"\1")
_FALSE: Final = (BOOLEAN, b"\0")
_WHITESPACE: Final = " \t\n\r"
#: Levels of brackets that wrappers may put into the innermost document: {"$code": …, "$scope": {}}.
_OF_WRAPPERS: Final = 4
_NO_BRACKETS: Final = re.compile(r"[^][{}]+")


def read_document(text: str | bytes, *, placeholders: bool = False) -> bytes:
    """Read one document of Extended JSON, canonical or relaxed, as BSON.

    With `placeholders`, these may stand in it. Raises InvalidExtendedJSONError, saying what was
    expected, where it is none.
    """
    if len(text) > LONGEST_LINE:
        raise InvalidExtendedJSONError(
            f"a document has up to {LONGEST_LINE >> 20} MiB of text, and this is longer"
        )
    try:
        if isinstance(text, bytes):
            text = text.decode()
        text = text.strip(_WHITESPACE)
        if has_too_many_values(text):
            raise InvalidExtendedJSONError(
                "there are more values in it than a text can hold; keep it as BSON"
            )
        if len(text) > FEW_CHARACTERS and _is_too_deep(text, MAXIMUM_DEPTH + _OF_WRAPPERS):
            raise _too_deep()  # each level costs a copy of what it holds
        value, end = (_TOLERANT if placeholders else _DECODER).raw_decode(text)
    except json.JSONDecodeError as error:
        raise InvalidExtendedJSONError(f"this is not JSON: {error}") from None
    except UnicodeError as error:
        raise InvalidExtendedJSONError(f"this is not UTF-8: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    if end != len(text):
        raise InvalidExtendedJSONError(f"there is more than one document: text follows at {end}")
    if type(value) is not tuple or value[0] is not DOCUMENT:
        raise InvalidExtendedJSONError(f"the outermost value must be a document, not {text[:40]!r}")
    document: bytes = value[1]
    _check_size(document, LARGEST_DOCUMENT)
    if text.count("{") + text.count("[") > MAXIMUM_DEPTH and _is_too_deep(text):
        try:
            validate_document(document)  # wrappers such as {"$oid": …} are no levels
        except InvalidBSONError:
            raise _too_deep() from None
    return document


def _is_too_deep(text: str, levels: int = MAXIMUM_DEPTH) -> bool:
    """Tell whether brackets lie deeper within each other than documents may, in valid JSON.

    Pairs with nothing in them are taken out, all at once, level by level: a fraction of what it
    costs to walk through the document.
    """
    brackets = _NO_BRACKETS.sub("", STRINGS.sub("", text)).replace("[", "{").replace("]", "}")
    for _ in range(levels):
        if not brackets:
            return False
        brackets = brackets.replace("{}", "")
    return bool(brackets)


def _object(pairs: list[tuple[str, Any]]) -> Typed:
    if len(pairs) == 1:
        [(key, value)] = pairs
        read = WRAPPERS.get(key)
        if read is not None:
            return read(value)
    elif len(pairs) == 2 and pairs[0][0] in CODE_KEYS:
        return code_with_scope(pairs)
    parts: list[bytes] = []
    append = parts.append
    for key, value in pairs:
        if type(value) is str:
            data = value.encode()
            append(STRING[key])
            append(_pack_int32(len(data) + 1))
            append(data)
            append(b"\0")
            continue
        kind, raw = value if type(value) is tuple else _typed(value)
        append(kind[key])
        append(raw)
    return DOCUMENT, _framed(parts)


def _object_or_placeholder(pairs: list[tuple[str, Any]]) -> Typed:
    if len(pairs) == 1 and (document := read_placeholder(*pairs[0])) is not None:
        return DOCUMENT, document
    return _object(pairs)


def _array(values: list[Any]) -> Typed:
    parts: list[bytes] = []
    for key, value in zip(index_keys(len(values)), values, strict=False):
        kind, raw = value if type(value) is tuple else _typed(value)
        parts += (kind.marker, key, raw)
    return ARRAY, _framed(parts)


def _framed(parts: list[bytes]) -> bytes:
    members = b"".join(parts)
    # What is within a wrapper is read as a document first: of a binary value, base64.
    _check_size(members, 2 * LARGEST_DOCUMENT)
    return framed(members)


def _check_size(document: bytes, most: int) -> None:
    if len(document) > most:
        raise InvalidExtendedJSONError("a document has up to 16 MiB, and this is larger")


def _typed(value: str | bool | list[Any] | None) -> Typed:
    if value is None:
        return _NULL
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    if isinstance(value, list):
        return _array(value)
    data = value.encode()
    return STRING, _pack_int32(len(data) + 1) + data + b"\0"


def _integer(text: str) -> Typed:
    # The length first: Python refuses to read thousands of digits.
    if len(text) <= 20:
        number = int(text)
        if -(2**31) <= number < 2**31:
            return INT32, _pack_int32(number)
        if -(2**63) <= number < 2**63:
            return PLAIN_INT64, _pack_int64(number)
    raise InvalidExtendedJSONError(f"the integer {text[:40]} does not fit into 64 bits")


def _fraction(text: str) -> Typed:
    number = float(text)
    if number in _INFINITIES:
        raise InvalidExtendedJSONError(f"the number {text[:40]} does not fit into a double")
    return DOUBLE, _pack_double(number)


def _constant(name: str) -> Typed:
    raise InvalidExtendedJSONError(
        f'{name} is no JSON; Extended JSON writes {{"$numberDouble": "{name}"}}'
    )


def _too_deep() -> InvalidExtendedJSONError:
    return InvalidExtendedJSONError(f"documents lie more than {MAXIMUM_DEPTH} levels deep")


_DECODER, _TOLERANT = (
    json.JSONDecoder(
        object_pairs_hook=hook,
        parse_int=_integer,
        parse_float=_fraction,
        parse_constant=_constant,
    )
    for hook in (_object, _object_or_placeholder)
)
