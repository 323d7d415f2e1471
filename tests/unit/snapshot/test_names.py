from __future__ import annotations

import base64
import hashlib
from urllib.parse import unquote_plus

import pytest

from mongoshot.snapshot.names import file_stems


def stem(name: str) -> str:
    return file_stems([name])[name]


def test_a_plain_name_is_its_own_stem() -> None:
    assert file_stems(["orders", "audit.log", "a-b_c"]) == {
        "orders": "orders",
        "audit.log": "audit.log",
        "a-b_c": "a-b_c",
    }


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("order items", "order+items"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a+b", "a%2Bb"),
        ("x~", "x~"),
        ("C:x", "C%3Ax"),
        ("line\nbreak", "line%0Abreak"),
    ],
)
def test_names_are_escaped_as_mongodump_does_it(name: str, escaped: str) -> None:
    assert stem(name) == escaped


def test_a_long_name_is_truncated_exactly_as_mongorestore_recognises_it() -> None:
    name = "a" * 239
    digest = base64.urlsafe_b64encode(hashlib.sha1(name.encode()).digest()).decode()
    assert stem(name) == "a" * 208 + "%24" + digest.rstrip("=")
    assert len(stem(name)) == 238


def test_the_longest_name_that_fits_is_not_truncated() -> None:
    assert stem("a" * 238) == "a" * 238


def test_a_name_that_only_our_escaping_makes_too_long_has_the_length_of_a_truncated_one() -> None:
    stems = file_stems(["A" * 100, "a" * 100])
    assert len(stems["A" * 100]) == 238
    assert "%24" in stems["A" * 100]


@pytest.mark.parametrize("names", [["Orders", "orders"], ["AB", "aB", "Ab", "ab"], ["É", "é"]])
def test_names_that_differ_in_case_have_distinct_stems_on_every_file_system(
    names: list[str],
) -> None:
    stems = file_stems(names)
    assert len({stem.lower() for stem in stems.values()}) == len(names)
    assert all(unquote_plus(stem) == name for name, stem in stems.items())


def test_a_capital_stays_where_nothing_collides() -> None:
    assert stem("orderItems") == "orderItems"


@pytest.mark.parametrize("name", ["orders.metadata", "orders.Metadata", "x.metadata.METADATA"])
def test_no_stem_makes_a_file_of_documents_look_like_metadata(name: str) -> None:
    assert not f"{stem(name)}.json".lower().endswith(".metadata.json")
    assert unquote_plus(stem(name)) == name


@pytest.mark.parametrize(
    "name",
    ["manifest", "Manifest", "prelude", "oplog", "con", "NUL", "aux.log", "com1", "lpt9.x", ".x"],
)
def test_reserved_names_are_escaped(name: str) -> None:
    assert stem(name).startswith("%")
    assert unquote_plus(stem(name)) == name


def test_a_long_name_that_begins_like_a_device_is_escaped_too() -> None:
    assert stem("con." + "x" * 300).startswith("%63on.")


@pytest.mark.parametrize("name", ["console", "manifests", "com", "com10", "null"])
def test_names_that_only_begin_like_a_reserved_one_are_not_escaped(name: str) -> None:
    assert stem(name) == name
