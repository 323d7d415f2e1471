"""What a test is expected to change or to leave, as text to keep, and two of them compared.

Format version 1, readable Extended JSON:

    {"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "sha256:…",
     "collections": {"orders": {"updated": [{"_id": "order-1001",
                                             "fields": {"status": {"before": "open",
                                                                   "after": "paid"}}}],
                                "inserted": [{…}], "deleted": [{"_id": …}],
                                "definition": {"before": {…}, "after": {…}}},
                     "carts": {"created": {}}, "drafts": {"dropped": {}}}}

An update also has, by path, the keys of each (sub)document that are `reordered`: that stand neither
as before nor, the new ones, behind those. A definition has `type`, `options` and, by name,
`indexes` where they are not those of a collection that was made by writing to it. A `"kind":
"state"` has for each collection its `definition` and its `documents`. What it was recorded against,
`scenario` and `digest`, is told when an expectation fails, and not compared.

Placeholders stand for ids and dates that the test made: `{"$oid": "ObjectId-1"}`, `{"$uuid":
"UUID-1"}`, `{"$date": "now"}`, and for an id as a string `{"$oid": "ObjectId-1 as text"}`. No value
that a test could store is written like that; `snapshot.encoding.placeholders` has all forms. Behind
the documents whose `_id` is literal, which stand by it, are those whose `_id` is a placeholder, by
what else they hold.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from mongoshot.comparison.difference import Changes, Difference
from mongoshot.comparison.documents import DocumentChange, Value, identity_of
from mongoshot.comparison.placeholders import Tree, arrange
from mongoshot.comparison.provenance import Provenance
from mongoshot.comparison.text import CollectionDifference
from mongoshot.errors import ExpectationError, InvalidExtendedJSONError, NotRepresentableError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, iterate_elements
from mongoshot.snapshot.encoding import from_extended_json
from mongoshot.snapshot.encoding.style import Style
from mongoshot.snapshot.encoding.writer import READABLE, write_value
from mongoshot.snapshot.model import Collection, Definition

FORMAT_VERSION = 1

#: What a collection is that was made by writing to it.
_PLAIN = Definition("")
_PLAIN_INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})

#: What is said with these keys alone stands on one line where it fits: `"before": 1, "after": 2`.
_ON_ONE_LINE = frozenset({"_id", "before", "after"})
_LINE = 96

#: One thing that an expectation says: its section, which document or part it is about, and which of
#: several with the same `_id`, or none, from 0.
Facet: TypeAlias = tuple[str, Value | None, int]
#: Sections of a collection, and what is said of a document that one side alone has there.
SECTIONS = {
    "updated": "updated",
    "inserted": "inserted",
    "deleted": "deleted",
    "documents": "there",
}


def changes_to_text(changes: Changes) -> str:
    """Write changes as the text of an expectation, the same for equal changes.

    Where they have a provenance, placeholders stand for what was made meanwhile.
    """
    return _to_text(
        "changes",
        changes.scenario,
        changes.digest,
        {name: _changes_tree(c) for name, c in changes.collections.items()},
        changes.provenance() if changes.provenance else None,
    )


def difference_to_text(difference: Difference) -> str:
    """Write a difference as JSON for other programs, collection by collection."""
    tree: Tree = {
        "before": difference.before,
        "after": difference.after,
        "collections": {name: _changes_tree(c) for name, c in difference.collections.items()},
    }
    return _write("", tree, READABLE)


def state_to_text(
    collections: Mapping[str, Collection],
    scenario: str,
    digest: str,
    provenance: Provenance | None = None,
) -> str:
    """Write whole collections as the text of an expectation, the same for equal states.

    With a provenance, placeholders stand for what was made since the scenario was staged.
    """
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
        provenance,
    )


def _to_text(
    kind: str,
    scenario: str,
    digest: str,
    collections: dict[str, dict[str, Tree]],
    provenance: Provenance | None,
) -> str:
    said: dict[str, Tree] = dict(collections)
    style = READABLE
    try:
        if provenance is not None:
            said, style = arrange(collections, provenance, partial(_write, ""))
        tree: Tree = {
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "scenario": scenario,
            "digest": digest,
            "collections": said,
        }
        return _write("", tree, style) + "\n"
    except NotRepresentableError as error:
        raise NotRepresentableError(
            f"{error}; there can be no expectation of that: assert with plain Python what"
            " db_changes.inserted, db_changes.updated and db_changes.deleted hold"
        ) from None


def _changes_tree(difference: CollectionDifference) -> dict[str, Tree]:
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
        tree["deleted"] = [_identity_tree(d) or Value(DOCUMENT, d) for d in difference.deleted]
    return tree


def _identity_tree(document: bytes) -> dict[str, Tree]:
    identity = identity_of(document)
    return {"_id": identity} if identity else {}


def _update_tree(change: DocumentChange) -> Tree:
    fields: dict[str, Tree] = {}
    for field in change.fields:
        sides = {"before": field.before, "after": field.after}
        fields[field.path] = {side: value for side, value in sides.items() if value is not None}
    tree: dict[str, Tree] = {**_identity_tree(change.after), "fields": fields}
    if change.reordered:
        tree["reordered"] = {order.path: list(order.keys) for order in change.reordered}
    return tree


def _definition_tree(definition: Definition) -> dict[str, Tree]:
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


def _write(margin: str, tree: Tree, style: Style) -> str:
    inner = margin + "  "
    if isinstance(tree, dict) and tree and tree.keys() <= _ON_ONE_LINE and _is_flat(tree):
        items = [f"{_quote(key)}: {_write_line(item, style)}" for key, item in tree.items()]
        line = ", ".join(items)
        if len(inner) + len(line) <= _LINE:
            return f"{{{line}}}"
    if isinstance(tree, Value):
        text = write_value(style.indented(2), tree.type, tree.raw)
        return text.replace("\n", f"\n{margin}")
    if isinstance(tree, dict) and tree:
        items = [f"{inner}{_quote(k)}: {_write(inner, item, style)}" for k, item in tree.items()]
        return "{\n" + ",\n".join(items) + f"\n{margin}}}"
    if isinstance(tree, list) and tree:
        items = [inner + _write(inner, item, style) for item in tree]
        return "[\n" + ",\n".join(items) + f"\n{margin}]"
    return _quote(tree)


def _is_flat(tree: dict[str, Tree]) -> bool:
    return not any(isinstance(item, dict | list) for item in tree.values())


def _write_line(tree: Tree, style: Style) -> str:
    return write_value(style, tree.type, tree.raw) if isinstance(tree, Value) else _quote(tree)


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
    facets: Mapping[str, Mapping[Facet, Value]]

    def expects_the_same(self, other: Expectation) -> bool:
        """Tell whether two expectations say the same, to the type and field order."""
        return (self.kind, self.facets) == (other.kind, other.facets)


def parse_expectation(text: str) -> Expectation:
    """Read an expectation from its text.

    Raises ExpectationError for anything else, and for a format version of a newer mongoshot.
    """
    remedy = "take the file from version control again, or record it with pytest --snapshot-update"
    try:
        document: Any = RawBSONDocument(from_extended_json(text, placeholders=True))
        if document["format_version"] != FORMAT_VERSION:
            raise ExpectationError(
                f"the expectation has format version {document['format_version']}, and this"
                f" mongoshot reads version {FORMAT_VERSION}; pip install -U mongoshot, or {remedy}"
            )
        kind, scenario, digest = (document[key] for key in ("kind", "scenario", "digest"))
        if kind not in ("changes", "state") or not isinstance(scenario + digest, str):
            raise TypeError(f"kind {kind!r}, scenario {scenario!r}")  # noqa: TRY301
        facets = {
            name: _read_collection(bytes(collection.raw))
            for name, collection in document["collections"].items()
        }
    except (InvalidExtendedJSONError, BSONError, KeyError, AttributeError, TypeError) as error:
        raise ExpectationError(f"this is no expectation ({error!r:.200}); {remedy}") from None
    return Expectation(kind, scenario, digest, facets)


def _read_collection(collection: bytes) -> dict[Facet, Value]:
    facets: dict[Facet, Value] = {}
    met: Counter[tuple[str, Value | None]] = Counter()
    for section, value in _facets(collection):
        identity = identity_of(value.raw) if section in SECTIONS else None
        facets[section, identity, met[section, identity]] = value
        met[section, identity] += 1
    return facets


def _facets(collection: bytes) -> Iterator[tuple[str, Value]]:
    for section, value in members(Value(DOCUMENT, collection)).items():
        if section not in SECTIONS:
            yield section, _of_type(DOCUMENT, value, section)
            continue
        for entry in members(_of_type(ARRAY, value, section)).values():
            yield section, _of_type(DOCUMENT, entry, section)
            if section == "updated":
                for change in fields_of(entry).values():
                    _of_type(DOCUMENT, change, "fields")


def _of_type(type: int, value: Value, what: str) -> Value:
    if value.type != type:
        raise TypeError(f"{what!r} should hold {'a list' if type == ARRAY else 'documents'}")
    return value


def members(value: Value) -> dict[str, Value]:
    """Return the members of a document, or of an array by index, by name."""
    return {
        key.decode(): Value(kind, value.raw[start:end])
        for kind, key, start, end in iterate_elements(value.raw)
    }


def fields_of(update: Value) -> dict[str, Value]:
    """Return the fields of an update by their paths, each with its value before and after."""
    fields = members(update).get("fields")
    return members(_of_type(DOCUMENT, fields, "fields")) if fields else {}
