"""Read the type wrappers of Extended JSON, such as {"$oid": "…"}, as BSON values.

A value is a `Typed` here: its kind and its raw bytes. What a wrapper holds arrives read already,
strings and JSON constants excepted, for the scanner works from the inside out.

Source of the format:
https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

import re
import struct
from binascii import a2b_base64, b2a_base64
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mongoshot.errors import InvalidExtendedJSONError
from mongoshot.snapshot import elements as bson
from mongoshot.snapshot.bounds import LONGEST_NUMBER
from mongoshot.snapshot.elements import iterate_elements
from mongoshot.snapshot.encoding.style import REMEMBERED_KEY_SIZE, REMEMBERED_KEYS, RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_pack_int32 = struct.Struct("<i").pack
_pack_int64 = struct.Struct("<q").pack
_pack_double = struct.Struct("<d").pack
_pack_timestamp = struct.Struct("<II").pack

_INTEGER: Final = re.compile(r"-?[0-9]+")
_DECIMAL: Final = re.compile(
    r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|inf(inity)?)|nan", re.IGNORECASE | re.ASCII
)
_DOUBLES: Final = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
_FINITE: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SUBTYPE: Final = re.compile(r"[0-9a-f]{1,2}", re.IGNORECASE)
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)", re.ASCII
)
_CANONICAL_BINARY: Final = re.compile(
    rb".{4}\x02base64\0.{4}([0-9A-Za-z+/=]*)\0\x02subType\0\x03\0\0\0([0-9a-f]{2})\0\0", re.DOTALL
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Kind(dict[str, bytes]):
    """Stand for a BSON type, and remember how an element of it begins, by key.

    Kinds are told apart by identity.
    """

    def __init__(self, type_byte: int) -> None:
        super().__init__()
        self.marker = bytes((type_byte,))

    def __missing__(self, key: str) -> bytes:
        if key in RESERVED_KEYS:
            raise InvalidExtendedJSONError(
                f"the key {key} belongs to a type wrapper, which has no other members"
            )
        if "\0" in key:
            raise InvalidExtendedJSONError(
                f"the key {key[:40]!r} holds a NUL, which ends BSON keys"
            )
        head = self.marker + key.encode() + b"\0"
        if len(key) <= REMEMBERED_KEY_SIZE:
            if len(self) >= REMEMBERED_KEYS:
                self.clear()
            self[key] = head
        return head


Typed = tuple[Kind, bytes]
"""A BSON value: its kind, and its raw bytes."""

DOUBLE: Final = Kind(bson.DOUBLE)
STRING: Final = Kind(bson.STRING)
DOCUMENT: Final = Kind(bson.DOCUMENT)
ARRAY: Final = Kind(bson.ARRAY)
BOOLEAN: Final = Kind(bson.BOOLEAN)
NULL: Final = Kind(bson.NULL)
INT32: Final = Kind(bson.INT32)
INT64: Final = Kind(bson.INT64)
PLAIN_INT64: Final = Kind(bson.INT64)
"""An int64 that stood without a wrapper, which {"$date": …} does not take."""

_BINARY: Final = Kind(bson.BINARY)
_CODE: Final = Kind(bson.CODE)
_CODE_WITH_SCOPE: Final = Kind(bson.CODE_WITH_SCOPE)
_DATE: Final = Kind(bson.DATE)
_DB_POINTER: Final = Kind(bson.DB_POINTER)
_DECIMAL128: Final = Kind(bson.DECIMAL128)
_MAX_KEY: Final = Kind(bson.MAX_KEY)
_MIN_KEY: Final = Kind(bson.MIN_KEY)
_OBJECT_ID: Final = Kind(bson.OBJECT_ID)
_REGULAR_EXPRESSION: Final = Kind(bson.REGULAR_EXPRESSION)
_SYMBOL: Final = Kind(bson.SYMBOL)
_TIMESTAMP: Final = Kind(bson.TIMESTAMP)
_UNDEFINED: Final = Kind(bson.UNDEFINED)


def code_with_scope(pairs: list[tuple[str, Any]]) -> Typed:
    """Read {"$code": "…", "$scope": {…}}, given as its two members in any order.

    Raises InvalidExtendedJSONError where they are others.
    """
    members = dict(pairs)
    code, scope = members.get("$code"), members.get("$scope")
    if type(code) is not str or type(scope) is not tuple or scope[0] is not DOCUMENT:
        raise _other_members('{"$code": "a string", "$scope": {a document}}', members)
    body = _string(code) + scope[1]
    return _CODE_WITH_SCOPE, _pack_int32(len(body) + 4) + body


def _object_id(value: Any) -> Typed:
    if type(value) is str and len(value) == 24:
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raw = b""
        if len(raw) == 12:  # fromhex skips spaces
            return _OBJECT_ID, raw
    raise _expected('{"$oid": "24 hexadecimal digits"}', value)


def _int32(value: Any) -> Typed:
    try:
        number = int(value)
        if str(number) == value or _INTEGER.fullmatch(value):
            return INT32, _pack_int32(number)
    except (TypeError, ValueError, struct.error):
        pass
    raise _expected('{"$numberInt": "an integer of 32 bits"}', value)


def _int64(value: Any) -> Typed:
    try:
        number = int(value)
        if str(number) == value or _INTEGER.fullmatch(value):
            return INT64, _pack_int64(number)
    except (TypeError, ValueError, struct.error):
        pass
    raise _expected('{"$numberLong": "an integer of 64 bits"}', value)


def _double(value: Any) -> Typed:
    if type(value) is str and len(value) <= LONGEST_NUMBER:
        if _FINITE.fullmatch(value):
            number = float(value)
            if number - number == 0:  # digits beyond the range of a double read as infinity
                return DOUBLE, _pack_double(number)
        elif value in _DOUBLES:
            return DOUBLE, _pack_double(float(_DOUBLES[value]))
    raise _expected('{"$numberDouble": "a number, NaN, Infinity or -Infinity"}', value)


def _decimal128(value: Any) -> Typed:
    # Those that are remembered must not fill the memory.
    is_short = type(value) is str and len(value) <= LONGEST_NUMBER
    raw = _decimal128_bytes(value) if is_short else None
    if raw is None:
        raise _expected('{"$numberDecimal": "a number of at most 34 digits"}', value)
    return _DECIMAL128, raw


@lru_cache(maxsize=1024)
def _decimal128_bytes(text: str) -> bytes | None:
    from decimal import DecimalException

    from bson.decimal128 import Decimal128  # slow to load, and rarely needed

    if not _DECIMAL.fullmatch(text):
        return None
    try:
        return Decimal128(text).bid
    except (DecimalException, ValueError):
        return None


def _date(value: Any) -> Typed:
    if type(value) is tuple and value[0] is INT64:
        return _DATE, value[1]
    if type(value) is str and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass  # such as the 30th of February
        else:
            return _DATE, _pack_int64((moment - _EPOCH) // _MILLISECOND)
    raise _expected(
        '{"$date": "2024-01-02T03:04:05.678Z"} or {"$date": {"$numberLong": "milliseconds"}}', value
    )


def _binary(value: Any) -> Typed:
    shape = '{"$binary": {"base64": "…", "subType": "two hexadecimal digits"}}'
    text, subtype_text = _binary_members(value, shape)
    if not _SUBTYPE.fullmatch(subtype_text):
        raise _expected(shape, subtype_text)
    try:
        data = a2b_base64(text)
    except ValueError:
        data = b""
    if b2a_base64(data, newline=False) != text.encode():  # lenient decoders skip what they dislike
        raise _expected(shape, text)
    subtype = int(subtype_text, 16)
    if subtype == 2:
        data = _pack_int32(len(data)) + data
    return _BINARY, _pack_int32(len(data)) + bytes((subtype,)) + data


def _binary_members(value: Any, shape: str) -> list[str]:
    if type(value) is tuple and value[0] is DOCUMENT:
        # As every writer puts them. UUIDs are too common for the long way round.
        canonical = _CANONICAL_BINARY.fullmatch(value[1])
        if canonical:
            return [member.decode() for member in canonical.groups()]
    return _strings(value, shape, "base64", "subType")


def _uuid(value: Any) -> Typed:
    if type(value) is not str or not _UUID.fullmatch(value):
        raise _expected('{"$uuid": "8-4-4-4-12 hexadecimal digits"}', value)
    return _BINARY, b"\x10\0\0\0\4" + bytes.fromhex(value.replace("-", ""))


def _timestamp(value: Any) -> Typed:
    shape = '{"$timestamp": {"t": seconds, "i": increment}}, both of 32 bits without a sign'
    members = _members(value, shape, "t", "i")
    numbers = [
        int.from_bytes(raw, "little", signed=True)
        for kind, raw in members
        if kind in (bson.INT32, bson.INT64)
    ]
    try:
        seconds, increment = numbers
        return _TIMESTAMP, _pack_timestamp(increment, seconds)
    except (ValueError, struct.error):
        raise _expected(shape, value) from None


def _regular_expression(value: Any) -> Typed:
    shape = '{"$regularExpression": {"pattern": "…", "options": "…"}}, both without NUL'
    pattern, options = _strings(value, shape, "pattern", "options")
    if "\0" in pattern + options:
        raise _expected(shape, value)
    return _REGULAR_EXPRESSION, f"{pattern}\0{options}\0".encode()


def _db_pointer(value: Any) -> Typed:
    shape = '{"$dbPointer": {"$ref": "…", "$id": {"$oid": "…"}}}'
    (namespace_type, namespace), (id_type, identity) = _members(value, shape, "$ref", "$id")
    if namespace_type != bson.STRING or id_type != bson.OBJECT_ID:
        raise _expected(shape, value)
    return _DB_POINTER, namespace + identity


def _code(value: Any) -> Typed:
    if type(value) is not str:
        raise _expected('{"$code": "…"}', value)
    return _CODE, _string(value)


def _symbol(value: Any) -> Typed:
    if type(value) is not str:
        raise _expected('{"$symbol": "…"}', value)
    return _SYMBOL, _string(value)


def _undefined(value: Any) -> Typed:
    if value is not True:
        raise _expected('{"$undefined": true}', value)
    return _UNDEFINED, b""


def _max_key(value: Any) -> Typed:
    if value != _ONE:
        raise _expected('{"$maxKey": 1}', value)
    return _MAX_KEY, b""


def _min_key(value: Any) -> Typed:
    if value != _ONE:
        raise _expected('{"$minKey": 1}', value)
    return _MIN_KEY, b""


def _string(text: str) -> bytes:
    data = text.encode()
    return _pack_int32(len(data) + 1) + data + b"\0"


def _members(value: Any, shape: str, *keys: str) -> list[tuple[int, bytes]]:
    """Give type and raw bytes of the members of a document that must have these and no others."""
    if type(value) is not tuple or value[0] is not DOCUMENT:
        raise _expected(shape, value)
    raw = value[1]
    found = list(iterate_elements(raw))
    members = {key.decode(): (kind, raw[start:end]) for kind, key, start, end in found}
    if len(found) != len(keys) or members.keys() != set(keys):
        raise _other_members(shape, members)
    return [members[key] for key in keys]


def _strings(value: Any, shape: str, *keys: str) -> list[str]:
    members = _members(value, shape, *keys)
    for kind, _ in members:
        if kind != bson.STRING:
            raise _expected(shape, value)
    return [raw[4:-1].decode() for _, raw in members]


def _expected(shape: str, value: object) -> InvalidExtendedJSONError:
    found = repr(value[:40]) if isinstance(value, str) else "another kind of value"
    return InvalidExtendedJSONError(f"expected {shape}, found {found}")


def _other_members(shape: str, members: Iterable[str]) -> InvalidExtendedJSONError:
    found = ", ".join(repr(key[:40]) for key in members)
    return InvalidExtendedJSONError(f"expected {shape}, found an object of {found or 'nothing'}")


_ONE: Final = (INT32, _pack_int32(1))

CODE_KEYS: Final = ("$code", "$scope")

WRAPPERS: Final[dict[str, Callable[[Any], Typed]]] = {
    "$binary": _binary,
    "$code": _code,
    "$date": _date,
    "$dbPointer": _db_pointer,
    "$maxKey": _max_key,
    "$minKey": _min_key,
    "$numberDecimal": _decimal128,
    "$numberDouble": _double,
    "$numberInt": _int32,
    "$numberLong": _int64,
    "$oid": _object_id,
    "$regularExpression": _regular_expression,
    "$symbol": _symbol,
    "$timestamp": _timestamp,
    "$undefined": _undefined,
    "$uuid": _uuid,
}
"""The wrappers of one member, by its key; each takes the member's value."""
