"""The laws of placeholders: no text depends on what was made, and every text says what refers."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import bson
from bson import Binary, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_comparison import DIGEST, state

from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.expectation.report import describe, report
from mongoshot.comparison.expectation.writing import (
    changes_to_text,
    difference_to_text,
    state_to_text,
)
from mongoshot.comparison.provenance import Provenance
from mongoshot.snapshot.occurrences import Family

#: A document is what it holds: literals, and numbers of ids that were made, each in some type.
Id: TypeAlias = int
Held: TypeAlias = "tuple[str, Id] | int"
Documents: TypeAlias = dict[str, list[tuple[Id, list[Held]]]]
Make: TypeAlias = Callable[[Id], bytes]

NOW = 1_790_000_000_000

TYPES: dict[str, Callable[[bytes], Any]] = {
    "ObjectId": lambda raw: ObjectId(raw[:12]),
    "ObjectId as text": lambda raw: raw[:12].hex(),
    "ObjectId as upper-case text": lambda raw: raw[:12].hex().upper(),
    "UUID": lambda raw: Binary(raw, 4),
    "UUID as subtype 3": lambda raw: Binary(raw, 3),
    "UUID as text": lambda raw: str(uuid.UUID(bytes=raw)),
}


def make_id(seed: bytes) -> bytes:
    """Make 16 bytes that are a UUID of version 4, and the first 12 an ObjectId of the time."""
    seconds = (NOW // 1000).to_bytes(4, "big")
    # A letter in each text, so that upper and lower case are two.
    return seconds + b"\xaa" + seed[:1] + b"\x4a" + seed[1:2] + b"\x8a" + seed[2:5] + bytes(4)


def not_in_the_scenario(family: Family, raw: bytes) -> bool:
    return False


PROVENANCE = Provenance(((NOW, NOW + 500),), b"-----", not_in_the_scenario)

few = settings(max_examples=80, deadline=None)
numbers = st.integers(0, 3)
helds = st.tuples(st.sampled_from(sorted(TYPES)), numbers) | st.integers(0, 1)
documents = st.lists(
    st.tuples(numbers, st.lists(helds, max_size=3)), max_size=4, unique_by=lambda d: d[0]
)
contents = st.dictionaries(st.sampled_from(["orders", "lines", "audit"]), documents, max_size=3)
seeds = st.lists(st.binary(min_size=5, max_size=5), min_size=4, max_size=4, unique=True)


def encode(documents: list[tuple[Id, list[Held]]], made: Sequence[bytes]) -> list[bytes]:
    def value(held: Held) -> Any:
        return held if isinstance(held, int) else TYPES[held[0]](made[held[1]])

    return [
        bson.encode({"_id": ObjectId(made[own][:12]), "holds": [value(h) for h in held]})
        for own, held in documents
    ]


def changes(before: Mapping[str, Sequence[bytes]], after: Mapping[str, Sequence[bytes]]) -> Changes:
    found = compare(state(before), state(after)).collections
    return Changes("shop", "db", found, "shop", DIGEST, provenance=lambda: PROVENANCE)


def text(content: Documents, seeds: Sequence[bytes]) -> str:
    made = [make_id(seed) for seed in seeds]
    after = {name: encode(held, made) for name, held in content.items()}
    return changes_to_text(changes({}, after))


@given(contents, seeds, seeds, st.data())
@few
def test_other_ids_in_another_order_give_the_same_text(
    content: Documents, one: list[bytes], other: list[bytes], data: st.DataObject
) -> None:
    shuffled = {
        name: data.draw(st.permutations(content[name]))
        for name in data.draw(st.permutations(sorted(content)))
    }
    assert text(content, one) == text(shuffled, other)


@st.composite
def almost_equal(draw: st.DrawFn) -> tuple[Documents, Documents]:
    """Draw contents that are the same but for one value, or altogether."""
    one = draw(contents)
    other = {name: [(own, list(held)) for own, held in docs] for name, docs in one.items()}
    if found := [held for docs in other.values() for _, held in docs if held]:
        held = found[draw(st.integers(0, len(found) - 1))]
        held[draw(st.integers(0, len(held) - 1))] = draw(helds)
    return one, other


@given(st.tuples(contents, contents) | almost_equal(), seeds)
@few
def test_texts_are_equal_just_where_other_ids_make_the_contents_equal(
    both: tuple[Documents, Documents], seeds: list[bytes]
) -> None:
    one, other = both
    same = any(
        renamed(one, range(4), range(4)) == renamed(other, object_ids, uuids)
        for object_ids in itertools.permutations(range(4))
        for uuids in itertools.permutations(range(4))
    )
    assert (text(one, seeds) == text(other, seeds)) is same
    expected, actual = (parse_expectation(text(content, seeds)) for content in (one, other))
    assert (not find_mismatch(expected, actual)) is same
    assert same or list(report(find_mismatch(expected, actual)))
    assert bool(list(describe(actual))) is bool(actual.facets)


def renamed(content: Documents, object_ids: Sequence[Id], uuids: Sequence[Id]) -> object:
    """Say what documents hold, with other numbers, whatever order they are in."""

    def rename(held: Held) -> Held:
        if isinstance(held, int):
            return held
        return held[0], (uuids if held[0].startswith("UUID") else object_ids)[held[1]]

    return {
        name: {(object_ids[own], tuple(map(rename, held))) for own, held in documents}
        for name, documents in content.items()
    }


@given(contents, seeds)
@few
def test_two_ids_or_types_have_two_placeholders_and_each_has_one(
    content: Documents, seeds: list[bytes]
) -> None:
    """An array of all that is held says what each became."""
    held = sorted({(type, n) for docs in content.values() for _, h in docs for type, n in pairs(h)})
    made = [make_id(seed) for seed in seeds]
    listed = bson.encode({"_id": 1, "all": [TYPES[type](made[n]) for type, n in held]})
    after = {name: encode(docs, made) for name, docs in content.items()} | {"x": [listed]}
    found = json.loads(changes_to_text(changes({}, after)))["collections"]["x"]["inserted"][0]
    written = [next(iter(each.values())) for each in found["all"]]
    assert len(set(written)) == len(held)
    for (type, number), placeholder in zip(held, written, strict=True):
        family, _, form = type.partition(" ")
        assert placeholder.startswith(f"{family}-")
        assert placeholder.partition(" ")[2] == form
        alike = {
            p.partition(" ")[0]
            for (t, n), p in zip(held, written, strict=True)
            if n == number and t.startswith(family)
        }
        assert len(alike) == 1


def pairs(held: list[Held]) -> list[tuple[str, Id]]:
    return [each for each in held if not isinstance(each, int)]


@given(contents, contents, seeds, seeds)
@few
def test_updates_deletions_and_states_do_not_depend_on_ids_either(
    before: Documents, after: Documents, one: list[bytes], other: list[bytes]
) -> None:
    texts = []
    for seeds in (one, other):
        made = [make_id(seed) for seed in seeds]
        sides = [{n: encode(docs, made) for n, docs in c.items()} for c in (before, after)]
        collections = state(sides[1]).collections
        texts.append(
            (
                changes_to_text(changes(*sides)),
                state_to_text(collections, "shop", DIGEST, PROVENANCE),
            )
        )
    assert texts[0] == texts[1]
    for said in texts[0]:
        parse_expectation(said)


@given(contents, seeds)
@few
def test_without_a_provenance_all_is_literal(content: Documents, seeds: list[bytes]) -> None:
    made = [make_id(seed) for seed in seeds]
    after = {name: encode(docs, made) for name, docs in content.items()}
    found = changes({}, after)
    literal = Changes("shop", "db", found.collections, "shop", DIGEST)
    for said in (changes_to_text(literal), difference_to_text(found)):
        assert "ObjectId-" not in said
        assert "UUID-" not in said
