"""The documents of one `create` until they are whole: references between them, in any order."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.objectid import ObjectId

from mongoshot.errors import TemplateError
from mongoshot.staging.building.computing import Computing, Later, Path, show
from mongoshot.staging.building.values import Reference


@dataclass(slots=True)
class Draft:
    """Hold a document, and which of its fields are not known yet.

    `pending` are top-level keys in their order; True where a callable waits for the document.
    """

    collection: str
    label: str | int
    document: dict[str, Any]
    pending: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(
        cls, collection: str, label: str | int, document: dict[str, Any], waiting: Iterable[str]
    ) -> Draft:
        """Begin with a document whose fields `waiting` are not known yet; give it an `_id`."""
        pending = {
            key: any(isinstance(each, Later) for each in _waiting(document[key])) for key in waiting
        }
        if "_id" not in document:
            document["_id"] = ObjectId()
        return cls(collection, label, document, pending)

    @property
    def path(self) -> Path:
        """Say which document of which collection it is."""
        return self.collection, self.label


class Drafts:
    """Make the drafts of one `create` whole."""

    def __init__(
        self,
        drafts: Mapping[str, list[Draft]],
        named: Mapping[tuple[str, str], Draft],
        computing: Computing,
    ) -> None:
        """Refer among `drafts`, by collection, and to those that are `named`."""
        self._drafts = drafts
        self._named = named
        self._computing = computing
        self._begun: list[Path] = []

    def complete(self) -> None:
        """Give all fields their values; raises TemplateError for what is not there or a cycle."""
        for drafts in self._drafts.values():
            for draft in drafts:
                for key in sorted(draft.pending, key=lambda key: draft.pending[key]):
                    self._complete(draft, key)

    def _complete(self, draft: Draft, key: str) -> None:
        if key not in draft.pending:
            return
        place = (*draft.path, key)
        if place in self._begun:
            cycle = [*self._begun[self._begun.index(place) :], place]
            raise TemplateError(
                f"these refer to each other without end: {' → '.join(map(show, cycle))}; give one"
                " of them a value"
            )
        self._begun.append(place)
        if draft.pending[key]:
            self._prepare(draft)
        draft.document[key] = self._filled(draft.document[key], draft, place)
        self._begun.pop()
        del draft.pending[key]

    def _prepare(self, draft: Draft) -> None:
        # A callable is to see all of its document that does not wait for itself.
        for key, waits in list(draft.pending.items()):
            if not waits and (*draft.path, key) not in self._begun:
                self._complete(draft, key)

    def _filled(self, value: Any, draft: Draft, path: Path) -> Any:
        if isinstance(value, Reference):
            return self._find(value, path)
        if isinstance(value, Later):
            known = {k: _known(v) for k, v in draft.document.items() if not _is_waiting(v)}
            return self._filled(self._computing.later(value, known), draft, path)
        if not _waiting(value):
            return value
        if isinstance(value, dict):
            return {key: self._filled(each, draft, (*path, key)) for key, each in value.items()}
        return [self._filled(each, draft, (*path, at)) for at, each in enumerate(value)]

    def _find(self, reference: Reference, path: Path) -> Any:
        draft = self._target(reference, path)
        first, *rest = reference.path.split(".")
        self._complete(draft, first)
        value: Any = draft.document
        for part in (first, *rest):
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                raise TemplateError(
                    f"{show(path)}: {reference}: {show(draft.path)} has no field"
                    f" {reference.path!r}; it has {', '.join(map(str, draft.document))}"
                )
        return value

    def _target(self, reference: Reference, path: Path) -> Draft:
        name = reference.document
        if isinstance(name, str):
            if (reference.collection, name) in self._named:
                return self._named[reference.collection, name]
            names = [each for collection, each in self._named if collection == reference.collection]
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"named are: {', '.join(names) or '-'}"
            raise TemplateError(
                f"{show(path)}: {reference}: no document of {reference.collection} has that name:"
                f" {hint}"
            )
        drafts = self._drafts.get(reference.collection, [])
        if not -len(drafts) <= name < len(drafts):
            raise TemplateError(
                f"{show(path)}: {reference}: this create makes {len(drafts)} documents in"
                f" {reference.collection}; positions count from 0"
            )
        return drafts[name]


def _waiting(value: Any) -> list[Any]:
    """List what is not known yet in a value."""
    if isinstance(value, Reference | Later):
        return [value]
    if type(value) is dict:
        return [each for inner in value.values() for each in _waiting(inner)]
    if type(value) is list:
        return [each for inner in value for each in _waiting(inner)]
    return []


def _is_waiting(value: Any) -> bool:
    return isinstance(value, Reference | Later)


def _known(value: Any) -> Any:
    """Copy a value without what is not known yet in it."""
    if type(value) is dict:
        return {key: _known(each) for key, each in value.items() if not _is_waiting(each)}
    if type(value) is list:
        return [_known(each) for each in value if not _is_waiting(each)]
    return value
