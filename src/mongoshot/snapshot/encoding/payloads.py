"""Write the payload of each BSON value that holds no other: the text inside its type wrapper.

Each function is a `Write` of `style`. A value that reaches beyond its document is found by
the document, when its end is not met; here it must only raise nothing but IndexError, ValueError
or struct.error, and move forward.

Source of the format:
https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from datetime import datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from math import isfinite
from typing import TYPE_CHECKING, Final

from mongoshot.snapshot.encoding.style import Refusal, quoted, without_controls

if TYPE_CHECKING:
    from mongoshot.snapshot.encoding.style import Style

_unpack_int32 = struct.Struct("<i").unpack_from
_unpack_int64 = struct.Struct("<q").unpack_from
_unpack_double = struct.Struct("<d").unpack_from
_unpack_timestamp = struct.Struct("<II").unpack_from

_ONLY_NAN: Final = struct.pack("<Q", 0x7FF8000000000000)
_NON_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_EPOCH: Final = datetime(1970, 1, 1)
_LAST_READABLE_DATE: Final = 253402300799999  # 9999-12-31T23:59:59.999Z


def string(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write a string with its quotes; also the one that a symbol or code is made of."""
    start = position + 4
    stop = start + _unpack_int32(buffer, position)[0]
    if stop <= start or buffer[stop - 1]:
        raise ValueError("not a string")
    try:
        text = encode_basestring(buffer[start : stop - 1].decode())
    except UnicodeDecodeError as error:
        raise Refusal(f"it is not valid UTF-8 at byte {error.start} of the string") from None
    if text.isascii() and "\x7f" not in text:
        return text, stop
    return without_controls(text), stop


def object_id(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write the hexadecimal digits of an ObjectId."""
    stop = position + 12
    return buffer[position:stop].hex(), stop


def int32(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write the digits of an int32."""
    return str(_unpack_int32(buffer, position)[0]), position + 4


def int64(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write the digits of an int64, or of the milliseconds of a date."""
    return str(_unpack_int64(buffer, position)[0]), position + 8


def boolean(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write true or false."""
    value = buffer[position]
    if value > 1:
        raise ValueError("not a boolean")
    return "true" if value else "false", position + 1


def nothing(_: Style, __: bytes, position: int, ___: int) -> tuple[str, int]:
    """Write nothing: the type says it all."""
    return "", position


def double(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write the shortest digits that stand for the double, or the name of a non-finite one."""
    value = _unpack_double(buffer, position)[0]
    stop = position + 8
    if isfinite(value):
        return repr(value), stop
    if value != value and not buffer.startswith(_ONLY_NAN, position):
        bits = int.from_bytes(buffer[position:stop], "little")
        raise Refusal(f"it is the NaN 0x{bits:016x}; Extended JSON knows 0x7ff8000000000000 alone")
    return _NON_FINITE[repr(value)], stop


def readable_double(style: Style, buffer: bytes, position: int, depth: int) -> tuple[str, int]:
    """Write a double as a JSON number where there is one for it."""
    text, stop = double(style, buffer, position, depth)
    if text[-1] in "Ny":
        text = f'{{"$numberDouble"{style.colon}"{text}"}}'
    return text, stop


def readable_date(style: Style, buffer: bytes, position: int, _: int) -> tuple[str, int]:
    """Write a date of the years 1970 to 9999 in ISO 8601, others as milliseconds."""
    milliseconds = _unpack_int64(buffer, position)[0]
    if not 0 <= milliseconds <= _LAST_READABLE_DATE:
        return f'{{"$numberLong"{style.colon}"{milliseconds}"}}', position + 8
    seconds, fraction = divmod(milliseconds, 1000)
    moment = (_EPOCH + timedelta(0, seconds)).isoformat()
    return f'"{moment}.{fraction:03d}Z"' if fraction else f'"{moment}Z"', position + 8


def decimal128(_: Style, buffer: bytes, position: int, __: int) -> tuple[str, int]:
    """Write the string of a Decimal128."""
    raw = buffer[position : position + 16]
    if len(raw) < 16:
        raise ValueError("not a decimal")
    text = _decimal128_text(raw)
    if text is None:
        bits = int.from_bytes(raw, "little")
        raise Refusal(f"its Decimal128 0x{bits:032x} is another one than its string stands for")
    return text, position + 16


@lru_cache(maxsize=1024)
def _decimal128_text(raw: bytes) -> str | None:
    from decimal import DecimalException

    from bson.decimal128 import Decimal128  # slow to load, and rarely needed

    try:
        text = str(Decimal128.from_bid(raw))
        return text if Decimal128(text).bid == raw else None
    except DecimalException:
        return None  # 35 digits, which the encoding has room for and the type has not


def binary(style: Style, buffer: bytes, position: int, _: int) -> tuple[str, int]:
    """Write the base64 of a binary value, and its subtype."""
    start = position + 5
    stop = start + _unpack_int32(buffer, position)[0]
    if not start <= stop <= len(buffer):
        raise ValueError("not a binary value")
    subtype = buffer[position + 4]
    if subtype == 2:
        # The old binary subtype repeats the length inside; Extended JSON leaves that one out.
        if stop - start < 4 or _unpack_int32(buffer, start)[0] != stop - start - 4:
            raise Refusal("its binary subtype 2 has an inner length that is not its own")
        start += 4
    text = b2a_base64(buffer[start:stop], newline=False).decode("ascii")
    return f'"{text}"{style.comma}"subType"{style.colon}"{subtype:02x}"', stop


def regular_expression(style: Style, buffer: bytes, position: int, _: int) -> tuple[str, int]:
    """Write pattern and options."""
    pattern_end = buffer.index(0, position)
    options_end = buffer.index(0, pattern_end + 1)
    pattern = _quoted_part("pattern", buffer[position:pattern_end])
    options = _quoted_part("options", buffer[pattern_end + 1 : options_end])
    return f'{pattern}{style.comma}"options"{style.colon}{options}', options_end + 1


def _quoted_part(part: str, raw: bytes) -> str:
    try:
        return quoted(raw.decode())
    except UnicodeDecodeError as error:
        reason = f"its {part} is not valid UTF-8 at byte {error.start} of the {part}"
        raise Refusal(reason) from None


def db_pointer(style: Style, buffer: bytes, position: int, depth: int) -> tuple[str, int]:
    """Write namespace and ObjectId."""
    namespace, start = string(style, buffer, position, depth)
    stop = start + 12
    identity = f'{{"$oid"{style.colon}"{buffer[start:stop].hex()}"}}'
    return f'{namespace}{style.comma}"$id"{style.colon}{identity}', stop


def timestamp(style: Style, buffer: bytes, position: int, _: int) -> tuple[str, int]:
    """Write seconds and increment."""
    increment, seconds = _unpack_timestamp(buffer, position)
    return f'{seconds}{style.comma}"i"{style.colon}{increment}', position + 8
