"""Profiles of documents: paths, types and how often."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId

from mongoshot.errors import InvalidBSONError
from mongoshot.snapshot.profile import profile


def fields(*documents: dict[str, Any]) -> dict[str, dict[str, int]]:
    chunks = [b"".join(map(bson.encode, documents[at::2])) for at in range(2)]
    found = profile(iter(chunks))
    assert found.documents == len(documents)
    return {path: dict(types) for path, types in found.fields.items()}


def test_every_field_is_told_by_path_and_type() -> None:
    assert fields(
        {"_id": 1, "n": 1, "lines": [{"sku": "a"}, {"sku": None}, 5, [1.5]], "a.b": {"c": True}},
        {"_id": ObjectId(), "n": Int64(1), "lines": [], "a@b.de": {"c": True}},
        {"_id": "x", "n": Decimal128("1")},
    ) == {
        "_id": {"ObjectId": 1, "int32": 1, "string": 1},
        "n": {"decimal128": 1, "int32": 1, "int64": 1},
        "lines": {"array": 2},
        "lines[]": {"array": 1, "document": 2, "int32": 1},
        "lines[].sku": {"null": 1, "string": 1},
        "lines[][]": {"double": 1},
        "*": {"document": 2},
        "*.c": {"boolean": 2},
    }


@pytest.mark.parametrize("keys", [70, 500])
def test_keys_that_are_data_are_told_as_one(keys: int) -> None:
    documents = [
        {"_id": n, "by_user": {f"u{n}": {"at": n}, f"v{n}": {"at": "x"}}} for n in range(keys // 2)
    ]
    assert fields(*documents) == {
        "_id": {"int32": keys // 2},
        "by_user": {"document": keys // 2},
        "by_user.*": {"document": keys},
        "by_user.*.at": {"int32": keys // 2, "string": keys // 2},
    }


def test_many_fields_that_all_documents_have_are_fields() -> None:
    found = fields(*({"_id": n} | {f"f{at}": at for at in range(300)} for n in range(4)))
    assert len(found) == 301
    assert set(map(str, found.values())) == {"{'int32': 4}"}


def test_what_is_no_document_is_an_error() -> None:
    with pytest.raises(InvalidBSONError):
        profile(iter([b"\x05\x00\x00\x00\x01"]))
