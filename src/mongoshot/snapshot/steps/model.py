"""One write of a recording, and the line of `recording.jsonl` that it is.

Format version 1, one write a line, canonical Extended JSON, in the order of the writes:

    {"step": 1, "insert": "orders", "document": {…}}
    {"step": 2, "update": "orders", "document": {…}}        the whole document, as it became
    {"step": 2, "delete": "carts", "document": {"_id": …}}
    {"step": 3, "define": "audit", "metadata": {…}}         made, or its options or indexes changed
    {"step": 4, "drop": "carts"}
    {"step": 5, "rename": "audit", "to": "log"}

Writes of one step became visible at once, or by one command. `metadata` is what a metadata file of
the collection would say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

from mongoshot.errors import (
    InvalidBSONError,
    InvalidExtendedJSONError,
    NotRepresentableError,
    SnapshotDamagedError,
)
from mongoshot.snapshot.elements import DOCUMENT, INT32, STRING, document_id, iterate_elements
from mongoshot.snapshot.encoding import from_extended_json, to_extended_json
from mongoshot.snapshot.metadata import metadata_to_json, parse_metadata
from mongoshot.snapshot.model import Definition

WriteKind = Literal["insert", "update", "delete", "define", "drop", "rename"]

_OF_DOCUMENTS = ("insert", "update", "delete")


@dataclass(frozen=True, slots=True)
class Write:
    """Hold one write: `step` counts from 1, `collection` is the one that it was made to.

    `document` is what was inserted, what an update made of it, or the `_id` of what was deleted;
    `definition` what the collection is from then on, and `to` its new name.
    """

    step: int
    kind: WriteKind
    collection: str
    document: bytes = b""
    definition: Definition | None = None
    to: str = ""

    @property
    def identity(self) -> bytes:
        """Return the `_id` of the document, as `document_id` gives it."""
        return document_id(self.document)


def write_to_json(write: Write) -> str:
    """Write a write as its line, without an end.

    Raises NotRepresentableError where a document cannot be written as Extended JSON exactly.
    """
    start = (
        f'{{"step":{write.step},"{write.kind}":{json.dumps(write.collection, ensure_ascii=False)}'
    )
    if write.kind in _OF_DOCUMENTS:
        try:
            return f'{start},"document":{to_extended_json(write.document)}}}'
        except (NotRepresentableError, InvalidBSONError) as error:
            raise NotRepresentableError(
                f"step {write.step} cannot be kept, as Extended JSON cannot hold what it wrote to"
                f" {write.collection} ({error}); leave that out with --exclude {write.collection}"
            ) from None
    if write.definition is not None:
        metadata = json.dumps(json.loads(metadata_to_json(write.definition)), ensure_ascii=False)
        return f'{start},"metadata":{metadata}}}'
    return (
        f'{start},"to":{json.dumps(write.to, ensure_ascii=False)}}}' if write.to else f"{start}}}"
    )


def parse_write(line: bytes, where: str) -> Write:
    """Read a write from its line; `where` names it in errors. Raises SnapshotDamagedError."""
    try:
        raw = from_extended_json(line)
        elements = iterate_elements(raw)
        fields = {key.decode(): (kind, raw[start:end]) for kind, key, start, end in elements}
        return _write_of(fields, where)
    except (InvalidExtendedJSONError, InvalidBSONError, ValueError) as error:
        raise SnapshotDamagedError(f"{where} is no write of a recording: {error}") from None


def _write_of(fields: dict[str, tuple[int, bytes]], where: str) -> Write:
    match list(fields.items()):
        case [("step", (kind, number)), (verb, named), *rest] if kind == INT32:
            step, collection = int.from_bytes(number, "little", signed=True), _text(named)
        case _:
            raise ValueError("it should begin with a step and what was done to a collection")
    if verb not in get_args(WriteKind) or step < 1:
        raise ValueError(f"step {step}, {verb!r:.40}")
    match verb, rest:
        case "insert" | "update" | "delete", [("document", (kind, document))] if kind == DOCUMENT:
            if not document_id(document):
                raise ValueError("its document has no _id")
            return Write(step, verb, collection, document)
        case "define", [("metadata", (kind, metadata))] if kind == DOCUMENT:
            text = to_extended_json(metadata).encode()
            definition = parse_metadata(text, where)
            if definition.name != collection:
                raise ValueError(f"it defines {definition.name!r:.80}")
            return Write(step, "define", collection, definition=definition)
        case "drop", []:
            return Write(step, "drop", collection)
        case "rename", [("to", to)]:
            return Write(step, "rename", collection, to=_text(to))
    raise ValueError(f"{verb} does not go with {', '.join(fields)}")


def _text(value: tuple[int, bytes]) -> str:
    kind, raw = value
    if kind != STRING:
        raise ValueError("the name of a collection should be a string")
    return raw[4:-1].decode()
