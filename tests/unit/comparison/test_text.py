from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.comparison.difference import compare
from mongoshot.comparison.documents import Value
from mongoshot.comparison.text import MOST_CHARACTERS, MOST_DOCUMENTS, shorten, shorten_both

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState

ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


def text(value: str) -> Value:
    return Value(0x02, bson.encode({"": value})[6:-1])


def test_the_counts_come_first_and_then_each_document(make_state: MakeState) -> None:
    left = make_state("before", orders=[{"_id": 1}, {"_id": 2, "status": "open"}], x=[])
    right = make_state("after", orders=[{"_id": 2, "status": "paid"}, {"_id": 3, "n": 1}])
    assert str(compare(left, right)).splitlines() == [
        "before → after: 2 collections differ",
        "  orders  1 inserted, 1 updated, 1 deleted",
        "  x       dropped",
        "",
        "orders",
        "  ~ _id 2",
        '      status  "open" → "paid"',
        "  + _id 3",
        '      {"_id": 3, "n": 1}',
        "  - _id 1",
        '      {"_id": 1}',
        "",
        "x",
    ]


def test_one_collection_differs_in_the_singular(make_state: MakeState) -> None:
    report = str(compare(make_state(a=[]), make_state(a=[{"_id": 1}])))
    assert report.startswith("memory → memory: 1 collection differs\n")


@pytest.mark.parametrize("kind", ["inserted", "deleted", "updated"])
def test_of_many_documents_the_first_are_shown_and_all_counted(
    make_state: MakeState, kind: str
) -> None:
    count = MOST_DOCUMENTS + 2
    some, none = make_state(a=[{"_id": n} for n in range(count)]), make_state(a=[])
    other = make_state(a=[{"_id": n, "x": 1} for n in range(count)])
    sides = {"inserted": (none, some), "deleted": (some, none), "updated": (some, other)}
    report = str(compare(*sides[kind]))
    assert f"… and 2 more {kind}" in report
    assert f"a  {count} {kind}" in report
    assert report.count(" _id ") == MOST_DOCUMENTS


def definition_lines(
    make_state: MakeState, make_collection: MakeCollection, before: Any, after: Any
) -> list[str]:
    sides = [make_state(a=make_collection("a", **side)) for side in (before, after)]
    return [line.strip() for line in str(compare(*sides)).splitlines()[4:]]


def test_a_changed_option_is_shown(make_state: MakeState, make_collection: MakeCollection) -> None:
    assert definition_lines(
        make_state, make_collection, {"options": {"max": 1}}, {"options": {"max": 2}}
    ) == ["~ options", "max  1 → 2"]


def test_changed_indexes_are_shown(make_state: MakeState, make_collection: MakeCollection) -> None:
    before = [ID, {"key": {"a": 1}, "name": "a"}, {"key": {"b": 1}, "name": "b"}]
    after = [ID, {"key": {"b": -1}, "name": "b"}, {"key": {"c": 1}, "name": "c"}]
    assert definition_lines(
        make_state, make_collection, {"indexes": before}, {"indexes": after}
    ) == [
        "~ index b",
        "key.b  1 → -1",
        '+ index c  {"key": {"c": 1}, "name": "c"}',
        '- index a  {"key": {"a": 1}, "name": "a"}',
    ]


def test_indexes_in_another_order_are_shown(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    both = [{"key": {"a": 1}, "name": "a"}, {"key": {"b": 1}, "name": "b"}]
    assert definition_lines(
        make_state, make_collection, {"indexes": both}, {"indexes": both[::-1]}
    ) == ["~ order of the indexes  a, b → b, a"]


def test_a_changed_type_is_shown(make_state: MakeState, make_collection: MakeCollection) -> None:
    assert definition_lines(make_state, make_collection, {}, {"type": "timeseries"}) == [
        "~ type  collection → timeseries"
    ]


def test_an_index_without_a_name_can_be_shown(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    assert definition_lines(
        make_state, make_collection, {"indexes": []}, {"indexes": [{"key": {"a": 1}}]}
    ) == ['+ index None  {"key": {"a": 1}}']


def test_a_long_value_is_cut_in_the_middle() -> None:
    shown = shorten(text("a" * 300 + "b" * 300))
    assert shown == f'"{"a" * 199} … {"b" * 199}" (602 characters)'


def test_a_value_of_the_greatest_length_is_whole() -> None:
    assert shorten(text("a" * (MOST_CHARACTERS - 2))) == f'"{"a" * (MOST_CHARACTERS - 2)}"'


def test_two_long_values_are_cut_where_they_differ() -> None:
    before, after = (text("x" * 500 + middle + "y" * 500) for middle in ("open", "paid"))
    left, right = shorten_both(before, after)
    assert left == f"… {'x' * 100}open{'y' * 96} … (1006 characters)"
    assert right == f"… {'x' * 100}paid{'y' * 96} … (1006 characters)"


def test_two_long_values_of_which_one_is_longer_are_cut_where_they_differ() -> None:
    left, right = shorten_both(text("x" * 500), text("x" * 501))
    assert left == f'… {"x" * 100}" … (502 characters)'
    assert right == f'… {"x" * 101}" … (503 characters)'


def test_two_values_whose_ends_differ_are_cut_in_the_middle() -> None:
    before, after = text("a" + "x" * 500), text("b" + "x" * 500)
    assert shorten_both(before, after) == (shorten(before), shorten(after))


def test_a_value_that_came_or_went_is_cut_in_the_middle() -> None:
    long = text("x" * 500)
    assert shorten_both(None, long) == ("(missing)", shorten(long))
    assert shorten_both(long, None) == (shorten(long), "(missing)")


def test_a_value_with_a_line_break_stays_on_one_line() -> None:
    assert shorten(text("a\nb\u2028c")) == '"a\\nb\\u2028c"'
