"""What a failed inline comparison says: counts first, then every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import bson
import pytest
from bson import Int64
from dirty_equals import IsInt, IsList, IsStr

from mongoshot import by_value, compare, unordered
from mongoshot.assertion.inline_report import explain_inline
from mongoshot.comparison.inline.sequences import Documents

if TYPE_CHECKING:
    from tests.conftest import MakeState


def explain(actual: list[Any], expected: Any) -> list[str]:
    """Say why documents are not as expected, which they are not."""
    documents = Documents("inserted", "orders", [bson.encode(d) for d in actual])
    assert documents != expected
    lines = explain_inline("==", documents, expected)
    assert lines == explain_inline("==", expected, documents)
    return lines or []


def test_the_counts_come_first_then_every_field() -> None:
    assert explain(
        [
            {"_id": 1, "total": Int64(5), "by": "Ann"},
            {"_id": 2, "total": 7, "tags": ["a", "b"]},
            {"_id": 3},
            {"_id": 4},
        ],
        [
            {"_id": 3},
            {"_id": 2, "total": 7, "tags": ["a", "c"], "more": None},
            {"_id": 1, "total": 5, "by": IsInt()},
            {"_id": 9, "other": "x"},
        ],
    ) == [
        "orders: 4 inserted, 4 expected: 3 otherwise",
        "~ _id 2 otherwise than expected",
        '    tags[1]  expected "c", is "b"',
        "    more  expected null, is (missing)",
        "~ _id 1 otherwise than expected",
        '    total  expected 5, is {"$numberLong": "5"} (int32 expected, is int64)',
        '    by  expected IsInt(), is "Ann"',
        "~ _id 4 otherwise than expected",
        "    _id  expected 9, is 4",
        '    other  expected "x", is (missing)',
    ]


def test_what_is_missing_and_what_nobody_expects() -> None:
    assert explain([{"_id": 1, "a": 1}, {"_id": 2, "a": 2}, {"_id": 3}], [{"_id": 3}]) == [
        "orders: 3 inserted, 1 expected: 2 not expected",
        '+ inserted, and not expected: {"_id": 1, "a": 1}',
        '+ inserted, and not expected: {"_id": 2, "a": 2}',
    ]
    assert explain([{"_id": 1}], [{"_id": 1}, {"_id": IsInt(), "a": 2}]) == [
        "orders: 1 inserted, 2 expected: 1 missing",
        "- expected, and not inserted: {'_id': IsInt(), 'a': 2}",
    ]
    assert explain([], [{"_id": 1}, ANY]) == [
        "orders: 0 inserted, 2 expected: 2 missing",
        '- expected, and not inserted: {"_id": 1}',
        "- expected, and not inserted: <ANY>",
    ]


def test_the_same_id_is_meant_before_the_nearest() -> None:
    lines = explain(
        [{"_id": 1, "a": 0, "b": 0}, {"_id": 2, "a": 1, "b": 1}], [{"_id": 1, "a": 1, "b": 1}]
    )
    assert lines[1:4] == [
        "~ _id 1 otherwise than expected",
        "    a  expected 1, is 0",
        "    b  expected 1, is 0",
    ]


def test_the_nearest_is_found_where_the_id_is_not_known() -> None:
    actual = [{"_id": i, "customer": f"c{i}", "total": i} for i in range(20)]
    expected = [
        {"_id": ANY, "customer": f"c{i}", "total": i + (i == 7)} for i in reversed(range(20))
    ]
    assert explain(actual, expected) == [
        "orders: 20 inserted, 20 expected: 1 otherwise",
        "~ _id 7 otherwise than expected",
        "    total  expected 8, is 7",
    ]


def test_the_only_two_that_are_left_are_held_against_each_other() -> None:
    assert explain([{"_id": 1, "a": 1}], [{"_id": IsInt(), "a": IsStr()}]) == [
        "orders: 1 inserted, 1 expected: 1 otherwise",
        "~ _id 1 otherwise than expected",
        "    a  expected IsStr(), is 1",
    ]


@pytest.mark.parametrize(
    ("expected", "actual", "lines"),
    [
        (1, True, ["x  expected 1, is true (int32 expected, is boolean)"]),
        ([1, 2], [2, 1], ["x: the same elements in another order"]),
        ([1, 2], [1], ["x[1]  expected 2, is (missing)"]),
        ([1], [1, 2], ["x[1]  expected (missing), is 2"]),
        ([1, IsStr()], [1, 2], ["x[1]  expected IsStr(), is 2"]),
        (
            {"a": 1, "b": 2},
            {"b": 2, "a": 1},
            ["x: the fields are in the order b, a; expected a, b"],
        ),
        ({"a": 1}, {"a": 1, "b.c": 2}, ['x["b.c"]  expected (missing), is 2']),
        (unordered([1, 2]), [2, 3], ["x[1]  expected 1, is 3"]),
        (unordered([{"a": 1}, 2]), [2, {"a": 3}], ["x[1].a  expected 1, is 3"]),
        (
            unordered([1, 2, 3]),
            [4, 3],
            [
                "x[]  expected 1, is (missing)",
                "x[]  expected 2, is (missing)",
                "x[0]  expected (missing), is 4",
            ],
        ),
        (unordered([1]), 1, ["x  expected unordered([1]), is 1"]),
        (by_value({"a": 1, "b": 2}), {"b": 2.0, "a": 1.5}, None),
        ("é", "e", ['x  expected "é", is "e"']),
        ("a\x1b[31m", "b", ['x  expected "a\\u001b[31m", is "b"']),
        (1.0, 1, ["x  expected 1.0, is 1 (double expected, is int32)"]),
    ],
)
def test_a_field_is_told_as_deep_as_it_goes(
    expected: Any, actual: Any, lines: list[str] | None
) -> None:
    if lines is None:
        lines = ["x.a  expected 1, is 1.5 (int32 expected, is double)"]
    found = explain([{"_id": 1, "x": actual}], [{"_id": 1, "x": expected}])
    assert found[2:] == [f"    {line}" for line in lines]


def test_the_place_of_the_id_is_no_difference() -> None:
    assert explain([{"_id": 1, "a": 1}], [{"a": 2, "_id": 1}])[1:] == [
        "~ _id 1 otherwise than expected",
        "    a  expected 2, is 1",
    ]


def test_long_values_are_cut_so_that_one_sees_where_they_differ() -> None:
    expected, actual = "x" * 500 + "y" + "z" * 500, "x" * 500 + "z" * 500
    line = explain([{"_id": 1, "a": actual}], [{"_id": 1, "a": expected}])[2]
    assert "xxxxyzzzz" in line
    assert "xxxxzzzz" in line
    assert len(line) < 200
    lines = explain([{"_id": 1}, {"_id": 2, "a": actual}], [{"_id": 1}])
    assert lines[1].startswith('+ inserted, and not expected: {"_id": 2, "a": "xxx')
    assert lines[1].endswith('zzz"}')
    assert len(lines[1]) < 120


def test_what_an_object_calls_itself_does_not_reach_the_terminal_as_a_command() -> None:
    class Strange:
        def __eq__(self, other: object) -> bool:
            return False

        def __repr__(self) -> str:
            return "\x1b[31m\nred"

        __hash__ = None  # type: ignore[assignment]

    lines = explain([{"_id": 1, "a": 1}], [{"_id": 1, "a": Strange()}])
    assert lines[2] == r"    a  expected \x1b[31m\nred, is 1"


def test_a_message_is_capped_with_totals() -> None:
    actual = [{"_id": i, "a": i, "b": 1} for i in range(200)]
    expected = [{"_id": i, "a": -1, "b": 1} for i in range(100)]
    lines = explain(actual, expected)
    assert lines[0] == "orders: 200 inserted, 100 expected: 100 otherwise, 100 not expected"
    assert 30 < len(lines) <= 42
    shown = sum(line.startswith("~") for line in lines)
    assert lines[-1] == (f"… and {200 - shown} more: {100 - shown} otherwise, 100 not expected")


def test_many_fields_of_one_document_are_capped() -> None:
    wide = {f"f{i}": i for i in range(100)}
    lines = explain([{"_id": 1, **wide}], [{"_id": 1, **dict.fromkeys(wide, -1)}])
    assert lines[-1] == "    … and 88 more fields"
    assert len(lines) == 15


def test_collections_are_told_one_after_the_other(make_state: MakeState) -> None:
    difference = compare(
        make_state(a=[], b=[], c=[]),
        make_state(a=[{"_id": 1}], b=[{"_id": 1, "x": 1}], c=[{"_id": 1}]),
    )
    expected = {"b": [{"_id": 1, "x": 2}], "a": [{"_id": 1}], "d": [{"_id": 1}]}
    assert explain_inline("==", difference.inserted, expected) == [
        "b: 1 inserted, 1 expected: 1 otherwise",
        "c: 1 inserted, 0 expected: 1 not expected",
        "d: 0 inserted, 1 expected: 1 missing",
        "b",
        "  ~ _id 1 otherwise than expected",
        "      x  expected 2, is 1",
        "c",
        '  + inserted, and not expected: {"_id": 1}',
        "d",
        '  - expected, and not inserted: {"_id": 1}',
    ]
    assert explain_inline("==", difference.inserted, {"a": ANY, "c": ANY})[0].startswith("b: ")  # type: ignore[index]


def test_many_collections_are_capped(make_state: MakeState) -> None:
    names = [f"c{at:03}" for at in range(100)]
    difference = compare(make_state(), make_state(**{name: [{"_id": 1}] for name in names}))
    lines = explain_inline("==", difference.inserted, {}) or []
    assert lines[6] == "… and 94 more collections not as expected"
    assert len(lines) <= 42


def test_updates_are_told_by_their_sides(make_state: MakeState) -> None:
    before, after = {"_id": 1, "x": 1, "y": 1}, {"_id": 1, "x": 2, "y": 1}
    difference = compare(make_state(a=[before]), make_state(a=[after]))
    found = difference.updated["a"]
    assert explain_inline("==", found, [(before, {"_id": 1, "x": 3, "y": 1})]) == [
        "a: 1 updated, 1 expected: 1 otherwise",
        "~ _id 1 otherwise than expected",
        "    after.x  expected 3, is 2",
    ]
    assert explain_inline("==", found, []) == [
        "a: 1 updated, 0 expected: 1 not expected",
        '+ updated, and not expected: [{"_id": 1, "x": 1, "y": 1}, {"_id": 1, "x": 2, "y": 1}]',
    ]
    assert explain_inline("==", found, [after]) == [
        "a: 1 updated, 1 expected: 1 otherwise",
        "~ _id 1 otherwise than expected",
        '    the document  expected {"_id": 1, "x": 2, "y": 1}, is [{"_id": 1, "x": 1, "y": 1},'
        ' {"_id": 1, "x": 2, "y": 1}] (document expected, is array)',
    ]


def test_another_kind_of_value_is_named(make_state: MakeState) -> None:
    difference = compare(make_state(a=[]), make_state(a=[{"_id": 1}]))
    assert explain(([{"_id": 1}]), {"_id": 1}) == [
        'inserted["orders"] is compared with [{…}], not with a dict'
    ]
    assert explain_inline("==", difference.inserted, []) == [
        'inserted is compared with {"orders": [{…}]}, not with a list'
    ]
    assert explain_inline("==", difference.inserted, {"a": {"_id": 1}}) == [
        'inserted["a"] is compared with [{…}], not with a dict'
    ]
    assert explain_inline("==", difference.updated["a"], {1}) == [
        'updated["a"] is compared with [({…}, {…})], not with a set'
    ]


def test_what_is_not_ours_is_left_to_pytest(make_state: MakeState) -> None:
    found = compare(make_state(a=[]), make_state(a=[{"_id": 1}])).inserted
    assert explain_inline("==", [1], [2]) is None
    assert explain_inline("!=", found["a"], [{"_id": 1}]) is None
    assert explain_inline("in", {"_id": 2}, found["a"]) is None
    assert explain_inline("==", found["a"], IsList(length=2)) is None
    assert explain_inline("==", found, IsStr()) is None
    assert explain_inline("==", found, {"a": IsStr()}) is None
