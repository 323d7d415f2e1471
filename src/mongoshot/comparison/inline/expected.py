"""An expectation that stands in the test as Python values, held against BSON values.

What BSON can hold is compared by its encoding, so that 1, Int64(1), 1.0 and True are four values
and the order of fields counts. What it cannot hold, and whatever has an `__eq__` of its own, such
as the matchers of dirty-equals, is asked whether it equals the decoded value.
"""

from __future__ import annotations

import datetime
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion, TypeCodec, TypeRegistry
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from mongoshot.comparison.documents import Value
from mongoshot.comparison.inline.pairing import Pattern, pair
from mongoshot.comparison.sameness import Rule, items_of, same_by_value
from mongoshot.errors import UsageError
from mongoshot.snapshot.elements import (
    ARRAY,
    BINARY,
    DECIMAL128,
    DOCUMENT,
    framed,
    iterate_elements,
)
from mongoshot.snapshot.model import decode


def _home_of_eq(kind: type) -> type:
    return next(each for each in kind.__mro__ if "__eq__" in vars(each))


#: The classes, beside those of bson, whose `__eq__` only says that two values are the same. Where
#: a clock is frozen, `datetime` is a subclass of the real one.
_OF_VALUES: Final = frozenset(
    _home_of_eq(kind)
    for kind in (
        *(object, type(None), int, float, str, bytes, Decimal, datetime.datetime, UUID),
        *(re.Pattern, list, tuple, set, frozenset, dict, OrderedDict, Mapping, MappingProxyType),
    )
)


#: What most values are.
_SCALARS: Final = frozenset({type(None), bool, int, float, str, bson.ObjectId, Decimal128})


class _AsDecimal128(TypeCodec):
    """Read Python's decimals for those of BSON, and these for Python's."""

    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Any) -> Decimal128:
        return Decimal128(value)

    def transform_bson(self, value: Any) -> Decimal:
        decimal: Decimal = value.to_decimal()
        return decimal


#: Values as Python has them: UUIDs, and decimals.
_NATIVE: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    type_registry=TypeRegistry([_AsDecimal128()]),
)


class Inline(ABC):
    """Stand in an inline expectation for the values that it accepts."""

    @abstractmethod
    def pattern(self, by_value: bool) -> Pattern:
        """Make it ready; with `by_value`, it stands within what is compared by value."""

    def __eq__(self, other: object) -> bool:
        """Compare with a value, where another matcher or a plain comparison asks."""
        value = encode_value(other)
        if value is None:
            return NotImplemented
        return self.pattern(by_value=False).accepts(value)

    __hash__ = None  # type: ignore[assignment]


class Unordered(Inline):
    """Accept an array of these elements in whatever order, one to one."""

    def __init__(self, items: Iterable[object]) -> None:
        """Take what the array holds; raises UsageError for what is no list or the like."""
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise UsageError(f"unordered takes a list, not {items!r}: unordered([1, 2])")
        self.items = tuple(items)

    def pattern(self, by_value: bool) -> Pattern:
        """Make the elements ready."""
        patterns = [make_pattern(item, by_value=by_value) for item in self.items]

        def accepts(actual: Value) -> bool:
            if actual.type != ARRAY:
                return False
            items = items_of(actual)
            return len(items) == len(patterns) == len(pair(patterns, items))

        return Pattern(accepts)

    def __repr__(self) -> str:
        return f"unordered({list(self.items)!r})"


class ByValue(Inline):
    """Accept what is equal but for the types of numbers and the order of fields, at all depths."""

    def __init__(self, expected: object) -> None:
        """Take what is expected."""
        self.expected = expected

    def pattern(self, by_value: bool) -> Pattern:  # noqa: ARG002 - it is either way
        """Make what is expected ready."""
        return make_pattern(self.expected, by_value=True)

    def __repr__(self) -> str:
        return f"by_value({self.expected!r})"


def make_pattern(expected: object, *, by_value: bool = False) -> Pattern:
    """Make an expectation of one value ready.

    Raises UsageError for a rule, which is for stored expectations.
    """
    if isinstance(expected, Inline):
        return expected.pattern(by_value)
    if isinstance(expected, Rule):
        raise UsageError(
            f"{expected!r} as it stands is a rule for db_snapshot(match=…); inline, write"
            " unordered([…]), by_value(…), or a matcher such as pytest.approx(…)"
        )
    if (literal := encode_value(expected)) is not None:
        if by_value:
            return Pattern(partial(same_by_value, literal))
        return Pattern(literal.__eq__, literal)
    if decides_itself(expected):
        return Pattern(partial(equals, expected))
    if isinstance(expected, Mapping):
        return _pattern_of_fields(expected, by_value)
    if isinstance(expected, list | tuple):
        return _pattern_of_items(expected, by_value)
    return Pattern(partial(equals, expected))


def decides_itself(expected: object) -> bool:
    """Tell whether an object says what it equals: its class has an `__eq__` that is no value's."""
    home = _home_of_eq(type(expected))
    return home not in _OF_VALUES and home.__module__.partition(".")[0] != "bson"


def encode_value(expected: object) -> Value | None:
    """Return the BSON value that an object is written as; None where it is, or holds, no value.

    Python's UUIDs are of the standard subtype 4 and its decimals Decimal128, which pymongo does
    where it is told to.
    """
    if not _is_value(expected):
        return None
    try:
        document = bson.encode({"": expected}, codec_options=_NATIVE)
    except (BSONError, ValueError, ArithmeticError):
        return None
    return Value(document[4], document[6:-1])


def decode_value(value: Value) -> Any:
    """Return a BSON value as Python's."""
    return decode(_alone(value))[""]


def _alone(value: Value) -> bytes:
    return framed(b"%c\0%b" % (value.type, value.raw))


def _is_value(expected: object) -> bool:
    if type(expected) in _SCALARS:
        return True
    if isinstance(expected, Inline | Rule) or decides_itself(expected):
        return False
    if isinstance(expected, RawBSONDocument):
        return True
    if isinstance(expected, Mapping):
        return all(map(_is_value, expected.values()))
    return not isinstance(expected, list | tuple) or all(map(_is_value, expected))


def equals(expected: object, actual: Value) -> bool:
    """Ask an object whether it equals a value as pymongo decodes it by default, or as Python's."""
    if expected == decode_value(actual):
        return True
    if actual.type not in (BINARY, DECIMAL128, DOCUMENT, ARRAY):
        return False
    try:
        native = bson.decode(_alone(actual), _NATIVE)[""]
    except BSONError:  # a UUID of another length
        return False
    return bool(expected == native)


def _pattern_of_fields(expected: Mapping[Any, object], by_value: bool) -> Pattern:
    fields = {
        key.encode(errors="surrogatepass"): make_pattern(value, by_value=by_value)
        for key, value in expected.items()
        if isinstance(key, str)
    }
    keys = list(fields)

    def accepts(actual: Value) -> bool:
        if actual.type != DOCUMENT:
            return False
        elements = list(iterate_elements(actual.raw))
        if len(elements) != len(expected):
            return False
        found = [key for _, key, _, _ in elements]
        if keys != found and not (by_value and sorted(keys) == sorted(found)):
            return False
        return all(
            fields[key].accepts(Value(kind, actual.raw[start:end]))
            for kind, key, start, end in elements
        )

    literals = ((key, pattern.literal) for key, pattern in fields.items())
    return Pattern(accepts, parts={key: literal for key, literal in literals if literal})


def _pattern_of_items(expected: Sequence[object], by_value: bool) -> Pattern:
    patterns = [make_pattern(item, by_value=by_value) for item in expected]

    def accepts(actual: Value) -> bool:
        if actual.type != ARRAY:
            return False
        items = items_of(actual)
        return len(items) == len(patterns) and all(
            pattern.accepts(item) for pattern, item in zip(patterns, items, strict=True)
        )

    parts: dict[bytes, Value] = {}
    for at, pattern in enumerate(patterns):
        parts |= {b"%d.%b" % (at, key): value for key, value in pattern.parts.items()}
        if pattern.literal:
            parts[b"%d" % at] = pattern.literal
    return Pattern(accepts, parts=parts)
