"""What mongorestore makes something else of, or needs an option for.

Sources: `mongorestore/restore.go`, `mongorestore/metadata.go` and `common/idx/index_catalog.go` of
https://github.com/mongodb/mongo-tools; TOOLS-3540 in
https://www.mongodb.com/docs/database-tools/release-notes/dbtools-100.12.0-changelog/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import bson

from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import framed, iterate_elements, split_documents
from mongoshot.snapshot.model import Collection, Definition, State

#: A Timestamp(0, 0), or something that looks like one.
_ZERO_TIMESTAMP = re.compile(rb"\x11[^\x00]*\x00{9}")
_ZERO = bytes(8)
#: The version that indexes get without --keepIndexVersion.
_INDEX_VERSION = 2

_SIMPLE = b"\x03collation\0" + bson.encode({"locale": "simple"})


def explicit_collations(definition: Definition) -> Definition:
    """Say of each index that has the simple collation that it has, where it would inherit another.

    Servers show it by silence, and old versions of mongorestore take that for the collection's.
    """
    if not definition.has_collation:
        return definition
    indexes = tuple(
        index if _has(index, b"collation") else framed(index[4:-1] + _SIMPLE)
        for index in definition.indexes
    )
    return replace(definition, indexes=indexes)


class Limits:
    """Gather what has to be said of the collections of a state while they are written."""

    def __init__(self) -> None:
        """Begin with nothing to say."""
        self._notes: list[str] = []

    def notes(self) -> list[str]:
        """Return what there is to say, a line each."""
        return list(self._notes)

    def look_at(self, definition: Definition, state: State) -> None:
        """Look at what a collection is."""
        name = definition.name
        if definition.has_validator:
            self._notes.append(
                f"{name} has a validator: add --bypassDocumentValidation to mongorestore, or it"
                " leaves out what does not meet it, and says nothing"
            )
        old = [i["name"] for i in definition.decoded_indexes() if i.get("v") != _INDEX_VERSION]
        if old:
            self._notes.append(
                f"{name}: the index {old[0]} is of an old version; add --keepIndexVersion to"
                " mongorestore, or it becomes one of today's"
            )
        if definition.type == "view" and definition.has_collation:
            source = state.collections.get(str(definition.decoded_options().get("viewOn")))
            if source is not None and source.definition.type == "view":
                self._notes.append(
                    f"{name} is a view of the view {source.name}, and both have a collation:"
                    " mongorestore may fail to make it before that one; then run it again"
                )

    def watched(self, collection: Collection) -> Iterator[bytes]:
        """Read a collection, and look at its documents."""
        count = 0
        for chunk in collection.chunks():
            if _ZERO_TIMESTAMP.search(chunk):
                count += sum(map(_has_zero_timestamp, split_documents(chunk)))
            yield chunk
        if count:
            self._notes.append(
                f"{collection.name}: {count} documents have a field that is Timestamp(0, 0), which"
                " mongorestore before 100.12 replaces by the time of the restore"
            )


def _has(document: bytes, key: bytes) -> bool:
    return any(each == key for _, each, _, _ in iterate_elements(document))


def _has_zero_timestamp(document: bytes) -> bool:
    return any(
        kind == elements.TIMESTAMP and document[start:end] == _ZERO and key != b"_id"
        for kind, key, start, end in iterate_elements(document)
    )
