"""References followed: up to what refers to a root, and down to all that anything chosen needs.

First up, level by level, from the roots; then down, from everything that was chosen, to the end.
What was reached down does not go up: else each customer would bring all of their orders. Nothing is
asked per document: a level costs one question for each reference, by the thousand values. Held in
memory are the `_id`s of chosen documents and the values in them that refer to something.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection as Sized
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mongoshot.recording.selection.children import find_children
from mongoshot.recording.selection.evidence import is_indexed, is_unique
from mongoshot.recording.selection.model import Path, Reference
from mongoshot.recording.selection.values import (
    DBRef,
    Extractor,
    equality_key,
    find_dbrefs,
    is_generated,
)
from mongoshot.server.finding import find_one_of, in_batches, read_chosen
from mongoshot.server.reading import Reading
from mongoshot.snapshot.elements import document_id, split_documents
from mongoshot.snapshot.model import Definition, Progress

#: Documents between two signs of progress.
_SHOWN_AT_A_TIME = 100

#: A field of a collection, by its path without arrays; and a key, likewise.
Place = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class Holders:
    """Hold the different values at one place: each with the `_id` of a document that has it.

    `path` is as a reference has it, `targets` are where the values may be found.
    """

    collection: str
    path: Path
    targets: list[Reference] = field(default_factory=list)
    values: dict[Hashable, tuple[bytes, bytes]] = field(default_factory=dict)
    asked: int = 0

    def add(self, value: bytes, identity: bytes) -> None:
        """Remember a value; of several documents that have it, the smallest `_id` by its bytes."""
        key = equality_key(value)
        known = self.values.get(key)
        if known is None or identity < known[1]:
            self.values[key] = value if known is None else known[0], identity


@dataclass(slots=True)
class Tally:
    """Count what one reference brought: down, up, and left out as too many."""

    down: int = 0
    up: int = 0
    cut: int = 0
    cut_at: int = 0


class _Outline:
    """Say what to read in the documents of one collection.

    `paths` are those of the values that refer to something, and of the keys that are referred to,
    each of which may be both.
    """

    def __init__(self, name: str, references: Iterable[Reference]) -> None:
        here = [each for each in references if each.collection == name and not each.is_dbref]
        self.referring = {each.keys for each in here}
        self.keys = {each.target_keys for each in references if each.target == name}
        self.paths = sorted(self.referring | self.keys)
        self.extractor = Extractor(self.paths)


class Closure:
    """Choose documents of a reading: roots first, then what refers to them, then what they need."""

    def __init__(
        self,
        reading: Reading,
        references: Iterable[Reference],
        *,
        whole: Sized[str],
        exclude: Sized[str],
        progress: Progress,
    ) -> None:
        """Follow `references`, whose collections all are in the reading."""
        self._reading = reading
        self._definitions: Mapping[str, Definition] = {
            name: each.definition for name, each in reading.state.collections.items()
        }
        self._whole, self._exclude, self._progress = whole, exclude, progress
        self.chosen: dict[str, set[bytes]] = {}
        #: What each reference brought, those of DBRefs that were met on the way too.
        self._given = tuple(references)
        self.tallies: dict[Reference, Tally] = {each: Tally() for each in self._given}
        self.holders: dict[Place, Holders] = {}
        #: Values of DBRefs that lead out of the collections: by where they lead, how many.
        self.unfollowed: dict[str, int] = {}
        self._unshown = 0
        self._outlines: dict[str, _Outline] = {}
        #: Values of keys: in chosen documents; those of them that are new since the last level up;
        #: looked for in the source; and found there.
        self._present: dict[Place, dict[Hashable, bytes]] = {}
        self._fresh: dict[Place, dict[Hashable, bytes]] = {}
        self._asked: dict[Place, set[Hashable]] = {}
        self._found: dict[Place, set[Hashable]] = {}
        for each in self._given:
            self._holders_of(each).targets.append(each)

    # Choosing.

    def add(self, name: str, documents: Iterable[bytes]) -> int:
        """Choose documents of a collection, given as BSON; returns how many are new."""
        chosen = self.chosen.setdefault(name, set())
        before = len(chosen)
        for document in documents:
            identity = document_id(document)
            if identity not in chosen:
                chosen.add(identity)
                self._note(name, document, identity, with_keys=True)
        return len(chosen) - before

    def add_whole(self, name: str, documents: Iterable[bytes]) -> None:
        """Read what all documents of a collection refer to; they are chosen as they are."""
        for document in documents:
            self._note(name, document, document_id(document), with_keys=False)

    def _note(self, name: str, document: bytes, identity: bytes, *, with_keys: bool) -> None:
        """Remember what a document refers to and, with its keys, what it can be referred to by."""
        outline = self._outline(name)
        for number, value in outline.extractor.values(document):
            path = outline.paths[number]
            if path in outline.referring:
                self.holders[name, path].add(value, identity)
            if with_keys and path in outline.keys:
                self._note_key((name, path), value)
        for dbref in find_dbrefs(document):
            self._note_dbref(name, dbref, identity)
        self._unshown += 1
        if self._unshown == _SHOWN_AT_A_TIME:
            self._progress(name, self._unshown)
            self._unshown = 0

    def _note_key(self, place: Place, value: bytes) -> None:
        key, present = equality_key(value), self._present.setdefault(place, {})
        if key not in present:
            present[key] = value
            self._fresh.setdefault(place, {})[key] = value

    def _note_dbref(self, name: str, dbref: DBRef, identity: bytes) -> None:
        target = self._definitions.get(dbref.target)
        if not dbref.is_within(self._reading.database.name):
            self._lead_out(f"the database {dbref.database}")
        elif target is not None and target.type != "collection":
            self._lead_out(f"the {target.type} {dbref.target}")
        else:
            # Under ids as keys there may be thousands, which are one place.
            path = tuple("*" if step and is_generated(step) else step for step in dbref.path)
            reference = Reference(name, path, dbref.target)
            self._holders_of(reference).add(dbref.value, identity)

    def _outline(self, name: str) -> _Outline:
        if name not in self._outlines:
            self._outlines[name] = _Outline(name, self._given)
        return self._outlines[name]

    def _holders_of(self, reference: Reference) -> Holders:
        place = reference.collection, reference.keys
        if reference.is_dbref:
            # One place may hold DBRefs to several collections, which are not to be looked for in
            # each other's.
            place = reference.collection, (*reference.keys, reference.target)
        if place not in self.holders:
            self.holders[place] = Holders(reference.collection, reference.path)
            if reference.is_dbref and not any(map(reference.same_as, self.tallies)):
                self.tallies[reference] = Tally()
                self.holders[place].targets.append(reference)
        return self.holders[place]

    def _lead_out(self, where: str) -> None:
        self.unfollowed[where] = self.unfollowed.get(where, 0) + 1

    # Up.

    def go_up(self, levels: int, most_children: int) -> None:
        """Choose what refers to the documents chosen so far, and to that, over `levels` levels.

        Up to `most_children` for each document and reference, the first ones by `_id`.
        """
        for _ in range(levels):
            parents, self._fresh = self._fresh, {}
            new: dict[str, set[bytes]] = {}
            for reference in self._given:
                values = parents.get((reference.target, reference.target_keys))
                if values and not self._is_closed(reference.collection):
                    self._add_children(reference, values, most_children, new)
            for name, identities in new.items():
                for chunk in read_chosen(self._reading, self._definitions[name], identities):
                    self.add(name, split_documents(chunk))
            if not new:
                return

    def _add_children(
        self,
        reference: Reference,
        values: Mapping[Hashable, bytes],
        most_children: int,
        new: dict[str, set[bytes]],
    ) -> None:
        name, tally = reference.collection, self.tallies[reference]
        children = find_children(
            self._reading, self._definitions[name], reference, values, most_children
        )
        tally.cut += children.cut
        tally.cut_at += children.cut_at
        added = children.chosen - self.chosen.get(name, set()) - new.get(name, set())
        tally.up += len(added)
        if added:
            new.setdefault(name, set()).update(added)

    def _is_closed(self, name: str) -> bool:
        return name in self._whole or name in self._exclude

    # Down.

    def go_down(self) -> None:
        """Choose all that anything chosen refers to, to the end."""
        while pending := self._pending():
            for (name, keys), values in pending.items():
                self._ask(name, keys, values)

    def _pending(self) -> dict[Place, dict[Hashable, tuple[bytes, Reference]]]:
        """Return the values that were not looked for yet, by the key to look for them in."""
        pending: dict[Place, dict[Hashable, tuple[bytes, Reference]]] = {}
        for holders in self.holders.values():
            new = list(itertools.islice(holders.values.items(), holders.asked, None))
            holders.asked = len(holders.values)
            for reference in holders.targets if new else ():
                if (definition := self._definitions.get(reference.target)) is None:
                    continue
                place = reference.target, reference.target_keys
                asked = self._asked.setdefault(place, set())
                # Of a unique key one document is all; of another there may be more to bring.
                unique = is_unique(definition, reference.target_keys)
                known = self._present.get(place, {}) if unique else {}
                for key, (value, _) in new:
                    if key not in asked and key not in known:
                        pending.setdefault(place, {}).setdefault(key, (value, reference))
        for place, values in pending.items():
            self._asked[place].update(values)
        return pending

    def _ask(
        self, name: str, keys: tuple[str, ...], values: Mapping[Hashable, tuple[bytes, Reference]]
    ) -> None:
        definition, path = self._definitions[name], ".".join(keys)
        closed, indexed = self._is_closed(name), is_indexed(definition, keys)
        extractor = Extractor([keys])
        found = self._found.setdefault((name, keys), set())
        for batch in in_batches((value for value, _ in values.values()), indexed=indexed):
            fields = [path] if closed else None
            for document in find_one_of(self._reading, definition, path, batch, fields=fields):
                own = [equality_key(value) for _, value in extractor.values(document)]
                own = [key for key in own if key in values]
                found.update(own)
                # With none of them, it is equal by a collation alone.
                if own and not closed and self.add(name, (document,)):
                    self.tallies[values[own[0]][1]].down += 1

    # What is left.

    def lost(self, holders: Holders) -> Iterator[tuple[bytes, bool]]:
        """Give, for each value that no chosen document has, the `_id` of a holder and a truth.

        It tells whether the source has the value, in a collection that is excluded.
        """
        for key, (_, holder) in holders.values.items():
            there = [each.target for each in holders.targets if self._is_found(each, key)]
            if all(target in self._exclude for target in there):
                yield holder, bool(there)

    def looked_up(self, reference: Reference) -> tuple[int, int]:
        """Count the different values of a reference in chosen documents, and those found."""
        values = self._holders_of(reference).values
        return len(values), sum(self._is_found(reference, key) for key in values)

    def _is_found(self, reference: Reference, key: Hashable) -> bool:
        place = reference.target, reference.target_keys
        return key in self._found.get(place, ()) or key in self._present.get(place, ())
