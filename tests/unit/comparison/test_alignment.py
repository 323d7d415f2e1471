from __future__ import annotations

import bson

from mongoshot.comparison.alignment import align, list_fields
from mongoshot.comparison.documents import FieldOrder


def test_what_is_the_same_stands_beside_what_is_not() -> None:
    before = {"_id": 1, "kept": {"a": 1}, "s": {"x": 1, "y": [1, 2]}, "gone": 1}
    after = {"_id": 1, "kept": {"a": 1}, "s": {"x": 1, "y": [1, 3]}, "new": 1}
    aligned = align(bson.encode(before), bson.encode(after))
    assert [(f.path, str(f.before), str(f.after)) for f in aligned.fields] == [
        ("_id", "1", "1"),
        ("kept", '{"a": 1}', '{"a": 1}'),
        ("s.x", "1", "1"),
        ("s.y[0]", "1", "1"),
        ("s.y[1]", "2", "3"),
        ("new", "None", "1"),
        ("gone", "1", "None"),
    ]
    assert aligned.reordered == ()


def test_both_orders_of_keys_are_told() -> None:
    aligned = align(bson.encode({"a": 1, "b c": 2}), bson.encode({"b c": 2, "a": 1, "d": 3}))
    assert aligned.reordered == (FieldOrder("", ("a", '["b c"]'), ('["b c"]', "a", "d")),)


def test_a_key_that_is_there_twice_is_listed_twice() -> None:
    one = bson.encode({"a": 1})[4:-1]
    document = (5 + 2 * len(one)).to_bytes(4, "little") + one + one + b"\0"
    assert [path for path, _ in list_fields(document)] == ["a", "a"]
    [field] = align(document, bson.encode({"a": 2})).fields
    assert field.path == ""
