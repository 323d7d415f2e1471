from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64, ObjectId

from mongoshot.comparison.matching import assign, nearest
from mongoshot.errors import InvalidBSONError


def give(*compatible: str) -> dict[int, int]:
    """Assign by a table: one line for each of the expected, an x for each that it may get."""
    return assign(len(compatible), len(compatible[0]), lambda i, j: compatible[i][j] == "x")


def find(missing: list[dict[str, Any]], candidates: list[dict[str, Any]]) -> list[int | None]:
    return nearest(*([bson.encode(d) for d in side] for side in (missing, candidates)))


@pytest.mark.parametrize(
    ("compatible", "expected"),
    [
        (["x..", ".x.", "..x"], {0: 0, 1: 1, 2: 2}),
        (["..x", ".x.", "x.."], {0: 2, 1: 1, 2: 0}),
        (["xxx", "xxx", "xxx"], {0: 0, 1: 1, 2: 2}),
        (["xxx", "x..", "xx."], {0: 2, 1: 0, 2: 1}),
        (["x.", "x."], {0: 0}),
        (["xx"], {0: 0}),
        (["x..", "x..", ".xx", ".x."], {0: 0, 2: 2, 3: 1}),
        (["..", ".."], {}),
    ],
)
def test_as_many_as_can_be_get_one(compatible: list[str], expected: dict[int, int]) -> None:
    assert give(*compatible) == expected


def test_nothing_is_assigned_to_nothing() -> None:
    assert assign(0, 3, lambda i, j: True) == {}
    assert assign(3, 0, lambda i, j: True) == {}


def test_one_that_fits_all_does_not_take_two() -> None:
    assert len(give("xxx", "...")) == 1


def test_equal_order_costs_one_question_each() -> None:
    asked = []

    def compatible(i: int, j: int) -> bool:
        asked.append((i, j))
        return i == j

    assert len(assign(1000, 1000, compatible)) == 1000
    assert len(asked) == 1000


def test_order_with_a_gap_is_found_again() -> None:
    asked = []

    def compatible(i: int, j: int) -> bool:
        asked.append((i, j))
        return i + (i >= 500) == j

    assert len(assign(1000, 1001, compatible)) == 1000
    assert len(asked) == 1001


def test_a_long_chain_of_exchanges_is_found() -> None:
    # Each takes its first choice, until the last one wants what the first has.
    many = 2000

    def compatible(i: int, j: int) -> bool:
        return j in (i, i + 1) if i < many - 1 else j == 0

    found = assign(many, many, compatible)
    assert found == {i: i + 1 for i in range(many - 1)} | {many - 1: 0}


def test_the_nearest_shares_most_values() -> None:
    missing = [{"_id": 1, "a": 1, "b": 2, "c": 3}]
    assert find(missing, [{"a": 1}, {"_id": 9, "a": 1, "b": 2, "c": 4}, {"_id": 1}]) == [1]


def test_names_tell_between_equal_numbers_of_values() -> None:
    assert find([{"a": 1, "b": 2}], [{"a": 1, "x": 0}, {"a": 1, "b": 3}]) == [1]


def test_names_alone_are_nothing_in_common() -> None:
    assert find([{"a": 1, "b": 2}], [{"a": 2, "b": 1}, {}]) == [None]


def test_types_count() -> None:
    assert find([{"a": 1}], [{"a": Int64(1)}, {"a": True}, {"a": 1.0}]) == [None]


def test_values_of_other_fields_are_nothing_in_common() -> None:
    assert find([{"a": 1, "b": {"c": 2}}], [{"b": 1}, {"c": 2}, {"b": {"a": 1}}]) == [None]


@pytest.mark.parametrize(
    ("missing", "near", "other"),
    [
        ({"v": {"x": 1, "y": 2}}, {"v": {"x": 1, "y": 3}}, {"v": {"x": 2, "y": 1}}),
        ({"v": [1, {"n": 2}]}, {"v": [7, 8, {"n": 2}]}, {"v": [2, {"n": 1}]}),
        ({"v": []}, {"v": [], "w": 1}, {"v": {}}),
    ],
)
def test_nested_values_count(missing: Any, near: Any, other: Any) -> None:
    assert find([missing], [other, near]) == [1]


def test_a_candidate_is_nearest_to_one_and_the_best_comes_first() -> None:
    missing = [{"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, {"a": 1}]
    assert find(missing, [{"a": 1, "b": 2, "c": 3, "d": 4}]) == [None, 0, None]
    assert find(missing, [{"a": 1}, {"a": 1, "b": 2, "c": 4}]) == [0, 1, None]


def test_the_first_counts_where_nothing_tells_more() -> None:
    assert find([{"a": 1}, {"a": 1}], [{"a": 1, "b": 1}, {"a": 1, "b": 2}]) == [0, 1]


def test_what_all_have_in_common_is_better_than_nothing() -> None:
    same = {"status": "open", "currency": "EUR"}
    missing = [{"_id": ObjectId(), **same} for _ in range(3000)]
    found = find(missing, [{"_id": ObjectId(), **same} for _ in range(3000)])
    assert sorted(each for each in found if each is not None) == list(range(3000))


def test_what_few_have_in_common_counts_among_many() -> None:
    same = {"status": "open", "currency": "EUR"}
    missing = [{**same, "_id": i, "customer": i % 500} for i in range(1000)]
    candidates = [{**same, "_id": -i, "customer": i % 500} for i in reversed(range(1, 1001))]
    found = find(missing, candidates)
    assert None not in found
    for document, at in zip(missing, found, strict=True):
        assert document["customer"] == candidates[at or 0]["customer"]


def test_nothing_is_near_to_nothing() -> None:
    assert find([], [{"a": 1}]) == []
    assert find([{"a": 1}], []) == [None]
    assert find([{}], [{}]) == [None]


def test_what_is_no_document_is_an_error() -> None:
    with pytest.raises(InvalidBSONError):
        nearest([b"abc"], [])
