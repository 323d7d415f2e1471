from __future__ import annotations

import json
from typing import Any

import bson
import pytest

from mongoshot.comparison.documents import Value
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.mismatch import (
    FieldMismatch,
    Mismatch,
    Nearest,
    PartMismatch,
)
from mongoshot.comparison.expectation.model import Expectation, parse_expectation
from mongoshot.comparison.page import room, rows
from mongoshot.comparison.page.mismatch import Failure, mismatch_data
from mongoshot.comparison.page.report import fit, report_to_html
from mongoshot.snapshot.encoding import from_extended_json

from ....conftest import HOSTILE
from .conftest import Parsed


def document(text: str) -> Value:
    """Read a document as it stands in an expectation, with placeholders."""
    return Value(3, from_extended_json(text, placeholders=True))


def value(python: Any) -> Value:
    raw = bson.encode({"": python})
    return Value(raw[4], raw[6:-1])


def differs(path: str, expected: Any, actual: Any, remark: str = "") -> FieldMismatch:
    return FieldMismatch(path, value(expected), value(actual), remark=remark)


def entries(kind: str, *parts: PartMismatch, is_new: bool = False) -> Any:
    """Return the entries of this kind that parts of one collection become."""
    mismatch = Mismatch("changes", {"orders": parts})
    data = mismatch_data(Failure("a::b", "b.json", "shop", mismatch, is_new))
    assert json.loads(json.dumps(data))["collections"][0]["total"][kind] == len(parts)
    return json.loads(json.dumps(data))["collections"][0]["entries"][kind]


def test_two_documents_stand_side_by_side_with_what_is_wrong_amid_the_rest() -> None:
    expected = document('{"_id": 1, "at": 5, "etag": "a", "tags": [1, 2], "in": {"p": 1, "q": 2}}')
    actual = document('{"_id": 1, "at": 6, "etag": "b", "tags": [2, 1], "in": {"p": 1, "q": 3}}')
    fields = (
        differs("at", 5, 6, "1 later"),
        differs("tags", [1, 2], [2, 1], "in another order"),
        differs("in.q", 2, 3),
    )
    assert entries("otherwise", PartMismatch("inserted", expected, actual, fields)) == [
        [
            "1",
            [
                ["=", "_id", "1"],
                ["~", "at", "5", "6", "1 later"],
                ["≈", "etag", '"a"', '"b"'],  # which a rule excludes
                ["~", "tags", "[1, 2]", "[2, 1]", "in another order"],
                ["=", "in.p", "1"],
                ["~", "in.q", "2", "3"],
            ],
            "inserted",
            None,
        ]
    ]


def test_a_field_deeper_than_what_stands_side_by_side_takes_its_place() -> None:
    twice = [bson.encode({"_id": 1, "a": n, "b": n}).replace(b"b\0", b"a\0") for n in (1, 2)]
    fields = (differs("a", 1, 2), differs("z", 1, 2))
    part = PartMismatch("inserted", Value(3, twice[0]), Value(3, twice[1]), fields)
    [[_, found, *_]] = entries("otherwise", part)
    assert found == [["~", "a", "1", "2"], ["~", "z", "1", "2"]]


def test_missing_and_unexpected_fields() -> None:
    fields = (FieldMismatch("a", value(1), None, remark="why"), FieldMismatch("b", None, value(2)))
    part = PartMismatch("inserted", document('{"a": 1}'), document('{"b": 2}'), fields)
    [[name, found, *_]] = entries("otherwise", part)
    assert name == ""
    assert found == [["+", "b", None, "2"], ["-", "a", "1", None, "why"]]


def test_fields_in_another_order_are_told_as_such() -> None:
    expected, actual = (
        document('{"_id": 1, "a": 1, "b": 2}'),
        document('{"_id": 1, "b": 2, "a": 1}'),
    )
    order = FieldMismatch("", "_id, a, b", "_id, b, a", remark="order of the fields")
    [[_, found, *_]] = entries("otherwise", PartMismatch("documents", expected, actual, (order,)))
    assert found[:3] == [["=", "_id", "1"], ["=", "b", "2"], ["=", "a", "1"]]
    assert found[3:] == [[">", "the document", "_id, a, b", "_id, b, a", "order of the fields"]]

    reordered = document('{"": ["_id", "b", "a"], "in": ["y", "x"]}')
    expected = document('{"_id": 1, "fields": {}, "reordered": {"in": ["x", "y"]}}')
    actual = document('{"_id": 1, "fields": {}, "reordered": ' + str(reordered) + "}")
    order = FieldMismatch("", document('{"in": 0}'), reordered, remark="order of the fields")
    [[_, found, *_]] = entries("otherwise", PartMismatch("updated", expected, actual, (order,)))
    assert found == [
        [">", "the document", None, '["_id", "b", "a"]', "order of the fields"],
        [">", "in", '["x", "y"]', '["y", "x"]', "order of the fields"],
    ]
    order = FieldMismatch("", "a, b", "b, a", remark="order of the updates")
    [[_, found, *_]] = entries("otherwise", PartMismatch("updated", expected, actual, (order,)))
    assert found == [[">", "the document", "a, b", "b, a", "order of the updates"]]


def test_what_was_asked_for_in_place_of_a_value_is_told_in_its_own_words() -> None:
    made = document('{"_id": 1, "a": "IsInt(gt=5)"}')
    field = FieldMismatch("a", "IsInt(gt=5)", value(3))
    [[_, found, *_]] = entries("otherwise", PartMismatch("inserted", made, made, (field,)))
    assert found == [["=", "_id", "1"], ["~", "a", "IsInt(gt=5)", "3"]]


def definitions(expected: str, actual: str, kind: str) -> dict[str, Any]:
    """Return what becomes of two definitions of a collection, each with what is around it."""

    def expectation(definition: str) -> Expectation:
        collections = f'{{"orders": {definition}}}' if definition else "{}"
        return parse_expectation(
            f'{{"format_version": 1, "kind": "{kind}", "scenario": "", "digest": "",'
            f' "collections": {collections}}}'
        )

    mismatch = find_mismatch(expectation(expected), expectation(actual))
    data = mismatch_data(Failure("a::b", "b.json", "shop", mismatch))
    found: dict[str, Any] = json.loads(json.dumps(data["collections"][0]["entries"]))
    return found


def test_a_definition_is_told_part_by_part() -> None:
    same, dropped = '"a_1": {"key": {"a": 1}}', '"b_1": {"key": {"b": 1}}'

    def state(validator: int, indexes: str) -> str:
        options = f'{{"validator": {{"x": {validator}}}}}'
        return f'{{"definition": {{"options": {options}, "indexes": {{{indexes}}}}}}}'

    found = definitions(state(1, f"{same}, {dropped}"), state(2, same), "state")
    assert found["otherwise"][0][1:3] == [
        [
            ["~", "option validator.x", "1", "2"],
            ["=", "index a_1", '{"key": {"a": 1}}'],
            ["-", "index b_1", '{"key": {"b": 1}}'],
        ],
        "definition",
    ]
    [[_, rows, *_]] = definitions("", f'{{"created": {{"indexes": {{{same}}}}}}}', "changes")[
        "unexpected"
    ]
    assert rows == [["+", "index a_1", None, '{"key": {"a": 1}}']]


def test_a_change_of_a_definition_is_told_from_what_to_what() -> None:
    drop = '{"definition": {"before": {"indexes": {"a_1": {"key": {"a": 1}}}}, "after": {}}}'
    keep = drop.replace('"after": {}', '"after": {"options": {"capped": true}}')
    dropped = ['{"key": {"a": 1}}', None]
    [[_, rows, *_]] = definitions(drop, "", "changes")["missing"]
    assert rows == [["-", "index a_1", dropped]]
    [[_, rows, *_]] = definitions(drop, keep, "changes")["otherwise"]
    assert rows == [["+", "option capped", None, [None, "true"]], ["=", "index a_1", dropped]]


def test_updates_are_shown_from_what_to_what() -> None:
    def update(fields: str) -> Value:
        return document(f'{{"_id": {{"$oid": "ObjectId-1"}}, "fields": {{{fields}}}}}')

    def status(after: str) -> Value:
        return document(f'{{"before": "open", "after": "{after}"}}')

    same = '"seen": {"before": 1, "after": 2}'
    expected = update(
        '"status": {"before": "open", "after": "paid"}, "old": {"before": 1}, ' + same
    )
    actual = update('"status": {"before": "open", "after": "sent"}, ' + same)
    fields = (
        FieldMismatch("status", status("paid"), status("sent"), updates=True),
        FieldMismatch("old", document('{"before": 1}'), None, updates=True),
    )
    [entry] = entries("otherwise", PartMismatch("updated", expected, actual, fields))
    assert entry[0] == "ObjectId-1"
    assert sorted(entry[1]) == [
        ["-", "old", ["1", None]],
        ["=", "seen", ["1", "2"]],
        ["~", "status", ['"open"', '"paid"'], ['"open"', '"sent"']],
    ]
    # A comparison may also say no more than how the value behind an update is not as expected.
    deeper = (FieldMismatch("status", value("paid"), value("sent")),)
    [entry] = entries("otherwise", PartMismatch("updated", expected, actual, deeper))
    assert ["~", "status", '"paid"', '"sent"'] in entry[1]

    alone = document('{"fields": {"a": {"after": 1}}, "reordered": {"": ["_id", "a"]}}')
    [entry] = entries("missing", PartMismatch("updated", alone, None))
    assert entry[1] == [
        ["-", "a", [None, "1"]],
        ["-", "order of the fields", '["_id", "a"]'],
    ]


def test_what_is_missing_stands_beside_the_nearest() -> None:
    expected, actual = document('{"_id": 1, "a": 1}'), document('{"_id": 2, "a": 2}')
    near = Nearest(actual, (differs("a", 1, 2),))
    [entry] = entries("missing", PartMismatch("inserted", expected, None, nearest=near))
    assert entry == ["1", [["≈", "_id", "1", "2"], ["~", "a", "1", "2"]], "inserted", "2"]
    [entry] = entries("missing", PartMismatch("inserted", expected, None))
    assert entry == ["1", [["-", "_id", "1"], ["-", "a", "1"]], "inserted", None]


def test_collections_are_counted_by_what_is_wrong() -> None:
    parts = (
        PartMismatch("inserted", document('{"_id": 1}'), None),
        PartMismatch("deleted", None, document('{"_id": 2}')),
        PartMismatch("inserted", document('{"_id": 3}'), None),
        PartMismatch("dropped", None, document("{}")),
    )
    mismatch = Mismatch("changes", {"orders": parts}, ("recorded against another scenario",))
    data = mismatch_data(Failure("a::b", "b.json", "shop", mismatch))
    [collection] = data["collections"]
    assert collection["counts"] == "2 missing, 2 unexpected"
    assert list(collection["entries"]) == ["missing", "unexpected"]
    assert collection["entries"]["unexpected"][1] == ("", [], "dropped", None)
    assert (data["notes"], data["problem"]) == (["recorded against another scenario"], "")


def test_a_long_value_with_placeholders_has_a_line_for_each_field() -> None:
    made = document(
        '{"line": {"of": {"$oid": "ObjectId-12 as text"}, "at": {"$date": "now"}, "quantity": 7},'
        ' "text": "{\\"$oid\\": \\"ObjectId-1\\"}", "other": {"$uuid": "UUID-1"},'
        ' "stored": {"$oid": "65a1b2c3d4e5f60718293a4b"}}'
    )
    [[_, found, *_]] = entries("unexpected", PartMismatch("inserted", None, made))
    lines = ['  "of": ObjectId-12 as text', '  "at": now', '  "quantity": 7']
    assert found == [
        ["+", "line", None, "{\n" + ",\n".join(lines) + "\n}"],
        ["+", "text", None, r'"{\"$oid\": \"ObjectId-1\"}"'],  # which is a string, and says so
        ["+", "other", None, "UUID-1"],
        ["+", "stored", None, '{"$oid": "65a1b2c3d4e5f60718293a4b"}'],
    ]


def test_what_would_be_recorded_is_new() -> None:
    part = PartMismatch("inserted", None, document('{"_id": 1}'))
    assert entries("new", part, is_new=True) == [["1", [["+", "_id", None, "1"]], "inserted", None]]
    nothing = mismatch_data(Failure("a", "b", "shop", Mismatch("changes", {}), is_new=True))
    assert nothing["problem"] == "No expectation is stored yet; the one to record is empty."


def test_what_could_not_be_compared_is_told() -> None:
    data = mismatch_data(Failure("a", "b", problem="this is no expectation"))
    assert (data["problem"], data["collections"]) == ("this is no expectation", [])
    noted = mismatch_data(Failure("a", "b", mismatch=Mismatch("state", {}, ("another kind",))))
    assert (noted["problem"], noted["notes"]) == (
        "The two cannot be compared part by part.",
        ["another kind"],
    )
    other = mismatch_data(Failure("a", "b", mismatch=Mismatch("state", {}, other_kind="changes")))
    assert other["problem"] == ("the expectation is of changes, and this is a comparison of state")


def failure(name: str, count: int) -> dict[str, Any]:
    parts = tuple(
        PartMismatch("documents", None, document(f'{{"_id": {n}, "text": "text"}}'))
        for n in range(count)
    )
    return mismatch_data(Failure(f"test.py::{name}", "", "", Mismatch("state", {"x": parts})))


def test_a_report_says_of_how_many_and_in_which_order_is_all_the_same() -> None:
    one, two = failure("one", 1), failure("two", 2)
    page = report_to_html([two, one], 1234)
    assert page == report_to_html([one, two], 1234)
    assert "<title>2 of 1,234 assertions not as expected · mongoshot</title>" in page
    assert "<li>test.py::two: x: 2 unexpected</li>" in page
    assert [c["name"] for c in Parsed(page).data["comparisons"]] == ["test.py::one", "test.py::two"]


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (412, "412 assertions compared, all as expected"),
        (1, "1 assertion compared, all as expected"),
        (0, "Nothing compared"),
    ],
)
def test_a_report_of_no_failure_says_so(compared: int, said: str) -> None:
    page = report_to_html([], compared)
    assert (Parsed(page).data["comparisons"], Parsed(page).data["compared"]) == ([], compared)
    assert f"<h1>{said}</h1>" in page
    assert f"<p>{said}.</p>" in page


def test_assertions_share_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [failure("many", 50), failure("few", 2), failure("some", 20)]
    whole = Parsed(report_to_html(failures, 9)).data
    assert fit(failures) == failures

    def shown(page: str) -> list[tuple[int, int]]:
        found = [c["collections"][0] for c in Parsed(page).data["comparisons"]]
        return [(c["total"]["unexpected"], len(c["entries"]["unexpected"])) for c in found]

    monkeypatch.setattr(room, "MOST_DOCUMENTS", 30)
    assert shown(report_to_html(failures, 9)) == [(2, 2), (50, 14), (20, 14)]
    # What is left out early makes no difference.
    assert report_to_html([*fit(failures[:2]), failures[2]], 9) == report_to_html(failures, 9)
    monkeypatch.setattr(room, "MOST_TEXT", 300)
    [few, many, some] = shown(report_to_html(failures, 9))
    assert few == (2, 2)
    assert 0 < many[1] < 14
    assert 0 < some[1] < 14
    assert shown(report_to_html(whole["comparisons"], 9)) == [few, many, some]


def test_hostile_text_makes_no_element(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_OF_A_VALUE", 10_000)
    part = PartMismatch(
        "inserted",
        value({text: text for text in HOSTILE}),
        value({text: text[::-1] for text in HOSTILE}),
        tuple(differs(f"[{json.dumps(text)}]", text, text[::-1], text) for text in HOSTILE),
    )
    mismatch = Mismatch("changes", dict.fromkeys(HOSTILE, (part,)), HOSTILE)
    failures = [Failure(text, text, text, mismatch, problem=text) for text in HOSTILE]
    page = report_to_html([mismatch_data(failure) for failure in failures], 99)
    parsed, plain = Parsed(page), Parsed(report_to_html([], 0))

    def tags(of: Parsed) -> list[str]:
        return [tag for tag, _ in of.elements if tag not in ("li", "ul", "p")]

    assert tags(parsed) == tags(plain)
    assert all(not name.startswith("on") for _, given in parsed.elements for name in given)
    assert len(parsed.data["comparisons"]) == len(HOSTILE)
    assert all(len(c["collections"]) == len(HOSTILE) for c in parsed.data["comparisons"])
    page.encode()
