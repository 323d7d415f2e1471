"""The laws of inline expectations: exact to the encoding, a set one to one, and told where not."""

from __future__ import annotations

from typing import Any

import bson
from bson import Binary, Int64, ObjectId
from bson.decimal128 import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from mongoshot import by_value, unordered
from mongoshot.assertion.inline_report import explain_inline
from mongoshot.comparison.documents import Value
from mongoshot.comparison.inline.expected import make_pattern
from mongoshot.comparison.inline.mismatch import find_fields
from mongoshot.comparison.inline.pairing import pair
from mongoshot.comparison.inline.sequences import Documents

keys = st.sampled_from(["_id", "a", "b", "", "0", "a.b", "é"])
#: Few of each, and almost equal.
scalars = st.sampled_from(
    [
        *(0, 1, Int64(1), 1.0, -0.0, 0.0, float("nan"), True, None, "", "1", b"x", b"1"),
        *(Decimal128("1"), Decimal128("1.0"), bson.DatetimeMS(0), Binary(b"x", 5), 2**40),
        *(ObjectId(b"0" * 12), Binary(b"u" * 16, 4)),
    ]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(keys, values, max_size=4)


class Loosely:
    """Ask a value's own `==`, as the matchers of other libraries do."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | dict) or bool(self.value == other)

    __hash__ = None  # type: ignore[assignment]


def encode(value: Any) -> Value:
    document = bson.encode({"": value})
    return Value(document[4], document[6:-1])


def inserted(*found: Any) -> Documents:
    return Documents("inserted", "orders", [bson.encode(document) for document in found])


def loosened(value: Any, data: st.DataObject) -> Any:
    """Put matchers in place of some of the parts of a value."""
    if data.draw(st.integers(0, 3)) == 0:
        return Loosely(value)
    if isinstance(value, dict):
        return {key: loosened(inner, data) for key, inner in value.items()}
    return [loosened(inner, data) for inner in value] if isinstance(value, list) else value


@given(values, values)
def test_values_are_equal_where_their_encoding_is(one: Any, other: Any) -> None:
    assert make_pattern(one).accepts(encode(other)) is (encode(one) == encode(other))
    assert make_pattern(one).accepts(encode(one))


@given(documents, documents)
def test_documents_are_equal_where_the_driver_writes_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (inserted(one) == [other]) is (bson.encode(one) == bson.encode(other))
    assert inserted(one) == [dict(sorted(one.items(), key=lambda item: item[0] == "_id"))]


@given(values, st.data())
def test_a_matcher_in_any_place_accepts_what_it_stands_for(value: Any, data: st.DataObject) -> None:
    pattern = make_pattern(loosened(value, data))
    assert pattern.accepts(encode(value)) or "nan" in repr(value)
    assert all(part in parts_of(value) for part in pattern.parts.items())


def parts_of(value: Any) -> list[tuple[bytes, Value]]:
    if isinstance(value, dict):
        return [(key.encode(), encode(inner)) for key, inner in value.items()]
    parts = []
    for at, item in enumerate(value if isinstance(value, list) else ()):
        parts.append((b"%d" % at, encode(item)))
        parts += [(b"%d.%b" % (at, key), inner) for key, inner in parts_of(item)]
    return parts


@given(st.lists(documents, max_size=5), st.lists(documents, max_size=5), st.data())
def test_as_many_are_paired_as_can_be(
    expected: list[Any], actual: list[Any], data: st.DataObject
) -> None:
    patterns = [make_pattern(loosened(document, data)) for document in expected]
    found = [encode(document) for document in data.draw(st.permutations(actual + expected[:2]))]
    pairs = pair(patterns, found)
    assert all(patterns[i].accepts(found[j]) for i, j in pairs.items())
    assert len(set(pairs.values())) == len(pairs)
    assert len(pairs) == most([[p.accepts(value) for value in found] for p in patterns])


def most(table: list[list[bool]], taken: int = 0) -> int:
    """Count the pairs of the best assignment by trying all."""
    if not table:
        return 0
    first, rest = table[0], table[1:]
    tried = (
        1 + most(rest, taken | 1 << j)
        for j, fits in enumerate(first)
        if fits and not taken >> j & 1
    )
    return max([most(rest, taken), *tried])


@given(st.lists(values, max_size=4), st.data())
def test_unordered_accepts_each_order_and_by_value_each_type(
    items: list[Any], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(items))
    assert make_pattern(unordered(items)).accepts(encode(shuffled))
    assert unordered.same(encode(items), encode(shuffled))
    assert make_pattern(by_value(items)).accepts(encode(items))
    one_more = encode([*shuffled, 7])
    assert not make_pattern(unordered(items)).accepts(one_more)
    assert not unordered.same(encode(items), one_more)


@given(values, values)
def test_by_value_is_the_same_inline_and_as_a_rule(one: Any, other: Any) -> None:
    answer = by_value.same(encode(one), encode(other))
    assert make_pattern(by_value(one)).accepts(encode(other)) is answer
    assert by_value.same(encode(other), encode(one)) is answer
    assert answer or encode(one) != encode(other)


@given(documents, documents, st.data())
def test_fields_are_told_where_there_is_a_difference(
    expected: dict[str, Any], actual: dict[str, Any], data: st.DataObject
) -> None:
    loose = loosened(expected, data)
    [value] = inserted(actual).values()
    assert bool(list(find_fields(loose, value))) is (inserted(actual) != [loose])


@given(st.lists(documents, max_size=4), st.lists(documents, max_size=4), st.data())
def test_a_message_begins_with_counts_that_add_up(
    expected: list[Any], actual: list[Any], data: st.DataObject
) -> None:
    found, wanted = inserted(*actual), [loosened(document, data) for document in expected]
    if found == wanted:
        return
    lines = explain_inline("==", found, wanted) or []
    counts, _, words = lines[0].partition(" expected: ")
    assert counts == f"orders: {len(actual)} inserted, {len(expected)}"
    wrong = {word: int(count) for count, _, word in (w.partition(" ") for w in words.split(", "))}
    assert wrong.keys() <= {"otherwise", "missing", "not expected"}
    assert all(line.isprintable() for line in lines)
    surplus = wrong.get("not expected", 0) - wrong.get("missing", 0)
    assert surplus == len(actual) - len(expected)
