"""Numbers that are masked as numbers: of the same type and sign, with as many digits.

A number has one mask whatever its type is, as the server takes 5, Int64(5) and 5.0 for equal. Zero,
infinities and NaN stay. Doubles beyond fifteen digits have their mantissa permuted, within the
power of two that they lie in.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from itertools import pairwise

from bson.decimal128 import Decimal128

from mongoshot.recording.masking.cipher import Cipher
from mongoshot.snapshot import elements

#: Within these bounds a number stays: its digits, and what int32, double and int64 can hold.
_BOUNDS = sorted({10**digits for digits in range(35)} | {2**31, 2**31 + 1, 2**53, 2**63, 2**63 + 1})
_EXACT = 15  # digits that a double holds, whatever they are

_double = struct.Struct("<d")
_int32 = struct.Struct("<i")
_int64 = struct.Struct("<q")


def masked_number(cipher: Cipher, kind: int, raw: bytes) -> bytes:
    """Mask the raw value of an int32, int64, double or Decimal128."""
    if kind == elements.INT32:
        return _int32.pack(_signed(cipher, _int32.unpack(raw)[0]))
    if kind == elements.INT64:
        return _int64.pack(_signed(cipher, _int64.unpack(raw)[0]))
    if kind == elements.DOUBLE:
        return _masked_double(cipher, raw)
    value = Decimal128.from_bid(raw).to_decimal()
    if not value.is_finite() or not value:
        return raw
    return Decimal128(_masked_decimal(cipher, value)).bid


def whole_number(kind: int, raw: bytes) -> int | None:
    """Return a number of any type where it is whole, and its type holds all of its digits."""
    if kind in (elements.INT32, elements.INT64):
        return int.from_bytes(raw, "little", signed=True)
    if kind == elements.DOUBLE:
        value: float = _double.unpack(raw)[0]
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    sign, digits, exponent = Decimal128.from_bid(raw).to_decimal().as_tuple()
    return None if exponent != 0 or sign else int("".join(map(str, digits)))


def raw_number(kind: int, value: int) -> bytes:
    """Return the raw value of a whole number as a type."""
    if kind == elements.DOUBLE:
        return _double.pack(float(value))
    if kind == elements.DECIMAL128:
        return Decimal128(str(value)).bid
    return value.to_bytes(4 if kind == elements.INT32 else 8, "little", signed=True)


def _signed(cipher: Cipher, value: int) -> int:
    made = _masked_integer(cipher, abs(value))
    return -made if value < 0 else made


def _masked_integer(cipher: Cipher, value: int) -> int:
    if not value:
        return 0
    low, high = next(bounds for bounds in pairwise(_BOUNDS) if bounds[0] <= value < bounds[1])
    return low + cipher.permuted(b"number", value - low, high - low, b"%d" % low)


def _masked_double(cipher: Cipher, raw: bytes) -> bytes:
    value: float = _double.unpack(raw)[0]
    if not value or value - value != 0:  # infinities and NaN
        return raw
    if value.is_integer() and abs(value) < 2**53:
        return _double.pack(float(_signed(cipher, int(value))))
    decimal = Decimal(repr(value))
    if len(decimal.as_tuple().digits) <= _EXACT and not value.is_integer():
        return _double.pack(float(_masked_decimal(cipher, decimal)))
    bits = int.from_bytes(raw, "little")
    mantissa = bits & (1 << 52) - 1
    while True:  # until it is again one that has more digits than fifteen, or is as large
        mantissa = cipher.permuted(b"mantissa", mantissa, 1 << 52, b"%d" % (bits >> 52))
        made = (bits >> 52 << 52 | mantissa).to_bytes(8, "little")
        found: float = _double.unpack(made)[0]
        if found.is_integer() == value.is_integer() and (
            value.is_integer() or len(Decimal(repr(found)).as_tuple().digits) > _EXACT
        ):
            return made


def _masked_decimal(cipher: Cipher, value: Decimal) -> Decimal:
    sign, digits, exponent = value.as_tuple()
    number = int("".join(map(str, digits)))
    if not isinstance(exponent, int):
        return value
    if exponent <= 0 and value == value.to_integral_value():
        zeros = 10**-exponent
        made = _masked_integer(cipher, number // zeros) * zeros
    elif 0 < exponent <= 34 - len(digits):
        made, exponent = _masked_integer(cipher, number * 10**exponent), 0
    else:
        made = _masked_fraction(cipher, number, exponent)
    return Decimal((sign, tuple(map(int, str(made))), exponent))


def _masked_fraction(cipher: Cipher, number: int, exponent: int) -> int:
    """Mask the coefficient of a number with a fraction, and leave the zeros at its end."""
    if number % 10 == 0:
        return _masked_fraction(cipher, number // 10, exponent + 1) * 10
    # Neither the first nor the last digit is zero, so that it has one way to be written.
    digits = len(str(number))
    if digits == 1:
        return 1 + cipher.permuted(b"fraction", number - 1, 9, b"%d" % exponent)
    middle: int = 10 ** (digits - 2)
    first, rest = divmod(number, middle * 10)
    inner, last = divmod(rest, 10)
    index = ((first - 1) * middle + inner) * 9 + last - 1
    index = cipher.permuted(b"fraction", index, 81 * middle, b"%d %d" % (digits, exponent))
    index, last = divmod(index, 9)
    first, inner = divmod(index, middle)
    return (first + 1) * middle * 10 + inner * 10 + last + 1
