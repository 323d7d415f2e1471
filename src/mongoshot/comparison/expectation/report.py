"""What is not as expected → text: in a few lines, and in full.

The signs are `~` for what is otherwise than expected, `-` for what is missing, `+` for what is not
expected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mongoshot.comparison.documents import Value, identity_of
from mongoshot.comparison.expectation.definitions import definition_updates
from mongoshot.comparison.expectation.mismatch import (
    FieldMismatch,
    Mismatch,
    PartMismatch,
    Verdict,
)
from mongoshot.comparison.expectation.model import SECTIONS, Expectation, fields_of, members
from mongoshot.comparison.text import (
    MOST_CHARACTERS,
    name_path,
    shorten,
    shorten_both,
    spell_out,
)
from mongoshot.snapshot.elements import SMALLEST_DOCUMENT
from mongoshot.snapshot.encoding.style import quoted

SIGNS: Mapping[Verdict, str] = {"otherwise": "~", "missing": "-", "unexpected": "+"}

_WORDS: Mapping[Verdict, str] = {
    "otherwise": "otherwise",
    "missing": "missing",
    "unexpected": "not expected",
}
_ORDER = "order of the fields"

#: What pytest shows of an explanation without -vv are 8 lines, and 640 characters.
BRIEF_LINES = 8
_BRIEF_ALL = 620
_BRIEF_LINE = 160
_BRIEF_VALUE = 48


class Brief(NamedTuple):
    """Hold an explanation of a few lines, and whether it leaves nothing out."""

    lines: list[str]
    complete: bool


def describe(expectation: Expectation) -> Iterator[str]:
    """Say what an expectation holds, as lines of text."""
    for name, facets in expectation.facets.items():
        yield _printable(name)
        for (section, identity, _), value in facets.items():
            subject = f"_id {shorten(identity)}" if section in SECTIONS else "the collection"
            yield f"  {subject}: {_fact(section, value)}"
            yield from (f"      {line}" for line in _content(section, value))


def summarize(mismatch: Mismatch) -> str:
    """Say in one line how much is not as expected: `orders: 2 otherwise; payments: 1 missing`."""
    if mismatch.other_kind is not None:
        return (
            f"the expectation is of {mismatch.other_kind}, and this is a comparison of"
            f" {mismatch.kind}"
        )
    counts = (f"{_printable(name)}: {_counts(p)}" for name, p in mismatch.collections.items())
    what = "changes" if mismatch.kind == "changes" else "state"
    return f"{what} not as expected in {'; '.join(counts)}"


def brief(mismatch: Mismatch) -> Brief:
    """Say what is not as expected in as few lines as pytest always shows: counts, then a line each.

    Of what is alike in a collection, the first comes before the second of anything.
    """
    met: Counter[tuple[str, str, Verdict]] = Counter()
    ranked = []
    for name, parts in mismatch.collections.items():
        for part in parts:
            kind = (name, part.section, part.verdict)
            if met[kind] < BRIEF_LINES:
                line, whole = _in_a_line(part)
                shown = _middle_cut(_printable(name), _BRIEF_VALUE)
                ranked.append((met[kind], f"{shown} {line}", whole))
            met[kind] += 1
    ranked.sort(key=lambda each: each[0])
    total = sum(met.values())
    lines = [_cut(summarize(mismatch), 2 * _BRIEF_LINE)]
    complete = not mismatch.notes
    for _, line, whole in ranked:
        shown = _cut(line, _BRIEF_LINE)
        full = len(lines) == BRIEF_LINES - 1 and total > BRIEF_LINES - 1
        if full or sum(map(len, lines)) + len(shown) > _BRIEF_ALL:
            lines.append(f"… and {total - len(lines) + 1:,} more")
            return Brief(lines, complete=False)
        lines.append(shown)
        complete = complete and whole and shown == line
    return Brief(lines, complete)


def report(mismatch: Mismatch) -> Iterator[str]:
    """Say all that is not as expected, as lines of text: counts first, then every field."""
    yield summarize(mismatch)
    for name, parts in mismatch.collections.items():
        yield _printable(name)
        for part in parts:
            yield from (f"  {line}" for line in _part(part))
    yield from (f"note: {spell_out(note)}" for note in mismatch.notes)


def _counts(parts: tuple[PartMismatch, ...]) -> str:
    counted = Counter(part.verdict for part in parts)
    return ", ".join(f"{counted[v]:,} {word}" for v, word in _WORDS.items() if counted[v])


def _part(part: PartMismatch) -> Iterator[str]:
    yield f"{SIGNS[part.verdict]} {_named(part)}{_what_is_wrong(part)}"
    if part.verdict == "otherwise":
        yield from (f"    {_field(field)}" for field in part.fields)
        return
    value = part.expected if part.actual is None else part.actual
    yield from (f"    {line}" for line in _content(part.section, value))
    if part.nearest:
        yield f"    nearest is _id {shorten(identity_of(part.nearest.actual.raw))}:"
        yield from (f"        {_field(field)}" for field in part.nearest.fields)


def _in_a_line(part: PartMismatch) -> tuple[str, bool]:
    """Say of a part what matters most, and whether that is all."""
    named = _named(part, _BRIEF_VALUE)
    said = f"{SIGNS[part.verdict]} {named}"
    if part.verdict == "otherwise":
        details = [(_field(field, _BRIEF_VALUE), _field(field)) for field in part.fields]
    else:
        said += f"{_what_is_wrong(part)}: "
        lines = _content(part.section, part.expected if part.actual is None else part.actual)
        details = [(_cut(line, 2 * _BRIEF_VALUE), line) for line in lines]
    if part.nearest:
        said += f"nearest is _id {shorten(identity_of(part.nearest.actual.raw), _BRIEF_VALUE)}: "
        details = [(_field(field, _BRIEF_VALUE), "") for field in part.nearest.fields]
    if not details:
        return said.removesuffix(": "), True
    more = len(details) - 1
    and_more = f", and {more} more field{'s' if more > 1 else ''}" if more else ""
    shown, all_of_it = details[0]
    whole = shown == all_of_it and not more and named == _named(part)
    return f"{said}{shown}{and_more}", whole


def _named(part: PartMismatch, most: int = MOST_CHARACTERS) -> str:
    if part.section not in SECTIONS:
        return "the collection: "
    return f"_id {shorten(part.identity, most)}: "


def _what_is_wrong(part: PartMismatch) -> str:
    value = part.expected if part.actual is None else part.actual
    fact = _fact(part.section, value)
    if part.verdict == "otherwise":
        return f"{fact} otherwise than expected"
    if part.verdict == "unexpected":
        return f"{fact}, which is not expected"
    if part.section == "definition" and fact != "there":
        return "options or indexes expected to change, and have not"
    return f"expected to be {fact}, and is not"


def _fact(section: str, value: Value | None) -> str:
    if section == "definition" and value and "after" not in members(value):
        return "there"  # of a state, which the other state has not
    if section == "definition":
        return "options or indexes changed"
    return SECTIONS.get(section, _printable(section))


def _content(section: str, value: Value | None) -> Iterator[str]:
    """Write what an expectation says of a document or a collection."""
    if section == "updated" and value is not None:
        for path, update in fields_of(value).items():
            yield f"{name_path(path)}  {_arrow(update)}"
        if order := members(value).get("reordered"):
            yield f"order of the fields  {shorten(order)}"
    elif section == "definition" and value is not None and "after" in (sides := members(value)):
        for name, update in definition_updates(sides).items():
            yield f"{name_path(name)}  {_arrow(update)}"
    elif section not in ("deleted", "dropped") and value and len(value.raw) > SMALLEST_DOCUMENT:
        yield shorten(value)


def _field(field: FieldMismatch, most: int = MOST_CHARACTERS) -> str:
    name = _middle_cut(name_path(field.path), most)
    if field.remark == _ORDER and isinstance(field.actual, str):
        expected, actual = _both(field, most)
        return f"{name}: the fields are in the order {actual}, not {expected}"
    if field.remark in (_ORDER, "order of the updates"):
        name, remark = field.remark, ""
    else:
        remark = f" ({field.remark})" if field.remark else ""
    expected, actual = _both(field, most)
    return f"{name}  expected {expected}, is {actual}{remark}"


def _both(field: FieldMismatch, most: int) -> tuple[str, str]:
    expected, actual = field.expected, field.actual
    if isinstance(expected, str) or isinstance(actual, str):
        return _side(expected, most), _side(actual, most)
    if field.remark == _ORDER:
        orders = (shorten(each, most) if each else "as before" for each in (expected, actual))
        return next(orders), next(orders)
    if not field.updates:
        return shorten_both(expected, actual, most)
    if expected is None or actual is None:
        return _arrow(expected, most), _arrow(actual, most)
    old, new = members(expected), members(actual)
    befores = shorten_both(old.get("before"), new.get("before"), most)
    afters = shorten_both(old.get("after"), new.get("after"), most)
    return f"{befores[0]} → {afters[0]}", f"{befores[1]} → {afters[1]}"


def _side(value: Value | str | None, most: int) -> str:
    return _cut(_printable(value), most) if isinstance(value, str) else shorten(value, most)


def _arrow(change: Value | None, most: int = MOST_CHARACTERS) -> str:
    if change is None:
        return "no change"
    sides = members(change)
    before, after = shorten_both(sides.get("before"), sides.get("after"), most)
    return f"{before} → {after}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 2]} …"


def _printable(text: str) -> str:
    return text if text.isprintable() else spell_out(quoted(text))


def _middle_cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most // 2]} … {name[-(most // 2) :]}"
