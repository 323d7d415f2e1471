"""What a dump says of a collection → its definition.

Metadata files are canonical Extended JSON with `options`, `indexes`, `uuid`, `collectionName` and
`type`; those of older versions of mongodump lack the last three, and have what older servers said.
What no server takes any more is left out, as mongorestore does, and said.

Source: `mongodump/metadata_dump.go`, `mongorestore/metadata.go` and `mongorestore/restore.go` of
https://github.com/mongodb/mongo-tools
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from mongoshot.errors import InvalidBSONError, InvalidExtendedJSONError
from mongoshot.snapshot.dump.source import damaged
from mongoshot.snapshot.elements import framed, iterate_elements
from mongoshot.snapshot.encoding import from_extended_json
from mongoshot.snapshot.metadata import checked
from mongoshot.snapshot.model import CollectionType, Definition

Note = Callable[[str], None]

_EMPTY = bson.encode({})
_SIMPLE = bson.encode({"locale": "simple"})

#: The name that MongoDB 2 repeated in the options, and what no server from 4.0 on lets one choose.
_GONE_OPTIONS = frozenset({b"create", b"autoIndexId"})


def read_definition(text: bytes, name: str, where: str, note: Note) -> Definition:
    """Make a definition of the metadata of the collection `name`; `where` names it in errors.

    `note` is told what is left out. Raises DumpError for anything that is not such metadata.
    """
    try:
        document: Any = RawBSONDocument(from_extended_json(text))
        options = _raw(document.get("options"))
        indexes = [_raw(index) for index in document.get("indexes") or []]
        return checked(make_definition(name, options, indexes, note))
    except (
        InvalidExtendedJSONError,
        InvalidBSONError,
        BSONError,
        AttributeError,
        KeyError,
        TypeError,
    ) as error:
        raise damaged(f"{where} is not the metadata of a collection ({error!r:.200})") from None


def collection_name(text: bytes, where: str) -> str:
    """Read the name from the metadata of a collection whose file has but a part of it."""
    try:
        document: Any = RawBSONDocument(from_extended_json(text))
        name = document["collectionName"]
    except (InvalidExtendedJSONError, BSONError, KeyError) as error:
        raise damaged(f"{where} does not say of which collection it is ({error!r:.200})") from None
    if not isinstance(name, str) or not name:
        raise damaged(f"{where} does not say of which collection it is")
    return name


def make_definition(name: str, options: bytes, indexes: Iterable[bytes], note: Note) -> Definition:
    """Make a definition as today's servers list it.

    The options tell what it is: a view that was dumped with --viewsAsCollections lacks its own.
    """
    given = {key: options[start:end] for _, key, start, end in iterate_elements(options)}
    if given.get(b"autoIndexId") == b"\0":
        note(
            f"{name}: autoIndexId is false, which no server takes any more: it has an index on _id"
        )
    options = without(options, _GONE_OPTIONS)
    kind: CollectionType = "collection"
    if b"viewOn" in given:
        kind = "view"
    elif b"timeseries" in given:
        kind = "timeseries"
    listed = [_as_listed(index, collated=b"collation" in given) for index in indexes]
    if kind == "collection" and b"clusteredIndex" not in given and not any(map(_on_id, listed)):
        listed.insert(0, _id_index(given.get(b"collation")))
    return Definition(name, kind, options, () if kind == "view" else tuple(listed))


def without(document: bytes, keys: Container[bytes]) -> bytes:
    """Leave elements out of a document; what stays are its bytes."""
    parts = [
        bytes((kind,)) + key + b"\0" + document[start:end]
        for kind, key, start, end in iterate_elements(document)
        if key not in keys
    ]
    return framed(b"".join(parts))


def _raw(value: Any) -> bytes:
    return _EMPTY if value is None else bytes(value.raw)


def _as_listed(index: bytes, *, collated: bool) -> bytes:
    """Leave out what today's listIndexes does not say of an index."""
    # `ns` is what servers before 4.4 say.
    keys = {b"ns"}
    for _, key, start, end in iterate_elements(index):
        if collated and key == b"collation" and index[start:end] == _SIMPLE:
            keys.add(key)
    return without(index, keys)


def _on_id(index: bytes) -> bool:
    elements = {key: index[start:end] for _, key, start, end in iterate_elements(index)}
    key = elements.get(b"key")
    return key is not None and [name for _, name, _, _ in iterate_elements(key)] == [b"_id"]


def _id_index(collation: bytes | None) -> bytes:
    index: dict[str, Any] = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    return bson.encode(
        index if collation is None else index | {"collation": RawBSONDocument(collation)}
    )
