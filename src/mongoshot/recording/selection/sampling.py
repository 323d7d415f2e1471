"""What some documents of each collection show: fields that may refer, and keys to refer to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mongoshot.recording.selection.model import Path
from mongoshot.recording.selection.values import DBRef, equality_key, find_dbrefs, is_generated
from mongoshot.server.finding import find
from mongoshot.server.reading import Reading
from mongoshot.snapshot.elements import (
    ARRAY,
    BINARY,
    DOCUMENT,
    INT32,
    INT64,
    OBJECT_ID,
    STRING,
    iterate_elements,
)
from mongoshot.snapshot.model import Definition

#: Documents at each end, by `_id`, and their bytes: enough to see each field that most have, and
#: the oldest and newest kind of document, in a fraction of a second for each collection.
SAMPLED_AT_EACH_END, MOST_SAMPLED_BYTES = 200, 4_000_000
#: More distinct keys than this in one place are data, as in a map from ids to values.
MOST_KEYS = 100
#: Bytes of a string that may identify something; what is longer is text.
LONGEST_STRING = 200
#: Deeper than this lies no reference that anybody has seen.
DEEPEST = 8

_UUID_SUBTYPES = (3, 4)
_UUID_SIZE = 4 + 1 + 16

#: What values may be compared at all: numbers among each other, everything else by its type.
Kind = str


@dataclass(slots=True)
class Field:
    """Hold what a sample shows of one path: its values that may identify something, by kind.

    `values` are kind → equality key → type byte and raw bytes; `occurrences` count all of them,
    `documents` those that have one.
    """

    path: Path
    documents: int = 0
    occurrences: int = 0
    values: dict[Kind, dict[Hashable, bytes]] = field(default_factory=dict)

    @property
    def distinct(self) -> int:
        """Count the different values."""
        return sum(map(len, self.values.values()))

    @property
    def has_array(self) -> bool:
        """Tell whether one document may have several of them."""
        return None in self.path


@dataclass(slots=True)
class Sample:
    """Hold what some documents of a collection show; `fields` are by path without arrays."""

    definition: Definition
    documents: int = 0
    fields: dict[tuple[str, ...], Field] = field(default_factory=dict)
    dbrefs: dict[tuple[Path, str], list[DBRef]] = field(default_factory=dict)


def take_sample(reading: Reading, definition: Definition) -> Sample:
    """Look at the first and the last documents of a collection by `_id`, the same ones each time.

    A capped collection is looked at from both ends of its natural order.
    """
    sample = Sample(definition)
    for document in _documents(reading, definition):
        sample.documents += 1
        seen: set[tuple[str, ...]] = set()
        _look_into(sample, document, 0, (), seen, in_array=False)
        for keys in seen:
            sample.fields[keys].documents += 1
        for dbref in find_dbrefs(document):
            askable = all(step is None or _is_askable(step) for step in dbref.path[:-1])
            if askable and dbref.is_within(reading.database.name):
                sample.dbrefs.setdefault((dbref.path, dbref.target), []).append(dbref)
    _forget_maps(sample)
    return sample


def _documents(reading: Reading, definition: Definition) -> Iterable[bytes]:
    order = "$natural" if definition.capped else "_id"
    taken: dict[bytes, None] = {}
    for direction in (1, -1):
        size = 0
        for document in find(
            reading, definition, sort=[(order, direction)], limit=SAMPLED_AT_EACH_END
        ):
            taken[document] = None
            size += len(document)
            if size > MOST_SAMPLED_BYTES // 2:
                break
    return taken


def _look_into(
    sample: Sample,
    document: bytes,
    start: int,
    path: Path,
    seen: set[tuple[str, ...]],
    *,
    in_array: bool,
) -> None:
    if len(path) > DEEPEST:
        return
    for type, key, begin, end in iterate_elements(document, start):
        step = None if in_array else _askable(key)
        if step is None and not in_array:
            continue
        inner = (*path, step)
        if type in (DOCUMENT, ARRAY):
            _look_into(sample, document, begin, inner, seen, in_array=type == ARRAY)
        elif (kind := _kind(type, document, begin, end)) is not None:
            keys = tuple(each for each in inner if each is not None)
            found = sample.fields.setdefault(keys, Field(inner))
            found.path = max(found.path, inner, key=len)
            found.occurrences += 1
            value = bytes((type,)) + document[begin:end]
            found.values.setdefault(kind, {}).setdefault(equality_key(value), value)
            seen.add(keys)


def _askable(key: bytes) -> str | None:
    """Return a key as a step of a path, where it may be one."""
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return None
    return name if _is_askable(name) else None


def _is_askable(name: str) -> bool:
    """Tell whether a server can be asked for a key in a path, and the key is no data."""
    return bool(name) and "." not in name and name[0] != "$" and not is_generated(name)


def _kind(type: int, document: bytes, start: int, end: int) -> Kind | None:
    if type == OBJECT_ID:
        return "ObjectId"
    if type in (INT32, INT64):
        return "number"
    if type == STRING and 5 < end - start <= LONGEST_STRING:
        return "string"
    if type == BINARY and end - start == _UUID_SIZE and document[start + 4] in _UUID_SUBTYPES:
        return "UUID"
    return None


def _forget_maps(sample: Sample) -> None:
    """Leave out what lies below keys that are data."""
    below: dict[tuple[str, ...], set[str]] = {}
    for keys in sample.fields:
        for at in range(len(keys)):
            below.setdefault(keys[:at], set()).add(keys[at])
    maps = {outer for outer, inner in below.items() if outer and len(inner) > MOST_KEYS}
    sample.fields = {
        keys: found
        for keys, found in sample.fields.items()
        if not any(keys[:at] in maps for at in range(len(keys)))
    }


def spread(values: Mapping[Hashable, bytes], most: int) -> Iterator[tuple[Hashable, bytes]]:
    """Choose at most that many values with their keys, evenly from the first to the last."""
    every = list(values.items())
    step = max(1.0, len(every) / most)
    for number in range(min(most, len(every))):
        yield every[int(number * step)]
