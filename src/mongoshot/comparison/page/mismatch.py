"""What is not as expected → the data of a report's page, one assertion at a time.

An xdist worker makes the data, as it has the rules that the mismatch was found by; the controller
makes the page of it (`report`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mongoshot.comparison.documents import FieldChange, Value
from mongoshot.comparison.expectation.definitions import definition_updates, name_parts
from mongoshot.comparison.expectation.mismatch import FieldMismatch, Mismatch, PartMismatch
from mongoshot.comparison.expectation.model import SECTIONS, fields_of, members
from mongoshot.comparison.expectation.report import summarize
from mongoshot.comparison.page.room import share
from mongoshot.comparison.page.rows import Cell, Entry, Row, RowWriter, align_any, row, visible
from mongoshot.snapshot.elements import DOCUMENT

#: The kinds of entries, in the order in which a collection shows them, and the words for them.
KINDS: Final = {
    "otherwise": "different",
    "missing": "missing",
    "unexpected": "unexpected",
    "new": "new",
}
#: The sections that hold documents as they are.
_OF_DOCUMENTS: Final = ("inserted", "deleted", "documents")
_ORDER: Final = "order of the fields"
#: The remarks on what stands in another order.
_ORDERS: Final = (_ORDER, "order of the updates")


@dataclass(frozen=True, slots=True)
class Failure:
    """Hold one assertion that failed, to be shown on the page of a run.

    `test` is pytest's id of the test, `file` the path of the expectation from the rootdir,
    `scenario` what the test started from. Where no expectation is stored, `is_new` is set, and the
    unexpected parts of the mismatch are what would be recorded. Where nothing could be compared,
    `mismatch` is None, and `problem` says why.
    """

    test: str
    file: str
    scenario: str = ""
    mismatch: Mismatch | None = None
    is_new: bool = False
    problem: str = ""


def mismatch_data(failure: Failure) -> dict[str, Any]:
    """Write a failed assertion as data of a page, which JSON can hold.

    Of what is more than a page holds, each collection and kind has its fair share.
    """
    writer = RowWriter()
    mismatch = failure.mismatch if failure.mismatch is not None else Mismatch("", {})
    collections = _collections(mismatch, failure.is_new, writer)
    return {
        "name": visible(failure.test),
        "file": visible(failure.file),
        "kind": mismatch.kind,
        "scenario": visible(failure.scenario),
        "new": failure.is_new,
        "problem": "" if collections else visible(failure.problem) or _why_empty(failure),
        "notes": [visible(note) for note in mismatch.notes],
        "collections": collections,
        "cutValues": writer.cut_values,
    }


def _why_empty(failure: Failure) -> str:
    if failure.is_new:
        return "No expectation is stored yet; the one to record is empty."
    if failure.mismatch and failure.mismatch.other_kind is not None:
        return summarize(failure.mismatch)
    return "The two cannot be compared part by part."


def _collections(mismatch: Mismatch, is_new: bool, writer: RowWriter) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[PartMismatch]] = {}
    for name, parts in mismatch.collections.items():
        for part in parts:
            groups.setdefault((name, "new" if is_new else part.verdict), []).append(part)
    shown = share(groups, lambda _, part: _entry(part, writer))
    collections = []
    for name in mismatch.collections:
        total = {kind: len(groups[name, kind]) for kind in KINDS if (name, kind) in groups}
        collections.append(
            {
                "name": visible(name),
                "counts": ", ".join(f"{count} {KINDS[kind]}" for kind, count in total.items()),
                "total": total,
                "entries": {kind: shown[name, kind] for kind in total},
            }
        )
    return collections


def _entry(part: PartMismatch, writer: RowWriter) -> Entry:
    value, near = part.expected or part.actual, None
    if part.expected and part.actual:
        rows = _side_by_side(part.section, part.expected, part.actual, part.fields, writer)
    elif part.expected and part.nearest:
        candidate = part.nearest
        near = writer.name(candidate.actual.raw)
        rows = _side_by_side(
            part.section, part.expected, candidate.actual, candidate.fields, writer
        )
    else:
        rows = _alone(part.section, value, "-" if part.expected else "+", writer)
    name = writer.name(value.raw) if value and part.section in SECTIONS else ""
    return name, rows, part.section, near


def _alone(section: str, value: Value | None, sign: str, writer: RowWriter) -> list[Row]:
    """Write what one side alone says."""
    if value is None:
        return []
    if section in _OF_DOCUMENTS:
        return writer.alone(value.raw, sign)
    updates = _has_updates(section, value)
    rows = [
        row(sign, path, _update(said, writer) if updates else writer.value(said))
        for path, said in _said(section, value).items()
    ]
    return rows + [
        row(sign, f"{_ORDER} of {path}" if path else _ORDER, writer.value(keys))
        for path, keys in _reordered(section, value).items()
    ]


def _side_by_side(
    section: str,
    expected: Value,
    actual: Value,
    fields: Sequence[FieldMismatch],
    writer: RowWriter,
) -> list[Row]:
    """Write what both sides say: what is not as expected, amid all else that they hold.

    The `fields` alone tell what is wrong. Any other field whose values are not the same has been
    taken for the same, by a rule or by the numbers of its placeholders.
    """
    wrong = [field for field in fields if field.remark not in _ORDERS]
    changes = list(_all_fields(section, expected, actual))
    places = _places([change.path for change in changes], wrong)
    paths = {field.path for field in wrong}
    updates = _has_updates(section, actual)
    rows: list[Row] = []
    for at, change in enumerate(changes):
        rows += (_field(field, writer) for field in places.get(at, ()))
        if at not in places and paths.isdisjoint(_prefixes(change.path)):
            rows.append(_as_expected(change, writer, updates=updates))
    rows += (_field(field, writer) for field in places.get(len(changes), ()))
    for field in fields:
        if field.remark in _ORDERS:
            rows += _order(section, field, expected, actual, writer)
    return rows


def _order(
    section: str, field: FieldMismatch, expected: Value, actual: Value, writer: RowWriter
) -> Iterator[Row]:
    """Write in what order fields, or the updates of fields, stand on both sides."""
    if not isinstance(field.expected, str) and not isinstance(field.actual, str):
        old, new = (_reordered(section, side) for side in (expected, actual))
        for path in {**new, **old}:
            left, right = (writer.value(s[path]) if path in s else None for s in (old, new))
            yield row(">", path, left, right, field.remark)
        return
    sides = (field.expected, field.actual)
    left, right = (None if side is None else _side(side, writer) for side in sides)
    yield row(">", field.path, left, right, field.remark)


def _places(
    paths: Sequence[str], fields: Sequence[FieldMismatch]
) -> dict[int, list[FieldMismatch]]:
    """Return which of the paths each field belongs at, or the number of paths where at none.

    That is the first path at or inside of the field, else the one that the field is inside of.
    """
    first: dict[str, int] = {}
    for at, path in enumerate(paths):
        for above in _prefixes(path):
            first.setdefault(above, at)
    exact = {path: at for at, path in enumerate(paths)}
    places: dict[int, list[FieldMismatch]] = {}
    for field in fields:
        outside = (exact[path] for path in _prefixes(field.path) if path in exact)
        at = first.get(field.path, next(outside, len(paths)))
        places.setdefault(at, []).append(field)
    return places


def _all_fields(section: str, expected: Value, actual: Value) -> Iterator[FieldChange]:
    if section in _OF_DOCUMENTS:
        yield from align_any(expected.raw, actual.raw).fields
        return
    left, right = (_said(section, side) for side in (expected, actual))
    for path in {**right, **left}:
        yield FieldChange(path, left.get(path), right.get(path))


def _said(section: str, value: Value) -> dict[str, Value]:
    """Return by path or name what is said of fields that are updated, or of a collection."""
    if section == "updated":
        return fields_of(value)
    if _has_updates(section, value):
        return definition_updates(members(value))
    return name_parts(value)


def _has_updates(section: str, value: Value) -> bool:
    """Tell whether what is said has a side before and one after, each as far as it is there."""
    return section == "updated" or (section == "definition" and "after" in members(value))


def _reordered(section: str, value: Value) -> dict[str, Value]:
    """Return the keys of the (sub)documents that an update has put into another order, by path."""
    order = members(value).get("reordered") if section == "updated" else None
    return members(order) if order and order.type == DOCUMENT else {}


def _as_expected(change: FieldChange, writer: RowWriter, *, updates: bool) -> Row:
    if not updates:
        return writer.field(change, differs="≈")
    left, right = _update(change.before, writer), _update(change.after, writer)
    if change.before == change.after:
        return row("=", change.path, left)
    return row("≈", change.path, left, right)


def _field(field: FieldMismatch, writer: RowWriter) -> Row:
    """Write one field that is not as expected."""
    left: Cell
    right: Cell
    expected, actual = field.expected, field.actual
    if isinstance(expected, str) or isinstance(actual, str):
        left, right = (_side(side, writer) for side in (expected, actual))
    elif field.updates:
        left, right = _updates(expected, actual, writer)
    else:
        left, right = writer.values(expected, actual)
    if field.expected is None:
        return row("+", field.path, right, remark=field.remark)
    if field.actual is None:
        return row("-", field.path, left, remark=field.remark)
    return row("~", field.path, left, right, field.remark)


def _side(side: Value | str | None, writer: RowWriter) -> str:
    return writer.cut(visible(side)) if isinstance(side, str) else writer.values(side, None)[0]


def _update(update: Value | None, writer: RowWriter) -> Cell:
    return _updates(update, None, writer)[0]


def _updates(left: Value | None, right: Value | None, writer: RowWriter) -> tuple[Cell, Cell]:
    """Write two updates of a field, each as its values before and after."""
    sides = [members(update) if update else {} for update in (left, right)]
    texts = {
        when: writer.values(*(side.get(when) for side in sides)) for when in ("before", "after")
    }
    cells: list[Cell] = []
    for at, side in enumerate(sides):
        before, after = (texts[when][at] if when in side else None for when in texts)
        cells.append((before, after))
    return (cells[0] if left else None), (cells[1] if right else None)


def _prefixes(path: str) -> Iterator[str]:
    """Return the path and the paths above it, from the document on."""
    yield ""
    for at, character in enumerate(path):
        if at and character in ".[":
            yield path[:at]
    if path:
        yield path
