"""References that nobody has declared, found by what fields are called and what they hold.

Some documents of each collection are looked at; their values are then looked for in the keys that
they may be of, all values for one key in one question.
"""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from mongoshot.errors import CommandError
from mongoshot.recording.selection import weight
from mongoshot.recording.selection.candidates import (
    Child,
    Key,
    Pair,
    children_of,
    keys_of,
    named_pairs,
    same_name_pairs,
    unnamed_pairs,
)
from mongoshot.recording.selection.evidence import is_indexed, unindexed_paths
from mongoshot.recording.selection.model import Evidence, InferredReference, Reference
from mongoshot.recording.selection.sampling import Kind, Sample, spread, take_sample
from mongoshot.recording.selection.values import Extractor, equality_key
from mongoshot.server.catalog import STORED_FUNCTIONS
from mongoshot.server.finding import find_one_of, in_batches
from mongoshot.server.reading import Reading, is_refused
from mongoshot.snapshot.model import Progress, no_progress

#: Different values of one field that are looked for in one key: two hundred tell 50 % from 40 %,
#: and those of many fields still fit into one question.
MOST_VALUES, LEAST_VALUES = 200, 10
#: Values without a name are looked for in every collection. So many lookups take a few seconds;
#: where there are more fields and collections, fewer values of each are looked for.
MOST_LOOKUPS = 500_000

_ID = ("_id",)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Hold a reference, and how many of how many values were found."""

    reference: Reference
    by: str
    named: bool
    sampled: int
    looked_up: int
    found: int

    @property
    def is_complete(self) -> bool:
        return self.found == self.looked_up


def infer_references(
    reading: Reading,
    *,
    but_not: Sized[Reference] = (),
    declared: Sized[Reference] = (),
    exclude: Sized[str] = (),
    progress: Progress = no_progress,
) -> tuple[InferredReference, ...]:
    """Look for the references between the collections of a reading, with what speaks for each.

    Leaves out those in `but_not`, those from collections in `exclude`, and all at the paths of
    `declared` ones. Reads up to 400 documents of each collection and asks one question for each
    key; an excluded collection that this user may not read is left alone. Raises the errors of the
    connection.
    """
    definitions = {
        name: collection.definition
        for name, collection in reading.state.collections.items()
        if collection.definition.type == "collection" and name != STORED_FUNCTIONS
    }
    samples = []
    for definition in definitions.values():
        try:
            samples.append(take_sample(reading, definition))
        except CommandError as error:
            if definition.name in exclude and is_refused(error):
                continue
            raise
        progress(definition.name, samples[-1].documents)
    taken = {(reference.collection, reference.keys) for reference in declared}
    children = [
        child
        for child in children_of(samples)
        if (child.collection, child.keys) not in taken and child.collection not in exclude
    ]
    accepted = _accepted(reading, children, list(keys_of(samples)))
    accepted += _dbrefs(reading, samples, taken)
    return tuple(
        InferredReference(
            each.reference,
            Evidence(
                each.by,
                each.named,
                each.looked_up,
                each.found,
                each.sampled,
                unindexed_paths(each.reference, definitions, up=True),
            ),
        )
        for each in sorted(accepted, key=lambda each: each.reference.text())
        if each.reference.collection not in exclude
        and not any(each.reference.same_as(other) for other in but_not)
    )


def _accepted(reading: Reading, children: list[Child], keys: list[Key]) -> list[_Weighed]:
    by_id = [key for key in keys if key.keys == _ID]
    accepted = _weigh(reading, named_pairs(children, by_id), MOST_VALUES)
    # What was found to the last value needs no further target.
    settled = {_field(each) for each in accepted if each.is_complete}
    open_ones = [child for child in children if (child.collection, child.keys) not in settled]
    known = {(*_field(each), each.reference.target) for each in accepted}
    pairs = [
        pair
        for pair in unnamed_pairs(open_ones, by_id)
        if (pair.child.collection, pair.child.keys, pair.key.target) not in known
    ]
    most = min(MOST_VALUES, max(LEAST_VALUES, MOST_LOOKUPS // max(1, len(pairs))))
    accepted += _weigh(reading, pairs, most)
    # A key that is itself a reference is none: what refers to the same does not refer to it.
    references = {_field(each) for each in accepted}
    others = [key for key in keys if key.keys != _ID and (key.target, key.keys) not in references]
    accepted += _by_other_keys(reading, children, others, accepted)
    return accepted


def _by_other_keys(
    reading: Reading, children: list[Child], keys: list[Key], accepted: list[_Weighed]
) -> list[_Weighed]:
    known = {(*_field(each), each.reference.target) for each in accepted}
    joined = {(each.reference.collection, each.reference.target) for each in accepted}
    pairs = {
        pair.reference: pair
        for found in (
            named_pairs(children, keys),
            # A copy of a customer's e-mail address beside the customer's id is no other reference.
            (
                pair
                for pair in same_name_pairs(children, keys)
                if (pair.child.collection, pair.key.target) not in joined
            ),
        )
        for pair in found
        if (pair.child.collection, pair.child.keys, pair.key.target) not in known
    }
    weighed = _weigh(reading, pairs.values(), MOST_VALUES)
    unique = {pair.reference for pair in pairs.values() if pair.key.unique}
    best: dict[tuple[str, tuple[str, ...], str], _Weighed] = {}

    def rank(each: _Weighed) -> tuple[float, bool, str]:
        return -each.found / each.looked_up, each.reference not in unique, each.reference.text()

    for each in sorted(weighed, key=rank):
        best.setdefault((*_field(each), each.reference.target), each)
    return list(best.values())


def _field(each: _Weighed) -> tuple[str, tuple[str, ...]]:
    return each.reference.collection, each.reference.keys


def _dbrefs(
    reading: Reading, samples: list[Sample], taken: set[tuple[str, tuple[str, ...]]]
) -> list[_Weighed]:
    """Return a reference for each place of DBRefs and each collection that they name."""
    names = {sample.definition.name for sample in samples}
    weighed = []
    for sample in samples:
        for (path, target), dbrefs in sample.dbrefs.items():
            reference = Reference(sample.definition.name, path, target)
            if target in names and (reference.collection, reference.keys) not in taken:
                every = {equality_key(each.value): each.value for each in dbrefs}
                values = dict(spread(every, MOST_VALUES))
                found = len(_look_up(reading, target, _ID, values).intersection(values))
                counts = sample.documents, len(values), found
                weighed.append(_Weighed(reference, "DBRef", False, *counts))
    return weighed


def _weigh(reading: Reading, pairs: Iterable[Pair], most: int) -> list[_Weighed]:
    """Look up values of all pairs of a key at once; return those that convince."""
    by_key: dict[tuple[str, tuple[str, ...]], list[Pair]] = {}
    values: dict[tuple[str, tuple[str, ...], Kind], dict[Hashable, bytes]] = {}
    for pair in pairs:
        by_key.setdefault((pair.key.target, pair.key.keys), []).append(pair)
        if pair.place not in values:
            values[pair.place] = dict(spread(pair.child.field.values[pair.kind], most))
    weighed = []
    for (target, keys), group in by_key.items():
        asked: dict[Hashable, bytes] = {}
        for pair in group:
            asked.update(values[pair.place])
        found = _look_up(reading, target, keys, asked)
        for pair in group:
            mine = values[pair.place]
            count = len(found.intersection(mine)) if found else 0
            if weight.convinces(pair.kind, len(mine), count, named=pair.named):
                counts = pair.child.sample.documents, len(mine), count
                weighed.append(_Weighed(pair.reference, "inferred", pair.named, *counts))
    return weighed


def _look_up(
    reading: Reading, target: str, keys: tuple[str, ...], values: Mapping[Hashable, bytes]
) -> set[Hashable]:
    """Return the equality keys of the values that documents of the target have at a path."""
    definition, path = reading.state.collections[target].definition, ".".join(keys)
    extractor = Extractor([keys])
    return {
        equality_key(value)
        for batch in in_batches(values.values(), indexed=is_indexed(definition, keys))
        for document in find_one_of(reading, definition, path, batch, fields=[path])
        for _, value in extractor.values(document)
    }
