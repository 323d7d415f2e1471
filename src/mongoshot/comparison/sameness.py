"""What counts as the same BSON value where "the same bytes" is too much to ask."""

from __future__ import annotations

import datetime
import struct
from abc import ABC, abstractmethod
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from bson.decimal128 import Decimal128

from mongoshot.comparison.documents import Value, unique_fields
from mongoshot.errors import UsageError
from mongoshot.snapshot import elements as bson
from mongoshot.snapshot.elements import iterate_elements
from mongoshot.snapshot.encoding.placeholders import written_placeholder

Tolerance: TypeAlias = int | float | Decimal | datetime.timedelta

_INTEGERS: Final = {bson.INT32: struct.Struct("<i").unpack, bson.INT64: struct.Struct("<q").unpack}
_unpack_double = struct.Struct("<d").unpack
_unpack_milliseconds = struct.Struct("<q").unpack

_PLACEHOLDER_TYPES: Final = {
    '{"$oid"': bson.OBJECT_ID,
    '{"$uuid"': bson.BINARY,
    '{"$date"': bson.DATE,
}


class Rule(ABC):
    """Say what counts as the same value at a path of an expectation."""

    @abstractmethod
    def same(self, expected: Value, actual: Value) -> bool:
        """Tell whether a value is as expected; either may be, or hold, a placeholder."""


class Within(Rule):
    """Let numbers of one type, or dates, be off by a tolerance; all else has to be the same."""

    def __init__(self, tolerance: Tolerance) -> None:
        """Take the most that two values may be apart, in either direction.

        Raises UsageError unless it is a finite number, or a timedelta, that is not negative.
        """
        kinds = (int, float, Decimal, datetime.timedelta)
        if isinstance(tolerance, bool) or not isinstance(tolerance, kinds):
            raise UsageError(
                f"within takes a number or a timedelta, not {tolerance!r}: within(0.01)"
            )
        self.tolerance = tolerance
        self._apart: Fraction | datetime.timedelta
        if isinstance(tolerance, datetime.timedelta):
            self._apart, bad = tolerance, tolerance < datetime.timedelta()
        else:
            number = Decimal(str(tolerance))
            bad = not number.is_finite() or number < 0
            self._apart = Fraction(0 if bad else number)
        if bad:
            raise UsageError(
                f"within({tolerance!r}) has no meaning: a tolerance is finite and not negative"
            )

    def same(self, expected: Value, actual: Value) -> bool:
        """Tell whether two values are no more than the tolerance apart."""
        if expected == actual:
            return True
        if expected.type != actual.type:
            return False
        if isinstance(self._apart, datetime.timedelta):
            return expected.type == bson.DATE and _dates_within(self._apart, expected, actual)
        one, other = _as_written(expected), _as_written(actual)
        return one is not None and other is not None and _numbers_within(self._apart, one, other)

    def __repr__(self) -> str:
        return f"within({self.tolerance!r})"


class SameType(Rule):
    """Let a value be any of the BSON type that is expected."""

    def same(self, expected: Value, actual: Value) -> bool:
        """Tell whether two values have the same type; a placeholder has that of its value."""
        return type_of(expected) == type_of(actual)

    def __repr__(self) -> str:
        return "same_type"


def same_by_value(expected: Value, actual: Value) -> bool:
    """Tell whether two values are equal but for the types of numbers and the order of fields.

    Numbers are compared exactly, as the server does: the double 0.1 is not the decimal 0.1. NaN
    equals NaN.
    """
    if expected == actual:
        return True
    one, other = as_decimal(expected), as_decimal(actual)
    if one is not None and other is not None:
        return _equal(one, other)
    if expected.type != actual.type:
        return False
    if expected.type == bson.ARRAY:
        left, right = items_of(expected), items_of(actual)
        return len(left) == len(right) and all(map(same_by_value, left, right))
    if expected.type != bson.DOCUMENT:
        return False
    fields, others = unique_fields(expected), unique_fields(actual)
    if fields is None or others is None or fields.keys() != others.keys():
        return False
    return all(same_by_value(value, others[key]) for key, value in fields.items())


def same_unordered(expected: Value, actual: Value) -> bool:
    """Tell whether two arrays have the same elements, each as often, in whatever order."""
    if expected == actual:
        return True
    if not expected.type == actual.type == bson.ARRAY:
        return False
    return Counter(items_of(expected)) == Counter(items_of(actual))


def items_of(array: Value) -> list[Value]:
    """Return the elements of an array in their order."""
    return [
        Value(kind, array.raw[start:end]) for kind, _, start, end in iterate_elements(array.raw)
    ]


def type_of(value: Value) -> int:
    """Return the type byte of a value; for a placeholder, that of what it stands for."""
    text = written_placeholder(value.raw) if value.type == bson.DOCUMENT else None
    if text is None:
        return value.type
    return bson.STRING if text.endswith(' text"}') else _PLACEHOLDER_TYPES[text.partition(":")[0]]


def type_name(value: Value) -> str:
    """Name the type of a value, as in "int32 expected, is int64"."""
    return bson.TYPE_NAMES[type_of(value)]


def as_decimal(value: Value) -> Decimal | None:
    """Return a number as it is, exactly; None for what is none."""
    if unpack := _INTEGERS.get(value.type):
        return Decimal(unpack(value.raw)[0])
    if value.type == bson.DOUBLE:
        return Decimal(_unpack_double(value.raw)[0])
    if value.type == bson.DECIMAL128:
        return Decimal128.from_bid(value.raw).to_decimal()
    return None


def _equal(one: Decimal, other: Decimal) -> bool:
    if one.is_nan() or other.is_nan():  # a signaling one refuses to be compared
        return one.is_nan() and other.is_nan()
    return one == other


def _as_written(value: Value) -> Decimal | None:
    """Return a number as people write it, so that 1.1 is within 0.1 of 1.0 also as doubles."""
    if value.type == bson.DOUBLE:
        return Decimal(repr(_unpack_double(value.raw)[0]))
    return as_decimal(value)


def _numbers_within(apart: Fraction, one: Decimal, other: Decimal) -> bool:
    if not one.is_finite() or not other.is_finite():
        return _equal(one, other)
    return abs(Fraction(one) - Fraction(other)) <= apart


def _dates_within(apart: datetime.timedelta, expected: Value, actual: Value) -> bool:
    one: int = _unpack_milliseconds(expected.raw)[0]
    other: int = _unpack_milliseconds(actual.raw)[0]
    return abs(one - other) <= apart // datetime.timedelta(milliseconds=1)
