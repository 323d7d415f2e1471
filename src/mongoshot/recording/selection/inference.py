"""References that nobody has declared, found by what fields are called and what they hold.

Some documents of each collection are looked at; their values are then looked for in the keys that
they may be of, all values for one key in one question.
"""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mongoshot.recording.selection import names, weight
from mongoshot.recording.selection.evidence import is_indexed, is_unique, unindexed_paths
from mongoshot.recording.selection.model import Evidence, InferredReference, Path, Reference
from mongoshot.recording.selection.sampling import Field, Kind, Sample, spread, take_sample
from mongoshot.recording.selection.values import Extractor, equality_key
from mongoshot.server.catalog import STORED_FUNCTIONS
from mongoshot.server.finding import find_one_of, in_batches
from mongoshot.server.reading import Reading
from mongoshot.snapshot.model import Definition, Progress, no_progress

#: Different values of one field that are looked for in one key: two hundred tell 50 % from 40 %,
#: and those of many fields still fit into one question.
MOST_VALUES = 200
#: A field without a unique index may be a key where nearly all of its sampled values are different,
#: and nearly all documents have one. Not all: hand-made data has duplicates.
NEARLY = 0.95

_ID = ("_id",)


@dataclass(frozen=True, slots=True)
class _Key:
    """Hold a field that documents may be referred to by."""

    sample: Sample
    keys: tuple[str, ...]
    field: Field
    unique: bool
    own: bool

    @property
    def target(self) -> str:
        return self.sample.definition.name


@dataclass(slots=True)
class _Candidate:
    """Hold a field that may refer to a key, what was looked up for it, and what was found."""

    reference: Reference
    by: str
    named: bool
    sampled: int
    field: Field | None
    kind: Kind
    values: list[bytes]
    found: int = 0

    def is_accepted(self) -> bool:
        if self.field is None:
            return True
        convinces = weight.convinces_named if self.named else weight.convinces_unnamed
        return convinces(self.kind, len(self.values), self.found)

    def inferred(self, definitions: Mapping[str, Definition]) -> InferredReference:
        without = unindexed_paths(self.reference, definitions, up=True)
        counts = len(self.values), self.found, self.sampled
        return InferredReference(self.reference, Evidence(self.by, self.named, *counts, without))


def infer_references(
    reading: Reading,
    *,
    but_not: Sized[Reference] = (),
    declared: Sized[Reference] = (),
    progress: Progress = no_progress,
) -> tuple[InferredReference, ...]:
    """Look for the references between the collections of a reading, with what speaks for each.

    Leaves out those in `but_not`, and all at the paths of `declared` ones. Reads up to 400
    documents of each collection and asks one question for each key. Raises the errors of the
    connection.
    """
    definitions = {
        name: collection.definition
        for name, collection in reading.state.collections.items()
        if collection.definition.type == "collection" and name != STORED_FUNCTIONS
    }
    samples = []
    for definition in definitions.values():
        samples.append(take_sample(reading, definition))
        progress(definition.name, samples[-1].documents)
    taken = {(reference.collection, reference.keys) for reference in declared}
    children = [
        (sample, field)
        for sample in samples
        for keys, field in sample.fields.items()
        if keys != _ID and (sample.definition.name, keys) not in taken
    ]
    keys = [key for sample in samples for key in _keys_of(sample)]
    by_id = {key.target: key for key in keys if key.keys == _ID}
    accepted = _weigh(
        reading,
        [_pair(sample, field, key) for key in by_id.values() for sample, field in children]
        + [each for sample in samples for each in _dbrefs(sample, by_id)],
    )
    accepted += _weigh(reading, list(_other_pairs(children, keys, accepted)))
    return tuple(
        each.inferred(definitions)
        for each in sorted(_best(accepted), key=lambda each: each.reference.text())
        if not any(each.reference.same_as(other) for other in but_not)
    )


def _keys_of(sample: Sample) -> Iterator[_Key]:
    for keys, field in sample.fields.items():
        if field.has_array or (keys[0] == "_id" and keys != _ID):
            continue
        unique = is_unique(sample.definition, keys)
        if unique or _nearly_unique(sample, field):
            yield _Key(
                sample, keys, field, unique, names.names_itself(field.path, sample.definition.name)
            )


def _nearly_unique(sample: Sample, field: Field) -> bool:
    return (
        field.distinct >= max(2, NEARLY * field.occurrences)
        and field.documents >= NEARLY * sample.documents
    )


def _pair(sample: Sample, field: Field, key: _Key) -> _Candidate | None:
    """Return a field and a key whose values may be compared, and why; else None."""
    name = sample.definition.name
    kind = _common_kind(field, key)
    if kind is None or (name, keys_of(field.path)) == (key.target, key.keys):
        return None
    named = _is_named(name, field, key, kind)
    if not named and (key.keys != _ID or not weight.may_be_unnamed(field, kind)):
        return None
    return _candidate(sample, field, key, kind, named=named)


def _common_kind(field: Field, key: _Key) -> Kind | None:
    """Return the kind of most of the values that both have one of."""
    common = [kind for kind in field.values if kind in key.field.values]
    return max(common, key=lambda kind: len(field.values[kind]), default=None)


def _candidate(sample: Sample, field: Field, key: _Key, kind: Kind, *, named: bool) -> _Candidate:
    reference = Reference(sample.definition.name, field.path, key.target, key.field.path)
    values = list(spread(field.values[kind].values(), MOST_VALUES))
    return _Candidate(reference, "inferred", named, sample.documents, field, kind, values)


def _is_named(collection: str, field: Field, key: _Key, kind: Kind) -> bool:
    if not weight.may_be_named(field, kind):
        return False
    if collection == key.target:
        return names.names_relative(field.path) or (
            names.names_collection(field.path, collection)
            and not names.names_itself(field.path, collection)
        )
    return names.names_collection(field.path, key.target)


def _dbrefs(sample: Sample, by_id: Mapping[str, _Key]) -> Iterator[_Candidate]:
    for (path, target), found in sample.dbrefs.items():
        if target in by_id:
            different = {equality_key(each.value): each.value for each in found}
            values = list(spread(different.values(), MOST_VALUES))
            reference = Reference(sample.definition.name, path, target)
            yield _Candidate(reference, "DBRef", False, sample.documents, None, "", values)


def _other_pairs(
    children: list[tuple[Sample, Field]], keys: list[_Key], accepted: list[_Candidate]
) -> Iterator[_Candidate | None]:
    """Give fields with keys other than `_id`, where their names speak for it.

    A key that is itself a reference is none: what refers to the same is not referring to it.
    """
    known = [each.reference for each in accepted]
    references = {(each.collection, each.keys) for each in known}
    fields = {(each.collection, each.keys, each.target) for each in known}
    joined = {(each.collection, each.target) for each in known}
    for key in keys:
        if key.keys == _ID or (key.target, key.keys) in references:
            continue
        for sample, field in children:
            name = sample.definition.name
            if (name, keys_of(field.path), key.target) in fields:
                continue
            pair = _pair(sample, field, key)
            if pair is None and name != key.target and (name, key.target) not in joined:
                pair = _same_name(sample, field, key)
            yield pair


def _same_name(sample: Sample, field: Field, key: _Key) -> _Candidate | None:
    """Return a field that is called as a key is, as `sku` of `lines[]` and of `products`.

    Where it is no less unique than the key, none is known to refer to the other, unless the key is
    called after its collection.
    """
    if not names.same_leaf(field.path, key.field.path):
        return None
    own = key.own and names.subject(field.path) != ()
    if not own and (not key.unique or (not field.has_array and _nearly_unique(sample, field))):
        return None
    kind = _common_kind(field, key)
    return None if kind is None else _candidate(sample, field, key, kind, named=True)


def _weigh(reading: Reading, pairs: Iterable[_Candidate | None]) -> list[_Candidate]:
    """Look up the values of all candidates for each key at once; return those that convince."""
    by_key: dict[tuple[str, tuple[str, ...]], list[_Candidate]] = {}
    for pair in pairs:
        if pair is not None:
            key = pair.reference.target, pair.reference.target_keys
            by_key.setdefault(key, []).append(pair)
    accepted = []
    for (target, keys), candidates in by_key.items():
        asked = {equality_key(value): value for each in candidates for value in each.values}
        found = _found(reading, target, keys, asked)
        for each in candidates:
            each.found = sum(equality_key(value) in found for value in each.values)
            if each.is_accepted():
                accepted.append(each)
    return accepted


def _found(
    reading: Reading, target: str, keys: tuple[str, ...], asked: Mapping[Hashable, bytes]
) -> set[Hashable]:
    definition = reading.state.collections[target].definition
    path = ".".join(keys)
    extractor = Extractor([keys])
    return {
        equality_key(value)
        for batch in in_batches(asked.values(), indexed=is_indexed(definition, keys))
        for document in find_one_of(reading, definition, path, batch, fields=[path])
        for _, value in extractor.values(document)
    }


def _best(accepted: list[_Candidate]) -> list[_Candidate]:
    """Leave each field one key of a target: the one with the most values, `_id` before others."""
    best: dict[tuple[str, tuple[str, ...], str], _Candidate] = {}

    def rank(each: _Candidate) -> tuple[float, bool, str]:
        share = each.found / len(each.values) if each.values else 0
        return -share, each.reference.target_keys != _ID, each.reference.text()

    for each in sorted(accepted, key=rank):
        reference = each.reference
        best.setdefault((reference.collection, reference.keys, reference.target), each)
    return list(best.values())


def keys_of(path: Path) -> tuple[str, ...]:
    """Return a path without its arrays."""
    return tuple(step for step in path if step is not None)
