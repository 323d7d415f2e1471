from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson import Int64

from mongoshot.comparison.difference import Changes, compare, compare_collections

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState


def test_equal_states_have_no_difference(make_state: MakeState) -> None:
    difference = compare(make_state(a=[{"_id": 1}], b=[]), make_state(a=[{"_id": 1}], b=[]))
    assert not difference
    assert str(difference) == "memory and memory are equal"
    assert repr(difference) == "<Difference: none>"


def test_inserted_updated_and_deleted_documents_are_told(make_state: MakeState) -> None:
    left = make_state(a=[{"_id": 1}, {"_id": 2, "x": 1}, {"_id": 3}])
    right = make_state(a=[{"_id": 2, "x": 2}, {"_id": 3}, {"_id": 4}])
    difference = compare(left, right)
    assert difference.inserted == {"a": [{"_id": 4}]}
    assert difference.updated == {"a": [({"_id": 2, "x": 1}, {"_id": 2, "x": 2})]}
    assert difference.deleted == {"a": [{"_id": 1}]}
    assert repr(difference) == "<Difference: a: 1 inserted, 1 updated, 1 deleted>"


def test_a_collection_without_changes_has_an_empty_list_of_them(make_state: MakeState) -> None:
    difference = compare(make_state(a=[]), make_state(a=[{"_id": 1}]))
    assert difference.updated["a"] == []
    assert difference.inserted["other"] == []
    assert "a" not in difference.updated


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_the_order_of_reading_does_not_count(make_state: MakeState, order: list[int]) -> None:
    documents = [{"_id": 1}, {"_id": 2}, {"_id": 3}]
    assert not compare(make_state(a=documents), make_state(a=[documents[at] for at in order]))


def test_ids_of_different_types_are_different_documents(make_state: MakeState) -> None:
    difference = compare(make_state(a=[{"_id": 1}]), make_state(a=[{"_id": Int64(1)}]))
    assert difference.inserted == {"a": [{"_id": Int64(1)}]}
    assert difference.deleted == {"a": [{"_id": 1}]}


def test_documents_without_id_are_none_of_them_lost(make_state: MakeState) -> None:
    difference = compare(
        make_state(a=[{"x": 1}, {"x": 2}, {"x": 2}]), make_state(a=[{"x": 3}, {"x": 2}, {"x": 4}])
    )
    assert difference.inserted == {"a": [{"x": 3}, {"x": 4}]}
    assert difference.deleted == {"a": [{"x": 1}, {"x": 2}]}


def test_an_id_that_is_there_twice_is_not_lost(make_state: MakeState) -> None:
    twice = [{"_id": 1, "x": 1}, {"_id": 1, "x": 2}]
    assert compare(make_state(a=[]), make_state(a=twice)).inserted == {"a": twice}
    assert compare(make_state(a=twice), make_state(a=twice[:1])).deleted == {"a": twice[1:]}


def test_a_date_beyond_the_years_of_python_can_be_read(make_state: MakeState) -> None:
    never = {"_id": 1, "until": bson.DatetimeMS(8_640_000_000_000_000)}
    assert compare(make_state(a=[]), make_state(a=[never])).inserted == {"a": [never]}


def test_a_created_and_a_dropped_collection_are_told(make_state: MakeState) -> None:
    difference = compare(make_state(a=[], c=[{"_id": 1}]), make_state(b=[], c=[{"_id": 1}]))
    assert list(difference.collections) == ["a", "b"]
    assert repr(difference) == "<Difference: a: dropped; b: created>"


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        ({"options": {"capped": True}}, "options changed"),
        ({"indexes": []}, "indexes changed"),
        ({"type": "view", "indexes": []}, "type changed, indexes changed"),
    ],
)
def test_a_changed_definition_is_told(
    make_state: MakeState, make_collection: MakeCollection, other: dict[str, Any], counts: str
) -> None:
    difference = compare(make_state(a=[]), make_state(a=make_collection("a", **other)))
    assert difference.collections["a"].counts == counts


def test_a_collection_on_neither_side_has_no_difference() -> None:
    assert compare_collections(None, None) is None


def test_a_damaged_side_is_not_taken_for_a_difference(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    whole = make_collection("a", [{"_id": 1}])

    def interrupted() -> Any:
        yield bson.encode({"_id": 1})
        raise RuntimeError("lost")

    broken = type(whole)(whole.definition, interrupted)
    with pytest.raises(RuntimeError):
        compare(make_state(a=whole), make_state(a=broken))


def test_changes_are_a_difference_that_knows_its_scenario(make_state: MakeState) -> None:
    found = compare(make_state(a=[]), make_state(a=[{"_id": 1}])).collections
    changes = Changes("shop", "test_db", found, scenario="shop", digest="sha256:0")
    assert changes
    assert repr(changes) == "<Changes: a: 1 inserted>"
    assert not Changes("shop", "test_db", {})
