"""The page of a difference, in a browser: what it shows, and what a reader can do with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.comparison.difference import Difference, compare
from mongoshot.comparison.documents import Value
from mongoshot.comparison.page import room, rows

from ..conftest import HOSTILE
from .conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from tests.conftest import MakeCollection, MakeState
    from tests.reliability import Evidence

pytestmark = pytest.mark.browser

ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
LONG = "a long text, " * 400


@pytest.fixture
def shop(make_state: MakeState, make_collection: MakeCollection) -> Difference:
    """Give a difference of every kind: 3 updated, 1 inserted, 2 deleted, 2 definitions."""
    kept = {f"kept{n}": n for n in range(5)}
    left = make_state(
        "checkout",
        carts=[{"_id": 1, "user": "ada"}],
        orders=[
            {"_id": "o-1", "status": "open", "total": bson.Int64(5), **kept},
            {"_id": "o-2", "note": LONG + "before, " + LONG},
            {"_id": "o-3", "a": 1, "b": 2},
            {"_id": "o-4", "status": "cancelled"},
        ],
    )
    right = make_state(
        "shop_test",
        orders=make_collection(
            "orders",
            [
                {"_id": "o-1", "status": "paid", "total": 5.0, **kept},
                {"_id": "o-2", "note": LONG + "after, " + LONG},
                {"_id": "o-3", "b": 2, "a": 1},
                {"_id": "o-5", "status": "new", "lines": [{"sku": "x"}]},
            ],
            indexes=[ID, {"v": 2, "key": {"status": 1}, "name": "status_1"}],
        ),
    )
    return compare(left, right)


@pytest.fixture
def many(make_state: MakeState) -> Callable[[int], Difference]:
    """Give a difference of this many updated documents."""

    def many(count: int) -> Difference:
        def orders(status: str) -> list[dict[str, Any]]:
            return [
                {"_id": f"order-{n:05}", "status": status, "group": f"group {n % 100}."}
                for n in range(count)
            ]

        return compare(
            make_state("a", orders=orders("open")), make_state("b", orders=orders("paid"))
        )

    return many


def entries(page: Page) -> Locator:
    return page.locator("article.entry")


def bson_text(value: Any) -> str:
    raw = bson.encode({"": value})
    return str(Value(raw[4], raw[6:-1]))


def titles(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".toggle .id").all_inner_texts()]


def status(page: Page, text: str) -> None:
    """Wait until the number of matches is told, to screen readers too."""
    page.locator("main[aria-busy=false]").wait_for()
    page.locator("#status[role=status]", has_text=text).wait_for()


def row(page: Page, path: str) -> list[str]:
    """Return the texts of the row of a field, in sight or not: its change, path, and values."""
    found = page.locator(".row", has=page.locator(f'.path bdi:text-is("{path}")')).first
    return [text.strip() for text in found.locator("> *").all_text_contents()]


def link(page: Page) -> str:
    return str(page.evaluate("location.hash"))


def at(page: Page) -> str:
    """Return the link of the difference that has the focus."""
    return str(page.evaluate("document.activeElement.closest('.entry')?.dataset.link ?? ''"))


def test_all_that_differs_is_there(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop)
    assert page.title() == "checkout → shop_test · mongoshot"
    status(page, "8 differences")
    assert page.locator("#summary").inner_text() == (
        "2 collections differ: ~ 3 updated, + 1 inserted, − 2 deleted, ≡ 2 definitions changed"  # noqa: RUF001 - a minus
    )
    assert page.locator("main h2 bdi").all_inner_texts() == ["carts", "orders"]
    assert titles(page) == [
        *("dropped", "_id 1", "indexes changed", '_id "o-1"', '_id "o-2"', '_id "o-3"'),
        *('_id "o-5"', '_id "o-4"'),
    ]
    assert row(page, "status") == ["~changed", "status", '"open"', '"paid"']
    assert row(page, "total") == ["~changed", "total", '{"$numberLong": "5"}', "5.0"]
    assert row(page, "index status_1")[0] == "+added"
    assert row(page, "lines") == ["+added", "lines", '[{"sku": "x"}]']
    assert row(page, "the document")[2:] == ["_id, a, b", "_id, b, a"]
    assert page.locator(".row del").first.text_content() == "open"
    assert page.locator(".row ins").first.text_content() == "paid"


def test_equal_states(open_page: OpenPage, make_state: MakeState) -> None:
    page = open_page(compare(make_state("a"), make_state("b")))
    assert "Both are equal." in page.locator("main").inner_text()
    assert page.locator("#summary").inner_text() == "No difference"


def test_without_scripts_the_counts_are_told(open_page: OpenPage, shop: Difference) -> None:
    text = open_page(shop, java_script_enabled=False).locator("noscript").inner_text()
    assert "orders: 1 inserted, 3 updated, 1 deleted, indexes changed" in text


def test_search_by_identity_path_and_value(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop)
    for query, found in (
        ("O-4", ['_id "o-4"']),
        ("STATUS_1", ["indexes changed"]),
        ("kept3", ['_id "o-1"']),
        ('"sku"', ['_id "o-5"']),
        ("numberlong", ['_id "o-1"']),
    ):
        page.fill("#query", query)
        status(page, f"{len(found)} of 8 differences")
        assert titles(page) == found
    page.fill("#query", "kept3")
    status(page, "1 of 8 differences")
    assert row(page, "kept3")[0] == "unchanged"  # shown, as it is what was looked for
    assert page.evaluate("CSS.highlights.get('found').size") > 0
    page.fill("#query", "nowhere at all")
    status(page, "0 of 8 differences")
    assert page.locator("main").inner_text().strip() == "No difference matches."
    page.click("#clear")
    status(page, "8 differences")
    assert page.input_value("#query") == ""


def test_filters_by_kind_and_collection(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop)
    page.click("[data-kind=deleted]")
    status(page, "2 of 8 differences")
    assert page.get_attribute("[data-kind=deleted]", "aria-pressed") == "true"
    page.click("[data-kind=inserted]")
    status(page, "3 of 8 differences")
    page.click("#collections a:has-text('orders')")
    status(page, "2 of 8 differences")
    assert titles(page) == ['_id "o-5"', '_id "o-4"']
    assert page.locator("#collections [aria-current]").inner_text().split() == [
        *("orders", "2", "differences")
    ]
    assert link(page) == "#orders"
    page.click("[data-kind=inserted]")
    page.click("[data-kind=deleted]")
    status(page, "6 of 8 differences")
    page.reload()
    status(page, "6 of 8 differences")
    page.click("#collections a:has-text('All')")
    status(page, "8 differences")


def test_collapse_and_expand(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop)
    toggle = page.locator(".toggle", has_text="o-1")
    assert toggle.get_attribute("aria-expanded") == "true"
    toggle.click()
    assert toggle.get_attribute("aria-expanded") == "false"
    assert page.locator(".path", has_text="total").count() == 0
    page.click("#collapse")
    assert page.locator(".fields").count() == 0
    assert page.locator(".toggle[aria-expanded=false]").count() == 8
    toggle.press("Enter")
    assert page.locator(".fields").count() == 1
    page.click("#expand")
    assert page.locator(".fields").count() == 8


def test_unchanged_fields_and_long_values_are_folded(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop, "#orders/updated/1")
    entry = page.locator("article", has_text="o-1")
    assert entry.locator(".same").count() == 0
    entry.locator("button", has_text="Show 6 unchanged fields").click()
    assert entry.locator(".same").count() == 6
    entry.locator("button", has_text="Hide 6 unchanged fields").press("Enter")
    assert entry.locator(".same").count() == 0
    page.keyboard.press("u")
    assert entry.locator(".same").count() == 6

    entry = page.locator("article", has_text="o-2")
    cells = entry.locator(".value")
    assert entry.locator("del").inner_text() == "before"
    assert len(cells.first.inner_text()) < 700
    cells.first.locator("button").click()
    assert len(cells.first.inner_text()) > 2 * len(LONG)
    cells.first.locator("button", has_text="Show less").press("Enter")
    assert len(cells.first.inner_text()) < 700


@pytest.mark.parametrize(
    ("before", "after", "gone", "came"),
    [
        # Each word that differs, and what stands between two of them; no part of a short word.
        ("one two three", "one 2 three", ["two"], ["2"]),
        ("Ring twice. Thanks, Ada", "Ring once. Thanks, Bob", ["twice", "Ada"], ["once", "Bob"]),
        ("a b c d", "a x y d", ["b c"], ["x y"]),
        ("shipped", "stopped", ["shipped"], ["stopped"]),
        ("a c", "a b c", [], ["b "]),
        ("", "new", [], ["new"]),
        ("a \U0001f600", "a \U0001f601", ["\U0001f600"], ["\U0001f601"]),
        # Of a long one, the part.
        ("65a1b2c3d4e5f60718293a4b", "65a1b2c3d4e5f60718293a4c", ["b"], ["c"]),
        ("2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z", ["01"], ["02"]),
        # Numbers and types differ wholly, too much of anything too.
        (12.5, 12.75, ["12.5"], ["12.75"]),
        (5, "5", ["5"], ['"5"']),
        (5, bson.Int64(5), ["5"], ['{"$numberLong": "5"}']),
        ("a x " * 20, "b x " * 20, ["a x " * 19 + "a"], ["b x " * 19 + "b"]),
    ],
)
def test_the_parts_of_a_value_that_differ_are_marked(
    open_page: OpenPage, make_state: MakeState, before: Any, after: Any, gone: Any, came: Any
) -> None:
    left, right = (make_state("a", orders=[{"_id": 1, "v": side}]) for side in (before, after))
    page = open_page(compare(left, right))
    status(page, "1 difference")
    assert page.locator(".value del").all_text_contents() == gone
    assert page.locator(".value ins").all_text_contents() == came
    assert row(page, "v")[2:] == [bson_text(side) for side in (before, after)]


def test_links_survive_a_reload(
    open_page: OpenPage, shop: Difference, many: Callable[[int], Difference]
) -> None:
    page = open_page(shop, "#orders/deleted/1")
    page.wait_for_function("document.activeElement.closest('.entry')")
    assert at(page) == "orders/deleted/1"
    page.locator("article", has_text="o-3").locator(".link").click()
    assert link(page) == "#orders/updated/3"
    page.reload()
    page.wait_for_function("document.activeElement.closest('.entry')")
    assert at(page) == link(page)[1:] == "orders/updated/3"
    page.evaluate("location.hash = '#orders/definition'")
    page.wait_for_function("document.activeElement.closest('[data-link$=definition]')")
    page.click("#collapse")
    page.evaluate("location.hash = '#orders/updated/1'")  # which is folded
    page.wait_for_function("document.activeElement.closest('[data-link=\"orders/updated/1\"]')")
    assert page.locator(".fields").count() == 1
    page.fill("#query", "o-5")
    status(page, "1 of 8")
    page.evaluate("location.hash = '#carts/deleted/1'")  # which the search leaves out
    page.wait_for_function("document.activeElement.closest('[data-link^=carts]')")
    status(page, "8 differences")
    page.evaluate("location.hash = '#orders/updated/99'")
    status(page, "This page has no difference orders/updated/99.")

    page = open_page(many(200), "#orders/updated/150")
    page.wait_for_function("document.activeElement.closest('.entry')")
    assert at(page) == "orders/updated/150"
    assert page.input_value("#pages input") == "3"


def test_keys_go_from_one_to_the_next(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop)
    status(page, "8 differences")
    visited = []
    for key in ("j", "j", "j", "k", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        visited.append(at(page))
        assert link(page) == f"#{at(page)}"
    first, second, third, fourth = (
        *("carts/definition", "carts/deleted/1", "orders/definition", "orders/updated/1"),
    )
    assert visited == [first, second, third, second, third, fourth, third]
    assert page.locator(".entry.current").count() == 1
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    page.keyboard.press("/")
    page.keyboard.type("o-j/k")  # in the search they are letters
    assert page.input_value("#query") == "o-j/k"
    page.fill("#query", "paid")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('.entry')")
    assert at(page) == "orders/updated/1"
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.body")


def test_keys_go_on_to_the_next_page(
    open_page: OpenPage, many: Callable[[int], Difference]
) -> None:
    page = open_page(many(120), "#orders/updated/50")
    page.wait_for_function("document.activeElement.closest('.entry')")
    page.keyboard.press("j")
    assert at(page) == "orders/updated/51"
    assert page.input_value("#pages input") == "2"
    page.keyboard.press("k")
    assert at(page) == "orders/updated/50"
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert entries(page).count() == 20
    assert at(page) == "orders/updated/101"
    page.keyboard.press("]")
    assert page.input_value("#pages input") == "3"
    page.locator("#pages button", has_text="First").click()
    assert at(page) == "orders/updated/1"


def test_light_and_dark(open_page: OpenPage, shop: Difference) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(246, 247, 249)", "rgb(15, 18, 22)"
    page = open_page(shop, color_scheme="dark")
    assert page.evaluate(colour) == dark
    page.emulate_media(color_scheme="light")
    assert page.evaluate(colour) == light
    page.select_option("#theme", "dark")
    assert page.evaluate(colour) == dark
    page.reload()
    assert (page.evaluate(colour), page.input_value("#theme")) == (dark, "dark")
    page.select_option("#theme", "")
    assert page.evaluate(colour) == light


def test_who_listens_hears_what_there_is(open_page: OpenPage, shop: Difference) -> None:
    page = open_page(shop)
    for role, name in (
        *(("banner", None), ("main", "Differences"), ("search", "Search and filter")),
        *(("navigation", "Collections"), ("heading", "checkout to shop_test")),
        *(("searchbox", "Search in _id, path or value"), ("group", "Kinds of difference")),
        *(("button", "Updated 3"), ("link", "orders 6 differences"), ("combobox", "Theme")),
    ):
        assert page.get_by_role(role, name=name).count() == 1, role  # type: ignore[arg-type]
    entry = page.locator("article", has_text="o-1")
    assert entry.get_by_role("heading", level=3).count() == 1
    table = entry.get_by_role("table")
    heads = table.get_by_role("columnheader").all_text_contents()
    assert heads == ["Change", "Field", "Before", "After"]
    assert table.get_by_role("rowheader", name="status").count() == 1


def test_a_narrow_window_needs_no_scrolling_to_the_side(
    open_page: OpenPage, shop: Difference
) -> None:
    page = open_page(shop, viewport={"width": 340, "height": 700})
    status(page, "8 differences")
    assert page.evaluate("document.documentElement.scrollWidth") <= 340


@pytest.mark.reliability
def test_what_is_hostile_is_text(
    open_page: OpenPage, make_state: MakeState, make_collection: MakeCollection, evidence: Evidence
) -> None:
    ones, texts = dict.fromkeys(HOSTILE, 1), {text: text[::-1] for text in HOSTILE}
    broken = bson.encode({"_id": 3, "text": "ab"}).replace(b"ab\0", b"a\xff\0")
    left = {text: [{"_id": text, "v": 1}, {"_id": 2, **ones}, broken] for text in HOSTILE}
    right = {
        text: make_collection(
            text,
            [{"_id": text, "v": text}, {"_id": 2, **texts}],
            indexes=[ID, {"v": 2, "key": {text: 1}, "name": text}],
        )
        for text in HOSTILE
    }
    difference = compare(make_state(HOSTILE[0], **left), make_state(HOSTILE[6], **right))
    page = open_page(difference)
    status(page, f"{4 * len(HOSTILE)} differences")
    assert page.locator("script").count() == 2
    assert page.locator("img, svg, iframe, b").count() == 0
    ids, nexts = [], page.locator("#pages button", has_text="Next")
    while True:
        page.click("#expand")
        ids += page.locator(".updated ~ .id bdi").all_text_contents()
        if not nexts.is_enabled():
            break
        nexts.click()
    short = {text for text in HOSTILE if len(text) < 300}
    assert short <= {json.loads(text) for text in ids if not text.endswith("…")}
    for name in page.locator("#collections a").all():
        name.click()
        status(page, "differences")
        assert entries(page).count() > 0
    for text in HOSTILE:
        page.fill("#query", text)
        page.keyboard.press("Enter")
    page.evaluate(f"location.hash = {json.dumps('#no' + HOSTILE[2])}")
    status(page, "This page has no difference")
    assert page.evaluate("window.hacked") is None
    evidence(
        "hostile",
        "hostile names, keys, values, indexes and labels on the page of a difference, in a browser",
        f"{len(HOSTILE)} texts, {4 * len(HOSTILE)} differences",
        "each is text; no script of theirs ran",
    )


def test_a_link_leads_to_a_collection_with_any_name(
    open_page: OpenPage, make_state: MakeState
) -> None:
    states = (make_state("a"), make_state("b", **{text: [{"_id": 1}] for text in HOSTILE}))
    page = open_page(compare(*states))
    status(page, "differences")
    links = page.evaluate("[...document.querySelectorAll('.entry .link')].map(a => a.hash)")
    assert len({*links}) == len(links) == 2 * len(HOSTILE)
    for target in links:
        page.evaluate("target => { location.hash = target; }", target)
        page.wait_for_function(
            "target => document.activeElement.closest('.entry')?.dataset.link === target.slice(1)",
            arg=target,
        )


def test_what_is_left_out_is_said(
    open_page: OpenPage, many: Callable[[int], Difference], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_DOCUMENTS", 60)
    monkeypatch.setattr(rows, "MOST_OF_A_VALUE", 8)
    page = open_page(many(1500))
    first, second = page.locator("#notes [role=note]").all_inner_texts()
    assert first == (
        "This page shows 60 of 1,500 documents. Left out: orders (1,440 updated)."
        " mongoshot diff --json writes all."
    )
    assert second.endswith("values of more than 8 characters are cut.")


def test_ten_thousand_differences(open_page: OpenPage, many: Callable[[int], Difference]) -> None:
    page = open_page(many(10_000))
    status(page, "10,000 differences")
    assert entries(page).count() == 50
    page.fill("#query", "group 7.")
    status(page, "100 of 10,000 differences")
    page.fill("#query", "")
    status(page, "10,000 differences")
    page.locator("#pages button", has_text="Last").click()
    assert titles(page)[-1] == '_id "order-09999"'
    page.fill("#query", "order-05")
    status(page, "1,000 of 10,000 differences")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('[data-link$=\"/5001\"]')")
