"""A difference as a page to look at: one HTML file that needs nothing else, and asks nobody.

`page/` holds what every page is made of: its frame, its style and its script. The data stands in
the page as JSON that nothing executes; the script makes text of it, and text alone. A
Content-Security-Policy lets the browser run that script and no other, and load nothing.
https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP

The same difference gives the same bytes.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, TypeAlias

from mongoshot.comparison.alignment import Alignment, align, list_fields
from mongoshot.comparison.difference import Difference
from mongoshot.comparison.documents import DocumentChange, FieldChange, Value, identity_of
from mongoshot.comparison.text import CollectionDifference, name_path
from mongoshot.errors import InvalidBSONError, NotRepresentableError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, STRING
from mongoshot.snapshot.encoding import readable
from mongoshot.snapshot.model import Definition

#: What a page holds at most; beyond that it says what is left out.
MOST_DOCUMENTS: Final = 20_000
MOST_TEXT: Final = 48_000_000
"""Characters of paths and values, of all documents together."""
MOST_OF_A_VALUE: Final = 100_000
"""Characters of one value."""

#: Characters up to which a document or an array stands on one line.
_ONE_LINE: Final = 48

#: The kinds of documents, in the order in which a collection shows them.
_KINDS: Final = ("updated", "inserted", "deleted")

# What does not show, or turns the direction of what does: two values must not differ in that alone
# and look the same. Joiners are left to the scripts that need them.
_INVISIBLE: Final = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_VALUES: Final = re.compile(
    f"[{_INVISIBLE}]|(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f])"
)
_IN_NAMES: Final = re.compile(f"{_IN_VALUES.pattern}|[\x00-\x1f\x7f-\x9f]")

#: One field: sign (= the same, + added, - removed, ~ changed, > reordered), path, and its value, or
#: its values before and after.
Row: TypeAlias = tuple[str, ...]
#: One document, or definition: what it is called, and its fields.
Entry: TypeAlias = tuple[str, list[Row]]


def to_html(difference: Difference) -> str:
    """Write a difference as an HTML page.

    Of more than 20,000 documents, or 48 million characters, each collection and kind shows its fair
    share, and the page says how many are left out; the counts are of all. A value of more than
    100,000 characters is cut.
    """
    before, after = _visible(difference.before), _visible(difference.after)
    writer = _Writer()
    collections = writer.collections(difference.collections)
    data = {
        "before": before,
        "after": after,
        "collections": collections,
        "cutValues": writer.cut_values,
        "mostOfAValue": MOST_OF_A_VALUE,
    }
    counts = "".join(
        f"<li>{_escape(_visible(name))}: {_escape(c.counts)}</li>"
        for name, c in difference.collections.items()
    )
    style, script = _part("style.css"), _part("script.js")
    values = {
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "before": _escape(before),
        "after": _escape(after),
        "counts": f"<ul>{counts}</ul>" if counts else "<p>They are equal.</p>",
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: values[found[1]], _part("frame.html"))


def _part(name: str) -> str:
    return files("mongoshot.comparison").joinpath("page", name).read_text(encoding="utf-8")


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


@dataclass
class _Writer:
    """Write collections, and count what has no room on the page."""

    cut_values: int = 0
    _texts: int = field(default=0, init=False)

    def collections(self, found: Mapping[str, CollectionDifference]) -> list[dict[str, Any]]:
        """Write all collections, in their order."""
        shown = self._documents(found)
        return [
            {
                "name": _visible(name),
                "counts": difference.counts,
                "total": {kind: len(_documents_of(difference, kind)) for kind in _KINDS},
                "definition": self._definition(difference),
            }
            | {kind: shown[name, kind] for kind in _KINDS}
            for name, difference in found.items()
        ]

    def _documents(
        self, found: Mapping[str, CollectionDifference]
    ) -> dict[tuple[str, str], list[Entry]]:
        """Write as many documents as there is room for.

        Small groups come first, and what they leave of their share goes to the larger ones.
        """
        groups = {
            (name, kind): _documents_of(difference, kind)
            for name, difference in found.items()
            for kind in _KINDS
        }
        entries: dict[tuple[str, str], list[Entry]] = {}
        documents_left, text_left = MOST_DOCUMENTS, MOST_TEXT
        for key in sorted(groups, key=lambda key: len(groups[key])):
            groups_left = len(groups) - len(entries)
            text_share = text_left // groups_left
            shown: list[Entry] = []
            used = 0
            for document in groups[key][: documents_left // groups_left]:
                entry, size = self._measured(document, key[1])
                if used + size > text_share:
                    break
                used += size
                shown.append(entry)
            entries[key] = shown
            documents_left -= len(shown)
            text_left -= used
        return entries

    def _measured(self, document: bytes | DocumentChange, kind: str) -> tuple[Entry, int]:
        if isinstance(document, DocumentChange):
            identity, rows = document.identity, self._both(document.before, document.after, "")
        else:
            identity, rows = _identity(document), self._one(document, kind)
        name = self._cut(_text(identity)) if identity else ""
        return (name, rows), len(name) + sum(len(text) for row in rows for text in row)

    def _one(self, document: bytes, kind: str) -> list[Row]:
        """Write a document that one side alone has."""
        sign = "+" if kind == "inserted" else "-"
        try:
            fields = list_fields(document)
        except InvalidBSONError:
            fields = [("", Value(DOCUMENT, document))]
        return [(sign, _path(path), self._cut(_text(value))) for path, value in fields]

    def _both(self, before: bytes, after: bytes, prefix: str) -> list[Row]:
        """Write two versions of a document, side by side."""
        aligned = _align(before, after)
        rows = [self._field(change, prefix) for change in aligned.fields]
        for order in aligned.reordered:
            keys = (self._cut(_visible(", ".join(side))) for side in (order.before, order.after))
            rows.append((">", _path(_join(prefix, order.path)), *keys))
        return rows

    def _field(self, change: FieldChange, prefix: str = "") -> Row:
        path = _path(_join(prefix, change.path))
        if change.before is None or change.after is None:
            sign = "+" if change.before is None else "-"
            return sign, path, self._cut(_text(change.before or change.after))
        if change.before == change.after:
            return "=", path, self._cut(_text(change.before))
        return "~", path, *self._cut_both(_text(change.before), _text(change.after))

    def _definition(self, difference: CollectionDifference) -> Entry | None:
        before, after = difference.before, difference.after
        if before == after:
            return None
        if before is None or after is None:
            name, sign = ("created", "+") if before is None else ("dropped", "-")
            parts = _parts(before or after)
            return name, [(sign, path, self._cut(_text(value))) for path, value in parts.items()]
        changed = [part for part in ("type", "options", "indexes") if _differ(before, after, part)]
        return f"{', '.join(changed)} changed", list(self._changed_definition(before, after))

    def _changed_definition(self, before: Definition, after: Definition) -> Iterator[Row]:
        left, right = _parts(before), _parts(after)
        for path in [*right, *(path for path in left if path not in right)]:
            old, new = left.get(path), right.get(path)
            if old and new and old != new and old.type == new.type == DOCUMENT:
                yield from self._both(old.raw, new.raw, path)
            else:
                yield self._field(FieldChange(path, old, new))
        names = [[_index_name(index) for index in side.indexes] for side in (before, after)]
        if sorted(names[0]) == sorted(names[1]) and names[0] != names[1]:
            yield ">", "indexes", *(self._cut(_visible(", ".join(side))) for side in names)

    def _cut(self, text: str) -> str:
        return self._window(text, 0)

    def _cut_both(self, before: str, after: str) -> tuple[str, str]:
        """Cut two values so that one sees where they begin to differ."""
        at = 0
        if max(len(before), len(after)) > MOST_OF_A_VALUE:
            pairs = enumerate(zip(before, after, strict=False))
            at = next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
        return self._window(before, at), self._window(after, at)

    def _window(self, text: str, at: int) -> str:
        if len(text) <= MOST_OF_A_VALUE:
            return text
        self.cut_values += 1
        start = max(0, min(at - MOST_OF_A_VALUE // 2, len(text) - MOST_OF_A_VALUE))
        part = text[start : start + MOST_OF_A_VALUE]
        before = "… " if start else ""
        behind = " …" if start + len(part) < len(text) else ""
        return f"{before}{part}{behind} ({len(text):,} characters)"


def _documents_of(
    difference: CollectionDifference, kind: str
) -> Sequence[bytes] | Sequence[DocumentChange]:
    documents: Sequence[bytes] | Sequence[DocumentChange] = getattr(difference, kind)
    return documents


def _align(before: bytes, after: bytes) -> Alignment:
    try:
        return align(before, after)
    except InvalidBSONError:
        whole = FieldChange("", Value(DOCUMENT, before), Value(DOCUMENT, after))
        return Alignment((whole,), ())


def _identity(document: bytes) -> Value | None:
    try:
        return identity_of(document)
    except InvalidBSONError:
        return None


def _differ(before: Definition, after: Definition, part: str) -> bool:
    return bool(getattr(before, part) != getattr(after, part))


def _parts(definition: Definition | None) -> dict[str, Value]:
    """Return what a collection is made of, by what the page calls it."""
    if definition is None:
        return {}
    type_text = definition.type.encode() + b"\0"
    parts = {"type": Value(STRING, len(type_text).to_bytes(4, "little") + type_text)}
    if definition.options != Definition("").options:
        parts["options"] = Value(DOCUMENT, definition.options)
    for index in definition.indexes:
        parts[f"index {_index_name(index)}"] = Value(DOCUMENT, index)
    return parts


def _index_name(index: bytes) -> str:
    try:
        names = [value for path, value in list_fields(index) if path == "name"]
    except InvalidBSONError:
        return "(unreadable)"
    return names[0].raw[4:-1].decode(errors="backslashreplace") if names else "(no name)"


def _join(prefix: str, path: str) -> str:
    if not prefix or not path:
        return prefix or path
    return f"{prefix}{path}" if path.startswith("[") else f"{prefix}.{path}"


def _path(path: str) -> str:
    return _visible(name_path(path))


def _text(value: Value | None) -> str:
    """Write a value as readable Extended JSON, over several lines where it does not fit on one."""
    if value is None:
        return ""
    text = str(value)
    if value.type in (DOCUMENT, ARRAY) and len(text) > _ONE_LINE:
        try:
            text = readable(value.type, value.raw, indent=2)
        except (NotRepresentableError, InvalidBSONError):
            return text
    return text if text.isascii() else _IN_VALUES.sub(_spell_out, text)


def _visible(text: str) -> str:
    """Spell out, in what is no JSON, what does not show or is no character."""
    return text if text.isprintable() and text.isascii() else _IN_NAMES.sub(_spell_out, text)


def _spell_out(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


_escape: Callable[[str], str] = html.escape
