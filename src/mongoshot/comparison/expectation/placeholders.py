"""Values that a test made → placeholders, the same whatever the values were.

Ids are numbered: the same id has the same number everywhere, in whatever type it stands, and two
ids never share one. The numbers follow the text: first the ids that documents have, then others.
So that the text does not depend on the ids, documents whose own `_id` was made stand in an order
that comes from what else they hold, and from what refers to them (`canonical`), behind the others.

Dates have no number: two that a test makes one after the other are the same millisecond in one run
and not in the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mongoshot.comparison.documents import Value, identity_of
from mongoshot.comparison.expectation.canonical import canonical_order
from mongoshot.comparison.provenance import Provenance
from mongoshot.snapshot.elements import BINARY, DATE, OBJECT_ID
from mongoshot.snapshot.encoding.placeholders import placeholder, replacing
from mongoshot.snapshot.encoding.style import Style
from mongoshot.snapshot.occurrences import Family

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | Value | str | int"
#: Write a part of an expectation in a style.
Write: TypeAlias = Callable[[Tree, Style], str]
#: An id whatever the type in which it stands.
Id: TypeAlias = tuple[Family, bytes]

_LEGACY = 3  # the binary subtype
_FORMS = (" as text", " as upper-case text")
_OBJECT_ID_TEXTS = (re.compile(rb"[0-9a-f]{24}"), re.compile(rb"[0-9A-F]{24}"))
_UUID_TEXTS = tuple(
    re.compile(rb"%b{8}(-%b{4}){3}-%b{12}" % ((digit,) * 3)) for digit in (b"[0-9a-f]", b"[0-9A-F]")
)


@dataclass(frozen=True, slots=True)
class _Found:
    """Say what a value is: its id, None for a date, and how a placeholder of it is written."""

    id: Id | None
    key: str
    form: str = ""

    def named(self, name: str) -> str:
        return placeholder(self.key, name + self.form)


_NOW = _Found(None, "$date")


@dataclass(slots=True)
class _Entry:
    """Hold one part of an expectation, with the ids that it holds in the order of its text.

    `position` is its place among its like, None where an order of ids has made it, or none has.
    """

    collection: str
    section: str
    tree: Tree
    position: int | None
    masked: str
    own: list[Id]
    ids: list[Id]


class _Masks:
    """Write values that a test made without their number, and remember which these were."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance
        self._found: dict[tuple[int, bytes], _Found | None] = {}
        self._met: list[_Found] = []

    def __call__(self, kind: int, raw: bytes) -> str | None:
        found = self.find(kind, raw)
        if found is None:
            return None
        self._met.append(found)
        return found.named(found.id[0] if found.id else "now")

    def find(self, kind: int, raw: bytes) -> _Found | None:
        """Say what a value is that the test made; None for any other."""
        if kind == DATE:
            return _NOW if self._provenance.made("Date", raw) else None
        key = kind, raw
        if key not in self._found:
            found = _recognise(kind, raw)
            legacy = kind == BINARY and raw[4] == _LEGACY
            made = found and found.id and self._provenance.made(*found.id, legacy=legacy)
            self._found[key] = found if made else None
        return self._found[key]

    def take(self) -> list[_Found]:
        """Return what was met since this was last asked."""
        met, self._met = self._met, []
        return met


class _Names:
    """Write values that a test made with their number."""

    def __init__(self, masks: _Masks, names: Mapping[Id, str]) -> None:
        self._masks = masks
        self._names = names

    def __call__(self, kind: int, raw: bytes) -> str | None:
        found = self._masks.find(kind, raw)
        return None if found is None else found.named(self._names[found.id] if found.id else "now")


def arrange(
    collections: Mapping[str, dict[str, Tree]], provenance: Provenance, write: Write
) -> tuple[dict[str, Tree], Style]:
    """Put what an expectation says of collections in its order; return it with its style.

    In that style `write` writes a placeholder for each value that the test made. Lists are those of
    documents, or of what became of them; they keep their order as far as ids that were not made are
    the reason for it. Raises what `write` does.
    """
    masks = _Masks(provenance)
    style = replacing(masks)
    entries = list(_entries(collections, lambda tree: (write(tree, style), masks.take())))
    ordered = _in_order(entries)
    names = _numbered(ordered)
    arranged: dict[str, dict[str, Tree]] = {name: dict(tree) for name, tree in collections.items()}
    lists: dict[tuple[str, str], list[Tree]] = {}
    for entry in ordered:
        lists.setdefault((entry.collection, entry.section), []).append(entry.tree)
    for (name, section), trees in lists.items():
        if isinstance(arranged[name][section], list):
            arranged[name][section] = trees
    return dict(arranged), replacing(_Names(masks, names))


def _entries(
    collections: Mapping[str, dict[str, Tree]],
    read: Callable[[Tree], tuple[str, list[_Found]]],
) -> Iterator[_Entry]:
    for name, sections in collections.items():
        for section, content in sections.items():
            for position, tree in enumerate(content if isinstance(content, list) else [content]):
                identity = _identity(tree)
                own = read(identity)[1] if identity else []
                placeless = bool(own) or (identity is None and isinstance(content, list))
                masked, met = read(tree)
                yield _Entry(
                    name,
                    section,
                    tree,
                    None if placeless else position,
                    masked if met or placeless else "",
                    [found.id for found in own if found.id],
                    [found.id for found in met if found.id],
                )


def _identity(tree: Tree) -> Tree | None:
    if isinstance(tree, Value):
        return identity_of(tree.raw)
    return tree.get("_id") if isinstance(tree, dict) else None


def _in_order(entries: list[_Entry]) -> list[_Entry]:
    """Sort entries by collection and section, in the order of both, and canonically in these."""
    places = {place: at for at, place in enumerate(dict.fromkeys(map(_place, entries)))}
    keys = [
        (places[_place(e)], e.position is None, -1 if e.position is None else e.position, e.masked)
        for e in entries
    ]
    colours = {key: colour for colour, key in enumerate(sorted(set(keys)))}
    ids: dict[Id, int] = {}
    held = [[ids.setdefault(each, len(ids)) for each in entry.ids] for entry in entries]
    return [entries[at] for at in canonical_order([colours[key] for key in keys], held)]


def _place(entry: _Entry) -> tuple[str, str]:
    return entry.collection, entry.section


def _numbered(entries: list[_Entry]) -> dict[Id, str]:
    """Number ids: those of documents first, so that a wrong reference leaves them as they are."""
    names: dict[Id, str] = {}
    counts: dict[Family, int] = {}
    for ids in (*(entry.own for entry in entries), *(entry.ids for entry in entries)):
        for each in ids:
            if each not in names:
                counts[each[0]] = counts.get(each[0], 0) + 1
                names[each] = f"{each[0]}-{counts[each[0]]}"
    return names


def _recognise(kind: int, raw: bytes) -> _Found | None:
    """Say what a value could be, by its type, or the digits of a string."""
    if kind == OBJECT_ID:
        return _Found(("ObjectId", raw), "$oid")
    if kind == BINARY:
        form = " as subtype 3" if raw[4] == _LEGACY else ""
        return _Found(("UUID", raw[5:]), "$uuid", form)
    text = raw[4:-1]
    for object_id_text, uuid_text, form in zip(_OBJECT_ID_TEXTS, _UUID_TEXTS, _FORMS, strict=True):
        if object_id_text.fullmatch(text):
            return _Found(("ObjectId", bytes.fromhex(text.decode())), "$oid", form)
        if uuid_text.fullmatch(text):
            return _Found(("UUID", bytes.fromhex(text.decode().replace("-", ""))), "$uuid", form)
    return None
