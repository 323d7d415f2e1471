"""`<collection>.metadata.json`: what mongodump writes beside the documents of a collection.

Canonical Extended JSON with `options`, `indexes`, `collectionName` and `type`, as mongorestore
reads it. The `uuid` that mongodump adds is left out: it names one incarnation of a collection on
one server, and equal states shall have equal files.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from mongoshot.errors import (
    InvalidExtendedJSONError,
    NotRepresentableError,
    SnapshotDamagedError,
)
from mongoshot.snapshot.encoding import from_extended_json, to_extended_json
from mongoshot.snapshot.model import SERVER_COLLECTIONS, CollectionType, Definition


def metadata_to_json(definition: Definition) -> str:
    """Write a definition as the text of its metadata file, the same for equal definitions.

    Raises NotRepresentableError where its options cannot be written as Extended JSON exactly.
    """
    try:
        options = to_extended_json(definition.options)
        indexes = ",".join(map(to_extended_json, definition.indexes))
    except NotRepresentableError as error:
        raise NotRepresentableError(
            f"the options or indexes of {definition.name!r} cannot be kept in a metadata file:"
            f" {error}; leave the collection out with --exclude {definition.name}"
        ) from None
    names = f'"collectionName":{json.dumps(definition.name)},"type":"{definition.type}"'
    compact = f'{{"options":{options},"indexes":[{indexes}],{names}}}'
    spread = json.dumps(json.loads(compact), indent=2, ensure_ascii=False)
    # Spread over lines it reads well in a review; only a duplicate key could be lost on the way.
    exact = from_extended_json(spread) == from_extended_json(compact)
    return (spread if exact else compact) + "\n"


def parse_metadata(text: bytes, where: str) -> Definition:
    """Read a definition from the bytes of its metadata file; `where` names the file in errors.

    Raises SnapshotDamagedError for anything else.
    """
    try:
        document: Any = RawBSONDocument(from_extended_json(text))
        name, kind = document["collectionName"], document.get("type", "collection")
        options, indexes = document.get("options"), document.get("indexes") or []
        if not isinstance(name, str) or kind not in get_args(CollectionType):
            raise TypeError(f"collectionName {name!r}, type {kind!r}")  # noqa: TRY301
        definition = Definition(
            name=name,
            type=kind,
            options=bson.encode({}) if options is None else bytes(options.raw),
            indexes=tuple(bytes(index.raw) for index in indexes),
        )
        return checked(definition)
    except (
        InvalidExtendedJSONError,
        BSONError,
        AttributeError,
        KeyError,
        TypeError,
    ) as error:
        raise SnapshotDamagedError(
            f"{where} is not the metadata of a collection ({error!r:.200});"
            " take it from version control again, or capture it anew with --replace"
        ) from None


def checked(definition: Definition) -> Definition:
    """Return a definition that a server may have given.

    Raises TypeError for what none says of a collection, and a stranger may have written.
    """
    name = definition.name
    if not name or "\0" in name or name in SERVER_COLLECTIONS:
        raise TypeError(f"{name!r:.80} can be no collection of yours")
    # By it alone a server tells what it is to make.
    if (definition.type == "view") != ("viewOn" in definition.decoded_options()):
        raise TypeError(
            f"a {definition.type} {'lacks' if definition.type == 'view' else 'has'} viewOn"
        )
    for index in definition.decoded_indexes():
        if not isinstance(index.get("name"), str) or not isinstance(index.get("key"), dict):
            raise TypeError("an index has no name, or no key")
        if not index["key"]:
            raise TypeError(f"the index {index['name']!r:.80} is on no field")
    return definition
