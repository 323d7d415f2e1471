"""Changes and states → the text of an expectation, whose format `model` describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import bson

from mongoshot.comparison.difference import Changes, Difference
from mongoshot.comparison.documents import DocumentChange, Value, identity_of
from mongoshot.comparison.expectation.model import FORMAT_VERSION
from mongoshot.comparison.expectation.placeholders import Tree, arrange
from mongoshot.comparison.provenance import Provenance
from mongoshot.comparison.text import CollectionDifference
from mongoshot.errors import NotRepresentableError
from mongoshot.snapshot.elements import DOCUMENT
from mongoshot.snapshot.encoding import from_extended_json
from mongoshot.snapshot.encoding.style import Style
from mongoshot.snapshot.encoding.writer import READABLE, write_value
from mongoshot.snapshot.model import Collection, Definition

#: What a collection is that was made by writing to it.
_PLAIN = Definition("")
_PLAIN_INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})

#: What is said with these keys alone stands on one line where it fits: `"before": 1, "after": 2`.
_ON_ONE_LINE = frozenset({"_id", "before", "after"})
_LINE = 96


class ExpectationText(str):
    """Be the text of an expectation, and know what stands in it for what a test made."""

    __slots__ = ("_style",)
    _style: Style

    def __new__(cls, text: str, style: Style) -> ExpectationText:
        """Take the text, and the style that it was written in."""
        made = super().__new__(cls, text)
        made._style = style
        return made

    def said(self, subject: DocumentChange | bytes) -> Value:
        """Return what the text says of something that it was written from."""
        tree: Tree = (
            _update_tree(subject)
            if isinstance(subject, DocumentChange)
            else Value(DOCUMENT, subject)
        )
        text = _write("", tree, self._style)
        return Value(DOCUMENT, from_extended_json(text, placeholders=True))


def changes_to_text(changes: Changes) -> ExpectationText:
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
) -> ExpectationText:
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


def state_difference_to_text(
    differences: Mapping[str, CollectionDifference],
    scenario: str,
    digest: str,
    provenance: Provenance | None = None,
) -> ExpectationText:
    """Write a state as what differs from the scenario that it was staged from.

    `differences` are those from the scenario to the state, by collection; `provenance` is what it
    is for a whole state.
    """
    collections = {name: _changes_tree(c) for name, c in differences.items()}
    return _to_text("difference", scenario, digest, collections, provenance)


def _to_text(
    kind: str,
    scenario: str,
    digest: str,
    collections: dict[str, dict[str, Tree]],
    provenance: Provenance | None,
) -> ExpectationText:
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
        return ExpectationText(_write("", tree, style) + "\n", style)
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
        tree["reordered"] = {order.path: list(order.after) for order in change.reordered}
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
