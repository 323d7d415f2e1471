from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.dbref import DBRef

from mongoshot.recording.selection.values import Extractor, equality_key, find_dbrefs
from mongoshot.snapshot.elements import iterate_elements


def raw(value: Any) -> bytes:
    document = bson.encode({"": value})
    [(kind, _, start, end)] = iterate_elements(document)
    return bytes((kind,)) + document[start:end]


SYMBOL = b"\x0e" + raw("a")[1:]


@pytest.mark.parametrize(
    "equal",
    [
        [raw(5), raw(bson.Int64(5)), raw(5.0), raw(bson.Decimal128("5.00"))],
        [raw(0), raw(-0.0), raw(bson.Decimal128("-0E+3"))],
        [raw(0.5), raw(bson.Decimal128("0.5"))],
        [raw(float("nan")), raw(bson.Decimal128("NaN"))],
        [raw(float("-inf")), raw(bson.Decimal128("-Infinity"))],
        [raw({"a": [1, {"b": 2.0}]}), raw({"a": [1.0, {"b": bson.Int64(2)}]})],
        [raw("a"), SYMBOL],
    ],
)
def test_values_that_the_server_takes_for_equal_have_one_key(equal: list[bytes]) -> None:
    assert len({equality_key(value) for value in equal}) == 1


def test_all_other_values_have_a_key_of_their_own() -> None:
    values = [
        *(5, 6, 2**53 + 1, 2.0**53, 0.1, bson.Decimal128("0.1"), float("nan"), float("inf")),
        *("5", "a", "A", b"a", bson.ObjectId(b"5" * 12), True, False, None, bson.Timestamp(5, 0)),
        *({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1}, {"a": "1"}, {}, bson.MinKey()),
        *(bson.Binary(b"five", 5), bson.Binary(b"five", 6), bson.DatetimeMS(5), bson.Code("a")),
    ]
    assert len({equality_key(raw(value)) for value in values}) == len(values)


def test_values_are_read_through_arrays_and_documents() -> None:
    document = bson.encode(
        {
            "a": [1, None, {"b": 2}, [3], {"b": [4, {"b": 5}]}],
            "c": {"d": "x", "e": bson.Regex("^")},
            "r": [DBRef("t", 1)],
            "a.b": 9,
        }
    )
    paths = [("a",), ("a", "b"), ("c",), ("c", "d"), ("c", "e"), ("r",), ("none", "b")]

    found: dict[int, list[bytes]] = {}
    for number, value in Extractor(paths).values(document):
        found.setdefault(number, []).append(value)

    assert found == {
        0: [raw(1), raw({"b": 2}), raw(3), raw({"b": [4, {"b": 5}]})],
        1: [raw(2), raw(4), raw({"b": 5})],
        2: [raw({"d": "x", "e": bson.Regex("^")})],
        3: [raw("x")],
    }
    assert list(Extractor([]).values(document)) == []


def test_dbrefs_are_found_wherever_they_are() -> None:
    document = bson.encode(
        {
            "by": [DBRef("people", 1), {"of": DBRef("things", "x", "other", more=1)}],
            "no": {"x": 1, "$ref": "people", "$id": 1},
            "text": {"$ref": "people"},
            "array": {"$ref": "people", "$id": [1]},
        }
    )

    found = [(each.path, each.target, each.value, each.database) for each in find_dbrefs(document)]

    assert found == [
        (("by", None, "$id"), "people", raw(1), None),
        (("by", None, "of", "$id"), "things", raw("x"), "other"),
    ]
