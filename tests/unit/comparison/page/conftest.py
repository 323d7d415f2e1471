"""What tests of pages share: a page, read as a browser would."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Parsed(HTMLParser):
    """Read a page as a browser would: its elements, and the text in each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open, data))

    @property
    def data(self) -> Any:
        """Return the data, which stands between two elements as one text."""
        [text] = [text for tag, text in self.texts if tag == "script" and text.startswith("{")]
        return json.loads(text)

    @property
    def collections(self) -> list[dict[str, Any]]:
        """Return the collections of the page's only comparison."""
        [comparison] = self.data["comparisons"]
        collections: list[dict[str, Any]] = comparison["collections"]
        return collections
