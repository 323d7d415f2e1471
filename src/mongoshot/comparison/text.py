"""A difference as plain text: counts first, then each document, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mongoshot.comparison.documents import DocumentChange, Value, compare_documents, identity_of
from mongoshot.snapshot.elements import DOCUMENT
from mongoshot.snapshot.model import Definition

#: Documents shown of one collection and kind, and characters of one value; the counts are of all.
MOST_DOCUMENTS = 20
MOST_CHARACTERS = 400

#: A placeholder is not to be taken for a string without its wrapper: it has no quotes.
_PLACEHOLDER = re.compile(r'\{"\$(?:oid|uuid|date)": "((?:ObjectId|UUID)-[^"]*|now)"\}')


@dataclass(frozen=True, slots=True)
class CollectionDifference:
    """Hold what differs in one collection; falsy where nothing does.

    `before` and `after` are None where the collection is not there; documents are BSON bytes.
    """

    before: Definition | None
    after: Definition | None
    inserted: tuple[bytes, ...] = ()
    updated: tuple[DocumentChange, ...] = ()
    deleted: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.inserted or self.updated or self.deleted or self.before != self.after)

    @property
    def counts(self) -> str:
        """Say in a few words how much differs: `2 inserted, 1 updated, indexes changed`."""
        words = [
            f"{len(documents)} {word}"
            for documents, word in (
                (self.inserted, "inserted"),
                (self.updated, "updated"),
                (self.deleted, "deleted"),
            )
            if documents
        ]
        if self.before is None:
            words.insert(0, "created")
        elif self.after is None:
            words.insert(0, "dropped")
        else:
            words += [
                f"{part} changed"
                for part in ("type", "options", "indexes")
                if getattr(self.before, part) != getattr(self.after, part)
            ]
        return ", ".join(words)


def summarize(collections: Mapping[str, CollectionDifference]) -> str:
    """Say in one line how much differs in each collection."""
    counts = (f"{spell_out(name)}: {c.counts}" for name, c in collections.items())
    return "; ".join(counts) or "none"


def render(
    before: str, after: str, collections: Mapping[str, CollectionDifference]
) -> Iterator[str]:
    """Write a difference as lines of text, `+` inserted, `-` deleted, `~` updated."""
    if not collections:
        yield f"{before} and {after} are equal"
        return
    count = len(collections)
    differ = "collections differ" if count > 1 else "collection differs"
    yield f"{spell_out(before)} → {spell_out(after)}: {count} {differ}"
    names = {name: spell_out(name) for name in collections}
    width = max(map(len, names.values()))
    for name, difference in collections.items():
        yield f"  {names[name]:{width}}  {difference.counts}"
    for name, difference in collections.items():
        yield ""
        yield names[name]
        for line in _render_collection(difference):
            yield f"  {line}"


def _render_collection(difference: CollectionDifference) -> Iterator[str]:
    if difference.before and difference.after:
        yield from _render_definition(difference.before, difference.after)
    for change in difference.updated[:MOST_DOCUMENTS]:
        yield f"~ _id {shorten(change.identity)}"
        yield from (f"    {line}" for line in render_fields(change))
    yield from _more(len(difference.updated), "updated")
    for sign, documents, word in (
        ("+", difference.inserted, "inserted"),
        ("-", difference.deleted, "deleted"),
    ):
        for document in documents[:MOST_DOCUMENTS]:
            yield f"{sign} _id {shorten(identity_of(document))}"
            yield f"    {shorten(Value(DOCUMENT, document))}"
        yield from _more(len(documents), word)


def render_fields(change: DocumentChange) -> Iterator[str]:
    """Write the fields of an updated document, one a line: `status  "open" → "paid"`."""
    width = max((len(name_path(field.path)) for field in change.fields), default=0)
    for field in change.fields:
        before, after = shorten_both(field.before, field.after)
        yield f"{name_path(field.path):{width}}  {before} → {after}"
    for order in change.reordered:
        names = spell_out(", ".join(order.after))
        yield f"{name_path(order.path)}: the fields are in the order {names}"


def _render_definition(before: Definition, after: Definition) -> Iterator[str]:
    if before.type != after.type:
        yield f"~ type  {before.type} → {after.type}"
    if change := compare_documents(before.options, after.options):
        yield "~ options"
        yield from (f"    {line}" for line in render_fields(change))
    if before.indexes == after.indexes:
        return
    old, new = _by_name(before), _by_name(after)
    for name, raw in new.items():
        if name not in old:
            yield f"+ index {spell_out(name)}  {shorten(Value(DOCUMENT, raw))}"
        elif change := compare_documents(old[name], raw):
            yield f"~ index {spell_out(name)}"
            yield from (f"    {line}" for line in render_fields(change))
    for name, raw in old.items():
        if name not in new:
            yield f"- index {spell_out(name)}  {shorten(Value(DOCUMENT, raw))}"
    if old.keys() == new.keys() and list(old) != list(new):
        yield spell_out(f"~ order of the indexes  {', '.join(old)} → {', '.join(new)}")


def _by_name(definition: Definition) -> dict[str, bytes]:
    names = [spell_out(str(index.get("name"))) for index in definition.decoded_indexes()]
    return dict(zip(names, definition.indexes, strict=True))


def _more(count: int, word: str) -> Iterator[str]:
    if count > MOST_DOCUMENTS:
        yield f"… and {count - MOST_DOCUMENTS} more {word}"


def name_path(path: str) -> str:
    """Name the field of a path; the empty one stands for all of the document."""
    return spell_out(path) or "the document"


def shorten(value: Value | None, most: int = MOST_CHARACTERS) -> str:
    """Write a value in readable Extended JSON, cut in the middle where it is long."""
    return _shorten(_text(value), most)


def shorten_both(
    before: Value | None, after: Value | None, most: int = MOST_CHARACTERS
) -> tuple[str, str]:
    """Write two values; long ones that differ are cut so that one sees where."""
    texts, half = (_text(before), _text(after)), most // 2
    shown_parts = {(text[:half], text[-half:]) for text in texts}
    if before == after or min(map(len, texts)) <= most or len(shown_parts) > 1:
        return _shorten(texts[0], most), _shorten(texts[1], most)
    at = next(at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b) - half // 2
    left, right = (f"… {text[at : at + half]} … ({len(text)} characters)" for text in texts)
    return left, right


def _text(value: Value | None) -> str:
    # Within a string its quotes would be escaped.
    return "(missing)" if value is None else spell_out(_PLACEHOLDER.sub(r"\1", str(value)))


def spell_out(text: str) -> str:
    """Escape, as JSON does, what does not show: two values must not differ in that alone."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _shorten(text: str, most: int) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]} ({len(text)} characters)"
