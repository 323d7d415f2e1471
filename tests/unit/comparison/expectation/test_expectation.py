from __future__ import annotations

import itertools
import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson import Int64
from bson.decimal128 import Decimal128
from tests.conftest import HOSTILE

from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import Expectation, parse_expectation
from mongoshot.comparison.expectation.report import brief, describe, report
from mongoshot.comparison.expectation.writing import (
    changes_to_text,
    difference_to_text,
    state_to_text,
)
from mongoshot.errors import ExpectationError, NotRepresentableError
from mongoshot.snapshot.model import State

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState

Documents = list[dict[str, Any]]

DIGEST = "sha256:" + "0123456789ab" + "0" * 52
ORDER = {"_id": 1, "status": "open", "lines": [{"sku": "a", "n": 1}]}


def changes_between(before: State, after: State, digest: str = DIGEST) -> Changes:
    found = compare(before, after).collections
    return Changes("shop", "test_db", found, scenario="shop", digest=digest)


@pytest.fixture
def changes(make_state: MakeState) -> Any:
    def make(before: Documents, after: Documents, digest: str = DIGEST) -> Changes:
        return changes_between(make_state(orders=before), make_state(orders=after), digest)

    return make


@pytest.fixture
def expect(changes: Any) -> Any:
    def make(*sides: Documents, digest: str = DIGEST) -> Expectation:
        return parse_expectation(changes_to_text(changes(*sides, digest)))

    return make


def mismatch(expected: Expectation, actual: Expectation) -> list[str]:
    assert find_mismatch(expected, actual)
    return [line.strip() for line in report(find_mismatch(expected, actual))]


def test_the_text_is_short_and_says_it_all(changes: Any) -> None:
    before = [ORDER, {"_id": 2}]
    after = [{**ORDER, "status": "paid", "at": 1.5}, {"_id": 3, "n": Int64(1)}]
    assert (
        changes_to_text(changes(before, after))
        == f"""\
{{
  "format_version": 1,
  "kind": "changes",
  "scenario": "shop",
  "digest": "{DIGEST}",
  "collections": {{
    "orders": {{
      "updated": [
        {{
          "_id": 1,
          "fields": {{
            "status": {{"before": "open", "after": "paid"}},
            "at": {{"after": 1.5}}
          }}
        }}
      ],
      "inserted": [
        {{
          "_id": 3,
          "n": {{"$numberLong": "1"}}
        }}
      ],
      "deleted": [
        {{"_id": 2}}
      ]
    }}
  }}
}}
"""
    )


def test_equal_changes_have_equal_texts(changes: Any) -> None:
    texts = {changes_to_text(changes([ORDER], [{**ORDER, "status": "paid"}])) for _ in range(2)}
    assert len(texts) == 1


def test_no_changes_are_an_expectation_too(expect: Any) -> None:
    assert expect([ORDER], [ORDER]).facets == {}


def test_what_it_was_recorded_against_is_not_compared(expect: Any) -> None:
    sides = [ORDER], [{**ORDER, "status": "paid"}]
    assert not find_mismatch(expect(*sides), expect(*sides, digest="sha256:1"))


ALMOST = [1, Int64(1), 1.0, Decimal128("1"), Decimal128("1.0"), True, "1", None, [1], {"0": 1}]


@pytest.mark.parametrize("at", range(len(ALMOST)))
def test_values_that_are_almost_equal_are_not_expected_the_same(expect: Any, at: int) -> None:
    expected = expect([{"_id": 1}], [{"_id": 1, "n": ALMOST[at]}])
    for other, value in enumerate(ALMOST):
        actual = expect([{"_id": 1}], [{"_id": 1, "n": value}])
        assert (not find_mismatch(expected, actual)) is (at == other)


PERMUTATIONS = [
    {"_id": 1, "a": 1, "b": 2, "c": 3},
    {"_id": 1, "b": 2, "a": 1, "c": 3},
    {"_id": 1, "c": 3, "b": 2, "a": 1},
    {"_id": 1, "a": 1, "b": 2, "d": 4, "c": 3},
    {"_id": 1, "a": 1, "b": 2, "c": 3, "d": 4},
    {"_id": 1, "d": 4, "a": 1, "b": 2, "c": 3},
]


@pytest.mark.parametrize("at", range(len(PERMUTATIONS)))
def test_documents_in_another_order_are_not_expected_the_same(expect: Any, at: int) -> None:
    expected = expect(PERMUTATIONS[:1], [PERMUTATIONS[at]])
    for other, document in enumerate(PERMUTATIONS):
        actual = expect(PERMUTATIONS[:1], [document])
        assert (not find_mismatch(expected, actual)) is (at == other)
        assert bool(at == other) or mismatch(expected, actual)


def test_a_field_that_is_otherwise_is_told(expect: Any) -> None:
    expected = expect([ORDER], [{**ORDER, "status": "paid"}])
    actual = expect([ORDER], [{**ORDER, "status": "sent"}])
    assert mismatch(expected, actual) == [
        "changes not as expected in orders: 1 otherwise",
        "orders",
        "~ _id 1: updated otherwise than expected",
        'status  expected "open" → "paid", is "open" → "sent"',
    ]


def test_a_field_that_was_not_to_change_is_told(expect: Any) -> None:
    expected = expect([ORDER], [{**ORDER, "status": "paid"}])
    actual = expect([ORDER], [{**ORDER, "status": "paid", "n": 1}])
    assert "n  expected no change, is (missing) → 1" in mismatch(expected, actual)
    assert "n  expected (missing) → 1, is no change" in mismatch(actual, expected)


def test_an_inner_difference_is_told_by_its_path(expect: Any) -> None:
    expected = expect([{"_id": 1}], [{"_id": 1, "x": {"a": 1, "b.c": [1]}}])
    actual = expect([{"_id": 1}], [{"_id": 1, "x": {"a": 1, "b.c": [2]}}])
    assert 'x["b.c"][0]  expected 1, is 2' in mismatch(expected, actual)


def test_another_order_of_fields_is_told(expect: Any) -> None:
    expected = expect(PERMUTATIONS[:1], [PERMUTATIONS[1]])
    actual = expect(PERMUTATIONS[:1], [PERMUTATIONS[2]])
    assert mismatch(expected, actual)[-1] == (
        'order of the fields  expected {"": ["_id", "b", "a", "c"]},'
        ' is {"": ["_id", "c", "b", "a"]}'
    )


def test_long_values_are_cut_where_they_differ(expect: Any) -> None:
    first, second = ("x" * 500 + middle + "y" * 500 for middle in ("open", "paid"))
    expected, actual = (expect([{"_id": 1}], [{"_id": 1, "t": t}]) for t in (first, second))
    [line] = [line for line in mismatch(expected, actual) if line.startswith("t  ")]
    assert "open" in line
    assert "paid" in line


def test_a_document_that_was_not_to_be_inserted_is_told(expect: Any) -> None:
    none, one = expect([], []), expect([], [{"_id": 1, "a": 2}])
    assert mismatch(none, one) == [
        "changes not as expected in orders: 1 not expected",
        "orders",
        "+ _id 1: inserted, which is not expected",
        '{"_id": 1, "a": 2}',
    ]


def test_a_document_that_was_to_be_deleted_is_told(expect: Any) -> None:
    assert "- _id 1: expected to be deleted, and is not" in mismatch(
        expect([{"_id": 1}], []), expect([{"_id": 1}], [{"_id": 1}])
    )


def test_documents_without_id_are_all_expected(expect: Any) -> None:
    two, one = expect([], [{"a": 1}, {"a": 2}]), expect([], [{"a": 1}])
    assert mismatch(two, one)
    assert mismatch(one, two)


def test_a_deleted_document_without_id_is_not_one_with_the_id_missing(expect: Any) -> None:
    assert mismatch(expect([{"a": 1}], []), expect([{"_id": "missing"}], []))


def test_the_scenario_that_has_changed_since_is_told_last(expect: Any) -> None:
    expected, actual = expect([], [{"_id": 1}]), expect([], [], digest="sha256:" + "f" * 64)
    assert mismatch(expected, actual)[-1] == (
        "note: recorded against shop (0123456789ab), which has changed since: it is shop"
        " (ffffffffffff) now"
    )


def test_another_kind_is_told(expect: Any, make_state: MakeState) -> None:
    state = parse_expectation(state_to_text(make_state(a=[]).collections, "shop", DIGEST))
    assert mismatch(expect([], []), state) == [
        "the expectation is of changes, and this is a comparison of state"
    ]


def test_what_is_recorded_is_described(expect: Any) -> None:
    lines = list(describe(expect([ORDER, {"_id": 2}], [{**ORDER, "status": "paid"}])))
    assert [line.strip() for line in lines] == [
        *("orders", "_id 1: updated", 'status  "open" → "paid"', "_id 2: deleted")
    ]


def test_a_created_and_a_dropped_collection_are_expected(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    capped = make_collection("a", options={"capped": True, "size": 1})
    texts = [
        changes_to_text(changes_between(before, after))
        for before, after in [
            (make_state(), make_state(a=[])),
            (make_state(), make_state(a=capped)),
            (make_state(a=[]), make_state()),
            (make_state(a=[]), make_state(a=capped)),
            (make_state(), make_state()),
        ]
    ]
    expectations = [parse_expectation(text) for text in texts]
    for at, expected in enumerate(expectations):
        for other, actual in enumerate(expectations):
            assert (not find_mismatch(expected, actual)) is (at == other)


def state_of(make_state: MakeState, *documents: dict[str, Any]) -> Expectation:
    collections = make_state(a=list(documents)).collections
    return parse_expectation(state_to_text(collections, "shop", DIGEST))


def test_a_state_is_compared_document_by_document(make_state: MakeState) -> None:
    expected = state_of(make_state, {"_id": 1, "x": 1}, {"_id": 2})
    assert not find_mismatch(expected, state_of(make_state, {"_id": 1, "x": 1}, {"_id": 2}))
    lines = mismatch(expected, state_of(make_state, {"_id": 1, "x": 2}, {"_id": 3}))
    assert lines[0] == "state not as expected in a: 1 otherwise, 1 missing, 1 not expected"
    assert "x  expected 1, is 2" in lines
    assert "+ _id 3: there, which is not expected" in lines
    assert "- _id 2: expected to be there, and is not" in lines


def test_another_order_of_fields_in_a_state_is_told(make_state: MakeState) -> None:
    expected = state_of(make_state, {"_id": 1, "x": 1, "y": 1})
    assert mismatch(expected, state_of(make_state, {"_id": 1, "y": 1, "x": 1}))[-1] == (
        "the document: the fields are in the order _id, y, x, not _id, x, y"
    )


@pytest.mark.parametrize("key", ["$oid", "$date", "$code", "$numberInt", "before", "_id.x", ""])
def test_a_changed_field_of_any_name_reads_back(expect: Any, key: str) -> None:
    expected = (
        expect([{"_id": 1, "x": 1}], [{"_id": 1, "x": 1, key: 2}])
        if key[:1] != "$"
        else (expect([{"_id": 1, key: 1}], [{"_id": 1, key: 2}]))
    )
    assert not find_mismatch(expected, expected)
    assert "1: updated" in "\n".join(describe(expected))


def not_a_number(payload: int) -> bytes:
    element = b"\x01n\0" + struct.pack("<Q", 0x7FF8000000000000 + payload)
    body = b"\x10_id\0\x01\0\0\0" + element
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def test_what_the_text_cannot_hold_is_an_error_with_the_way_out(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    before = make_state(a=[{"_id": 1, "n": 1}])
    after = make_state(a=make_collection("a", [not_a_number(1)]))
    with pytest.raises(NotRepresentableError, match="assert with plain Python") as caught:
        changes_to_text(changes_between(before, after))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "edited"),
    [
        ('"collections": {', '"collections": {"orders": {"deleted": [{"_id": 9}]},'),
        ('"orders": {', '"orders": {"updated": [],'),
        ('"fields": {', '"fields": {"a": {"after": 3},'),
        ('"fields": {', '"reorderd": {}, "fields": {'),
        ('{"before": 1, "after": 2}', '{"before": 1, "before": 1, "after": 2}'),
        ('"kind": "changes",', '"kind": "changes", "collections": {"carts": {"dropped": {}}},'),
        ('"kind": "changes",', '"kind": "changes", "colections": {},'),
    ],
)
def test_what_would_not_be_compared_is_refused(changes: Any, written: str, edited: str) -> None:
    text = changes_to_text(changes([{"_id": 1, "a": 1}], [{"_id": 1, "a": 2}]))
    assert parse_expectation(text)
    with pytest.raises(ExpectationError, match="holds"):
        parse_expectation(text.replace(written, edited))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "<<<<<<< HEAD\n{}",
        '{"format_version": 1}',
        '{"format_version": 1, "kind": "x", "scenario": "", "digest": "", "collections": {}}',
        '{"format_version": 1, "kind": [], "scenario": "", "digest": "", "collections": {}}',
        '{"format_version": 1, "kind": "changes", "scenario": 1, "digest": 2, "collections": {}}',
        '{"format_version": 1, "kind": "state", "scenario": "", "digest": "", "collections": []}',
        '{"format_version": {"$date": {"$numberLong": "9223372036854775807"}}}',
    ],
)
def test_anything_else_is_no_expectation(text: str) -> None:
    with pytest.raises(ExpectationError, match=r"this is no expectation .*--snapshot-update"):
        parse_expectation(text)


@pytest.mark.parametrize(
    "collection",
    [
        1,
        [],
        {"updated": 5},
        {"updated": {}},
        {"updated": [5]},
        {"updated": [[]]},
        {"updated": [{"_id": 1, "fields": 5}]},
        {"updated": [{"_id": 1, "fields": {"a": 5}}]},
        {"inserted": [1]},
        {"deleted": "x"},
        {"documents": None},
        {"definition": 5},
        {"created": []},
    ],
)
def test_a_collection_of_another_shape_is_no_expectation(collection: object) -> None:
    tree = {
        "format_version": 1,
        "kind": "changes",
        "scenario": "shop",
        "digest": DIGEST,
        "collections": {"a": collection},
    }
    with pytest.raises(ExpectationError):
        parse_expectation(json.dumps(tree))


def test_a_newer_format_version_is_told() -> None:
    with pytest.raises(ExpectationError, match=r"version 2.*pip install -U mongoshot"):
        parse_expectation('{"format_version": 2}')


def test_a_text_cut_anywhere_is_no_expectation(changes: Any) -> None:
    text = changes_to_text(changes([ORDER], [{**ORDER, "status": "paid"}])).rstrip()
    for end in range(len(text)):
        with pytest.raises(ExpectationError):
            parse_expectation(text[:end])


def test_a_text_with_a_section_that_is_not_known_is_another_expectation(expect: Any) -> None:
    known = expect([], [])
    text = '{"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "%s", %s}'
    typo = parse_expectation(text % (DIGEST, '"collections": {"orders": {"insertd": {}}}'))
    assert mismatch(typo, known)


def test_a_difference_is_written_for_other_programs(make_state: MakeState) -> None:
    difference = compare(make_state("x", a=[]), make_state("y", a=[{"_id": 1}]))
    assert json.loads(difference_to_text(difference)) == {
        "before": "x",
        "after": "y",
        "collections": {"a": {"inserted": [{"_id": 1}]}},
    }


def test_the_bson_of_a_value_is_kept_to_the_byte(expect: Any) -> None:
    value = {"$ref": "x", "at": bson.DatetimeMS(2**62), "b": bson.Binary(b"x", 3)}
    expected = expect([], [{"_id": 1, "v": value}])
    [inserted] = expected.facets["orders"].values()
    assert inserted.raw == bson.encode({"_id": 1, "v": value})


def test_an_index_of_the_same_fields_in_another_order_is_another(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    def change(*keys: str) -> Expectation:
        def state(*keys: str) -> State:
            index = {"v": 2, "key": dict.fromkeys(keys, 1), "name": "x"}
            return make_state(orders=make_collection("orders", indexes=[index]))

        return parse_expectation(changes_to_text(changes_between(state("a", "b"), state(*keys))))

    lines = mismatch(change("b", "a", "c"), change("a", "b", "c"))
    assert [line.partition("  ")[0] for line in lines[3:]] == ["index x.key.c", "index x"]
    assert '"key": {"b": 1, "a": 1, "c": 1}' in lines[4]
    assert not find_mismatch(change("b", "a", "c"), change("b", "a", "c"))


def test_two_values_that_look_the_same_are_spelled_out(expect: Any) -> None:
    def lines(expected: str, actual: str) -> list[str]:
        return mismatch(*(expect([], [{"_id": 1, "a": each}]) for each in (expected, actual)))

    assert lines("a b", "a\u00a0b")[-1] == r'a  expected "a b", is "a\u00a0b"'
    assert lines("ab", "a\u200bb")[-1] == r'a  expected "ab", is "a\u200bb"'


def test_no_name_reaches_the_terminal_as_a_command(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    def expected(name: str) -> Expectation:
        index = {"v": 2, "key": {name: 1}, "name": name}
        after = make_state(**{name: make_collection(name, [{"_id": 1, name: 1}], indexes=[index])})
        changes = changes_between(make_state(**{name: []}), after)
        text = changes_to_text(replace(changes, scenario=name, digest=name))
        return parse_expectation(text)

    for hostile in HOSTILE:
        for one, other in itertools.permutations([expected(hostile), expected("plain")], 2):
            found = find_mismatch(one, other)
            text = "".join([*report(found), *brief(found).lines])
            assert text.isprintable()
        assert all(line.isprintable() for line in describe(expected(hostile)))


def test_a_long_name_leaves_room_for_what_is_wrong(expect: Any) -> None:
    for name, identity in (("x" * 200, 1), ("a", "y" * 200)):
        sides = (expect([], [{"_id": identity, name: value}]) for value in ("open", "paid"))
        said = brief(find_mismatch(*sides))
        assert said.lines[1].endswith('expected "open", is "paid"')
        assert not said.complete


def test_an_order_that_is_not_expected_is_told_from_the_one_before(expect: Any) -> None:
    before = [{"_id": 1, "a": 1, "b": 1, "c": 1}]
    lines = mismatch(
        expect(before, [{"_id": 1, "a": 1, "b": 1, "c": 2}]),
        expect(before, [{"_id": 1, "b": 1, "a": 1, "c": 2}]),
    )
    assert lines[-1] == 'order of the fields  expected as before, is {"": ["_id", "b", "a", "c"]}'
