"""Single documents are found where they lie, whatever file that is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import bson
import pytest

from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.model import Collection

DOCUMENTS: list[dict[str, Any]] = [
    {"_id": 1, "size": "small"},
    {"_id": bson.Int64(1), "size": "another 1"},
    {"_id": "text", "size": "x" * 10_000},
    {"_id": {"a": 1}},
    {"_id": None},
    *({"_id": bson.ObjectId(f"{number:024x}")} for number in range(2000)),
]


@pytest.fixture(params=["memory", "file"])
def index(request: pytest.FixtureRequest, make_collection: Any, tmp_path: Path) -> DocumentIndex:
    collection: Collection = make_collection("orders", DOCUMENTS)
    if request.param == "file":
        file = tmp_path / "orders.bson"
        file.write_bytes(b"".join(map(bson.encode, DOCUMENTS)))
        collection = dataclasses.replace(collection, file=file)
    return DocumentIndex(collection)


def test_each_document_is_found_by_its_id(index: DocumentIndex) -> None:
    encoded = {document_id(raw): raw for raw in map(bson.encode, DOCUMENTS)}
    assert len(encoded) == len(DOCUMENTS)
    assert index.find(encoded) == encoded


def test_what_is_not_there_is_not_found(index: DocumentIndex) -> None:
    stranger = document_id(bson.encode({"_id": 1.0}))
    known = document_id(bson.encode({"_id": "text"}))
    assert index.find([stranger]) == {}
    assert list(index.find([stranger, known])) == [known]


def test_of_a_collection_without_documents_none_is_found(make_collection: Any) -> None:
    assert DocumentIndex(make_collection("empty")).find([b"\x0a"]) == {}
