"""Documents of one collection: found by `_id`, inserted and put back as the bytes that they are."""

from __future__ import annotations

import re
from collections.abc import Collection as Identities
from collections.abc import Iterable, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, WriteConcern
from pymongo import errors as driver
from pymongo.client_session import ClientSession

from mongoshot.errors import RestoreError
from mongoshot.server.connection import RAW, Database, translated
from mongoshot.snapshot.elements import (
    TIMESTAMP,
    document_id,
    framed,
    iterate_elements,
    split_documents,
)
from mongoshot.snapshot.encoding import readable
from mongoshot.snapshot.model import Definition

#: Looks like a top-level `Timestamp(0, 0)`, which the server replaces with the time on an insert.
#: https://www.mongodb.com/docs/manual/reference/bson-types/#timestamps
_MAY_BE_EMPTY_TIMESTAMP = re.compile(rb"\x11[^\x00]*\x00\x00{8}")
_DUPLICATE_KEY = 11000
#: The server has done it; what a crash would lose, the next restore brings back.
_ACKNOWLEDGED = WriteConcern(w=1)
#: Ids asked for at a time: one of them has at most some kilobytes, and mostly some bytes.
_MOST_IDS = 5_000
#: Half of what servers take in one command (maxWriteBatchSize, 100,000 documents).
_MOST_DOCUMENTS = 50_000


def find_documents(
    database: Database, definition: Definition, identities: Iterable[bytes]
) -> dict[bytes, bytes]:
    """Read single documents by their ids (as `document_id` gives them), as they are now."""
    name = definition.data_name or definition.name
    source: Any = database.get_collection(name, codec_options=RAW)
    wanted = list(identities)
    found: dict[bytes, bytes] = {}
    with translated(f"read {database.name}.{name}"):
        # In parts: the ids of one command must fit into one document.
        for start in range(0, len(wanted), _MOST_IDS):
            for document in source.find({"_id": _one_of(wanted[start : start + _MOST_IDS])}):
                raw = bytes(document.raw)
                found[document_id(raw)] = raw
    return found


def _one_of(identities: list[bytes]) -> RawBSONDocument:
    # As bytes: an id may be what the driver cannot decode.
    values = b"".join(
        identity[:1] + b"%d\0" % at + identity[1:] for at, identity in enumerate(identities)
    )
    return RawBSONDocument(framed(b"\x04$in\0" + framed(values)))


def put_back(
    database: Database,
    definition: Definition,
    identities: Identities[bytes],
    pristine: Mapping[bytes, bytes],
    session: ClientSession | None,
) -> list[bytes]:
    """Make the documents with these ids (as `document_id` gives them) what they were, or gone.

    `pristine` are those that are to be there, by id; what is there is replaced in its place.
    Returns the ids that had to be inserted, in that order: they come last in natural order.
    Raises RestoreError.
    """
    try:
        found = _replace(database, definition, identities, pristine, session)
    except driver.BulkWriteError:
        # Two documents swapped a unique value, or one has a key that a replacement must not have:
        # all go before the first comes.
        remove(database, definition, identities, session)
        missing = list(pristine)
    else:
        missing = []
        if found < len(pristine):
            there = find_documents(database, definition, pristine)
            missing = [identity for identity in pristine if identity not in there]
    if missing:
        chunk = b"".join(pristine[identity] for identity in missing)
        insert(database, definition, chunk, session)
    return missing


class _Replacement(RawBSONDocument):
    """Spare the driver to decode a document, which it may not be able to, to see it not empty."""

    def __bool__(self) -> bool:
        return True


def _replace(
    database: Database,
    definition: Definition,
    identities: Identities[bytes],
    pristine: Mapping[bytes, bytes],
    session: ClientSession | None,
) -> int:
    name = definition.data_name or definition.name
    documents = {identity: _Replacement(document) for identity, document in pristine.items()}
    requests: list[Any] = [
        DeleteOne({"_id": _equal_to(identity)})
        for identity in identities
        if identity not in pristine
    ]
    requests += [
        ReplaceOne({"_id": _equal_to(identity)}, document)
        for identity, document in documents.items()
    ]
    target: Any = database.get_collection(name, codec_options=RAW, write_concern=_ACKNOWLEDGED)
    with translated(f"write to {target.full_name}", but_not=driver.BulkWriteError):
        # In order: what is too much goes first, and with it the unique values that it holds.
        result = target.bulk_write(
            requests,
            bypass_document_validation=_past_validation(definition) or None,
            session=session,
        )
        if _MAY_BE_EMPTY_TIMESTAMP.search(b"".join(pristine.values())):
            _restore_empty_timestamps(database, name, list(documents.values()), session)
    matched: int = result.matched_count
    return matched


def remove(
    database: Database,
    definition: Definition,
    identities: Iterable[bytes],
    session: ClientSession | None,
) -> None:
    """Remove the documents with these ids (as `document_id` gives them), where there are any."""
    name = definition.data_name or definition.name
    target = database.get_collection(name, write_concern=_ACKNOWLEDGED)
    deletes = [DeleteOne({"_id": _equal_to(identity)}) for identity in identities]
    with translated(f"write to {target.full_name}"):
        target.bulk_write(deletes, ordered=False, session=session)


def _equal_to(identity: bytes) -> RawBSONDocument:
    return RawBSONDocument(framed(identity[:1] + b"$eq\0" + identity[1:]))


def insert(
    database: Database,
    definition: Definition,
    chunk: bytes,
    session: ClientSession | None = None,
) -> int:
    """Insert a chunk of concatenated documents as they are, and return how many.

    Validators are passed over: the documents were there before. With a session, the oplog tells
    the writes by it, which costs some of the speed. Raises RestoreError with the namespace and
    `_id` of the first document that the server does not take.
    """
    name = definition.data_name or definition.name
    documents = [RawBSONDocument(document) for document in split_documents(chunk)]
    with translated(f"write to {database.name}.{name}"):
        for start in range(0, len(documents), _MOST_DOCUMENTS):
            batch = documents[start : start + _MOST_DOCUMENTS]
            if session is None:
                reply = _insert_batch(database, definition, batch)
            else:
                reply = _insert_told(database, definition, batch, session)
            if reply["n"] != len(batch):
                raise _refused(f"{database.name}.{name}", batch, reply)
        if _MAY_BE_EMPTY_TIMESTAMP.search(chunk):
            _restore_empty_timestamps(database, name, documents, session)
    return len(documents)


def _past_validation(definition: Definition) -> bool:
    # Only where there is a validator: it takes a right that the role readWrite does not give.
    return definition.type == "timeseries" or "validator" in definition.decoded_options()


def _insert_batch(
    database: Database, definition: Definition, batch: list[RawBSONDocument]
) -> Mapping[str, Any]:
    command = {
        "insert": definition.data_name or definition.name,
        # The driver sends these bytes as a document sequence, without re-encoding.
        "documents": batch,
        "ordered": definition.capped,
    }
    if _past_validation(definition):
        command["bypassDocumentValidation"] = True
    return database.command(command)


def _insert_told(
    database: Database,
    definition: Definition,
    batch: list[RawBSONDocument],
    session: ClientSession,
) -> Mapping[str, Any]:
    # The oplog has the session of retryable writes alone, and a plain command is none.
    name = definition.data_name or definition.name
    target: Any = database.get_collection(name, codec_options=RAW, write_concern=_ACKNOWLEDGED)
    try:
        result = target.bulk_write(
            [InsertOne(document) for document in batch],
            ordered=definition.capped,
            bypass_document_validation=_past_validation(definition) or None,
            session=session,
        )
    except driver.BulkWriteError as error:
        return {"n": error.details["nInserted"], "writeErrors": error.details["writeErrors"]}
    return {"n": result.inserted_count}


def _restore_empty_timestamps(
    database: Database,
    name: str,
    documents: list[RawBSONDocument],
    session: ClientSession | None = None,
) -> None:
    # An aggregation's literal is the one way in that servers of all versions leave alone.
    for document in documents:
        raw = bytes(document.raw)
        if any(
            kind == TIMESTAMP and not any(raw[start:end])
            for kind, _key, start, end in iterate_elements(raw)
        ):
            identity = document_id(raw)
            database[name].update_one(
                # As bytes: a document may hold what the driver cannot decode.
                {"_id": _equal_to(identity)},
                [{"$replaceWith": {"$literal": document}}],
                bypass_document_validation=True,
                session=session,
            )


def _refused(
    namespace: str, documents: list[RawBSONDocument], reply: Mapping[str, Any]
) -> RestoreError:
    errors = reply.get("writeErrors") or [{}]
    document = bytes(documents[errors[0].get("index", 0)].raw)
    reason = errors[0].get("errmsg", f"{reply['n']} of {len(documents)} were taken")[:200]
    if errors[0].get("code") == _DUPLICATE_KEY:
        reason = "its _id or a unique value is there twice"
    identity = document_id(document)
    shown = readable(identity[0], identity[1:]) if identity else "missing"
    more = f", nor {len(errors) - 1} more" if len(errors) > 1 else ""
    return RestoreError(
        f"{namespace}, _id {shown}: the server did not take the document ({reason}){more}; the"
        " database is marked incomplete, and the next restore starts over"
    )
