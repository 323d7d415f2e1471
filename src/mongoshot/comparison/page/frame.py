"""The data of a page → the page: its frame, its style and its script.

The data stands in the page as JSON that nothing executes; the script makes text of it, and text
alone. A Content-Security-Policy lets the browser run that script and no other, and load nothing.
https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

#: The parts of the one script, each of which knows what the ones before it have named.
_SCRIPTS: Final = ("data.js", "marks.js", "entry.js", "list.js")


@dataclass(frozen=True, slots=True)
class Words:
    """Say what a page calls things, as plain text; `heading` alone is HTML.

    `kind` is "difference" or "report"; `counts` are a line for each thing that differs, for who
    has no scripts, and `nothing` is said where there is none; `listed` is the title of the list at
    the side, and `searched` says what the search looks into.
    """

    kind: str
    title: str
    heading: str
    counts: Sequence[str]
    nothing: str
    listed: str
    searched: str


def to_page(words: Words, data: Mapping[str, Any]) -> str:
    """Write the page of this data; the same data gives the same bytes."""
    style = _part("style.css")
    script = f'(() => {{\n"use strict";\n{"".join(map(_part, _SCRIPTS))}}})();'
    counts = "".join(f"<li>{escape(line)}</li>" for line in words.counts)
    values = {
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "kind": words.kind,
        "title": escape(words.title),
        "heading": words.heading,
        "counts": f"<ul>{counts}</ul>" if counts else f"<p>{escape(words.nothing)}</p>",
        "listed": escape(words.listed),
        "searched": escape(words.searched),
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: values[found[1]], _part("frame.html"))


def escape(text: str) -> str:
    """Write text so that it means itself in HTML, also in an attribute."""
    return html.escape(text)


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    def source(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {source(style)}",
            f"script-src {source(script)}",
            "img-src data:",  # the empty icon, without which a browser asks the server for one
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
