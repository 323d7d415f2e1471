from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.comparison.difference import Difference, compare
from mongoshot.comparison.page import room, rows
from mongoshot.comparison.page.difference import to_html
from mongoshot.comparison.text import CollectionDifference
from mongoshot.snapshot.model import Definition

from ....conftest import HOSTILE
from .conftest import Parsed

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState

ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


def invalid_utf8(key: str = "text") -> bytes:
    return bson.encode({"_id": 1, key: "ab"}).replace(b"ab\0", b"a\xff\0")


def test_the_data_has_each_document_with_its_fields(make_state: MakeState) -> None:
    left = make_state("before", orders=[{"_id": 1, "a": 1}, {"_id": 2, "s": {"t": 1, "u": 2}}])
    right = make_state("after", orders=[{"_id": 2, "s": {"t": 1.0, "u": 2}, "n": 0}, {"_id": 3}])
    data = Parsed(to_html(compare(left, right))).data
    assert (data["before"], data["after"], data["cutValues"]) == ("before", "after", 0)
    same, changed = ["=", "_id", "2"], ["~", "s.t", "1", "1.0"]
    assert data["comparisons"] == [
        {
            "collections": [
                {
                    "name": "orders",
                    "counts": "1 inserted, 1 updated, 1 deleted",
                    "total": {"definition": 0, "updated": 1, "inserted": 1, "deleted": 1},
                    "entries": {
                        "definition": [],
                        "updated": [
                            ["2", [same, changed, ["=", "s.u", "2"], ["+", "n", None, "0"]]]
                        ],
                        "inserted": [["3", [["+", "_id", None, "3"]]]],
                        "deleted": [["1", [["-", "_id", "1"], ["-", "a", "1"]]]],
                    },
                }
            ]
        }
    ]


def test_the_order_of_fields_is_a_difference(make_state: MakeState) -> None:
    left = make_state("a", x=[{"_id": 1, "s": {"p": 1, "q": 2}}])
    right = make_state("b", x=[{"_id": 1, "s": {"q": 2, "p": 1}}])
    [collection] = Parsed(to_html(compare(left, right))).collections
    assert collection["entries"]["updated"][0][1][-1] == [">", "s", "p, q", "q, p"]


def test_definitions_are_told_by_part(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    total = {"v": 2, "key": {"total": 1}, "name": "total_1"}
    rule = {"validator": {"total": {"$gt": 0}}}
    left = make_state(
        "a",
        changed=make_collection("changed", options=rule, indexes=[ID, total, {"name": "gone"}]),
        dropped=[],
        moved=make_collection("moved", indexes=[ID, total]),
    )
    right = make_state(
        "b",
        changed=make_collection(
            "changed",
            options={"validator": {"total": {"$gt": 1}}},
            indexes=[ID, total | {"unique": True}],
        ),
        created=make_collection("created", options={"capped": True, "size": 4096}),
        moved=make_collection("moved", indexes=[total, ID]),
    )
    found = {c["name"]: c for c in Parsed(to_html(compare(left, right))).collections}
    title, rows = found["changed"]["entries"]["definition"][0]
    assert title == "options, indexes changed"
    assert ["~", 'options.validator.total["$gt"]', "0", "1"] in rows
    assert ["+", "index total_1.unique", None, "true"] in rows
    assert ["-", "index gone", '{"name": "gone"}'] in rows
    title, rows = found["created"]["entries"]["definition"][0]
    assert title == "created"
    assert ["+", "options", None, '{"capped": true, "size": 4096}'] in rows
    assert found["dropped"]["entries"]["definition"][0][0] == "dropped"
    title, rows = found["moved"]["entries"]["definition"][0]
    assert (title, rows[-1]) == (
        "indexes changed",
        [">", "indexes", "_id_, total_1", "total_1, _id_"],
    )


def test_equal_states_have_a_page_that_says_so(make_state: MakeState) -> None:
    page = to_html(compare(make_state("a", x=[{"_id": 1}]), make_state("b", x=[{"_id": 1}])))
    assert Parsed(page).collections == []
    assert "They are equal." in page


def test_hostile_text_makes_no_element_and_changes_no_value(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    ones, texts = dict.fromkeys(HOSTILE, 1), {text: text[::-1] for text in HOSTILE}
    before: list[Any] = [{"_id": 2, **ones}, invalid_utf8()]
    left = {text: [{"_id": text, "value": 1}, *before] for text in HOSTILE}
    right = {
        text: make_collection(
            text,
            [{"_id": text, "value": text}, {"_id": 2, **texts}],
            indexes=[ID, {"v": 2, "key": {text: 1}, "name": text}],
        )
        for text in HOSTILE
    }
    difference = compare(make_state(HOSTILE[0], **left), make_state(HOSTILE[3], **right))
    page = to_html(difference)
    parsed, plain = Parsed(page), Parsed(to_html(compare(make_state("a"), make_state("b", x=[]))))

    def tags(of: Parsed) -> list[str]:
        return [tag for tag, _ in of.elements if tag != "li"]

    assert tags(parsed) == tags(plain)
    assert all(
        not name.startswith("on") for _, attributes in parsed.elements for name in attributes
    )
    found = parsed.collections
    assert len(found) == len(HOSTILE)
    for (name, original), collection in zip(difference.collections.items(), found, strict=True):
        assert collection["counts"] == original.counts
        [whole] = [rows for title, rows in collection["entries"]["updated"] if title != "2"]
        assert json.loads(whole[-1][-1]) == name
    assert "\\ud800" not in page
    page.encode()


def test_the_data_cannot_end_its_element(make_state: MakeState) -> None:
    page = to_html(compare(make_state("<a>"), make_state("</script>", **{"<!--<script>": []})))
    data = page.split('id="data">')[1].split("</script>")[0]
    assert "<" not in data
    assert json.loads(data)["after"] == "</script>"


def test_what_does_not_show_is_spelled_out(make_state: MakeState) -> None:
    name = "\u202ea\u200bb\x00\n\udcff"
    value = "\u202e \u200b \ufeff \U000e0041 a\u200db \U0001f468\u200d\U0001f469 \u2028"
    right = make_state("x\u202e", **{name: [{"_id": value}]})
    data = Parsed(to_html(compare(make_state("a"), right))).data
    assert data["after"] == "x\\u202e"
    [collection] = data["comparisons"][0]["collections"]
    assert collection["name"] == "\\u202ea\\u200bb\\u0000\\n\\udcff"
    [[identity, _]] = collection["entries"]["inserted"]
    assert identity == (
        '"\\u202e \\u200b \\ufeff \\udb40\\udc41 a\\u200db \U0001f468\u200d\U0001f469 \\u2028"'
    )
    assert json.loads(identity) == value


def test_what_extended_json_cannot_hold_is_shown_as_bytes(make_state: MakeState) -> None:
    broken = bson.encode({"_id": 5, "text": "x"})[:-2] + b"\1\0"
    before, after = invalid_utf8(), bson.encode({"_id": 1, "text": "b"})
    changed = compare(make_state("a", x=[before]), make_state("b", x=[after]))
    [collection] = Parsed(to_html(changed)).collections
    assert collection["entries"]["updated"][0][1][1] == [
        "~",
        "text",
        "<BSON type 0x02: 0300000061ff00>",
        '"b"',
    ]
    definition = Definition("x")
    damaged = CollectionDifference(definition, definition, inserted=(broken, before))
    [collection] = Parsed(to_html(Difference("a", "b", {"x": damaged}))).collections
    assert collection["entries"]["inserted"][0][1] == [
        ["+", "the document", None, f"<BSON type 0x03: {broken.hex()}>"]
    ]
    assert collection["entries"]["inserted"][1][1][1] == [
        "+",
        "text",
        None,
        "<BSON type 0x02: 0300000061ff00>",
    ]


def test_the_same_difference_gives_the_same_bytes(make_state: MakeState) -> None:
    def page() -> str:
        left = make_state("a", x=[{"_id": n} for n in range(9)], y=[])
        return to_html(compare(left, make_state("b", x=[{"_id": n} for n in range(3, 20)])))

    assert page() == page()


def test_the_browser_may_run_this_script_and_load_nothing(make_state: MakeState) -> None:
    page = to_html(compare(make_state("a"), make_state("b")))
    [policy] = [a["content"] for _, a in Parsed(page).elements if "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert re.search(r"(?:src|href)=\"(?!data:,|#)", page) is None
    assert re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", page) is None


def test_a_page_says_of_how_many_it_shows_a_part(
    make_state: MakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_DOCUMENTS", 10)
    left = make_state("a", few=[{"_id": n} for n in range(2)], many=[{"_id": n} for n in range(50)])
    found = Parsed(to_html(compare(left, make_state("b", few=[], many=[])))).collections
    assert [(c["total"]["deleted"], len(c["entries"]["deleted"])) for c in found] == [
        (2, 2),
        (50, 8),
    ]
    assert [c["counts"] for c in found] == ["2 deleted", "50 deleted"]

    monkeypatch.setattr(room, "MOST_TEXT", 200)
    found = Parsed(to_html(compare(left, make_state("b", few=[], many=[])))).collections
    assert len(found[0]["entries"]["deleted"]) == 2
    assert len(found[1]["entries"]["deleted"]) == 8

    monkeypatch.setattr(room, "MOST_TEXT", 30)
    found = Parsed(to_html(compare(left, make_state("b", few=[], many=[])))).collections
    assert 0 < len(found[1]["entries"]["deleted"]) < 8


def test_a_huge_value_is_cut_where_it_differs(make_state: MakeState) -> None:
    size = rows.MOST_OF_A_VALUE
    left = make_state("a", x=[{"_id": 1, "s": "x" * size + "before" + "y" * size}])
    right = make_state("b", x=[{"_id": 1, "s": "x" * size + "after" + "y" * size}])
    data = Parsed(to_html(compare(left, right))).data
    assert data["cutValues"] == 2
    _, _, before, after = data["comparisons"][0]["collections"][0]["entries"]["updated"][0][1][1]
    assert "xbeforey" in before
    assert "xaftery" in after
    assert before.startswith("… x")
    assert before.endswith(f"y … ({2 * size + 8:,} characters)")
    assert len(before) < size + 50
