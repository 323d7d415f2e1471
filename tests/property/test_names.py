"""The laws of the names of expectation files: each comparison of a run has its own."""

from __future__ import annotations

import re
from itertools import combinations

from hypothesis import example, given
from hypothesis import strategies as st

from mongoshot.assertion.names import owners_of, stem_of

#: Few characters that mean something in a name, so that two names are often almost equal.
texts = st.text("ab.[]~%A1/é\0 ", max_size=6) | st.text(min_size=1) | st.just("x" * 300)
indexes = st.integers(0, 12) | texts.filter(bool)
tests = st.builds("test_it[{}]".format, texts)


@example([("test_it[a]", "b"), ("test_it[a][b]", 0)])
@given(st.lists(st.tuples(tests, indexes), unique=True, max_size=8))
def test_no_two_have_the_same_file(comparisons: list[tuple[str, int | str]]) -> None:
    for one, other in combinations(comparisons, 2):
        assert stem_of(*one).lower() != stem_of(*other).lower()


@given(tests, indexes)
def test_every_file_system_takes_it(test: str, index: int | str) -> None:
    stem = stem_of(test, index)
    assert len(f"{stem}.json".encode()) <= 255
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]|[^\x00-\x7f]', stem)


@given(tests, indexes)
def test_a_file_leads_back_to_its_test(test: str, index: int | str) -> None:
    assert stem_of(test) in set(owners_of(stem_of(test, index)))
