"""What was inserted, updated and deleted compares as sets of documents, one to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import bson
import pytest
from bson import Int64
from dirty_equals import Contains, HasLen, IsInt, IsList, IsPartialDict

from mongoshot import by_value, compare, unordered
from mongoshot.comparison.difference import Difference
from mongoshot.comparison.inline.sequences import Documents, Updates

if TYPE_CHECKING:
    from tests.conftest import MakeState

A, B = {"_id": 1, "x": 1}, {"_id": 2, "x": 2}


def inserted(*documents: Any) -> Documents:
    raw = [d if isinstance(d, bytes) else bson.encode(d) for d in documents]
    return Documents("inserted", "orders", raw)


@pytest.fixture
def difference(make_state: MakeState) -> Difference:
    return compare(
        make_state(orders=[{"_id": 1, "x": 1}, {"_id": 2, "x": 2}, {"_id": 3, "x": 3}], old=[]),
        make_state(
            orders=[{"_id": 1, "x": 7}, {"_id": 2, "x": 8}, {"_id": 4, "x": 4}],
            carts=[{"_id": Int64(1)}],
        ),
    )


def test_documents_are_a_set_of_their_own() -> None:
    assert inserted(A, B) == [A, B]
    assert inserted(A, B) == [B, A]
    assert inserted(A, A) == [A, A]
    assert [B, A] == inserted(A, B)  # noqa: SIM300 - the other way round
    assert inserted() == []


@pytest.mark.parametrize("expected", [[A, A], [A], [B, B], [A, B, B], [A, B, A], []])
def test_each_expected_document_needs_its_own(expected: list[Any]) -> None:
    assert inserted(A, B) != expected


def test_a_loose_pattern_takes_one_document() -> None:
    assert inserted(A, B) != [ANY]
    assert inserted(A, B) == [ANY, ANY]
    assert inserted(A, B) != [ANY, ANY, ANY]
    assert inserted(A, B) == [ANY, A]
    assert inserted(A, B) != [ANY, {"_id": 3}]


def test_loose_patterns_leave_each_other_what_they_need() -> None:
    loose, strict = {"_id": IsInt(), "x": IsInt()}, {"_id": IsInt(), "x": 1}
    assert inserted(A, B) == [loose, strict]
    assert inserted(A, B) == [strict, loose]
    assert inserted(A, B) != [strict, strict]
    many = [{"_id": i, "x": i} for i in range(50)]
    patterns = [{"_id": IsInt(ge=at), "x": ANY} for at in range(50)]
    assert inserted(*many) == patterns
    assert inserted(*many) == patterns[::-1]
    assert inserted(*many) != [*patterns[:-1], patterns[0] | {"_id": IsInt(gt=49)}]


def test_types_and_the_order_of_fields_count() -> None:
    assert inserted({"_id": 1, "x": 1, "y": 2}) != [{"_id": 1, "x": Int64(1), "y": 2}]
    assert inserted({"_id": 1, "x": 1, "y": 2}) != [{"_id": 1, "y": 2, "x": 1}]
    assert inserted({"_id": 1, "x": 1, "y": 2}) != [{"_id": 1, "y": 2, "x": IsInt()}]


def test_the_place_of_the_id_does_not_count_as_the_server_puts_it_first() -> None:
    assert inserted({"_id": 1, "x": 1}) == [{"x": 1, "_id": 1}]
    assert inserted({"_id": 1, "x": 1}) == [{"x": IsInt(), "_id": 1}]
    last = bson.encode({"": {"x": 1, "_id": 1}})[6:-1]
    assert inserted(last) == [{"_id": 1, "x": 1}]
    assert inserted(last) == list(inserted(last))
    assert inserted({"a": {"_id": 1, "x": 1}}) != [{"a": {"x": 1, "_id": 1}}]


@pytest.mark.parametrize("other", [{1: A}, A, {1}, (A,), iter([A]), None, "", 5, object])
def test_what_is_no_list_is_not_equal_to_one(other: Any) -> None:
    assert not inserted(A) == other  # noqa: SIM201
    assert inserted(A) != other


def test_what_says_itself_what_it_equals_is_asked() -> None:
    assert inserted(A, B) == ANY
    assert inserted(A, B) == HasLen(2)
    assert inserted(A, B) == IsList(length=2)
    assert inserted(A, B) == Contains(A)
    assert inserted(A, B) != HasLen(3)


def test_a_list_of_somebodys_may_say_itself_what_it_equals() -> None:
    class AtLeast(list[Any]):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, list) and all(item in other for item in self)

        __hash__ = None

    assert inserted(A, B) == AtLeast([B])
    assert inserted(A, B) != AtLeast([B, {}])


def test_lists_by_value_and_unordered() -> None:
    assert inserted(A, B) == unordered([B, A])
    assert unordered([B, A]) == inserted(A, B)
    assert inserted(A, B) == by_value([{"x": 2.0, "_id": 2}, {"x": Int64(1), "_id": 1}])
    assert inserted(A, B) == [by_value({"x": 2.0, "_id": 2}), A]
    assert inserted(A) != by_value(A)


def test_two_of_them_compare_exactly_too() -> None:
    assert inserted(A, B) == inserted(B, A)
    assert inserted(A, B) != inserted(A, A)
    assert inserted({"_id": 1}) != inserted({"_id": Int64(1)})


def test_a_sequence_gives_plain_documents() -> None:
    documents = inserted(A, B)
    assert list(documents) == [A, B]
    assert [type(document) for document in documents] == [dict, dict]
    assert (documents[0], documents[-1], len(documents)) == (A, B, 2)
    assert repr(documents) == repr([A, B])
    assert documents[1:] == [B]
    assert documents[1:] != [{"_id": Int64(2), "x": 2}]
    with pytest.raises(IndexError):
        documents[2]


def test_it_holds_what_is_equal_by_its_own_rule() -> None:
    documents = inserted(A, B)
    assert {"x": 1, "_id": 1} in documents
    assert {"_id": IsInt(), "x": 2} in documents
    assert {"_id": Int64(1), "x": 1} not in documents
    assert {"_id": 1} not in documents


def test_it_cannot_be_changed_nor_be_a_key() -> None:
    documents: Any = inserted(A)
    with pytest.raises(TypeError):
        documents[0] = B
    with pytest.raises(TypeError):
        hash(documents)


def test_updates_are_pairs(difference: Difference) -> None:
    updated = difference.updated["orders"]
    first, second = (
        ({"_id": 1, "x": 1}, {"_id": 1, "x": 7}),
        ({"_id": 2, "x": 2}, {"_id": 2, "x": 8}),
    )
    assert updated == [second, first]
    assert updated == [list(first), (ANY, {"x": IsInt(), "_id": 2})]
    assert updated == [ANY, second]
    assert list(updated) == [first, second]
    assert updated != [first, first]
    assert updated != [first[::-1], second]
    assert updated != [first, second[:1]]
    assert isinstance(updated, Updates)


@pytest.mark.parametrize(
    "expected",
    [
        {"carts": [{"_id": Int64(1)}], "orders": [{"_id": 4, "x": 4}]},
        {"orders": [IsPartialDict(x=4)], "carts": [ANY], "payments": []},
        {"orders": ANY, "carts": IsList(length=1)},
        ANY,
        IsPartialDict(orders=[{"_id": 4, "x": 4}]),
    ],
)
def test_collections_compare_as_a_whole(difference: Difference, expected: Any) -> None:
    assert difference.inserted == expected
    assert expected == difference.inserted
    assert not difference.inserted != expected  # noqa: SIM202


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"orders": [{"_id": 4, "x": 4}]},
        {"orders": [{"_id": 4, "x": 4}], "carts": [{"_id": 1}]},
        {"orders": [{"_id": 4, "x": 4}], "carts": [{"_id": Int64(1)}], "payments": [ANY]},
        [],
        None,
    ],
)
def test_collections_that_are_otherwise_are_different(
    difference: Difference, expected: Any
) -> None:
    assert difference.inserted != expected
    assert not difference.inserted == expected  # noqa: SIM201


def test_a_collection_without_any_has_none(difference: Difference) -> None:
    assert difference.inserted["nothing"] == []
    assert difference.updated["carts"] == []
    assert "nothing" not in difference.inserted
    assert list(difference.deleted) == ["orders"]
    assert difference.deleted == {"orders": [{"_id": 3, "x": 3}]}


def test_two_differences_compare(difference: Difference) -> None:
    again = Difference(difference.before, difference.after, difference.collections)
    assert difference.inserted == again.inserted
    assert difference.inserted != difference.deleted


@pytest.mark.parametrize("find", [list, repr, str], ids=lambda find: find.__name__)
def test_documents_are_decoded_where_they_are_looked_at(find: Callable[[Any], Any]) -> None:
    damaged = inserted(bson.encode({"_id": "x"}).replace(b"x\0", b"\xff\0"))
    assert len(damaged) == 1
    assert damaged != []
    with pytest.raises(bson.errors.InvalidBSON):
        find(damaged)
