"""Changes and states without what an assertion asks to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from mongoshot.comparison.documents import DocumentChange, Value, compare_documents
from mongoshot.comparison.expectation.mismatch import FieldMismatch
from mongoshot.comparison.expectation.model import SECTIONS, Refusals, fields_of, members
from mongoshot.comparison.expectation.rules import Asked, Rules, Scope
from mongoshot.comparison.expectation.writing import ExpectationText
from mongoshot.comparison.text import CollectionDifference
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, framed, iterate_elements
from mongoshot.snapshot.model import Collection, join_documents
from mongoshot.snapshot.paths import path_step

_T = TypeVar("_T")


class Refusal(NamedTuple):
    """Hold what became of a document, without what is left out, and its fields that are refused."""

    section: str
    subject: DocumentChange | bytes
    fields: tuple[FieldMismatch, ...]


#: What is not as a rule asks, by collection.
Refused = Mapping[str, tuple[Refusal, ...]]


def filter_differences(
    collections: Mapping[str, CollectionDifference], rules: Rules
) -> Mapping[str, CollectionDifference]:
    """Return differences as if what is left out had never been there.

    An update of nothing else is none. What a matcher compares stands as a whole in an update.
    """
    if not rules:
        return collections
    found = {name: _filtered(each, rules.of(name)) for name, each in looked_at(collections, rules)}
    return {name: each for name, each in found.items() if each}


def filter_collections(
    collections: Mapping[str, Collection], rules: Rules
) -> Mapping[str, Collection]:
    """Return collections as if what is left out of their documents was not there."""
    if not rules:
        return collections
    return {name: _stripped(each, rules.of(name)) for name, each in looked_at(collections, rules)}


def looked_at(collections: Mapping[str, _T], rules: Rules) -> Iterator[tuple[str, _T]]:
    """Yield the collections that rules do not ignore."""
    return (pair for pair in collections.items() if rules.of(pair[0]).mode != "ignore")


def _filtered(difference: CollectionDifference, scope: Scope) -> CollectionDifference:
    updated = (_changed(change, scope) for change in difference.updated)
    return replace(
        difference,
        inserted=tuple(map(scope.strip, difference.inserted)),
        updated=tuple(change for change in updated if change),
        deleted=tuple(map(scope.strip, difference.deleted)),
    )


def _changed(change: DocumentChange, scope: Scope) -> DocumentChange | None:
    def judge(path: str, _before: Value, _after: Value) -> bool | None:
        return False if scope.matcher(path) else None

    if not scope.excluded_paths and not scope.matchers:
        return change
    found = compare_documents(scope.strip(change.before), scope.strip(change.after), judge)
    if found is None:
        return None
    # Null may stand for an element that is left out, on one side alone.
    fields = tuple(field for field in found.fields if not scope.excludes(field.path))
    return replace(found, fields=fields) if fields or found.reordered else None


def _stripped(collection: Collection, scope: Scope) -> Collection:
    if not scope.excluded_paths:
        return collection
    return Collection(collection.definition, partial(_strip_chunks, collection, scope))


def _strip_chunks(collection: Collection, scope: Scope) -> Iterator[bytes]:
    stripped: Iterable[bytes] = map(scope.strip, collection.documents())
    return join_documents(stripped)


def find_refused(collections: Mapping[str, CollectionDifference], rules: Rules) -> Refused:
    """Find values that are not what a rule's Python object says that it equals.

    Looks at the documents of a difference as they are now; where an update is of nothing but what
    is left out, there is none. What is left out is not asked about.
    """
    return {
        name: tuple(_refused(_present(found, scope), scope))
        for name, found in looked_at(collections, rules)
        if (scope := rules.of(name)).asks
    }


def _present(
    difference: CollectionDifference, scope: Scope
) -> Iterator[tuple[str, DocumentChange | bytes, bytes]]:
    for change in difference.updated:
        if changed := _changed(change, scope):
            yield "updated", changed, change.after
    for document in difference.inserted:
        yield "inserted", scope.strip(document), document


def find_refused_of_state(collections: Mapping[str, Collection], rules: Rules) -> Refused:
    """Find such values in whole collections."""
    return {
        name: tuple(_refused((("documents", scope.strip(d), d) for d in found.documents()), scope))
        for name, found in looked_at(collections, rules)
        if (scope := rules.of(name)).asks
    }


def _refused(
    documents: Iterable[tuple[str, DocumentChange | bytes, bytes]], scope: Scope
) -> Iterator[Refusal]:
    for section, subject, document in documents:
        fields = tuple(
            FieldMismatch(path, repr(matcher.object), field, asked=True)
            for path, field, matcher in _asked(Value(DOCUMENT, document), "", scope)
            if not matcher.accepts(field)
        )
        if fields:
            yield Refusal(section, subject, fields)


def _asked(value: Value, path: str, scope: Scope) -> Iterator[tuple[str, Value, Asked]]:
    matcher = scope.matcher(path)
    if isinstance(matcher, Asked):
        yield path, value, matcher
    elif value.type in (DOCUMENT, ARRAY):
        in_array = value.type == ARRAY
        for kind, key, start, end in iterate_elements(value.raw):
            inner = (path + path_step(key, in_array)).removeprefix(".")
            if not scope.excludes(inner):
                yield from _asked(Value(kind, value.raw[start:end]), inner, scope)


def refusals(refused: Refused, text: ExpectationText) -> dict[str, Refusals]:
    """Return what is refused as a text says it that was written from the same."""
    return {
        name: {(each.section, text.said(each.subject)): each.fields for each in found}
        for name, found in refused.items()
    }


def strip_part(section: str, value: Value, scope: Scope, *, matched: bool = False) -> Value | None:
    """Return what an expectation says of a document without what is left out; None: that was all.

    With `matched`, what a matcher compares is left out, too.
    """
    if section not in SECTIONS or not (scope.excluded_paths or (matched and scope.matchers)):
        return value
    if section != "updated":
        return scope.strip_value(value, "", matched=matched)
    kept = {
        path: document_of(
            {
                side: scope.strip_value(each, path, matched=matched)
                for side, each in members(update).items()
            }
        )
        for path, update in fields_of(value).items()
        if not scope.leaves_out(path, matched=matched)
    }
    said = members(value) | {"fields": document_of(kept)}
    if matched and scope.free_identity:
        said.pop("_id", None)
    return document_of(said) if kept or "reordered" in said else None


def document_of(fields: Mapping[str, Value]) -> Value:
    """Return the document that has these fields."""
    parts = (bytes([v.type]) + key.encode() + b"\0" + v.raw for key, v in fields.items())
    return Value(DOCUMENT, framed(b"".join(parts)))
