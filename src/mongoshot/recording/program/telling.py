"""What a program wrote, step by step, told from the commits of the oplog.

The oplog names documents that were updated, and how; what became of them is worked out from what
they were before, and held against the database in the end (`check`). What cannot be told exactly is
not told: UntoldError says why.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from bson.timestamp import Timestamp

from mongoshot.errors import CaptureError, CommandError
from mongoshot.recording.program.commands import (
    changed_definition,
    created,
    created_view,
    name_of,
    renamed,
    verb_of,
)
from mongoshot.recording.program.images import Following, Images, Original
from mongoshot.server.finding import find_one_of, in_batches
from mongoshot.server.history.commits import Commit, Operation
from mongoshot.server.history.delta import apply_update
from mongoshot.server.reading import Reading
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.model import BUCKETS_PREFIX, SERVER_COLLECTIONS, Definition
from mongoshot.snapshot.steps.model import Write

#: `$out` fills such a collection, and gives it the name of its target in the end.
_OUT = "tmp.agg_out."

_VIEWS = "system.views"


class UntoldError(CaptureError):
    """Report that the steps of a program cannot be told apart."""


class Telling:
    """Follow a database from what it was before, commit by commit."""

    def __init__(
        self,
        before: Mapping[str, Definition],
        original: Callable[[str], Original],
        leaves_out: Callable[[str], bool],
        reading: Reading,
    ) -> None:
        """Begin with `before`, and end with `reading`.

        `original` opens the documents of a collection as they were before.
        """
        self._reading, database = reading, reading.database.name
        self._listed_indexes = [
            index
            for definition in (
                *before.values(),
                *(c.definition for c in reading.state.collections.values()),
            )
            for index in definition.indexes
        ]
        self._images = Images()
        self._leaves_out, self._database = leaves_out, database
        self._there = {
            name: Following(definition, self._images, original(name))
            for name, definition in before.items()
        }

    def tell(self, commits: Iterable[Commit]) -> Iterator[Write]:
        """Tell what was written, in order; raises UntoldError."""
        step, group = 0, _Group()
        for commit in commits:
            try:
                writes = list(
                    itertools.chain.from_iterable(map(self._carry_out, commit.operations))
                )
            except CommandError as error:
                raise UntoldError(str(error)) from None
            if not writes:
                continue
            if not group.takes(commit, makes_room=self._makes_room(commit)):
                step += 1
            yield from (replace(write, step=step) for write in writes)

    def check(self) -> None:
        """Raise UntoldError unless what was told came to what the database is in the end."""
        reading = self._reading
        live = {
            name: collection.definition
            for name, collection in reading.state.collections.items()
            if not self._leaves_out(name)
        }
        if unlike := sorted({*live, *self._there} - (live.keys() & self._there.keys())):
            raise UntoldError(f"it does not tell how {', '.join(unlike)} came or went")
        for name, following in self._there.items():
            if live[name] != following.definition:
                raise UntoldError(f"it does not tell how {name} came to its options or indexes")
            if following.had_inserted():
                raise UntoldError(
                    f"it tells of inserts in {name} that are there before: it is capped, cannot be"
                    " read at one point in time, and somebody wrote to it while it was captured"
                )
            source = replace(live[name], name=live[name].data_name or name)
            for batch in in_batches(following.places, indexed=True):
                found = {document_id(d): d for d in find_one_of(reading, source, "_id", batch)}
                if any(found.get(identity) != made for identity, made in following.written(batch)):
                    raise UntoldError(f"it does not tell how documents of {name} came to be")

    def _makes_room(self, commit: Commit) -> bool:
        """Tell whether a capped collection may have removed its oldest for what was inserted."""
        return commit.statement is None and all(
            operation.kind == "delete" and self._is_capped(operation.collection)
            for operation in commit.operations
        )

    def _is_capped(self, name: str) -> bool:
        return name in self._there and self._there[name].definition.capped

    def _carry_out(self, operation: Operation) -> Iterator[Write]:
        name = operation.collection
        if operation.kind == "command":
            yield from self._command(operation.document)
        elif name == _VIEWS:
            yield from self._view(operation)
        elif name not in SERVER_COLLECTIONS:
            name = name.removeprefix(BUCKETS_PREFIX)
            if not self._leaves_out(name):
                yield self._write(name, operation)

    def _write(self, name: str, operation: Operation) -> Write:
        if (following := self._there.get(name)) is None:
            raise UntoldError(f"it tells of writes to {name}, and not how that came")
        identity, document = operation.identity, operation.document
        if operation.kind == "delete":
            following.put(identity, None)
            return Write(0, "delete", name, document)
        if operation.kind == "update":
            there = following.get(identity)
            if there is None:
                raise UntoldError(
                    f"it tells of an update in {name}, and not how that document came"
                )
            document = apply_update(there, document)
        if operation.kind == "insert" and identity not in following.places:
            following.inserted.append(identity)
        following.put(identity, document)
        return Write(0, "insert" if operation.kind == "insert" else "update", name, document)

    def _view(self, operation: Operation) -> Iterator[Write]:
        if operation.kind == "delete":
            name = _text_of(operation.identity).removeprefix(f"{self._database}.")
            if not self._leaves_out(name) and self._there.pop(name, None) is not None:
                yield Write(0, "drop", name)
            return
        definition = created_view(operation.document, self._database)
        if definition is None:
            return  # a time series, which was made with its buckets
        if operation.kind == "update":
            raise UntoldError("a view was changed")
        if not self._leaves_out(definition.name):
            yield self._define(definition)

    def _command(self, command: bytes) -> Iterator[Write]:
        verb = verb_of(command)
        if verb in ("startIndexBuild", "abortIndexBuild", "dropDatabase"):
            return  # nothing has changed yet; all collections were dropped one by one
        name = name_of(command)
        if verb == "renameCollection":
            yield from self._rename(command)
        elif self._leaves_out(name) or name in SERVER_COLLECTIONS:
            return
        elif verb == "drop":
            # The buckets of a time series go after its name has gone.
            if self._there.pop(name, None) is not None:
                yield Write(0, "drop", name)
        elif verb == "create" and name not in self._there:
            yield self._define(created(command))
        elif name in self._there and (
            definition := changed_definition(
                self._there[name].definition, command, self._listed_indexes
            )
        ):
            yield self._define(definition)
        else:
            raise UntoldError(f"the command {verb} was carried out on {name}")

    def _define(self, definition: Definition) -> Write:
        name = definition.name
        if name in self._there:
            self._there[name].definition = definition
        else:
            self._there[name] = Following(definition, self._images)
        return Write(0, "define", name, definition=definition)

    def _rename(self, command: bytes) -> Iterator[Write]:
        name, to = renamed(command, self._database)
        if name is None or to is None or self._leaves_out(name) != self._leaves_out(to):
            raise UntoldError("a collection was moved from or to what is not recorded")
        if self._leaves_out(name):
            return
        following = self._there.pop(name, None)
        if following is None:
            raise UntoldError(f"{name} was renamed, and it does not tell how that came")
        following.definition = replace(following.definition, name=to)
        self._there[to] = following
        yield Write(0, "rename", name, to=to)


def _text_of(identity: bytes) -> str:
    return identity[5:-1].decode()


class _Group:
    """Tell which commits are of one step: one command's, as far as that can be seen."""

    def __init__(self) -> None:
        self._last: Commit | None = None
        self._identities: set[bytes] = set()

    def takes(self, commit: Commit, *, makes_room: bool) -> bool:
        """Take the next commit; return whether it belongs to the step before it.

        `makes_room` says that it may be a capped collection's own, after an insert into it.
        """
        if makes_room and self._last is not None and _inserts(self._last, commit):
            # What the same command inserts next follows on the insert before.
            self._last = replace(self._last, at=commit.at)
            return True
        last, self._last = self._last, commit
        identities = {operation.identity for operation in commit.operations}
        if last is not None and self._belongs(last, commit, identities):
            self._identities |= identities
            return True
        self._identities = identities
        return False

    def _belongs(self, last: Commit, commit: Commit, identities: set[bytes]) -> bool:
        if last.is_transaction or commit.is_transaction:
            return False
        if all(_fills_out(operation) for operation in last.operations):
            return True
        if last.statement is not None or commit.statement is not None:
            return last.statement == commit.statement
        # updateMany and deleteMany leave no trace but this: one entry right after the other.
        alike = {(op.kind, op.collection) for op in (*last.operations, *commit.operations)}
        of_documents = alike.isdisjoint({("command", "")})
        return (
            _follows(last.at, commit.at)
            and of_documents
            and len(alike) == 1
            and not identities & self._identities
        )


def _follows(last: Timestamp, at: Timestamp) -> bool:
    """Tell whether no other entry can be between two; each second counts its entries from 1."""
    if at.time == last.time:
        return at.inc == last.inc + 1
    return at.time == last.time + 1 and at.inc == 1


def _inserts(last: Commit, commit: Commit) -> bool:
    inserted = {each.collection for each in last.operations if each.kind == "insert"}
    return all(each.collection in inserted for each in commit.operations)


def _fills_out(operation: Operation) -> bool:
    if operation.kind == "command":
        return verb_of(operation.document) != "renameCollection" and name_of(
            operation.document
        ).startswith(_OUT)
    return operation.collection.startswith(_OUT)
