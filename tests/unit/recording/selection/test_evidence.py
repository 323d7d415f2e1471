from __future__ import annotations

from typing import Any

import bson
import pytest

from mongoshot.recording.selection.evidence import is_indexed, is_unique
from mongoshot.snapshot.model import Definition


def with_index(key: dict[str, Any], **options: Any) -> Definition:
    indexes = ({"key": {"_id": 1}, "name": "_id_"}, {"key": key, "name": "other", **options})
    return Definition("c", indexes=tuple(map(bson.encode, indexes)))


@pytest.mark.parametrize(
    ("definition", "indexed", "unique"),
    [
        (with_index({"a.b": 1}), True, False),
        (with_index({"a.b": -1.0}, unique=True), True, True),
        (with_index({"a.b": 1, "c": 1}, unique=True), True, False),
        (with_index({"c": 1, "a.b": 1}, unique=True), False, False),
        (with_index({"a.b": "hashed"}), True, False),
        (with_index({"a.b": "2dsphere"}), False, False),
        (with_index({"a": 1}), False, False),
        (with_index({"a.b": 1}, sparse=True, unique=True), True, True),
        (with_index({"a.b": 1}, unique=True, partialFilterExpression={"x": 1}), False, False),
        (with_index({"a.b": 1}, unique=True, hidden=True), False, True),
        (with_index({"$**": 1}), True, False),
        (with_index({"a.$**": 1}), True, False),
        (with_index({"ab.$**": 1}), False, False),
        (with_index({"_fts": "text", "_ftsx": 1}), False, False),
    ],
)
def test_which_index_finds_by_values(definition: Definition, indexed: bool, unique: bool) -> None:
    assert (is_indexed(definition, ("a", "b")), is_unique(definition, ("a", "b"))) == (
        indexed,
        unique,
    )


def test_the_index_of_ids_needs_not_be_told() -> None:
    assert is_indexed(Definition("c"), ("_id",))
    assert is_unique(Definition("c"), ("_id",))
