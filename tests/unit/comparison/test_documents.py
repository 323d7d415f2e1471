from __future__ import annotations

import struct
from typing import Any

import bson
import pytest
from bson import Int64
from bson.decimal128 import Decimal128

from mongoshot.comparison.documents import (
    FieldChange,
    FieldOrder,
    Value,
    compare_documents,
    identity_of,
)
from mongoshot.comparison.text import render_fields


def raw_document(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def int32(key: bytes, number: int) -> bytes:
    return b"\x10" + key + b"\0" + struct.pack("<i", number)


def lines(before: Any, after: Any) -> list[str]:
    """Compare two documents, given as Python values or as BSON, and read what is said."""
    left, right = (d if isinstance(d, bytes) else bson.encode(d) for d in (before, after))
    change = compare_documents(left, right)
    return list(render_fields(change)) if change else []


ONES: dict[str, tuple[Any, str]] = {
    "int32": (1, "1"),
    "int64": (Int64(1), '{"$numberLong": "1"}'),
    "double": (1.0, "1.0"),
    "decimal": (Decimal128("1"), '{"$numberDecimal": "1"}'),
    "decimal of two digits": (Decimal128("1.0"), '{"$numberDecimal": "1.0"}'),
    "boolean": (True, "true"),
    "string": ("1", '"1"'),
    "null": (None, "null"),
    "list": ([1], "[1]"),
    "document": ({"0": 1}, '{"0": 1}'),
    "minus zero": (-0.0, "-0.0"),
    "zero": (0.0, "0.0"),
}


@pytest.mark.parametrize("left", ONES)
@pytest.mark.parametrize("right", ONES)
def test_values_that_are_almost_equal_are_told_apart(left: str, right: str) -> None:
    (before, shown_before), (after, shown_after) = ONES[left], ONES[right]
    expected = [] if left == right else [f"a  {shown_before} → {shown_after}"]
    assert lines({"a": before}, {"a": after}) == expected


def test_null_is_not_missing() -> None:
    assert lines({"a": None}, {}) == ["a  null → (missing)"]
    assert lines({}, {"a": None}) == ["a  (missing) → null"]


def test_the_text_missing_is_not_missing() -> None:
    assert lines({}, {"a": "(missing)"}) == ['a  (missing) → "(missing)"']


def test_equal_documents_have_no_change() -> None:
    assert compare_documents(bson.encode({"a": 1}), bson.encode({"a": 1})) is None


def test_only_the_fields_that_differ_are_told() -> None:
    before = {"_id": 1, "a": {"b": [1, {"c": 2}], "d": 3}, "e": 4}
    after = {"_id": 1, "a": {"b": [1, {"c": 5}], "d": 3}, "e": 4, "f": 6}
    assert lines(before, after) == ["a.b[1].c  2 → 5", "f         (missing) → 6"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1, 2], [1, 3], ["a[1]  2 → 3"]),
        ([1], [1, 2], ["a[1]  (missing) → 2"]),
        ([1, 2], [1], ["a[1]  2 → (missing)"]),
        ([], {}, ["a  [] → {}"]),
        ([[1], [2]], [[1], [3]], ["a[1][0]  2 → 3"]),
        ([{"b": 1}], [{"b": 2}], ["a[0].b  1 → 2"]),
        ({"0": 1}, {"0": 2}, ["a.0  1 → 2"]),
        ({"b": {}}, {"b": {"c": None}}, ["a.b.c  (missing) → null"]),
    ],
)
def test_nested_values_are_told_by_their_path(before: Any, after: Any, expected: list[str]) -> None:
    assert lines({"a": before}, {"a": after}) == expected


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("b", "a.b"),
        ("größe", "a.größe"),
        ("0", "a.0"),
        ("b.c", 'a["b.c"]'),
        ("b c", 'a["b c"]'),
        ("b[0]", 'a["b[0]"]'),
        ('b"c', 'a["b\\"c"]'),
        ("b\nc", 'a["b\\nc"]'),
        ("b\u2028c", 'a["b\\u2028c"]'),
        ("b\x7fc", 'a["b\\u007fc"]'),
        ("", 'a[""]'),
        ("$oid", 'a["$oid"]'),
        ("a$b", "a.a$b"),
    ],
)
def test_a_key_that_is_no_plain_word_is_quoted(key: str, shown: str) -> None:
    assert lines({"a": {key: 1}}, {"a": {key: 2}}) == [f"{shown}  1 → 2"]


def test_no_two_fields_have_the_same_path() -> None:
    document = {
        "a": {"b": 1, "0": 1, "": 1, "b'x'": 1},
        "a.b": 1,
        'a["b"]': 1,
        "a[0]": 1,
        "": {"": 1},
        "x": [1],
        "x[0]": 1,
        "\\xff": 1,
        "\\xff.": 1,
    }
    before = raw_document(
        bson.encode(document)[4:-1],
        int32(b"\xff", 1),
        int32(b"\xff.", 1),
        b"\x04odd\0" + raw_document(int32(b"0", 1), int32(b"", 1), int32(b"z", 1), int32(b"00", 1)),
    )
    one, two = struct.pack("<i", 1), struct.pack("<i", 2)
    change = compare_documents(before, before.replace(b"\0" + one, b"\0" + two))
    assert change is not None
    paths = [field.path for field in change.fields]
    assert len(paths) == 18
    assert len(set(paths)) == len(paths)


def test_a_key_that_is_no_text_is_shown_as_bytes() -> None:
    before, after = (raw_document(int32(b"\xff", number)) for number in (1, 2))
    assert lines(before, after) == ["[b'\\xff']  1 → 2"]


def test_reordered_fields_are_told_with_their_order() -> None:
    assert lines({"a": 1, "b": 2, "c": 3}, {"c": 3, "a": 1, "b": 2}) == [
        "the document: the fields are in the order c, a, b"
    ]


def test_reordered_fields_of_a_subdocument_are_told_with_its_path() -> None:
    change = compare_documents(
        bson.encode({"x": [{"a": 1, "b.c": 2}]}), bson.encode({"x": [{"b.c": 2, "a": 1}]})
    )
    assert change is not None
    assert change.reordered == (FieldOrder("x[0]", ("a", '["b.c"]'), ('["b.c"]', "a")),)
    assert change.fields == ()


def test_a_new_field_at_the_end_is_no_other_order() -> None:
    change = compare_documents(bson.encode({"a": 1, "b": 2}), bson.encode({"b": 2, "c": 3}))
    assert change is not None
    assert change.reordered == ()


def test_a_new_field_before_others_is_another_order() -> None:
    assert lines({"a": 1}, {"b": 2, "a": 1}) == [
        "b  (missing) → 2",
        "the document: the fields are in the order b, a",
    ]


def test_a_key_that_is_there_twice_shows_the_whole_document() -> None:
    before = raw_document(int32(b"a", 1), int32(b"a", 2))
    after = raw_document(int32(b"a", 1), int32(b"a", 3))
    assert lines(before, after) == ['the document  {"a": 1, "a": 2} → {"a": 1, "a": 3}']


def test_a_key_that_is_there_twice_in_a_subdocument_shows_that_one() -> None:
    twice = b"\x03x\0" + raw_document(int32(b"a", 1), int32(b"a", 2))
    once = b"\x03x\0" + raw_document(int32(b"a", 1))
    assert lines(raw_document(twice), raw_document(once)) == ['x  {"a": 1, "a": 2} → {"a": 1}']


def test_paths_are_lined_up() -> None:
    assert lines({"a": 1, "long": 1}, {"a": 2, "long": 2}) == ["a     1 → 2", "long  1 → 2"]


def test_a_value_that_extended_json_cannot_hold_is_shown_as_bytes() -> None:
    quiet = b"\x01a\0" + struct.pack("<Q", 0x7FF8000000000001)
    assert lines({}, raw_document(quiet)) == ["a  (missing) → <BSON type 0x01: 010000000000f87f>"]


def test_removed_fields_come_after_the_others() -> None:
    change = compare_documents(bson.encode({"a": 1, "b": 1}), bson.encode({"b": 2}))
    assert change is not None
    assert [field.path for field in change.fields] == ["b", "a"]
    assert change.fields[1] == FieldChange("a", Value(0x10, struct.pack("<i", 1)), None)


@pytest.mark.parametrize(
    ("document", "shown"),
    [({"a": 1, "_id": 2}, "2"), ({"_id": None}, "null"), ({"_id": {"a": 1}}, '{"a": 1}')],
)
def test_the_identity_is_the_id_wherever_it_stands(document: dict[str, Any], shown: str) -> None:
    # On the outermost level the driver would put it first.
    raw = bson.encode({"": document})[6:-1]
    assert str(identity_of(raw)) == shown


def test_a_document_without_id_has_no_identity() -> None:
    assert identity_of(bson.encode({"id": 1})) is None


def test_both_versions_can_be_decoded_whatever_their_dates() -> None:
    never = bson.DatetimeMS(2**62)
    change = compare_documents(bson.encode({"a": 1}), bson.encode({"a": never}))
    assert change is not None
    assert change.decoded() == ({"a": 1}, {"a": never})
