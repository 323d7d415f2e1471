"""Documents → rows of a page: a field each, with its value or its values side by side."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from mongoshot.comparison.alignment import Alignment, align, list_fields
from mongoshot.comparison.documents import FieldChange, FieldOrder, Value, identity_of
from mongoshot.comparison.text import name_path
from mongoshot.errors import InvalidBSONError, NotRepresentableError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT
from mongoshot.snapshot.encoding.placeholders import WITH_PLACEHOLDERS, read_placeholder
from mongoshot.snapshot.encoding.writer import write_value

MOST_OF_A_VALUE: Final = 100_000
"""Characters of one value; a longer one is cut."""

#: Characters up to which a document or an array stands on one line.
_ONE_LINE: Final = 48

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

# Within a string a quotation mark has a backslash before it.
_WRAPPED: Final = re.compile(r'\{"(\$[a-z]+)": "([\w -]+)"\}')

#: A value; None for one that is not there; two values, of which either may be missing, for an
#: update that is itself expected.
Cell: TypeAlias = str | tuple[str | None, str | None] | None
#: One field: its sign, its path, its values on the left and on the right, and a remark, as far as
#: there is more than None. A sign is = the same (on the left), + on the right alone, - on the left
#: alone, ~ not the same, > in another order, ≈ not the same, and taken for it.
Row: TypeAlias = tuple[Cell, ...]
#: One document, or definition: what it is called, and its fields; what else, says `page`.
Entry: TypeAlias = tuple[str | list[Row] | None, ...]


@dataclass
class RowWriter:
    """Write documents field by field, and count the values that are cut."""

    cut_values: int = 0

    def name(self, document: bytes) -> str:
        """Write the `_id` of a document; "" where it has none."""
        try:
            identity = identity_of(document)
        except InvalidBSONError:
            return ""
        return self.value(identity) if identity else ""

    def alone(self, document: bytes, sign: str) -> list[Row]:
        """Write a document that one side alone has: + the right one, - the left one."""
        try:
            fields = list_fields(document)
        except InvalidBSONError:
            fields = [("", Value(DOCUMENT, document))]
        return [row(sign, path, self.value(value)) for path, value in fields]

    def side_by_side(self, left: bytes, right: bytes, prefix: str = "") -> list[Row]:
        """Write two versions of a document."""
        aligned = align_any(left, right)
        rows = [self.field(change, prefix) for change in aligned.fields]
        rows += [self.order(order, prefix) for order in aligned.reordered]
        return rows

    def field(self, change: FieldChange, prefix: str = "", differs: str = "~") -> Row:
        """Write one field; `differs` is the sign of one whose values are not the same."""
        path = _join(prefix, change.path)
        if change.before is None or change.after is None:
            sign = "+" if change.before is None else "-"
            return row(sign, path, self.value(change.before or change.after))
        if change.before == change.after:
            return row("=", path, self.value(change.before))
        return row(differs, path, *self.values(change.before, change.after))

    def order(self, order: FieldOrder, prefix: str = "", remark: str = "") -> Row:
        """Write in what order the fields of a (sub)document stand on both sides."""
        left, right = (self.cut(visible(", ".join(side))) for side in (order.before, order.after))
        return row(">", _join(prefix, order.path), left, right, remark)

    def value(self, value: Value | None) -> str:
        """Write a value, cut where it is very long."""
        return self.cut(_text(value))

    def values(self, left: Value | None, right: Value | None) -> tuple[str, str]:
        """Write two values, very long ones cut so that one sees where they begin to differ."""
        texts, at = (_text(left), _text(right)), 0
        if max(map(len, texts)) > MOST_OF_A_VALUE:
            pairs = enumerate(zip(*texts, strict=False))
            at = next((at for at, (a, b) in pairs if a != b), min(map(len, texts)))
        return self._window(texts[0], at), self._window(texts[1], at)

    def cut(self, text: str) -> str:
        """Return a text, cut where it is very long."""
        return self._window(text, 0)

    def _window(self, text: str, at: int) -> str:
        if len(text) <= MOST_OF_A_VALUE:
            return text
        self.cut_values += 1
        start = max(0, min(at - MOST_OF_A_VALUE // 2, len(text) - MOST_OF_A_VALUE))
        part = text[start : start + MOST_OF_A_VALUE]
        before = "… " if start else ""
        behind = " …" if start + len(part) < len(text) else ""
        return f"{before}{part}{behind} ({len(text):,} characters)"


def row(sign: str, path: str, left: Cell, right: Cell = None, remark: str = "") -> Row:
    """Make a row; a field of the right side alone is given on the left, and stands on the right."""
    if sign == "+":
        left, right = None, left
    cells: list[Cell] = [sign, visible(name_path(path)), left, right, visible(remark) or None]
    while cells[-1] is None:
        cells.pop()
    return tuple(cells)


def align_any(left: bytes, right: bytes) -> Alignment:
    """Put two documents side by side, in one piece where one of them is damaged."""
    try:
        return align(left, right)
    except InvalidBSONError:
        whole = FieldChange("", Value(DOCUMENT, left), Value(DOCUMENT, right))
        return Alignment((whole,), ())


def visible(text: str) -> str:
    """Spell out, in what is no JSON, what does not show or is no character."""
    return text if text.isprintable() and text.isascii() else _IN_NAMES.sub(_spell_out, text)


def _text(value: Value | None) -> str:
    """Write a value as readable Extended JSON, over several lines where it does not fit on one."""
    if value is None:
        return ""
    text = _bare(str(value))
    if value.type in (DOCUMENT, ARRAY) and len(text) > _ONE_LINE:
        try:
            text = _bare(write_value(WITH_PLACEHOLDERS.indented(2), value.type, value.raw))
        except (NotRepresentableError, InvalidBSONError):
            return text
    return text if text.isascii() else _IN_VALUES.sub(_spell_out, text)


def _bare(text: str) -> str:
    """Write each placeholder as its name, which no value is written like: one stands in quotes."""

    def name(found: re.Match[str]) -> str:
        return found[2] if read_placeholder(found[1], found[2]) else found[0]

    return _WRAPPED.sub(name, text)


def _spell_out(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def _join(prefix: str, path: str) -> str:
    if not prefix or not path:
        return prefix or path
    return f"{prefix}{path}" if path.startswith("[") else f"{prefix}.{path}"
