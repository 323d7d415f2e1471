"""Which fields may refer to which keys: by their names, or by values that nobody makes twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mongoshot.recording.selection import names, weight
from mongoshot.recording.selection.evidence import is_unique
from mongoshot.recording.selection.model import Path, Reference
from mongoshot.recording.selection.sampling import Field, Kind, Sample

#: A field without a unique index may be a key where nearly all of its sampled values are different,
#: and nearly all documents have one. Not all: hand-made data has duplicates.
NEARLY = 0.95

_ID = ("_id",)


@dataclass(frozen=True, slots=True)
class Child:
    """Hold a field that may refer to something."""

    sample: Sample
    keys: tuple[str, ...]
    field: Field

    @property
    def collection(self) -> str:
        """Return the name of its collection."""
        return self.sample.definition.name

    @property
    def path(self) -> Path:
        """Return its path, with arrays."""
        return self.field.path


@dataclass(frozen=True, slots=True)
class Key:
    """Hold a field that documents may be referred to by.

    `unique` tells whether an index says so, `own` whether the name says that it is the key of this
    collection.
    """

    sample: Sample
    keys: tuple[str, ...]
    field: Field
    unique: bool
    own: bool

    @property
    def target(self) -> str:
        """Return the name of its collection."""
        return self.sample.definition.name


@dataclass(frozen=True, slots=True)
class Pair:
    """Join a field with a key, whose values of one kind may be compared; `named` tells why."""

    child: Child
    key: Key
    kind: Kind
    named: bool

    @property
    def place(self) -> tuple[str, tuple[str, ...], Kind]:
        """Return what the values are of, whatever the key."""
        return self.child.collection, self.child.keys, self.kind

    @property
    def reference(self) -> Reference:
        """Return the reference that this may be."""
        return Reference(
            self.child.collection, self.child.path, self.key.target, self.key.field.path
        )


def children_of(samples: Iterable[Sample]) -> Iterator[Child]:
    """Give all fields that may refer to something: not an `_id`, but what it is made of."""
    for sample in samples:
        for keys, field in sample.fields.items():
            if keys != _ID:
                yield Child(sample, keys, field)


def keys_of(samples: Iterable[Sample]) -> Iterator[Key]:
    """Give all fields that documents may be referred to by."""
    for sample in samples:
        for keys, field in sample.fields.items():
            if field.has_array or (keys[0] == "_id" and keys != _ID):
                continue
            unique = is_unique(sample.definition, keys)
            if unique or is_nearly_unique(sample, field):
                own = names.names_itself(field.path, sample.definition.name)
                yield Key(sample, keys, field, unique, own)


def is_nearly_unique(sample: Sample, field: Field) -> bool:
    """Tell whether a sample shows next to no value twice, and next to no document without."""
    return (
        field.distinct >= max(2, NEARLY * field.occurrences)
        and field.documents >= NEARLY * sample.documents
    )


def named_pairs(children: Iterable[Child], keys: Iterable[Key]) -> Iterator[Pair]:
    """Pair fields with the keys of collections that they are called after."""
    by_word: dict[str, list[Key]] = {}
    by_collection: dict[str, list[Key]] = {}
    for key in keys:
        by_collection.setdefault(key.target, []).append(key)
        for form in names.forms((names.words(key.target) or ("",))[-1]):
            by_word.setdefault(form, []).append(key)
    for child in children:
        if not (found := names.subject(child.path)):
            continue
        near = {id(key): key for form in names.forms(found[-1]) for key in by_word.get(form, ())}
        if names.names_relative(child.path):
            near |= {id(key): key for key in by_collection.get(child.collection, ())}
        for key in near.values():
            kind = _common_kind(child, key)
            if kind is None or not weight.may_be_named(child.field, kind):
                continue
            if _is_named(child, key):
                yield Pair(child, key, kind, named=True)


def _is_named(child: Child, key: Key) -> bool:
    named = names.names_collection(child.path, key.target)
    if child.collection != key.target:
        return named
    return child.keys != key.keys and (
        names.names_relative(child.path)
        or (named and not names.names_itself(child.path, key.target))
    )


def unnamed_pairs(children: Iterable[Child], keys: Iterable[Key]) -> Iterator[Pair]:
    """Pair fields whose values are not made twice with the keys that may hold them, all of them."""
    by_kind: dict[Kind, list[Key]] = {}
    for key in keys:
        for kind in key.field.values:
            by_kind.setdefault(kind, []).append(key)
    for child in children:
        for kind in child.field.values:
            if kind in by_kind and weight.may_be_unnamed(child.field, kind):
                for key in by_kind[kind]:
                    if _common_kind(child, key) == kind:
                        yield Pair(child, key, kind, named=False)


def same_name_pairs(children: Iterable[Child], keys: Iterable[Key]) -> Iterator[Pair]:
    """Pair fields with keys of other collections that are called alike, as `sku` and `sku`.

    Where a field is no less unique than the key, none is known to refer to the other, unless the
    key is called after its collection.
    """
    by_leaf: dict[tuple[str, ...], list[Key]] = {}
    for key in keys:
        by_leaf.setdefault(names.leaf_words(key.field.path), []).append(key)
    for child in children:
        leaf = names.leaf_words(child.path)
        for key in by_leaf.get(leaf, ()) if leaf not in ((), ("id",)) else ():
            if child.collection == key.target:
                continue
            own = key.own and names.subject(child.path) != ()
            alike = not key.unique or _is_key(child)
            kind = _common_kind(child, key)
            if kind is not None and (own or not alike) and weight.may_be_named(child.field, kind):
                yield Pair(child, key, kind, named=True)


def _is_key(child: Child) -> bool:
    return not child.field.has_array and (
        is_unique(child.sample.definition, child.keys)
        or is_nearly_unique(child.sample, child.field)
    )


def _common_kind(child: Child, key: Key) -> Kind | None:
    """Return the kind of most of the field's values that the key has, too."""
    values = child.field.values
    common = [kind for kind in values if kind in key.field.values]
    return max(common, key=lambda kind: len(values[kind]), default=None)
