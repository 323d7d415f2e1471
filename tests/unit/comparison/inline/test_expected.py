"""What an inline expectation accepts: BSON by its encoding, all else by its own `__eq__`."""

from __future__ import annotations

import datetime
import enum
import re
import subprocess
import sys
import uuid
from collections import OrderedDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from unittest.mock import ANY

import bson
import pytest
from bson import SON, Binary, Code, Int64, ObjectId, Regex, Timestamp
from bson.decimal128 import Decimal128
from bson.raw_bson import RawBSONDocument
from dirty_equals import Contains, IsApprox, IsInt, IsList, IsPartialDict, IsStr, IsUUID

from mongoshot import by_value, same_type, unordered, within
from mongoshot.comparison.documents import Value
from mongoshot.comparison.inline.expected import make_pattern
from mongoshot.errors import UsageError

NOON = datetime.datetime(2024, 5, 1, 12, 0, 0, 123_000)
EAST = datetime.timezone(datetime.timedelta(hours=2))
SOME_UUID = uuid.UUID(int=5)


class Status(str, enum.Enum):  # noqa: UP042 - as written before there was StrEnum
    OPEN = "open"


class Level(enum.IntEnum):
    HIGH = 3


class Plain(enum.Enum):
    ONE = 1


class AnyCase(str):
    """Equal a string whatever its case; BSON could hold it, but that is not what it is for."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    __hash__ = str.__hash__


class Keeps(dict[str, Any]):
    """A dict of somebody's, which is still but a dict."""


class Loose(dict[str, Any]):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and self.items() <= other.items()

    __hash__ = None


def value(python: Any) -> Value:
    document = bson.encode({"": python})
    return Value(document[4], document[6:-1])


def accepts(expected: Any, actual: Any) -> bool:
    """Hold an expectation against a value, alone and deep within others; the same is to come."""
    answers = {
        make_pattern(around(expected)).accepts(value(around(actual)))
        for around in (
            lambda x: x,
            lambda x: [x],
            lambda x: {"a": x},
            lambda x: {"a": [{"b": x}], "c": 1},
        )
    }
    assert len(answers) == 1
    return answers.pop()


ONES = [1, Int64(1), 1.0, Decimal128("1"), Decimal128("1.0"), True, "1", [1], {"0": 1}, b"1"]


@pytest.mark.parametrize("expected", ONES, ids=repr)
@pytest.mark.parametrize("actual", ONES, ids=repr)
def test_values_that_are_almost_equal_are_different(expected: Any, actual: Any) -> None:
    assert accepts(expected, actual) is (expected is actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (2**40, Int64(2**40)),
        (NOON, NOON),
        (NOON.replace(microsecond=123_999), NOON),
        (NOON.replace(tzinfo=datetime.UTC), NOON),
        (NOON.replace(tzinfo=datetime.UTC).astimezone(EAST), NOON),
        (SOME_UUID, Binary.from_uuid(SOME_UUID)),
        (b"x", Binary(b"x", 0)),
        (Binary(b"x", 5), Binary(b"x", 5)),
        (Status.OPEN, "open"),
        (Level.HIGH, 3),
        (Decimal("1.50"), Decimal128("1.50")),
        (re.compile("x", re.IGNORECASE), Regex("x", re.IGNORECASE | re.UNICODE)),
        (Regex("x", "i"), Regex("x", "i")),
        (Code("x"), Code("x")),
        (Timestamp(1, 2), Timestamp(1, 2)),
        (float("nan"), float("nan")),
        (bson.DatetimeMS(2**62), bson.DatetimeMS(2**62)),
        ((1, 2), [1, 2]),
        (SON([("a", 1)]), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (Keeps(a=1), {"a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (RawBSONDocument(bson.encode({"a": Int64(1)})), {"a": Int64(1)}),
        (bson.DBRef("c", 1), {"$ref": "c", "$id": 1}),
        (None, None),
    ],
)
def test_what_is_written_as_the_same_bson_is_equal(expected: Any, actual: Any) -> None:
    assert accepts(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (OrderedDict(a=1, b=2), {"b": 2, "a": 1}),
        (Keeps(a=1, b=2), {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ([1, 2], [2, 1]),
        ([1], []),
        (SOME_UUID, Binary.from_uuid(SOME_UUID, 5)),
        (SOME_UUID, Binary(SOME_UUID.bytes, 0)),
        (SOME_UUID, str(SOME_UUID)),
        (b"x", Binary(b"x", 5)),
        (Int64(3), 3),
        (Level.HIGH, Int64(3)),
        (Plain.ONE, 1),
        (Decimal("1.5"), Decimal128("1.50")),
        (Decimal(5), 5),
        (Decimal("1" * 40), 5),
        (NOON, NOON.replace(microsecond=124_000)),
        (0.0, -0.0),
        (2**70, 5),
        ("\ud800", "x"),
        ({1: 2}, {"1": 2}),
        ({1: IsInt()}, {"1": 2}),
        ({"\ud800": IsInt()}, {"x": 2}),
        (object(), 1),
        ({1, 2}, [1, 2]),
        (Regex("x"), re.compile("x")),
        (Code("x"), "x"),
    ],
)
def test_what_is_written_as_other_bson_is_different(expected: Any, actual: Any) -> None:
    assert not accepts(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (ANY, {"a": 1}),
        (IsStr(), "x"),
        (IsStr, "x"),
        (IsStr(regex="a.c"), "abc"),
        (IsInt(), Int64(5)),
        (~IsInt(), "x"),
        (IsInt() | IsStr(), "x"),
        (IsApprox(5, delta=1), 5.5),
        (pytest.approx(0.3), 0.1 + 0.2),
        (pytest.approx(Decimal("0.30"), abs=Decimal("0.01")), Decimal128("0.305")),
        (pytest.approx([1.0, 2.0]), [1.0, 2.0000001]),
        (IsPartialDict(a=1), {"b": 2, "a": 1}),
        (IsPartialDict(a=IsUUID()), {"b": 2, "a": Binary.from_uuid(SOME_UUID)}),
        (IsUUID(), Binary.from_uuid(SOME_UUID)),
        (IsList(2, 1, check_order=False), [1, 2]),
        (Contains("x"), ["x", "y"]),
        (AnyCase("OPEN"), "open"),
        (Loose(a=1), {"b": 2, "a": 1}),
        (IsPartialDict(tags=unordered([1, IsStr()])), {"tags": ["x", 1]}),
        (IsPartialDict(total=by_value(5)), {"total": Decimal128("5")}),
    ],
)
def test_what_has_an_equality_of_its_own_is_asked(expected: Any, actual: Any) -> None:
    assert accepts(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (IsStr(), 5),
        (pytest.approx(0.3), 0.4),
        (pytest.approx(0.3), "x"),
        (IsUUID(), Binary(b"x" * 16, 0)),
        (IsUUID(), Binary(b"x", 4)),
        (AnyCase("OPEN"), "closed"),
        (Loose(a=1), {"a": 2}),
        ({"a": IsInt(), "b": 1}, {"b": 1, "a": 2}),
        ({"a": IsInt()}, {"a": 1, "b": 1}),
        ({"a": IsInt(), "b": 1}, {"a": 1}),
        ({"a": IsInt(), "b": 1}, {"a": 1, "b": Int64(1)}),
        ([IsInt()], [1, 2]),
        ([IsInt(), 1], [1, Int64(1)]),
        ({"a": IsInt()}, [1]),
        ([IsInt()], {"0": 1}),
        (IsPartialDict(tags=unordered([1, IsStr()])), {"tags": ["x", 2]}),
        (IsPartialDict(tags=unordered([1])), {"tags": ObjectId()}),
    ],
)
def test_what_does_not_equal_itself_to_a_value_is_different(expected: Any, actual: Any) -> None:
    assert not accepts(expected, actual)


@pytest.mark.parametrize(
    ("items", "actual", "answer"),
    [
        ([1, 2], [2, 1], True),
        ([1, 2], [2, 1.0], False),
        ([1, 1], [1, 2], False),
        ([1], [1, 1], False),
        ([IsInt(), 1], [1, 2], True),
        ([IsInt(), IsInt()], [1, "x"], False),
        ([IsInt() | IsStr(), IsInt()], [1, "x"], True),
        ([{"a": ANY, "b": 1}, {"a": 1, "b": ANY}], [{"a": 1, "b": 2}, {"a": 1, "b": 1}], True),
        ([by_value(1), 2], [2, 1.0], True),
        ([unordered([1, 2]), 3], [3, [2, 1]], True),
        ([[1, 2], 3], [3, [2, 1]], False),
        ([], [], True),
        ([1, 2], {"0": 1, "1": 2}, False),
        (iter([1, 2]), [2, 1], True),
    ],
)
def test_arrays_whose_order_does_not_count(items: Any, actual: Any, answer: bool) -> None:
    assert accepts(unordered(items), actual) is answer


@pytest.mark.parametrize(
    ("expected", "actual", "answer"),
    [
        (5, Int64(5), True),
        (5, True, False),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": Decimal128("1")}, True),
        ({"a": 1, "b": IsStr()}, {"b": "x", "a": 1.0}, True),
        ({"a": 1, "b": IsStr()}, {"b": "x"}, False),
        ({"a": 1, "b": IsStr()}, {"b": "x", "a": 2}, False),
        ([IsStr(), 1], ["x", 1.0], True),
        ([IsStr(), 1], [1.0, "x"], False),
        ({"a": unordered([1, {"b": 1, "c": 2}])}, {"a": [{"c": 2.0, "b": 1}, 1.0]}, True),
        (by_value(5), 5.0, True),
        (IsInt(), 5, True),
    ],
)
def test_by_value_covers_what_is_within(expected: Any, actual: Any, answer: bool) -> None:
    assert accepts(by_value(expected), actual) is answer


def test_beside_by_value_all_is_exact() -> None:
    assert accepts({"a": by_value(1), "b": 1}, {"a": 1.0, "b": 1})
    assert not accepts({"a": by_value(1), "b": 1}, {"a": 1.0, "b": 1.0})


def test_a_frozen_clock_makes_dates_of_its_own_class() -> None:
    class FakeDatetime(datetime.datetime):
        """As freezegun's."""

    assert accepts(FakeDatetime(2024, 5, 1, 12, 0, 0, 999), datetime.datetime(2024, 5, 1, 12))


def test_it_may_be_imported_while_the_clock_is_frozen() -> None:
    code = """if 1:
        import datetime
        real = datetime.datetime
        datetime.datetime = type("FakeDatetime", (real,), {})
        from mongoshot.comparison.inline.expected import encode_value
        datetime.datetime = real
        print(encode_value(real(2024, 5, 1)) is not None)
    """
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["True"]


def test_a_symbol_is_no_string() -> None:
    symbol = Value(0x0E, b"\2\0\0\0x\0")
    assert not make_pattern("x").accepts(symbol)
    assert make_pattern(IsStr()).accepts(symbol)


def test_a_key_that_is_there_twice_is_no_dict() -> None:
    twice = bson.encode({"a": 1, "b": 1}).replace(b"b\0", b"a\0")
    assert not make_pattern({"a": 1}).accepts(Value(3, twice))
    assert not make_pattern({"a": IsInt()}).accepts(Value(3, twice))
    assert make_pattern(RawBSONDocument(twice)).accepts(Value(3, twice))


@pytest.mark.parametrize("rule", [unordered, by_value, same_type, within(1)], ids=repr)
def test_a_rule_is_not_inline(rule: Any) -> None:
    with pytest.raises(UsageError, match=r"is a rule for db_snapshot\(match=…\)"):
        make_pattern({"a": [rule]})


@pytest.mark.parametrize("items", ["ab", b"ab", {"a": 1}, 5, None])
def test_unordered_takes_a_list(items: Any) -> None:
    with pytest.raises(UsageError, match="unordered takes a list, not "):
        unordered(items)


def test_inline_objects_are_shown_as_they_are_written() -> None:
    shown = repr({"a": unordered([1, by_value({"b": 2})])})
    assert shown == "{'a': unordered([1, by_value({'b': 2})])}"


def test_inline_objects_compare_with_plain_values() -> None:
    assert unordered([1, 2]) == [2, 1]
    assert [2, 1] == unordered([1, 2])  # noqa: SIM300 - the other way round
    assert unordered([1, 2]) != [2, 2]
    assert by_value(5) == 5.0
    assert by_value(5) != "5"
    assert unordered([1]) != object()


def test_dates_beyond_the_years_of_python_can_be_asked_about() -> None:
    never = bson.DatetimeMS(2**62)
    assert accepts(ANY, never)
    assert accepts([ANY], [never])
