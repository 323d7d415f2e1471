"""An inline expectation that was not met, as pytest shows it: counts first, then every field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.documents import Value, identity_of
from mongoshot.comparison.expectation.model import SECTIONS
from mongoshot.comparison.inline.expected import decides_itself, encode_value
from mongoshot.comparison.inline.mismatch import (
    ABSENT,
    InlineField,
    InlineMismatch,
    find_fields,
    find_mismatch,
)
from mongoshot.comparison.inline.sequences import ByCollection, Observed, expected_items
from mongoshot.comparison.printable import one_line
from mongoshot.comparison.sameness import items_of
from mongoshot.comparison.text import name_path
from mongoshot.snapshot.elements import ARRAY, DOCUMENT

#: Lines of a message, and of one document in it; the counts are of all.
MOST_LINES = 40
MOST_FIELDS = 12
#: Characters of a value; pytest shows 640 of a message unless it is asked for more.
MOST_CHARACTERS = 60
MOST_COLLECTIONS = 6

#: What is wrong with a document, in a word, and the lines that say so.
_Block: TypeAlias = tuple[str, list[str]]


def explain_inline(op: str, left: object, right: object) -> list[str] | None:
    """Say why `left == right` does not hold, for `pytest_assertrepr_compare`.

    Returns lines of text, about MOST_LINES at most, or None where neither side is what a test has
    inserted, updated, deleted or left, or the other one says itself what it equals.
    """
    if not isinstance(left, Observed | ByCollection | ObservedState):
        left, right = right, left
    if isinstance(left, ObservedState) and expected_items(right) is not None:
        left = left.found()
    if op != "==" or not isinstance(left, Observed | ByCollection):
        return None
    compared = [(left, right)] if isinstance(left, Observed) else _by_collection(left, right)
    if compared is None:
        return None if decides_itself(right) else [_wrong_kind(left, right)]
    mismatches = []
    for found, wanted in compared:
        expected = list(wanted) if isinstance(wanted, Observed) else expected_items(wanted)
        if expected is None:
            return None if decides_itself(wanted) else [_wrong_kind(found, wanted)]
        mismatches.append(find_mismatch(found, expected))
    return [one_line(line) for line in _report(mismatches)]


def _by_collection(
    found: ByCollection[Any], expected: object
) -> list[tuple[Observed[Any, Any], object]] | None:
    """Give the collections that are not as expected, each with what is."""
    if not isinstance(expected, Mapping):
        return None
    names = [*found, *(name for name in expected if name not in found)]
    pairs = [(found[name], expected.get(name, [])) for name in names]
    return [(observed, wanted) for observed, wanted in pairs if observed != wanted]


def _wrong_kind(found: Observed[Any, Any] | ByCollection[Any], other: object) -> str:
    item = "({…}, {…})" if found.section == "updated" else "{…}"
    where, form = "", f'{{"orders": [{item}]}}'
    if isinstance(found, Observed):
        where, form = f'["{_printable(found.collection)}"]', f"[{item}]"
    return f"{found.section}{where} is compared with {form}, not with a {type(other).__name__}"


def _report(mismatches: Sequence[InlineMismatch]) -> Iterator[str]:
    yield from map(_counts, mismatches[:MOST_COLLECTIONS])
    if len(mismatches) > MOST_COLLECTIONS:
        yield f"… and {len(mismatches) - MOST_COLLECTIONS} more collections not as expected"
    room = MOST_LINES - MOST_COLLECTIONS
    for mismatch in mismatches:
        if room <= 0:
            return
        lines = list(_details(mismatch, room))
        if len(mismatches) > 1:
            yield _printable(mismatch.collection)
            lines = [f"  {line}" for line in lines]
        yield from lines
        room -= len(lines) + 1


def _counts(mismatch: InlineMismatch) -> str:
    return (
        f"{_printable(mismatch.collection)}: {mismatch.found} {SECTIONS[mismatch.section]},"
        f" {mismatch.expected} expected: {_totals(_wrong(mismatch))}"
    )


def _wrong(mismatch: InlineMismatch) -> Counter[str]:
    return Counter(
        {
            "otherwise": len(mismatch.otherwise),
            "missing": len(mismatch.missing),
            "not expected": len(mismatch.unexpected),
        }
    )


def _totals(wrong: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in wrong.items() if count)


def _details(mismatch: InlineMismatch, room: int) -> Iterator[str]:
    rest = _wrong(mismatch)
    for word, lines in _blocks(mismatch):
        if room <= 0:
            break
        yield from lines
        room -= len(lines)
        rest[word] -= 1
    if any(rest.values()):
        yield f"… and {rest.total()} more: {_totals(rest)}"


def _blocks(mismatch: InlineMismatch) -> Iterator[_Block]:
    for expected, actual in mismatch.otherwise:
        lines = [f"~ {_name(actual)} otherwise than expected"]
        fields = list(find_fields(expected, actual))
        lines += [f"    {_field(field)}" for field in fields[:MOST_FIELDS]]
        if len(fields) > MOST_FIELDS:
            lines.append(f"    … and {len(fields) - MOST_FIELDS} more fields")
        yield "otherwise", lines
    for expected in mismatch.missing:
        yield (
            "missing",
            [f"- expected, and not {SECTIONS[mismatch.section]}: {_cut(_text(expected))}"],
        )
    for actual in mismatch.unexpected:
        yield (
            "not expected",
            [f"+ {SECTIONS[mismatch.section]}, and not expected: {_cut(str(actual))}"],
        )


def _name(actual: Value) -> str:
    """Name a document, or one before and one after, by its `_id`."""
    document = items_of(actual)[0] if actual.type == ARRAY else actual
    identity = identity_of(document.raw) if document.type == DOCUMENT else None
    return f"_id {_cut(str(identity))}" if identity else "a document without _id"


def _field(field: InlineField) -> str:
    name = name_path(field.path)
    if field.expected is ABSENT and field.actual is None:
        return f"{name}: {field.remark}"
    expected, actual = _cut_both(
        "(missing)" if field.expected is ABSENT else _text(field.expected),
        "(missing)" if field.actual is None else str(field.actual),
    )
    remark = f" ({field.remark})" if field.remark else ""
    return f"{name}  expected {expected}, is {actual}{remark}"


def _text(expected: object) -> str:
    value = encode_value(expected)
    return _printable(repr(expected)) if value is None else str(value)


def _printable(text: str) -> str:
    """Escape what a terminal could take for a command."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str) -> str:
    """Cut a long text in the middle."""
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]} … {text[-half:]}"


def _cut_both(one: str, other: str) -> tuple[str, str]:
    """Cut two texts so that the part where they differ is in view."""
    if max(len(one), len(other)) <= MOST_CHARACTERS:
        return one, other
    same = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    at = next(same, min(len(one), len(other)))
    start = max(0, at - MOST_CHARACTERS // 2)
    return _window(one, start), _window(other, start)


def _window(text: str, start: int) -> str:
    before = "… " if start else ""
    behind = " …" if len(text) > start + MOST_CHARACTERS else ""
    return f"{before}{text[start : start + MOST_CHARACTERS]}{behind}"
