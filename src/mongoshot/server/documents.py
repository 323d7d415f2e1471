"""Documents of one collection: found by `_id`, inserted and put back as the bytes that they are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import errors as driver
from pymongo.client_session import ClientSession

from mongoshot.errors import CommandError, RestoreError
from mongoshot.server.connection import RAW, Database, collection_of, translated
from mongoshot.server.durability import BY_MAJORITY
from mongoshot.snapshot.elements import (
    DECIMAL128,
    DOUBLE,
    INT32,
    INT64,
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
_DUPLICATE_KEY, _FAILED_VALIDATION = 11000, 121
_HINTS = {
    _DUPLICATE_KEY: "; give each document a value of its own there",
    _FAILED_VALIDATION: "; the validator of the collection asks for something else",
}
#: The server has done it. Whether it stays is asked once, at the end (`durability`), by whoever can
#: tell that some of it was lost.
_ACKNOWLEDGED = {"w": 1}
#: Ids asked for at a time, and their bytes: they are one document of at most 16 MiB.
_MOST_IDS, _MOST_BYTES_OF_IDS = 5_000, 8_000_000
#: Operations of one command, and their bytes, by half of what servers take (maxWriteBatchSize is
#: 100,000) and less than what the driver sends at a time, a document of 16 MiB and a little more.
_MOST_OPERATIONS, _MOST_BYTES = 50_000, 12_000_000

#: Beyond what a driver counts to.
_FIRST_NUMBER = 1 << 40

#: The parts around the `_id` and the document of an operation, each as its element begins.
_QUERY, _REPLACEMENT, _ID = b"\x03q\0", b"\x03u\0", b"\x03_id\0"
_ONLY_ONE = b"\x10limit\0\x01\0\0\0"
_UPSERT = b"\x08upsert\0\x01"
#: Of a removal, so that "A" does not find "a" where the collection takes them for equal.
_SIMPLE_COLLATION = b"\x03collation\0" + framed(b"\x02locale\0\x07\0\0\0simple\0")
_NUMBERS = frozenset({DOUBLE, INT32, INT64, DECIMAL128})


def find_documents(
    database: Database, definition: Definition, identities: Iterable[bytes]
) -> dict[bytes, bytes]:
    """Read single documents by their ids (as `document_id` gives them), as they are now."""
    name = definition.data_name or definition.name
    source = collection_of(database, name)
    wanted = list(identities)
    found: dict[bytes, bytes] = {}
    with translated(f"read {database.name}.{name}"):
        # In parts: the ids of one command must fit into one document.
        for batch in _batches(wanted, _MOST_IDS, _MOST_BYTES_OF_IDS):
            for document in source.find({"_id": RawBSONDocument(one_of(batch))}):
                raw = bytes(document.raw)
                found[document_id(raw)] = raw
    return found


def one_of(values: Iterable[bytes]) -> bytes:
    """Write the BSON document `{"$in": values}`, each value as its type byte and its bytes.

    A value may be what the driver cannot decode.
    """
    members = b"".join(value[:1] + b"%d\0" % at + value[1:] for at, value in enumerate(values))
    return framed(b"\x04$in\0" + framed(members))


def insert_documents(
    database: Database, name: str, documents: Sequence[bytes], *, comment: str
) -> None:
    """Insert documents in their order, as a program would: validators and indexes may refuse one.

    Each has an `_id`. `comment` is what the server's profiler and log have of it. Raises
    CommandError with the position of the document that was refused; those before it are there.
    https://www.mongodb.com/docs/manual/reference/command/insert/
    """
    doing = f"insert into {database.name}.{name}"
    with translated(doing):
        collection: Any = database[name]
        try:
            collection.insert_many([RawBSONDocument(each) for each in documents], comment=comment)
        except driver.BulkWriteError as error:
            found = error.details.get("writeErrors", ()) if error.details else ()
            if not found:
                raise
            at, reason = found[0]["index"], " ".join(found[0]["errmsg"].split())[:300]
            identity = document_id(documents[at])
            shown = readable(identity[0], identity[1:])
            raise CommandError(
                f"cannot {doing}: the server did not take document {at + 1} of {len(documents)},"
                f" _id {shown} ({reason}){_HINTS.get(found[0]['code'], '')}"
            ) from None


def empty_collection(database: Database, name: str) -> None:
    """Delete all documents of a collection."""
    with translated(f"empty {database.name}.{name}"):
        database[name].delete_many({})


class Writer:
    """Write documents to a database, all in this thread.

    With a session of its own, the oplog tells the writes from everybody else's: it has session and
    number of retryable writes. Without one, each write waits for a majority of the servers. The
    session is never ended: by the driver's pool it would come to somebody who counts from a smaller
    number, which the server refuses.
    https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
    """

    def __init__(self, database: Database, session: ClientSession | None = None) -> None:
        """Write to `database`."""
        self._database = database
        self._session = session
        self._numbers = itertools.count(_FIRST_NUMBER)

    @property
    def own_entries(self) -> dict[str, Any]:
        """Return a filter of the oplog for what this one has written, with its session."""
        assert self._session is not None  # noqa: S101 - for the type checker
        # By number, too: the session comes from a pool, and others may have written in it before.
        return {
            "lsid.id": self._session.session_id["id"],
            "txnNumber": {"$gte": Int64(_FIRST_NUMBER)},
        }

    def insert(self, definition: Definition, chunk: bytes) -> int:
        """Insert a chunk of concatenated documents as they are, and return how many.

        Validators are passed over: the documents were there before. Raises RestoreError with the
        namespace and `_id` of the first document that the server does not take.
        """
        documents = list(split_documents(chunk))
        for batch in _batches(documents):
            reply = self._run(definition, "insert", batch, ordered=definition.capped)
            if reply["n"] != len(batch):
                raise self._refused(definition, batch, reply)
        self._restore_empty_timestamps(definition, documents)
        return len(documents)

    def remove(self, definition: Definition, identities: Iterable[bytes]) -> None:
        """Remove the documents with these ids (as `document_id` gives them), where there are any.

        Raises RestoreError.
        """
        only = _ONLY_ONE + _SIMPLE_COLLATION if definition.has_collation else _ONLY_ONE
        operations = [framed(_find_exactly(identity) + only) for identity in identities]
        for batch in _batches(operations):
            reply = self._run(definition, "delete", batch)
            if errors := reply.get("writeErrors"):
                raise RestoreError(
                    f"{self._namespace(definition)}: the server did not remove a document"
                    f" ({errors[0]['errmsg'][:200]})"
                )

    def put_back(
        self,
        definition: Definition,
        identities: Iterable[bytes],
        pristine: Mapping[bytes, bytes],
        displaced: Set[bytes] = frozenset(),
    ) -> list[bytes]:
        """Make the documents with these ids (as `document_id` gives them) what they were, or gone.

        `pristine` are those that are to be there, by id; what is there is replaced in its place,
        but for `displaced` ones, which are removed and inserted again. Returns the ids that had to
        be inserted, in that order: they come last in natural order.
        Raises RestoreError.
        """
        # What is too much goes first, and with it the unique values that it holds.
        self.remove(
            definition, (each for each in identities if each not in pristine or each in displaced)
        )
        inserted = self._replace(definition, pristine)
        if inserted is None:
            # Two documents swapped a unique value, or one has a key that a replacement must not
            # have: all go before the first comes.
            self.remove(definition, pristine)
            self.insert(definition, b"".join(pristine.values()))
            return list(pristine)
        self._restore_empty_timestamps(definition, pristine.values())
        return inserted

    def _replace(
        self, definition: Definition, pristine: Mapping[bytes, bytes]
    ) -> list[bytes] | None:
        """Replace or insert documents; None where the server does not take one of them."""
        operations = [
            framed(_find(identity) + _REPLACEMENT + document + _UPSERT)
            for identity, document in pristine.items()
        ]
        ids, inserted = list(pristine), list[bytes]()
        for start, batch in _numbered(_batches(operations)):
            reply = self._run(definition, "update", batch, ordered=True)
            if reply.get("writeErrors"):
                return None
            inserted += [ids[start + each["index"]] for each in reply.get("upserted", ())]
        return inserted

    def _restore_empty_timestamps(self, definition: Definition, documents: Iterable[bytes]) -> None:
        for document in documents:
            if _MAY_BE_EMPTY_TIMESTAMP.search(document) is None or not any(
                kind == TIMESTAMP and not any(document[start:end])
                for kind, _key, start, end in iterate_elements(document)
            ):
                continue
            # An aggregation's literal is the one way in that servers of all versions leave alone.
            literal = framed(b"\x03$replaceWith\0" + framed(b"\x03$literal\0" + document))
            pipeline = b"\x04u\0" + framed(b"\x030\0" + literal)
            operation = framed(_find(document_id(document)) + pipeline)
            reply = self._run(definition, "update", [operation])
            if reply["n"] != 1:
                raise self._refused(definition, [document], reply)

    def _run(
        self,
        definition: Definition,
        verb: str,
        operations: Sequence[bytes],
        *,
        ordered: bool = False,
    ) -> Mapping[str, Any]:
        command: dict[str, Any] = {
            verb: definition.data_name or definition.name,
            # The driver sends these bytes as a document sequence, without re-encoding.
            _OPERATIONS[verb]: [RawBSONDocument(operation) for operation in operations],
            "ordered": ordered,
            "writeConcern": _ACKNOWLEDGED if self._session is not None else BY_MAJORITY,
        }
        # Only where there is a validator: it takes a right that readWrite does not give.
        if verb != "delete" and (definition.type == "timeseries" or definition.has_validator):
            command["bypassDocumentValidation"] = True
        if self._session is not None:
            command["txnNumber"] = Int64(next(self._numbers))
        with translated(f"write to {self._namespace(definition)}"):
            # Raw: the reply may have ids in it that the driver cannot decode.
            reply: Any = self._database.command(command, codec_options=RAW, session=self._session)
        return reply  # type: ignore[no-any-return]

    def _namespace(self, definition: Definition) -> str:
        return f"{self._database.name}.{definition.data_name or definition.name}"

    def _refused(
        self, definition: Definition, documents: Sequence[bytes], reply: Mapping[str, Any]
    ) -> RestoreError:
        errors = reply.get("writeErrors") or [{}]
        document = documents[errors[0].get("index", 0)]
        reason = errors[0].get("errmsg", f"{reply['n']} of {len(documents)} were taken")[:200]
        if errors[0].get("code") == _DUPLICATE_KEY:
            reason = "its _id or a unique value is there twice"
        identity = document_id(document)
        shown = readable(identity[0], identity[1:]) if identity else "missing"
        more = f", nor {len(errors) - 1} more" if len(errors) > 1 else ""
        return RestoreError(
            f"{self._namespace(definition)}, _id {shown}: the server did not take the document"
            f" ({reason}){more}; the database is marked incomplete, and the next restore starts"
            " over"
        )


#: What the operations of a command are called in it.
_OPERATIONS = {"insert": "documents", "update": "updates", "delete": "deletes"}


def _find(identity: bytes) -> bytes:
    """Make the query of an operation, as bytes: an id may be what the driver cannot decode."""
    return _QUERY + framed(_ID + framed(identity[:1] + b"$eq\0" + identity[1:]))


def _find_exactly(identity: bytes) -> bytes:
    """Make a query for an `_id` that does not find one of another type: 5 is equal to 5.0."""
    condition = identity[:1] + b"$eq\0" + identity[1:]
    if identity[0] in _NUMBERS:
        condition += b"\x10$type\0" + identity[:1] + b"\0\0\0"
    return _QUERY + framed(_ID + framed(condition))


def _batches(
    operations: Iterable[bytes],
    most: int = _MOST_OPERATIONS,
    most_bytes: int = _MOST_BYTES,
) -> Iterator[list[bytes]]:
    """Cut operations into what one command takes."""
    batch: list[bytes] = []
    size = 0
    for operation in operations:
        if batch and (len(batch) == most or size + len(operation) > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(operation)
        size += len(operation)
    if batch:
        yield batch


def _numbered(batches: Iterable[list[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Give each batch with the number of operations before it."""
    start = 0
    for batch in batches:
        yield start, batch
        start += len(batch)
