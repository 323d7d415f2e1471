"""The page of a run, in a browser: what its assertions found not as expected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import bson
import pytest
from tests.reliability import Evidence

from mongoshot.comparison.documents import Value
from mongoshot.comparison.expectation.mismatch import (
    FieldMismatch,
    Mismatch,
    Nearest,
    PartMismatch,
)
from mongoshot.comparison.page.mismatch import Failure, mismatch_data
from mongoshot.comparison.page.report import report_to_html

from ..conftest import HOSTILE
from .conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

PAYING = "tests/test_shop.py::test_paying[EUR]"
PAYING_LINK = "tests%2Ftest_shop.py%3A%3Atest_paying%5BEUR%5D"


def value(python: Any) -> Value:
    raw = bson.encode({"": python})
    return Value(raw[4], raw[6:-1])


def page_of(*failures: Failure, compared: int = 412) -> str:
    """Give the page of a run; the data of each failure has come from a worker."""
    texts = [json.dumps(mismatch_data(failure)) for failure in failures]
    return report_to_html([json.loads(text) for text in texts], compared)


@pytest.fixture
def failed() -> str:
    """Give a page of three assertions: 2 different, 1 missing, 2 unexpected; new; not compared."""

    def update(after: Any) -> Value:
        return value({"_id": "o-1", "fields": {"status": {"before": "open", "after": after}}})

    def status(after: Any) -> Value:
        return value({"before": "open", "after": after})

    near = value({"_id": "o-9", "sku": "x", "qty": 3})
    orders = (
        PartMismatch(
            "updated",
            update("paid"),
            update("sent"),
            (FieldMismatch("status", status("paid"), status("sent"), updates=True),),
        ),
        PartMismatch(
            "inserted",
            value({"_id": "o-2", "total": 5, "etag": "a", "kept": 0}),
            value({"_id": "o-2", "total": bson.Int64(5), "etag": "b", "kept": 0}),
            (
                FieldMismatch(
                    "total", value(5), value(bson.Int64(5)), remark="int32 expected, is int64"
                ),
            ),
        ),
        PartMismatch(
            "inserted",
            value({"_id": "o-8", "sku": "x", "qty": 2}),
            None,
            nearest=Nearest(near, (FieldMismatch("qty", value(2), value(3)),)),
        ),
        PartMismatch("inserted", None, near),
    )
    carts = (PartMismatch("dropped", None, value({})),)
    note = "recorded against shop, which has changed since"
    mismatch = Mismatch("changes", {"orders": orders, "carts": carts}, (note,))
    new = Mismatch("state", {"orders": (PartMismatch("documents", None, value({"_id": 7})),)})
    return page_of(
        Failure(PAYING, "tests/__expectations__/test_shop/test_paying.json", "shop", mismatch),
        Failure("tests/test_shop.py::test_new", "new.json", "shop", new, is_new=True),
        Failure("tests/test_torn.py::test_torn", "torn.json", problem="this is no expectation"),
    )


def status(page: Page, text: str) -> None:
    """Wait until the number of matches is told, to screen readers too."""
    page.locator("main[aria-busy=false]").wait_for()
    page.locator("#status[role=status]", has_text=text).wait_for()


def entry(page: Page, text: str) -> Locator:
    return page.locator("article.entry", has=page.locator(".toggle", has_text=text))


def row(entry: Locator, path: str) -> list[str]:
    """Return the texts of the row of a field, in sight or not: change, path, values, remark."""
    found = entry.locator(".row", has=entry.page.locator(f'.path bdi:text-is("{path}")'))
    return [" ".join(text.split()) for text in found.locator("> *").all_text_contents()]


def at(page: Page) -> str:
    """Return the link of the difference that has the focus."""
    return str(page.evaluate("document.activeElement.closest('.entry')?.dataset.link ?? ''"))


def test_each_assertion_is_told_with_its_differences(open_page: OpenPage, failed: str) -> None:
    page = open_page(failed)
    status(page, "7 differences")
    assert page.title() == "3 of 412 assertions not as expected · mongoshot"
    assert page.locator("#summary").inner_text() == (
        "In 3 tests: ~ 2 different, − 1 missing, + 2 unexpected, * 1 new, ! 1 not compared"  # noqa: RUF001 - a minus
    )
    assert page.locator("main h2 bdi").all_inner_texts() == [
        *("tests/test_shop.py::test_new", PAYING, "tests/test_torn.py::test_torn")
    ]
    paying = page.locator("section.comparison", has_text="test_paying[EUR]")
    assert "staged from shop · expected by tests/__expectations__" in paying.inner_text()
    assert paying.locator(".remarks li").all_inner_texts() == [
        "recorded against shop, which has changed since"
    ]
    assert paying.locator("h3 bdi").all_inner_texts() == ["orders", "carts"]
    assert "this is no expectation" in entry(page, "not compared").inner_text()
    assert row(entry(page, "new"), "_id") == ["*new", "_id", "7"]
    assert "What it held is in the scenario." in entry(page, "drop").inner_text()


def test_documents_stand_side_by_side(open_page: OpenPage, failed: str) -> None:
    page = open_page(failed)
    status(page, "7 differences")
    updated = entry(page, "o-1")
    [mark, path, expected, actual] = row(updated, "status")
    assert (mark, path) == ("~different", "status")
    assert expected == '"open" → becomes "paid"'
    assert actual == '"open" → becomes "sent"'
    assert updated.locator("del").text_content() == "paid"
    assert updated.locator("ins").text_content() == "sent"

    inserted = entry(page, "o-2")
    assert row(inserted, "total")[2:] == ["5", '{"$numberLong": "5"}', "int32 expected, is int64"]
    inserted.locator("button", has_text="Show 3 matching fields").click()
    assert row(inserted, "etag") == ["≈accepted", "etag", '"a"', '"b"']
    assert row(inserted, "kept") == ["as expected", "kept", "0", "0"]

    missing = entry(page, "missing")
    heads = missing.get_by_role("columnheader").all_text_contents()
    assert heads == ["Change", "Field", "Expected", "Nearest"]
    missing.locator(".near a", has_text='_id "o-9"').click()
    page.wait_for_function("document.activeElement.closest('[data-link*=unexpected]')")
    assert at(page) == f"{PAYING_LINK}/orders/unexpected/1"


def test_what_is_said_of_a_collection_and_of_orders(open_page: OpenPage) -> None:
    change = value({"before": {"indexes": {"a_1": {"key": {"a": 1}}}}, "after": {}})
    order = FieldMismatch("", "a, b", "b, a", remark="order of the updates")
    update = value({"_id": 1, "fields": {}})
    parts = (
        PartMismatch("definition", change, None),
        PartMismatch("created", None, value({})),
        PartMismatch("updated", update, update, (order,)),
    )
    there = Mismatch("state", {"orders": (PartMismatch("definition", None, value({})),)})
    page = open_page(
        page_of(
            Failure("a", "a.json", "", Mismatch("changes", {"orders": parts})),
            Failure("b", "b.json", "", there),
        )
    )
    status(page, "4 differences")
    lost = entry(page, "change of the definition")
    assert row(lost, "index a_1") == [
        *("−missing", "index a_1", '{"key": {"a": 1}} → becomes (missing)')  # noqa: RUF001 - a minus
    ]
    assert "options and indexes that every" in entry(page, "creation").inner_text()
    assert page.get_by_role("button", name="unexpected collection").count() == 1
    assert row(entry(page, "update of"), "the document") == [
        *("⇅reordered", "the document order of the updates", "a, b", "b, a")
    ]


def test_search_and_filters(open_page: OpenPage, failed: str) -> None:
    page = open_page(failed)
    for query, found in (("test_TORN", 1), ("int64", 1), ("etag", 1), ("paying", 5), ("sent", 1)):
        page.fill("#query", query)
        status(page, f"{found} of 7 differences")
    page.click("#clear")
    page.click("[data-kind=unexpected]")
    status(page, "2 of 7 differences")
    page.click("#collections a:has-text('carts')")
    status(page, "1 of 7 differences")
    page.click("[data-kind=unexpected]")
    page.click("#collections a:has-text('test_paying')")
    status(page, "5 of 7 differences")
    assert page.evaluate("location.hash") == f"#{PAYING_LINK}"
    page.reload()
    status(page, "5 of 7 differences")
    page.evaluate("location.hash = 'tests/test_shop.py::test_new'")  # as pytest names it
    status(page, "1 of 7 differences")


def test_everything_is_reached_by_keys(open_page: OpenPage, failed: str) -> None:
    page = open_page(failed)
    status(page, "7 differences")
    visited = []
    for key in ("n", "n", "j", "n", "n", "p", "p"):
        page.keyboard.press(key)
        visited.append(at(page).partition("%3A%3A")[2])
    paying = "test_paying%5BEUR%5D/orders/otherwise"
    assert visited == [
        *("test_new/orders/new/1", f"{paying}/1", f"{paying}/2", "test_torn/problem"),
        *("test_torn/problem", f"{paying}/1", "test_new/orders/new/1"),
    ]
    page.keyboard.press("Enter")
    assert page.locator(".entry.current .toggle").get_attribute("aria-expanded") == "false"
    # Without the keys of the page, too: Tab reaches each control, and none keeps the focus.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == (
        "Link to this difference"
    )


def test_who_listens_hears_what_there_is(open_page: OpenPage, failed: str) -> None:
    page = open_page(failed)
    status(page, "7 differences")
    for role, name in (
        *(("navigation", "Assertions"), ("heading", "3 of 412 assertions not as expected")),
        *(("region", PAYING), ("region", "Collection carts"), ("button", "Missing 1")),
        *(("link", "test_paying[EUR] 5 differences"), ("searchbox", "Search in test, _id, path")),
    ):
        assert page.get_by_role(role, name=name).count() == 1, name  # type: ignore[arg-type]
    levels = page.evaluate(
        "[...document.querySelectorAll('main :is(h1,h2,h3,h4)')].map(h => +h.tagName[1])"
    )
    assert levels == [2, 3, 4, 2, 3, 4, 4, 4, 4, 3, 4, 2, 3]


def test_a_run_in_which_all_was_as_expected(open_page: OpenPage) -> None:
    page = open_page(page_of())
    assert page.locator("h1").inner_text() == "412 assertions compared, all as expected"
    assert "Every assertion of this run found what it expected." in page.inner_text("main")
    page = open_page(page_of(compared=0))
    assert "has compared anything" in page.inner_text("main")


def test_without_scripts_the_counts_are_told(open_page: OpenPage, failed: str) -> None:
    text = open_page(failed, java_script_enabled=False).locator("noscript").inner_text()
    assert f"{PAYING}: orders: 2 different, 1 missing, 1 unexpected; carts: 1 unexpected" in text
    assert "tests/test_torn.py::test_torn: this is no expectation" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_scrolling_to_the_side(
    open_page: OpenPage, failed: str, scheme: str
) -> None:
    page = open_page(failed, viewport={"width": 340, "height": 700}, color_scheme=scheme)
    status(page, "7 differences")
    assert page.evaluate("document.documentElement.scrollWidth") <= 340


@pytest.mark.reliability
def test_what_is_hostile_is_text(open_page: OpenPage, evidence: Evidence) -> None:
    part = PartMismatch(
        "inserted",
        value({text: text for text in HOSTILE}),
        value({text: text[::-1] for text in HOSTILE}),
        tuple(
            FieldMismatch(f"[{json.dumps(text)}]", value(text), value(text[::-1]), remark=text)
            for text in HOSTILE
        ),
    )
    mismatch = Mismatch("changes", dict.fromkeys(HOSTILE, (part,)), HOSTILE)
    page = open_page(page_of(*(Failure(text, text, text, mismatch) for text in HOSTILE)))
    status(page, f"{len(HOSTILE) ** 2} differences")
    assert page.locator("script").count() == 2
    assert page.locator("img, svg, iframe, b").count() == 0
    links = page.evaluate("[...document.querySelectorAll('#collections a')].map(a => a.hash)")
    assert len({*links}) == len(links)
    for name in page.locator("#collections > li > a").all():
        name.click()
        status(page, "differences")
        assert page.locator("article.entry").count() > 0
    assert page.evaluate("window.hacked") is None
    evidence(
        "hostile",
        "hostile tests, files, notes, paths and values on the page of a run, in a browser",
        f"{len(HOSTILE)} texts, {len(HOSTILE) ** 2} differences",
        "each is text; no script of theirs ran",
    )


def test_ten_thousand_differences(open_page: OpenPage) -> None:
    failures = []
    for test in range(20):
        parts = tuple(
            PartMismatch(
                "documents",
                value({"_id": f"order-{test:02}-{n:03}", "status": "open", "group": f"group {n}."}),
                value({"_id": f"order-{test:02}-{n:03}", "status": "paid", "group": f"group {n}."}),
                (FieldMismatch("status", value("open"), value("paid")),),
            )
            for n in range(500)
        )
        name = f"test_many.py::test_many[{test:02}]"
        failures.append(Failure(name, f"{test}.json", "shop", Mismatch("state", {"orders": parts})))
    page = open_page(page_of(*failures))
    status(page, "10,000 differences")
    assert page.locator("article.entry").count() == 50
    page.fill("#query", "group 7.")
    status(page, "20 of 10,000 differences")
    page.fill("#query", "many[03]")
    status(page, "500 of 10,000 differences")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('.entry')")
    page.click("#clear")
    status(page, "10,000 differences")
    page.locator("#pages button", has_text="Last").click()
    assert page.locator("article.entry").last.locator(".id").inner_text() == '_id "order-19-499"'
