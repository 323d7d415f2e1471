"""Fixtures for tests in a browser: a headless Chromium, and pages that must do nothing wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mongoshot.comparison.difference import Difference
from mongoshot.comparison.page.difference import to_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OpenPage = Callable[..., "Page"]

#: Names the browser to use; one that is named must be there.
VARIABLE = "MONGOSHOT_CHROMIUM"
_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")


def find_chromium() -> str | None:
    named = os.environ.get(VARIABLE)
    if named is None:
        return next(filter(None, map(shutil.which, _NAMES)), None)
    if found := shutil.which(named):
        return found
    pytest.fail(f"{VARIABLE} names {named}, which is not there")


# For a module, not the session: while it runs, there is an event loop in this thread, which tests
# of asynchronous code would trip over.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a headless Chromium, the machine's own; nothing is downloaded."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on PATH ({VARIABLE} names one)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Open a difference, or a page, in a context of its own that takes these options.

    At the end of the test each page must have loaded nothing but itself, logged nothing, asked
    nothing, and run nothing that came with the data.
    """
    problems: list[str] = []
    pages: list[Page] = []

    def open_page(shown: Difference | str, link: str = "", **options: Any) -> Page:
        path = tmp_path / f"page {len(pages)}.html"
        html = shown if isinstance(shown, str) else to_html(shown)
        path.write_bytes(html.encode())
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(15_000)
        pages.append(page)

        def check_request(url: str) -> None:
            if url.split("#")[0] not in (path.as_uri(), "data:,"):
                problems.append(f"request: {url}")

        page.on("request", lambda request: check_request(request.url))
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.on("popup", lambda popup: problems.append(f"popup: {popup.url}"))
        page.goto(path.as_uri() + link)
        return page

    yield open_page
    for page in pages:
        problems += [
            f"executed: {found}" for found in page.evaluate("[window.hacked ?? []].flat()")
        ]
        page.context.close()
    assert problems == []
