"""What commands of the oplog make of the definition of a collection.

Source of their shapes: `src/mongo/db/op_observer/op_observer_impl.cpp` of the server.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mongoshot.snapshot.elements import (
    DOCUMENT,
    DOUBLE,
    INT32,
    INT64,
    STRING,
    framed,
    iterate_elements,
)
from mongoshot.snapshot.model import BUCKETS_PREFIX, Definition

#: What `create` has besides the options: `temp` is taken back when the collection is renamed.
_NO_OPTIONS = (b"create", b"idIndex", b"temp")
#: What the buckets of a time series have of its options; others are the server's own.
_SERIES_OPTIONS = (b"collation", b"expireAfterSeconds", b"timeseries")
#: How the server lists the fields of an index, whatever their order in the command.
#: Source: `src/mongo/db/create_indexes.idl`, `NewIndexSpec`.
_INDEX_FIELDS = (
    *(b"v", b"key", b"name", b"ns", b"background", b"unique", b"hidden"),
    *(b"partialFilterExpression", b"sparse", b"expireAfterSeconds", b"storageEngine"),
    *(b"weights", b"default_language", b"language_override", b"textIndexVersion"),
    *(b"2dsphereIndexVersion", b"bits", b"min", b"max", b"bucketSize", b"collation"),
    b"wildcardProjection",
)


def verb_of(command: bytes) -> str:
    """Return the name of a command, which is its first key."""
    return next((key.decode() for _, key, _, _ in iterate_elements(command)), "")


def name_of(command: bytes) -> str:
    """Return the collection that a command names, "" for none; of buckets, the time series."""
    for kind, _, start, end in iterate_elements(command):
        if kind == STRING:
            return _string(command[start:end]).removeprefix(BUCKETS_PREFIX)
        break
    return ""


def created(command: bytes) -> Definition:
    """Return what the command `create` makes: a collection, or a time series by its buckets."""
    options, indexes, series, name = b"", tuple[bytes, ...](), b"", ""
    for kind, key, start, end in iterate_elements(command):
        value = command[start:end]
        if key == b"create":
            name = _string(value)
        elif key == b"idIndex":
            indexes = (value,)
        elif key == b"clusteredIndex" and kind == DOCUMENT:
            # https://www.mongodb.com/docs/manual/reference/command/listIndexes/
            indexes = (framed(value[4:-1] + b"\x08clustered\0\x01"),)
        elif key in _SERIES_OPTIONS:
            series += bytes((kind,)) + key + b"\0" + value
        if key not in _NO_OPTIONS:
            options += bytes((kind,)) + key + b"\0" + value
    if name.startswith(BUCKETS_PREFIX):
        return Definition(name.removeprefix(BUCKETS_PREFIX), "timeseries", framed(series))
    return Definition(name, "collection", framed(options), indexes)


def created_view(document: bytes, database: str) -> Definition | None:
    """Return the view that a document of `system.views` is; None where it is a time series."""
    options, name = b"", ""
    for kind, key, start, end in iterate_elements(document):
        value = document[start:end]
        if key == b"_id":
            name = _string(value).removeprefix(f"{database}.")
            continue
        if key == b"viewOn" and _string(value).startswith(BUCKETS_PREFIX):
            return None
        options += bytes((kind,)) + key + b"\0" + value
    return Definition(name, "view", framed(options))


def changed_definition(
    definition: Definition, command: bytes, known: Iterable[bytes]
) -> Definition | None:
    """Return what a collection is after a command; None where that is not known here.

    `known` are indexes as the server lists them, which is in another order of their fields.
    """
    verb = verb_of(command)
    fields = {
        key: (kind, command[start:end]) for kind, key, start, end in iterate_elements(command)
    }
    indexes = definition.indexes
    if verb in ("createIndexes", "commitIndexBuild"):
        if definition.type == "timeseries":
            return None  # these are of its buckets
        listed = {_members(index): index for index in known}
        made = [listed.get(_members(each), each) for each in _made_indexes(verb, fields)]
        return replace(definition, indexes=(*indexes, *made))
    if verb in ("dropIndexes", "deleteIndexes") and fields.get(b"index", (0, b""))[0] == STRING:
        gone = _string(fields[b"index"][1])
        kept = tuple(each for each in indexes if _index_name(each) != gone)
        return replace(definition, indexes=kept)
    return None


def _made_indexes(verb: str, fields: Mapping[bytes, tuple[int, bytes]]) -> Iterator[bytes]:
    if verb == "createIndexes":
        yield _as_listed((key, *value) for key, value in fields.items() if key != verb.encode())
        return
    array = fields[b"indexes"][1]
    for kind, _, start, end in iterate_elements(array):
        if kind == DOCUMENT:
            index = array[start:end]
            yield _as_listed(
                (key, type_, index[s:e]) for type_, key, s, e in iterate_elements(index)
            )


def _as_listed(members: Iterable[tuple[bytes, int, bytes]]) -> bytes:
    """Make an index of its members as the server lists it."""
    ordered = sorted(
        map(_as_number, members), key=lambda each: (*_INDEX_FIELDS, each[0]).index(each[0])
    )
    return framed(b"".join(bytes((kind,)) + key + b"\0" + raw for key, kind, raw in ordered))


def _as_number(member: tuple[bytes, int, bytes]) -> tuple[bytes, int, bytes]:
    key, kind, raw = member
    if key in (b"min", b"max") and kind in (INT32, INT64):
        # The ends of a 2d index: doubles, whatever they were given as.
        return key, DOUBLE, struct.pack("<d", int.from_bytes(raw, "little", signed=True))
    return member


def _members(index: bytes) -> frozenset[tuple[int, bytes, bytes]]:
    return frozenset((kind, key, index[s:e]) for kind, key, s, e in iterate_elements(index))


def renamed(command: bytes, database: str) -> tuple[str | None, str | None]:
    """Return the names that `renameCollection` takes and gives; None in another database."""
    fields = {key: command[start:end] for _, key, start, end in iterate_elements(command)}
    prefix = f"{database}."
    names = [_string(fields[key]) for key in (b"renameCollection", b"to")]
    found = [n.removeprefix(prefix) if n.startswith(prefix) else None for n in names]
    return found[0], found[1]


def _index_name(index: bytes) -> str:
    for _, key, start, end in iterate_elements(index):
        if key == b"name":
            return _string(index[start:end])
    return ""


def _string(value: bytes) -> str:
    return value[4:-1].decode()
