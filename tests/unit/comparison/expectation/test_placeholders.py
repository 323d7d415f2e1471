from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson import Binary, DBRef, ObjectId
from bson.code import Code

from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.documents import Value, compare_documents
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.expectation.renumbering import renumber
from mongoshot.comparison.expectation.report import describe, report
from mongoshot.comparison.expectation.writing import changes_to_text
from mongoshot.comparison.provenance import Provenance
from mongoshot.errors import ExpectationError, NotRepresentableError
from mongoshot.snapshot.encoding.placeholders import read_placeholder, written_placeholder
from mongoshot.snapshot.occurrences import Family

if TYPE_CHECKING:
    from tests.conftest import MakeState

DIGEST = "sha256:" + "0" * 64
NOW = datetime.datetime(2026, 9, 21, 14, 13, 20, tzinfo=datetime.UTC)
SPAN = (1_790_000_000_000, 1_790_000_000_500)
ORDER, LINE, USER = (ObjectId(bytes.fromhex(f"6ab13b80aaaaaaaaaa0000{n:02x}")) for n in range(3))
OLD = ObjectId("677f6bf4bcd8c88e15000001")
KEY, OTHER_KEY = (uuid.UUID(f"0f2f1e6e-6b2c-4c9e-9d3a-00000000000{n}") for n in "ab")

Expect = Callable[..., str]


@pytest.fixture
def expect(make_state: MakeState) -> Expect:
    """Write what a test changed, of which `held` was in the scenario."""

    def write(before: dict[str, Any], held: set[bytes] = frozenset(), **after: Any) -> str:  # type: ignore[assignment]
        def in_scenario(_: Family, raw: bytes) -> bool:
            return raw in held

        found = compare(make_state(**before), make_state(**{**before, **after})).collections
        provenance = Provenance((SPAN,), b"-----", in_scenario)
        return changes_to_text(Changes("x", "y", found, "shop", DIGEST, lambda: provenance))

    return write


def inserted(text: str, name: str = "a") -> list[Any]:
    documents: list[Any] = json.loads(text)["collections"][name]["inserted"]
    return documents


def mismatch(expected: str, actual: str) -> list[str]:
    parsed = parse_expectation(expected), parse_expectation(actual)
    assert find_mismatch(*parsed)
    return [line.strip() for line in report(find_mismatch(*parsed))]


def test_an_id_has_one_number_in_every_type(expect: Expect) -> None:
    text = expect(
        {"a": []},
        a=[
            {
                "_id": ORDER,
                "inside": {"again": [ORDER, str(ORDER), str(ORDER).upper(), LINE]},
                "keys": [
                    Binary.from_uuid(KEY),
                    Binary(KEY.bytes, 3),
                    str(KEY),
                    str(KEY).upper(),
                    Binary.from_uuid(OTHER_KEY),
                ],
                "at": NOW,
            }
        ],
    )
    assert inserted(text) == [
        {
            "_id": {"$oid": "ObjectId-1"},
            "inside": {
                "again": [
                    {"$oid": "ObjectId-1"},
                    {"$oid": "ObjectId-1 as text"},
                    {"$oid": "ObjectId-1 as upper-case text"},
                    {"$oid": "ObjectId-2"},
                ]
            },
            "keys": [
                {"$uuid": "UUID-1"},
                {"$uuid": "UUID-1 as subtype 3"},
                {"$uuid": "UUID-1 as text"},
                {"$uuid": "UUID-1 as upper-case text"},
                {"$uuid": "UUID-2"},
            ],
            "at": {"$date": "now"},
        }
    ]
    parse_expectation(text)


def test_what_was_not_made_is_literal(expect: Expect) -> None:
    document = {
        "_id": 1,
        "old": [OLD, str(OLD), NOW - datetime.timedelta(days=1)],
        "held": [Binary.from_uuid(KEY), str(KEY), ORDER],
        "mixed case": [str(KEY).replace("f", "F", 1), f" {KEY}", KEY.hex, f"{KEY}\n"],
        "other binaries": [Binary(KEY.bytes, 0), Binary(KEY.bytes, 5), Binary(b"x", 4)],
        "strings": ["x" * 24, "y" * 36, "", "é" * 12, "é" * 18],
        "code": Code(str(KEY)),
        "times": [bson.Timestamp(1_790_000_000, 1), NOW.isoformat()],
    }
    text = expect({"a": []}, {KEY.bytes, ORDER.binary}, a=[document])
    assert "-1" not in text
    assert "now" not in text


LOOK_ALIKES = [
    "ObjectId-1",
    "UUID-1 as text",
    "now",
    '{"$oid": "ObjectId-1"}',
    {"oid": "ObjectId-1"},
    {"$id": "ObjectId-1"},
    ["$oid", "ObjectId-1"],
]


@pytest.mark.parametrize("literal", LOOK_ALIKES, ids=str)
@pytest.mark.parametrize("value", [ORDER, str(ORDER), Binary.from_uuid(KEY), NOW], ids=str)
def test_a_literal_is_no_placeholder_whatever_it_looks_like(
    expect: Expect, literal: Any, value: Any
) -> None:
    said = [expect({"a": []}, a=[{"_id": 1, "v": each}]) for each in (literal, value)]
    assert inserted(said[0]) == [{"_id": 1, "v": literal}]
    [line] = [line for line in mismatch(*said) if line.startswith("v ")]
    expected, shown = line.removeprefix("v  expected ").split(", is ", 1)
    assert expected != shown


@pytest.mark.parametrize("key", ["$oid", "$uuid", "$date"])
def test_a_document_that_is_like_a_placeholder_has_no_expectation(expect: Expect, key: str) -> None:
    name = {"$oid": "ObjectId-1", "$uuid": "UUID-1", "$date": "now"}[key]
    with pytest.raises(NotRepresentableError, match="reserved"):
        expect({"a": []}, a=[{"_id": 1, "v": {key: name}, "id": ORDER}])


@pytest.mark.parametrize(
    "name", ["ObjectId-0", "ObjectId-01", "ObjectId", "UUID-1", "ObjectId-1 ", "now", "", 1]
)
def test_no_other_name_is_read(name: Any) -> None:
    assert read_placeholder("$oid", name) is None
    text = json.dumps({"format_version": 1, "kind": "changes", "scenario": "", "digest": ""})
    collections = {"a": {"inserted": [{"_id": {"$oid": name}}]}}
    with pytest.raises(ExpectationError):
        parse_expectation(f'{text[:-1]}, "collections": {json.dumps(collections)}}}')


def test_a_placeholder_is_shown_as_it_is_written() -> None:
    document = read_placeholder("$uuid", "UUID-12 as text")
    assert document is not None
    assert str(Value(3, document)) == '{"$uuid": "UUID-12 as text"}'
    assert written_placeholder(document) == '{"$uuid": "UUID-12 as text"}'
    assert written_placeholder(bson.encode({"$uuid": "UUID-x"})) is None
    assert written_placeholder(bson.encode({"$uuid": "UUID-1", "a": 1})) is None
    other = bson.encode({"v": bson.decode(document)})
    change = compare_documents(other, bson.encode({"v": {"$uuid": "UUID-2"}}))
    assert change is not None
    assert [field.path for field in change.fields] == ["v"]


def test_documents_stand_by_what_they_hold_and_literal_ids_as_they_were(expect: Expect) -> None:
    lines = [{"_id": LINE, "sku": "b"}, {"_id": ORDER, "sku": "a"}, {"_id": 7}, {"_id": 3}]
    said = inserted(expect({"a": []}, a=[lines[2], lines[3], *lines[:2]]))
    assert [(d["_id"], d.get("sku")) for d in said] == [
        (7, None),
        (3, None),
        ({"$oid": "ObjectId-1"}, "a"),
        ({"$oid": "ObjectId-2"}, "b"),
    ]


def test_numbers_are_those_of_documents_before_those_of_references(expect: Expect) -> None:
    text = expect(
        {"a": [], "b": []},
        a=[{"_id": 1, "other": USER, "order": ORDER}],
        b=[{"_id": ORDER}],
    )
    [document] = inserted(text)
    assert document["other"] == {"$oid": "ObjectId-2"}
    assert document["order"] == inserted(text, "b")[0]["_id"] == {"$oid": "ObjectId-1"}


def test_a_wrong_reference_is_all_that_is_said(expect: Expect) -> None:
    def said(order: ObjectId) -> str:
        return expect(
            {"lines": [], "orders": []},
            lines=[{"_id": 1, "order": order}, {"_id": 2, "order": USER}],
            orders=[{"_id": ORDER, "n": 1}, {"_id": LINE, "n": 2}, {"_id": USER, "n": 3}],
        )

    lines = mismatch(said(ORDER), said(LINE))
    assert lines[1:] == [
        "lines",
        "~ _id 1: inserted otherwise than expected",
        "order  expected ObjectId-1, is ObjectId-2",
    ]


def test_updates_and_deletions_have_placeholders_too(expect: Expect) -> None:
    text = expect(
        {"a": [{"_id": ORDER, "by": 1, "n": 1}, {"_id": LINE}, {"_id": 1, "x": NOW}]},
        a=[{"_id": ORDER, "by": ORDER, "n": 1, "k": [str(KEY)]}, {"_id": 1, "x": 5}],
    )
    assert json.loads(text)["collections"]["a"] == {
        "updated": [
            {"_id": 1, "fields": {"x": {"before": {"$date": "now"}, "after": 5}}},
            {
                "_id": {"$oid": "ObjectId-1"},
                "fields": {
                    "by": {"before": 1, "after": {"$oid": "ObjectId-1"}},
                    "k": {"after": [{"$uuid": "UUID-1 as text"}]},
                },
            },
        ],
        "deleted": [{"_id": {"$oid": "ObjectId-2"}}],
    }
    assert any("ObjectId-2" in line for line in describe(parse_expectation(text)))


def test_references_of_the_driver_are_documents_like_others(expect: Expect) -> None:
    text = expect({"a": []}, a=[{"_id": 1, "ref": DBRef("orders", ORDER)}])
    assert inserted(text)[0]["ref"]["$id"] == {"$oid": "ObjectId-1"}


@pytest.mark.parametrize(
    ("skus", "named"),
    [
        ("acd", ["ObjectId-1", "ObjectId-2", "ObjectId-3"]),
        ("abcd", ["ObjectId-1", "ObjectId-5", "ObjectId-2", "ObjectId-3"]),
        ("cd", ["ObjectId-2", "ObjectId-3"]),
        ("aec", ["ObjectId-1", "ObjectId-2", "ObjectId-3"]),
        ("d", ["ObjectId-3"]),
        ("", []),
    ],
)
def test_documents_keep_their_numbers_beside_one_that_is_not_expected(
    expect: Expect, skus: str, named: list[str]
) -> None:
    def said(skus: str) -> str:
        ids = [ObjectId(ORDER.binary[:11] + sku.encode()) for sku in skus]
        documents = zip(ids, skus, strict=True)
        return expect(
            {"lines": [], "all": []},
            lines=[{"_id": each, "sku": sku, "self": str(each)} for each, sku in documents],
            all=[{"_id": 1, "last": ids[-1:], "new": USER}],
        )

    expected, actual = (parse_expectation(said(each)) for each in ("acd", skus))
    aligned = renumber(expected, actual)
    lines = [json.loads(str(value)) for value in aligned.facets.get("lines", {}).values()]
    lines = [line for line in lines if "sku" in line]
    assert sorted(line["_id"]["$oid"] for line in lines) == sorted(named)
    assert [line["self"]["$oid"] for line in lines] == [
        f"{line['_id']['$oid']} as text" for line in lines
    ]
    # It says the same with other numbers.
    assert renumber(actual, aligned) == actual
    assert (not find_mismatch(expected, aligned)) is (skus == "acd")
