from __future__ import annotations

import bson
import pytest

from mongoshot.snapshot.model import (
    Collection,
    CollectionType,
    Definition,
    decode,
    in_creation_order,
)


def view(name: str, on: str, *pipeline: dict[str, object]) -> Definition:
    return Definition(name, "view", bson.encode({"viewOn": on, "pipeline": list(pipeline)}))


def order(*definitions: Definition) -> list[str]:
    return [d.name for d in in_creation_order({d.name: d for d in definitions})]


@pytest.mark.parametrize(
    ("type", "data_name"),
    [("collection", "x"), ("view", None), ("timeseries", "system.buckets.x")],
)
def test_documents_lie_where_the_type_says(type: CollectionType, data_name: str | None) -> None:
    assert Definition("x", type).data_name == data_name


@pytest.mark.parametrize(
    ("options", "capped"),
    [({}, False), ({"capped": False}, False), ({"capped": True, "size": 1}, True)],
)
def test_capped_is_read_from_the_options(options: dict[str, object], capped: bool) -> None:
    assert Definition("x", options=bson.encode(options)).capped is capped


def test_documents_are_cut_out_of_the_chunks() -> None:
    documents = [bson.encode({"_id": number}) for number in range(3)]
    chunks = [documents[0] + documents[1], b"", documents[2]]
    assert list(Collection(Definition("x"), lambda: iter(chunks)).documents()) == documents


def test_each_reading_starts_anew() -> None:
    collection = Collection(Definition("x"), lambda: iter([bson.encode({"_id": 1})]))
    assert list(collection.documents()) == list(collection.documents())


def test_collections_are_equal_by_definition() -> None:
    assert Collection(Definition("x"), lambda: iter([b"a"])) == Collection(Definition("x"))


def test_a_date_beyond_the_years_of_python_can_be_decoded() -> None:
    never = bson.DatetimeMS(8_640_000_000_000_000)
    assert decode(bson.encode({"until": never})) == {"until": never}


def test_a_view_comes_after_what_it_reads_from() -> None:
    made = order(view("a", "b"), view("b", "c"), Definition("c"))
    assert made == ["c", "b", "a"]


@pytest.mark.parametrize(
    "stage",
    [
        {"$lookup": {"from": "z", "as": "x", "pipeline": []}},
        {"$unionWith": "z"},
        {"$unionWith": {"coll": "z"}},
        {"$facet": {"x": [{"$graphLookup": {"from": "z"}}]}},
    ],
)
def test_a_view_comes_after_what_its_pipeline_reads_from(stage: dict[str, object]) -> None:
    assert order(view("a", "c", stage), Definition("c"), view("z", "c")) == ["c", "z", "a"]


def test_views_that_form_a_cycle_are_given_once_each() -> None:
    assert sorted(order(view("a", "b"), view("b", "a"), view("c", "c"))) == ["a", "b", "c"]


def test_a_source_that_is_not_there_is_passed_over() -> None:
    assert order(view("a", "gone")) == ["a"]
