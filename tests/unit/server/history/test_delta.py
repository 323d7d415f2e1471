from __future__ import annotations

from typing import Any

import bson
import pytest

from mongoshot.errors import CommandError
from mongoshot.server.history.delta import apply_update
from mongoshot.snapshot.elements import framed


def applied(document: dict[str, Any], diff: dict[str, Any]) -> dict[str, Any]:
    update = bson.encode({"$v": 2, "diff": diff})
    return bson.decode(apply_update(bson.encode(document), update))


def test_fields_keep_their_place_and_new_ones_come_last() -> None:
    before = {"_id": 1, "a": 1, "b": 2, "c": 3}
    after = applied(before, {"d": {"b": False}, "u": {"a": "x"}, "i": {"z": 1, "y": 2}})
    assert list(after.items()) == [("_id", 1), ("a", "x"), ("c", 3), ("z", 1), ("y", 2)]


def test_a_field_that_is_inserted_again_moves_to_the_end() -> None:
    after = applied({"_id": 1, "a": 1, "b": 2}, {"i": {"a": 1}})
    assert list(after) == ["_id", "b", "a"]


def test_documents_and_arrays_within() -> None:
    before = {"_id": 1, "lines": [{"n": 1}, {"n": 2}, {"n": 3}], "to": {"city": "x", "zip": 1}}
    diff = {"slines": {"a": True, "l": 2, "s1": {"u": {"n": 9}}}, "sto": {"d": {"zip": False}}}
    after = {"_id": 1, "lines": [{"n": 1}, {"n": 9}], "to": {"city": "x"}}
    assert applied(before, diff) == after


def test_an_array_grows_by_position() -> None:
    assert applied({"_id": 1, "a": [1]}, {"sa": {"a": True, "u3": 4}})["a"] == [1, None, None, 4]


def test_a_field_called_like_a_section_is_a_field() -> None:
    before = {"_id": 1, "d": {"u": 1}, "s": {"i": 1}}
    assert applied(before, {"sd": {"u": {"u": 2}}, "ss": {"i": {"x": 3}}}) == {
        "_id": 1,
        "d": {"u": 2},
        "s": {"i": 1, "x": 3},
    }


def test_a_replacement_is_the_document() -> None:
    replacement = bson.encode({"_id": 1, "new": True})
    assert apply_update(bson.encode({"_id": 1, "old": True}), replacement) == replacement


def test_a_pipeline_may_write_the_id_last_and_the_server_stores_it_first() -> None:
    replacement = bson.encode({"first": 1, "_id": 1})
    made = apply_update(bson.encode({"_id": 1}), replacement)
    assert made == bson.encode({"_id": 1, "first": 1})


def test_a_field_that_is_there_twice_is_not_guessed_at() -> None:
    twice = framed(b"\x10_id\0\1\0\0\0\x10a\0\1\0\0\0\x10a\0\2\0\0\0")
    with pytest.raises(CommandError, match="twice"):
        apply_update(twice, bson.encode({"$v": 2, "diff": {"u": {"a": 3}}}))
    untouched = bson.encode({"$v": 2, "diff": {"i": {"b": 3}}})
    assert apply_update(twice, untouched) == framed(twice[4:-1] + b"\x10b\0\3\0\0\0")


@pytest.mark.parametrize(
    "diff",
    [
        pytest.param({"x": {"a": 1}}, id="an unknown section"),
        pytest.param({"u": {"missing": 1}}, id="a field that is not there"),
        pytest.param({"smissing": {"u": {"a": 1}}}, id="within a field that is not there"),
        pytest.param({"sa": {"u": {"a": 1}}}, id="within a number"),
        pytest.param({"sa": {"a": True, "u0": 1}}, id="an array that is none"),
        pytest.param({"slist": {"a": True, "b0": 1}}, id="an unknown section of an array"),
        pytest.param({"slist": {"a": True, "ux": 1}}, id="a position that is none"),
    ],
)
def test_what_does_not_fit_is_an_error(diff: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="an update in the oplog cannot be understood"):
        applied({"_id": 1, "a": 1, "list": [1]}, diff)


def test_an_update_of_an_old_server_is_an_error() -> None:
    old = bson.encode({"$v": 1, "$set": {"a": 1}})
    with pytest.raises(CommandError, match=r"none of MongoDB 5\.0 or newer"):
        apply_update(bson.encode({"_id": 1}), old)
