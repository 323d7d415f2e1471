"""A document is its template with the given fields laid over it, whatever both hold."""

from __future__ import annotations

from typing import Any

import bson
from hypothesis import given
from hypothesis import strategies as st

from mongoshot.staging.building.builder import _merged
from mongoshot.staging.building.computing import Computing, constant_fields

KEYS = st.text("ab.$é", max_size=2)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5).map(bson.Int64) | st.floats() | st.text("xy"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_plain_values_are_what_they_are(template: dict[str, Any], own: dict[str, Any]) -> None:
    computing, before = Computing(0), bson.encode(template)
    base = computing.document(template, own, ("orders", 0))
    merged = _merged(base, own, deep=False)
    for constant in (constant_fields(template), {}):
        made, waiting = computing.fields(merged, constant, ("orders", 0))
        assert bson.encode(made) == bson.encode({**template, **own})
        assert waiting == []
    assert bson.encode(template) == before
    assert constant_fields(template).keys() == template.keys()


@given(DOCUMENTS, DOCUMENTS)
def test_what_is_given_has_the_last_word_when_merged_deep(
    a: dict[str, Any], b: dict[str, Any]
) -> None:
    def merge(x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
        return _merged(x, y, deep=True)

    assert bson.encode(merge(a, {})) == bson.encode(a) == bson.encode(merge({}, a))
    assert bson.encode(merge(a, a)) == bson.encode(a)
    assert bson.encode(merge(merge(a, b), b)) == bson.encode(merge(a, b))
    for key, value in b.items():
        if not isinstance(value, dict):
            assert bson.encode({"": merge(a, b)[key]}) == bson.encode({"": value})
    assert list(merge(a, b)) == list({**a, **b})
