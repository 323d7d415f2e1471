"""The laws of matching: as many pairs as can be, each with a partner of its own."""

from __future__ import annotations

from itertools import permutations

import bson
from hypothesis import given
from hypothesis import strategies as st

from mongoshot.comparison.matching import assign, nearest

tables = st.integers(0, 6).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), max_size=6)
)
documents = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2) | st.just([1]), max_size=3).map(
        bson.encode
    ),
    max_size=8,
)


def most(table: list[list[bool]]) -> int:
    """Count the pairs of the best assignment by trying all."""
    width = len(table[0]) if table else 0
    choices = [*range(width), *[width] * len(table)]  # `width` is none
    best: int = max(
        sum(j < width and table[i][j] for i, j in enumerate(chosen))
        for chosen in permutations(choices, len(table))
    )
    return best


@given(tables.filter(lambda table: len(table) <= 4 and (not table or len(table[0]) <= 4)))
def test_no_assignment_has_more_pairs(table: list[list[bool]]) -> None:
    width = len(table[0]) if table else 0
    assert len(assign(len(table), width, lambda i, j: table[i][j])) == most(table)


@given(tables)
def test_pairs_are_compatible_and_one_to_one(table: list[list[bool]]) -> None:
    width = len(table[0]) if table else 0
    found = assign(len(table), width, lambda i, j: table[i][j])
    assert all(table[i][j] for i, j in found.items())
    assert len(set(found.values())) == len(found)
    assert list(found) == sorted(found)


@given(documents, documents)
def test_the_nearest_have_something_in_common_and_are_one_to_one(
    missing: list[bytes], candidates: list[bytes]
) -> None:
    found = nearest(missing, candidates)
    assert len(found) == len(missing)
    given_on = [c for c in found if c is not None]
    assert len(set(given_on)) == len(given_on)
    for document, c in zip(missing, found, strict=True):
        one = bson.decode(document)
        if c is not None:
            other = bson.decode(candidates[c])
            assert any(one[key] == other[key] for key in one.keys() & other.keys())
        elif document != bson.encode({}):
            # What is equal to it is nearest to another one that is equal, too.
            equal = [i for i, other in enumerate(candidates) if other == document]
            assert all(i in given_on for i in equal)
