"""What a test is expected to change or to leave, as text to keep, and two of them compared.

Format version 1, readable Extended JSON:

    {"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "sha256:…",
     "collections": {"orders": {"updated": [{"_id": "order-1001",
                                             "fields": {"status": {"before": "open",
                                                                   "after": "paid"}}}],
                                "inserted": [{…}], "deleted": [{"_id": …}],
                                "definition": {"before": {…}, "after": {…}}},
                     "carts": {"created": {}}, "drafts": {"dropped": {}}}}

A definition has `type`, `options` and, by name, `indexes` where they are not those of a collection
that was made by writing to it. A `"kind": "state"` has for each collection its `definition` and its
`documents`. What it was recorded against, `scenario` and `digest`, is told when an expectation
fails, and not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import bson
from bson.raw_bson import RawBSONDocument

from mongoshot.comparison.difference import Changes, Difference
from mongoshot.comparison.documents import DocumentChange, Value, compare_documents, identity_of
from mongoshot.comparison.text import CollectionDifference, shorten
from mongoshot.errors import ExpectationError, InvalidExtendedJSONError
from mongoshot.snapshot.elements import DOCUMENT, iterate_elements
from mongoshot.snapshot.encoding import from_extended_json, readable
from mongoshot.snapshot.model import Collection, Definition

FORMAT_VERSION = 1

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | Value | str | int"

#: What a collection is that was made by writing to it.
_PLAIN = Definition("")
_PLAIN_INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})

#: What is said with these keys alone stands on one line where it fits: `"before": 1, "after": 2`.
_ON_ONE_LINE = frozenset({"_id", "before", "after"})
_LINE = 96

#: One thing that an expectation says: its section, and which document or part it is about.
_Facet: TypeAlias = tuple[str, Value | None]
#: Sections of a collection, and what is said of a document that one side alone has there.
_SECTIONS = {
    "updated": "updated",
    "inserted": "inserted",
    "deleted": "deleted",
    "documents": "there",
}
_OF_THE_COLLECTION = {
    "created": "created",
    "dropped": "dropped",
    "definition": "options or indexes changed",
}


def changes_to_text(changes: Changes) -> str:
    """Write changes as the text of an expectation, the same for equal changes."""
    return _to_text(
        "changes",
        changes.scenario,
        changes.digest,
        {name: _changes_tree(c) for name, c in changes.collections.items()},
    )


def difference_to_text(difference: Difference) -> str:
    """Write a difference as JSON for other programs, collection by collection."""
    tree: Tree = {
        "before": difference.before,
        "after": difference.after,
        "collections": {name: _changes_tree(c) for name, c in difference.collections.items()},
    }
    return _write(tree, "")


def state_to_text(collections: Mapping[str, Collection], scenario: str, digest: str) -> str:
    """Write whole collections as the text of an expectation, the same for equal states."""
    return _to_text(
        "state",
        scenario,
        digest,
        {
            name: {
                "definition": _definition_tree(collection.definition),
                "documents": [Value(DOCUMENT, d) for d in collection.documents()],
            }
            for name, collection in collections.items()
        },
    )


def _to_text(kind: str, scenario: str, digest: str, collections: Mapping[str, Tree]) -> str:
    tree: Tree = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "scenario": scenario,
        "digest": digest,
        "collections": dict(collections),
    }
    return _write(tree, "") + "\n"


def _changes_tree(difference: CollectionDifference) -> Tree:
    tree: dict[str, Tree] = {}
    if difference.before is None and difference.after is not None:
        tree["created"] = _definition_tree(difference.after)
    elif difference.after is None:
        tree["dropped"] = {}  # what it was is in the scenario
    elif difference.before is not None and difference.before != difference.after:
        tree["definition"] = {
            "before": _definition_tree(difference.before),
            "after": _definition_tree(difference.after),
        }
    if difference.updated:
        tree["updated"] = [_update_tree(change) for change in difference.updated]
    if difference.inserted:
        tree["inserted"] = [Value(DOCUMENT, document) for document in difference.inserted]
    if difference.deleted:
        # What they held is in the scenario.
        tree["deleted"] = [{"_id": identity_of(d) or "missing"} for d in difference.deleted]
    return tree


def _update_tree(change: DocumentChange) -> Tree:
    fields: dict[str, Tree] = {}
    for field in change.fields:
        sides = {"before": field.before, "after": field.after}
        fields[field.path] = {side: value for side, value in sides.items() if value is not None}
    tree: dict[str, Tree] = {"_id": change.identity or "missing", "fields": fields}
    if change.reordered:
        tree["reordered"] = list(change.reordered)
    return tree


def _definition_tree(definition: Definition) -> Tree:
    """Say what a collection is by what is not as it is by default, so that most need no word."""
    tree: dict[str, Tree] = {}
    if definition.type != _PLAIN.type:
        tree["type"] = definition.type
    if definition.options != _PLAIN.options:
        tree["options"] = Value(DOCUMENT, definition.options)
    indexes: dict[str, Tree] = {
        decoded["name"]: Value(DOCUMENT, index)
        for decoded, index in zip(definition.decoded_indexes(), definition.indexes, strict=True)
        if index != _PLAIN_INDEX
    }
    if indexes:
        tree["indexes"] = indexes
    return tree


def _write(tree: Tree, margin: str) -> str:
    inner = margin + "  "
    if isinstance(tree, dict) and tree and tree.keys() <= _ON_ONE_LINE and _is_flat(tree):
        line = ", ".join(f"{_quote(key)}: {_write_line(item)}" for key, item in tree.items())
        if len(inner) + len(line) <= _LINE:
            return f"{{{line}}}"
    if isinstance(tree, Value):
        return readable(tree.type, tree.raw, indent=2).replace("\n", f"\n{margin}")
    if isinstance(tree, dict) and tree:
        items = [f"{inner}{_quote(key)}: {_write(item, inner)}" for key, item in tree.items()]
        return "{\n" + ",\n".join(items) + f"\n{margin}}}"
    if isinstance(tree, list) and tree:
        return "[\n" + ",\n".join(inner + _write(item, inner) for item in tree) + f"\n{margin}]"
    return _quote(tree)


def _is_flat(tree: dict[str, Tree]) -> bool:
    return not any(isinstance(item, dict | list) for item in tree.values())


def _write_line(tree: Tree) -> str:
    return str(tree) if isinstance(tree, Value) else _quote(tree)


def _quote(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Expectation:
    """Hold a parsed expectation; equal where what they expect is, whatever it is recorded against.

    `facets` has, by collection, each thing that is said and the BSON value that it is said with.
    """

    kind: str
    scenario: str
    digest: str
    facets: Mapping[str, Mapping[_Facet, Value]]

    def expects_the_same(self, other: Expectation) -> bool:
        """Tell whether two expectations say the same, to the type and field order."""
        return (self.kind, self.facets) == (other.kind, other.facets)


def parse_expectation(text: str) -> Expectation:
    """Read an expectation from its text.

    Raises ExpectationError for anything else, and for a format version of a newer mongoshot.
    """
    remedy = "take the file from version control again, or record it with pytest --snapshot-update"
    try:
        document: Any = RawBSONDocument(from_extended_json(text))
        if document["format_version"] != FORMAT_VERSION:
            raise ExpectationError(
                f"the expectation has format version {document['format_version']}, and this"
                f" mongoshot reads version {FORMAT_VERSION}; pip install -U mongoshot, or {remedy}"
            )
        return Expectation(
            kind=document["kind"],
            scenario=document["scenario"],
            digest=document["digest"],
            facets={
                name: dict(_facets(bytes(collection.raw)))
                for name, collection in document["collections"].items()
            },
        )
    except (InvalidExtendedJSONError, KeyError, AttributeError, TypeError) as error:
        raise ExpectationError(f"this is no expectation ({error!r:.200}); {remedy}") from None


def _facets(collection: bytes) -> Iterator[tuple[_Facet, Value]]:
    for kind, key, start, end in iterate_elements(collection):
        section, raw = key.decode(), collection[start:end]
        if section not in _SECTIONS:
            yield (section, None), Value(kind, raw)
            continue
        for entry_kind, _index, entry_start, entry_end in iterate_elements(raw):
            entry = Value(entry_kind, raw[entry_start:entry_end])
            yield (section, identity_of(entry.raw)), entry


def describe(expectation: Expectation) -> Iterator[str]:
    """Say what an expectation holds, as lines of text."""
    for name, facets in expectation.facets.items():
        yield name
        for facet, value in facets.items():
            yield f"  {_title(facet)}"
            yield from (f"  {line}" for line in _details(facet[0], value))


def describe_mismatch(expected: Expectation, actual: Expectation) -> Iterator[str]:
    """Say what was expected and what is, as lines of text: counts first, then every field."""
    names = sorted(
        name
        for name in {*expected.facets, *actual.facets}
        if expected.facets.get(name) != actual.facets.get(name)
    )
    what = "changes" if actual.kind == "changes" else "state"
    if expected.kind != actual.kind:
        yield f"the expectation is of {expected.kind}, and this is a comparison of {actual.kind}"
        return
    yield f"{what} not as expected in {', '.join(names)}"
    for name in names:
        yield name
        for line in _compare(expected.facets.get(name, {}), actual.facets.get(name, {})):
            yield f"  {line}"
    if expected.digest != actual.digest:
        yield (
            f"note: recorded against {expected.scenario} ({expected.digest[7:19]}), which has"
            f" changed since: it is {actual.scenario} ({actual.digest[7:19]}) now"
        )


def _compare(expected: Mapping[_Facet, Value], actual: Mapping[_Facet, Value]) -> Iterator[str]:
    for facet in [*actual, *(facet for facet in expected if facet not in actual)]:
        old, new = expected.get(facet), actual.get(facet)
        if old == new:
            continue
        if old is None:
            yield f"+ {_title(facet)}, which is not expected"
            yield from _details(facet[0], new)
        elif new is None:
            yield f"- {_title(facet)}: this is expected, and is not so"
            yield from _details(facet[0], old)
        else:
            yield f"~ {_title(facet)} otherwise than expected"
            yield from _field_by_field(facet[0], old, new)


def _title(facet: _Facet) -> str:
    section, identity = facet
    if section in _SECTIONS:
        return f"_id {shorten(identity)}: {_SECTIONS[section]}"
    return f"the collection: {_OF_THE_COLLECTION.get(section, section)}"


def _details(section: str, value: Value | None) -> Iterator[str]:
    if section == "updated" and value is not None:
        for path, change in _fields(value).items():
            yield f"    {path}  {_arrow(change)}"
    elif section not in ("deleted", "dropped"):
        yield f"    {shorten(value)}"


def _field_by_field(section: str, expected: Value, actual: Value) -> Iterator[str]:
    if section != "updated":
        change = compare_documents(expected.raw, actual.raw)
        for field in change.fields if change else ():
            yield f"    {field.path}  expected {shorten(field.before)}, is {shorten(field.after)}"
        for path in change.reordered if change else ():
            yield f"    {path or 'the document'}: the fields are in another order than expected"
        return
    old, new = _fields(expected), _fields(actual)
    for path in [*new, *(path for path in old if path not in new)]:
        if old.get(path) != new.get(path):
            yield from _compare_update(path, old.get(path), new.get(path))
    if old == new:
        yield "    the fields are in another order than expected"


def _compare_update(
    path: str, expected: RawBSONDocument | None, actual: RawBSONDocument | None
) -> Iterator[str]:
    """Say how a field was to change and how it did, down to the part that is not the same."""
    if expected is not None and actual is not None:
        change = compare_documents(bytes(expected.raw), bytes(actual.raw))
        parts = change.fields if change and not change.reordered else ()
        if parts and all(part.path.startswith(("after.", "after[")) for part in parts):
            for part in parts:
                inner = path + part.path.removeprefix("after")
                yield f"    {inner}  expected {shorten(part.before)}, is {shorten(part.after)}"
            return
    yield f"    {path}  expected {_arrow(expected)}, is {_arrow(actual)}"


def _fields(update: Value) -> dict[str, RawBSONDocument]:
    """Return the fields of an update by their paths, each with its value before and after."""
    fields: Any = RawBSONDocument(update.raw).get("fields", {})
    return dict(fields.items())


def _arrow(change: RawBSONDocument | None) -> str:
    if change is None:
        return "no change"
    raw = bytes(change.raw)
    sides: dict[str, Value] = {}
    for kind, key, start, end in iterate_elements(raw):
        sides[key.decode()] = Value(kind, raw[start:end])
    return f"{shorten(sides.get('before'))} → {shorten(sides.get('after'))}"
