"""A difference between two states as a page to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mongoshot.comparison.alignment import list_fields
from mongoshot.comparison.difference import Difference
from mongoshot.comparison.documents import DocumentChange, FieldChange, Value
from mongoshot.comparison.page import rows
from mongoshot.comparison.page.frame import Words, escape, to_page
from mongoshot.comparison.page.room import share
from mongoshot.comparison.page.rows import Entry, Row, RowWriter, row, visible
from mongoshot.comparison.text import CollectionDifference
from mongoshot.errors import InvalidBSONError
from mongoshot.snapshot.elements import DOCUMENT, STRING
from mongoshot.snapshot.model import Definition

#: The kinds of documents, in the order in which a collection shows them.
_KINDS: Final = ("updated", "inserted", "deleted")


def to_html(difference: Difference) -> str:
    """Write a difference as an HTML page.

    Of more than 20,000 documents, or 48 million characters, each collection and kind shows its fair
    share, and the page says how many are left out; the counts are of all. A value of more than
    100,000 characters is cut. The same difference gives the same bytes.
    """
    before, after = visible(difference.before), visible(difference.after)
    writer = RowWriter()
    collections = _collections(difference.collections, writer)
    data = {
        "report": False,
        "before": before,
        "after": after,
        "comparisons": [{"collections": collections}],
        "cutValues": writer.cut_values,
        "mostOfAValue": rows.MOST_OF_A_VALUE,
    }
    heading = (
        f'<bdi class="side">{escape(before)}</bdi> <span class="arrow" aria-hidden="true">→</span>'
        f'<span class="unseen"> to </span> <bdi class="side">{escape(after)}</bdi>'
    )
    words = Words(
        kind="difference",
        title=f"{before} → {after}",
        heading=heading,
        counts=[f"{found['name']}: {found['counts']}" for found in collections],
        nothing="They are equal.",
        listed="Collections",
        searched="Search in _id, path or value",
    )
    return to_page(words, data)


def _collections(
    found: Mapping[str, CollectionDifference], writer: RowWriter
) -> list[dict[str, Any]]:
    """Write all collections, in their order."""
    groups: dict[tuple[str, str], Sequence[bytes | DocumentChange]] = {
        (name, kind): _documents_of(difference, kind)
        for name, difference in found.items()
        for kind in _KINDS
    }
    shown = share(groups, lambda key, document: _document(document, key[1], writer))
    collections = []
    for name, difference in found.items():
        definition = [entry] if (entry := _definition(difference, writer)) else []
        entries = {"definition": definition} | {kind: shown[name, kind] for kind in _KINDS}
        total = {"definition": len(definition)} | {kind: len(groups[name, kind]) for kind in _KINDS}
        collections.append(
            {
                "name": visible(name),
                "counts": difference.counts,
                "total": total,
                "entries": entries,
            }
        )
    return collections


def _documents_of(difference: CollectionDifference, kind: str) -> Sequence[bytes | DocumentChange]:
    documents: Sequence[bytes | DocumentChange] = getattr(difference, kind)
    return documents


def _document(document: bytes | DocumentChange, kind: str, writer: RowWriter) -> Entry:
    if isinstance(document, DocumentChange):
        changed = writer.side_by_side(document.before, document.after)
        return writer.name(document.after), changed
    return writer.name(document), writer.alone(document, "+" if kind == "inserted" else "-")


def _definition(difference: CollectionDifference, writer: RowWriter) -> Entry | None:
    before, after = difference.before, difference.after
    if before == after:
        return None
    if before is None or after is None:
        name, sign = ("created", "+") if before is None else ("dropped", "-")
        parts = _parts(before or after)
        return name, [row(sign, path, writer.value(value)) for path, value in parts.items()]
    changed = [part for part in ("type", "options", "indexes") if _differ(before, after, part)]
    return f"{', '.join(changed)} changed", list(_changed_definition(before, after, writer))


def _changed_definition(before: Definition, after: Definition, writer: RowWriter) -> Iterator[Row]:
    left, right = _parts(before), _parts(after)
    for path in [*right, *(path for path in left if path not in right)]:
        old, new = left.get(path), right.get(path)
        if old and new and old != new and old.type == new.type == DOCUMENT:
            yield from writer.side_by_side(old.raw, new.raw, path)
        else:
            yield writer.field(FieldChange(path, old, new))
    names = [[_index_name(index) for index in side.indexes] for side in (before, after)]
    if sorted(names[0]) == sorted(names[1]) and names[0] != names[1]:
        yield row(">", "indexes", *(writer.cut(visible(", ".join(side))) for side in names))


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
