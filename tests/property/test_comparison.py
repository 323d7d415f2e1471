"""The laws of comparing: nothing that differs is lost, and nothing else is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import bson
from bson import Int64, ObjectId
from bson.decimal128 import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.comparison.alignment import align
from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.documents import compare_documents
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.expectation.report import describe, report
from mongoshot.comparison.expectation.writing import (
    changes_to_text,
    state_difference_to_text,
    state_to_text,
)
from mongoshot.comparison.text import render_fields
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.encoding.style import RESERVED_KEYS
from mongoshot.snapshot.model import Collection, Definition, MemoryState

DIGEST = "sha256:" + "0" * 64
INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})

keys = st.sampled_from(["a", "b", "c", "a.b", "x[0]", "", "0", "b c"]) | st.text(
    st.characters(exclude_characters="\0", codec="utf-8"), max_size=3
).filter(lambda key: key not in RESERVED_KEYS)
#: Few of each, and almost equal, so that two documents often differ in a little only.
scalars = st.sampled_from(
    [
        *(0, 1, Int64(1), 1.0, -0.0, 0.0, True, None, "", "1", "é\n", b"x", ObjectId(b"0" * 12)),
        *(Decimal128("1"), Decimal128("1.0"), bson.DatetimeMS(0), bson.DatetimeMS(2**62)),
    ]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
identities = st.integers(0, 6) | st.sampled_from([Int64(1), 1.0, "1", None])
fields = st.dictionaries(keys.filter(lambda key: key != "_id"), values, max_size=4)


def encode(identity: Any, rest: dict[str, Any]) -> bytes:
    return bson.encode({"_id": identity, **rest})


documents = st.lists(
    st.builds(encode, identities, fields), max_size=6, unique_by=lambda d: document_id(d)
)
few = settings(max_examples=60)  # of whole states, which take long to draw
names = st.sampled_from(["orders", "carts", "x"])
contents = st.dictionaries(names, documents, max_size=3)


def state(collections: Mapping[str, Sequence[bytes]]) -> MemoryState:
    return MemoryState(
        "memory",
        {
            name: Collection(Definition(name, indexes=(INDEX,)), partial(iter, list(documents)))
            for name, documents in sorted(collections.items())
        },
    )


@given(contents)
def test_a_state_does_not_differ_from_itself(collections: dict[str, list[bytes]]) -> None:
    assert not compare(state(collections), state(collections))


@given(documents, documents, st.data())
@few
def test_exactly_what_differs_is_found_in_whatever_order_each_side_is_read(
    left: list[bytes], right: list[bytes], data: st.DataObject
) -> None:
    before = {document_id(document): document for document in left}
    after = {document_id(document): document for document in right}
    found = compare(
        state({"x": data.draw(st.permutations(left))}),
        state({"x": data.draw(st.permutations(right))}),
    ).collections
    difference = found.get("x")
    inserted = set(difference.inserted) if difference else set()
    deleted = set(difference.deleted) if difference else set()
    updated = {(u.before, u.after) for u in difference.updated} if difference else set()
    assert inserted == {after[key] for key in after.keys() - before.keys()}
    assert deleted == {before[key] for key in before.keys() - after.keys()}
    assert updated == {
        (before[key], after[key]) for key in before.keys() & after if before[key] != after[key]
    }


@given(contents, contents)
@few
def test_swapped_sides_swap_what_came_and_what_went(
    left: dict[str, list[bytes]], right: dict[str, list[bytes]]
) -> None:
    there, back = compare(state(left), state(right)), compare(state(right), state(left))
    assert there.collections.keys() == back.collections.keys()
    for name, one in there.collections.items():
        other = back.collections[name]
        assert (one.before, one.after) == (other.after, other.before)
        assert set(one.inserted) == set(other.deleted)
        assert set(one.deleted) == set(other.inserted)
        assert {(u.before, u.after) for u in one.updated} == {
            (u.after, u.before) for u in other.updated
        }


@given(contents, contents)
@few
def test_every_difference_has_a_report(
    left: dict[str, list[bytes]], right: dict[str, list[bytes]]
) -> None:
    difference = compare(state(left), state(right))
    assert bool(difference) is ("are equal" not in str(difference))
    assert all(name in str(difference) for name in difference.collections)


@given(fields, fields)
def test_every_change_of_a_document_has_a_line_of_its_own(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    change = compare_documents(encode(1, before), encode(1, after))
    if change is None:
        assert encode(1, before) == encode(1, after)
        return
    lines = list(render_fields(change))
    assert len(lines) == len(change.fields) + len(change.reordered) > 0
    assert all(len(line.splitlines()) == 1 for line in lines)
    paths = [field.path for field in change.fields]
    assert len(set(paths)) == len(paths)


@given(fields, fields, fields)
def test_a_change_tells_all_that_an_update_did(
    before: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    raw = encode(1, before)
    one, other = (compare_documents(raw, encode(1, after)) for after in (first, second))
    said = [(c.fields, c.reordered) if c else None for c in (one, other)]
    assert (said[0] == said[1]) is (encode(1, first) == encode(1, second))


def changes(before: dict[str, list[bytes]], after: dict[str, list[bytes]]) -> Changes:
    found = compare(state(before), state(after)).collections
    return Changes("shop", "test_db", found, scenario="shop", digest=DIGEST)


@given(contents, contents, contents)
@few
def test_changes_are_expected_the_same_just_where_they_are_equal(
    before: dict[str, list[bytes]], first: dict[str, list[bytes]], second: dict[str, list[bytes]]
) -> None:
    one, other = changes(before, first), changes(before, second)
    expected, actual = (parse_expectation(changes_to_text(c)) for c in (one, other))
    same = {name: set(documents) for name, documents in first.items()} == {
        name: set(documents) for name, documents in second.items()
    }
    assert (not find_mismatch(expected, actual)) is same
    assert same or list(report(find_mismatch(expected, actual)))
    assert bool(list(describe(actual))) is bool(other)


@given(contents, contents)
@few
def test_states_are_expected_the_same_just_where_they_are_equal(
    first: dict[str, list[bytes]], second: dict[str, list[bytes]]
) -> None:
    expected, actual = (
        parse_expectation(state_to_text(state(c).collections, "shop", DIGEST))
        for c in (first, second)
    )
    same = {name: set(documents) for name, documents in first.items()} == {
        name: set(documents) for name, documents in second.items()
    }
    assert (not find_mismatch(expected, actual)) is same
    assert same or list(report(find_mismatch(expected, actual)))


@given(contents, contents, contents)
@few
def test_states_as_differences_are_expected_the_same_just_where_they_are_equal(
    scenario: dict[str, list[bytes]], first: dict[str, list[bytes]], second: dict[str, list[bytes]]
) -> None:
    expected, actual = (
        parse_expectation(
            state_difference_to_text(compare(state(scenario), state(c)).collections, "shop", DIGEST)
        )
        for c in (first, second)
    )
    same = {name: set(documents) for name, documents in first.items()} == {
        name: set(documents) for name, documents in second.items()
    }
    assert (not find_mismatch(expected, actual)) is same
    assert same or list(report(find_mismatch(expected, actual)))


@given(contents, contents)
@few
def test_equal_changes_have_equal_texts(
    before: dict[str, list[bytes]], after: dict[str, list[bytes]]
) -> None:
    assert changes_to_text(changes(before, after)) == changes_to_text(changes(before, after))


@given(st.builds(encode, identities, fields), st.builds(encode, identities, fields))
def test_side_by_side_the_same_fields_differ(before: bytes, after: bytes) -> None:
    change = compare_documents(before, after)
    aligned = align(before, after)
    differing = tuple(field for field in aligned.fields if field.before != field.after)
    assert differing == (change.fields if change else ())
    orders = change.reordered if change else ()
    assert aligned.reordered == orders
