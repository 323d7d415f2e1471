"""Under rules, changes are as expected just where some numbering of ids makes them so."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, TypeAlias
from unittest.mock import ANY

import bson
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_comparison import DIGEST, state
from tests.property.test_placeholders import PROVENANCE, make_id

from mongoshot.assertion.written import Asserted, Written, matches, write
from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.expectation.rules import make_rules

#: A made id by its number, a literal, or what a rule leaves out of the comparison.
Held: TypeAlias = "tuple[int] | int | str"
Document: TypeAlias = dict[str, Held]
Documents: TypeAlias = list[Document]

ANYTHING = "anything"

ids: st.SearchStrategy[Held] = st.tuples(st.integers(0, 4))
helds = ids | st.integers(0, 1)
fields = st.fixed_dictionaries({}, optional={"x": helds, "y": helds})
documents: st.SearchStrategy[Documents] = st.lists(
    st.tuples(ids, fields), min_size=2, max_size=4, unique_by=lambda each: each[0]
).map(lambda drawn: [{"_id": own, **rest} for own, rest in drawn])


@st.composite
def almost_equal(draw: st.DrawFn) -> tuple[Documents, Documents]:
    """Draw documents, and the same with other ids, one value changed, and maybe more of them."""
    one = draw(documents)
    numbers = draw(st.permutations(range(5)))
    other: Documents = [
        {name: (numbers[held[0]],) if isinstance(held, tuple) else held for name, held in d.items()}
        for d in draw(st.permutations(one))
    ]
    if draw(st.booleans()):
        draw(st.sampled_from(other))[draw(st.sampled_from("xy"))] = draw(helds)
    there = [each["_id"] for each in other]
    more = [document for document in draw(documents) if document["_id"] not in there]
    return one, other + more[: draw(st.integers(0, 2))]


def written(documents: Documents, rules: dict[str, Any]) -> Written:
    def value(held: Held) -> Any:
        return (
            ObjectId(make_id(bytes([held[0], 0, 0, 0, 0]))[:12])
            if isinstance(held, tuple)
            else held
        )

    raw = [bson.encode({name: value(held) for name, held in d.items()}) for d in documents]
    found = compare(state({"orders": []}), state({"orders": raw})).collections
    changes = Changes("shop", "db", found, "shop", DIGEST, provenance=lambda: PROVENANCE)
    return write(Asserted(changes, make_rules(**rules)))


def compared(document: Document, excluded: str, matched: str) -> Document:
    return {k: ANYTHING if k == matched else v for k, v in document.items() if k != excluded}


def renamed(documents: Documents, names: dict[Held, Held]) -> Counter[tuple[tuple[str, Held], ...]]:
    return Counter(tuple((k, names.get(v, v)) for k, v in d.items()) for d in documents)


def ids_of(documents: Documents) -> list[Held]:
    return list({v for d in documents for v in d.values() if isinstance(v, tuple)})


@given(
    almost_equal(),
    st.sampled_from(["", "x", "_id"]),
    st.sampled_from(["", "x", "y", "_id"]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_they_are_found_equal_just_where_a_numbering_makes_them_so(
    both: tuple[Documents, Documents],
    excluded: str,
    matched: str,
    contains: bool,
    recorded_with_rules: bool,
) -> None:
    rules: dict[str, Any] = {"collections": {"orders": "contains" if contains else "exact"}}
    if excluded:
        rules["exclude"] = f"orders.{excluded}"
    if matched:
        rules["match"] = {f"orders.{matched}": ANY}
    expected, actual = ([compared(d, excluded, matched) for d in side] for side in both)
    numbers, names = ids_of(expected), ids_of(actual)
    there = renamed(actual, {})
    possible = any(
        not (wanted - there) and (contains or wanted == there)
        for taken in itertools.permutations(names, len(numbers))
        for wanted in [renamed(expected, dict(zip(numbers, taken, strict=True)))]
    )
    stored = str(written(both[0], rules if recorded_with_rules else {}))
    assert matches(written(both[1], rules), stored) is possible
