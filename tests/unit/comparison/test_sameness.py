from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId
from bson.decimal128 import Decimal128

from mongoshot import by_value, same_type, unordered, within
from mongoshot.comparison.documents import Value
from mongoshot.comparison.inline.matchers import Rule
from mongoshot.comparison.sameness import type_name
from mongoshot.errors import UsageError
from mongoshot.snapshot.encoding import from_extended_json

NAN, INFINITY = float("nan"), float("inf")


def value(python: Any) -> Value:
    """Encode a Python value, or read Extended JSON with placeholders from bytes."""
    if type(python) is bytes:
        document = from_extended_json(f'{{"": {python.decode()}}}', placeholders=True)
    else:
        document = bson.encode({"": python})
    return Value(document[4], document[6:-1])


def same(rule: Rule, expected: Any, actual: Any) -> bool:
    """Ask a rule in both directions, which is to make no difference."""
    one, other = value(expected), value(actual)
    answers = {rule.same(one, other), rule.same(other, one)}
    assert len(answers) == 1
    return answers.pop()


@pytest.mark.parametrize(
    ("tolerance", "expected", "actual"),
    [
        (1, 5, 6),
        (0, 5, 5),
        (0.1, 1.0, 1.1),
        (0.3, 0.1, 0.4),
        (Decimal("0.01"), Decimal128("1.00"), Decimal128("1.01")),
        (0.01, Decimal128("1E+6000"), Decimal128("1E+6000")),
        (1, Int64(2**62), Int64(2**62 + 1)),
        (0.5, NAN, NAN),
        (0.5, Decimal128("NaN"), Decimal128("sNaN")),
        (0.5, INFINITY, INFINITY),
        (0.5, 0.0, -0.0),
        (0.5, "x", "x"),
        (datetime.timedelta(seconds=1), bson.DatetimeMS(0), bson.DatetimeMS(-1000)),
        (datetime.timedelta(microseconds=1999), bson.DatetimeMS(0), bson.DatetimeMS(1)),
        (datetime.timedelta(1), bson.DatetimeMS(2**62), bson.DatetimeMS(2**62 + 1)),
        (1, b'{"$date": "now"}', b'{"$date": "now"}'),
    ],
)
def test_what_is_within_a_tolerance(tolerance: Any, expected: Any, actual: Any) -> None:
    assert same(within(tolerance), expected, actual)


@pytest.mark.parametrize(
    ("tolerance", "expected", "actual"),
    [
        (1, 5, 7),
        (1, 5, Int64(5)),
        (1, 5, 5.0),
        (1, 1, True),
        (1, "a", "b"),
        (0.01, Decimal128("1.00"), Decimal128("1.011")),
        (0.01, Decimal128("1E+6000"), Decimal128("1E+5999")),
        (1, Int64(2**62), Int64(2**62 + 2)),
        (1e308, INFINITY, -INFINITY),
        (1e308, INFINITY, 1.0),
        (1e308, NAN, 1.0),
        (1, bson.DatetimeMS(0), bson.DatetimeMS(1)),
        (datetime.timedelta(microseconds=999), bson.DatetimeMS(0), bson.DatetimeMS(1)),
        (datetime.timedelta(seconds=1), 1, 2),
        (datetime.timedelta(seconds=1), bson.DatetimeMS(0), Int64(0)),
        (1, [1], [2]),
        (1, b'{"$date": "now"}', bson.DatetimeMS(0)),
    ],
)
def test_what_is_not_within_a_tolerance(tolerance: Any, expected: Any, actual: Any) -> None:
    assert not same(within(tolerance), expected, actual)


@pytest.mark.parametrize(
    "tolerance",
    [-1, -0.1, NAN, INFINITY, True, "1", None, Decimal("NaN"), datetime.timedelta(-1), [1]],
)
def test_a_bad_tolerance_is_told_at_once(tolerance: Any) -> None:
    with pytest.raises(UsageError, match=r"within"):
        within(tolerance)


@pytest.mark.parametrize("number", [5, Int64(5), 5.0, Decimal128("5"), Decimal128("5.00")])
@pytest.mark.parametrize("other", [5, Int64(5), 5.0, Decimal128("5"), Decimal128("5.00")])
def test_numbers_of_all_types_are_equal_by_value(number: Any, other: Any) -> None:
    assert same(by_value, number, other)
    assert same(by_value, {"a": [{"b": number, "c": 1}]}, {"a": [{"c": 1, "b": other}]})


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (1, True),
        (0, False),
        (5, "5"),
        (5, 6),
        (0.1, Decimal128("0.1")),
        (2**53 + 1, float(2**53)),
        (NAN, 1.0),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": 1}, {"a": 1, "b": 1}),
        ({"a": 1}, {"b": 1}),
        ({"0": 1}, [1]),
        (None, 0),
        (b'{"$oid": "ObjectId-1"}', b'{"$oid": "ObjectId-2"}'),
    ],
)
def test_what_is_not_equal_by_value(expected: Any, actual: Any) -> None:
    assert not same(by_value, expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (NAN, Decimal128("NaN")),
        (Decimal128("sNaN"), NAN),
        (INFINITY, Decimal128("Infinity")),
        (0.0, -0.0),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": Int64(1)}),
        (b'{"a": {"$oid": "ObjectId-1"}, "b": 1}', b'{"b": 1.0, "a": {"$oid": "ObjectId-1"}}'),
    ],
)
def test_what_is_equal_by_value(expected: Any, actual: Any) -> None:
    assert same(by_value, expected, actual)


def test_a_key_that_is_there_twice_is_only_equal_to_the_same_bytes() -> None:
    one, two = (b"\x10a\0%b\0\0\0" % number for number in (b"\1", b"\2"))
    first, second = (
        Value(3, b"\x13\0\0\0" + elements + b"\0") for elements in (one + two, two + one)
    )
    assert by_value.same(first, first)
    assert not by_value.same(first, second)


@pytest.mark.parametrize(
    ("expected", "actual", "answer"),
    [
        ([1, 2, 2], [2, 1, 2], True),
        ([1, 2, 2], [2, 1, 1], False),
        ([1, 2], [2, 1, 1], False),
        ([1], [1.0], False),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}], False),
        ([[1, 2]], [[2, 1]], False),
        ([], [], True),
        ("ab", "ba", False),
        (1, 1, True),
        (b'[{"$oid": "ObjectId-1"}, "a"]', b'["a", {"$oid": "ObjectId-1"}]', True),
        (b'[{"$oid": "ObjectId-1"}, "a"]', b'["a", {"$oid": "ObjectId-2"}]', False),
    ],
)
def test_arrays_that_are_the_same_unordered(expected: Any, actual: Any, answer: bool) -> None:
    assert same(unordered, expected, actual) is answer


@pytest.mark.parametrize(
    ("expected", "actual", "answer"),
    [
        (1, 2, True),
        (1, Int64(1), False),
        (1, True, False),
        ("a", "b", True),
        ({}, {"a": 1}, True),
        ({}, [], False),
        (b'{"$oid": "ObjectId-1"}', ObjectId(), True),
        (b'{"$oid": "ObjectId-1"}', {}, False),
        (b'{"$oid": "ObjectId-1 as text"}', "x", True),
        (b'{"$oid": "ObjectId-1 as upper-case text"}', "x", True),
        (b'{"$oid": "ObjectId-1 as text"}', ObjectId(), False),
        (b'{"$uuid": "UUID-1"}', bson.Binary(b"x"), True),
        (b'{"$uuid": "UUID-1 as subtype 3"}', bson.Binary(b"x"), True),
        (b'{"$uuid": "UUID-1 as text"}', "x", True),
        (b'{"$date": "now"}', bson.DatetimeMS(0), True),
        (b'{"$date": "now"}', Int64(0), False),
    ],
)
def test_values_of_the_same_type(expected: Any, actual: Any, answer: bool) -> None:
    assert same(same_type, expected, actual) is answer


@pytest.mark.parametrize(
    ("python", "name"),
    [(1, "int32"), (Int64(1), "int64"), (1.0, "double"), (b'{"$date": "now"}', "date")],
)
def test_types_are_named(python: Any, name: str) -> None:
    assert type_name(value(python)) == name


def test_rules_are_shown_as_they_are_written() -> None:
    rules = [unordered, by_value, same_type, within(0.01), within(datetime.timedelta(1))]
    assert repr(rules) == (
        "[unordered, by_value, same_type, within(0.01), within(datetime.timedelta(days=1))]"
    )
