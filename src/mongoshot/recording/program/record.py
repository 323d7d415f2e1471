"""Recording a program: the state before it, then its writes, in one directory of files."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from bson.timestamp import Timestamp

from mongoshot.comparison.difference import Changes, compare
from mongoshot.comparison.provenance import Provenance
from mongoshot.comparison.text import CollectionDifference
from mongoshot.errors import CommandError
from mongoshot.recording.capture import Conduct, Recorded, make_masker, record
from mongoshot.recording.masking.masker import Masker
from mongoshot.recording.program.images import Original
from mongoshot.recording.program.telling import Telling, UntoldError
from mongoshot.recording.request import Request
from mongoshot.server.connection import Database
from mongoshot.server.history.commits import read_commits
from mongoshot.server.reading import Reading, open_reading
from mongoshot.server.tracking.window import read_moment, read_point
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.model import Definition, MemoryState
from mongoshot.snapshot.occurrences import Occurrences
from mongoshot.snapshot.placing import aside_of, check_target, translated
from mongoshot.snapshot.steps.model import Write
from mongoshot.snapshot.steps.state import at_step
from mongoshot.snapshot.steps.writing import put_recording, write_steps

_NO_OPLOG = "the server keeps no oplog that this user may read"


@dataclass(frozen=True, slots=True)
class Performance:
    """Hold what came of a recording.

    `changes` are all that the program has changed, `before` what came of the capture before it.
    `untold` says why the writes are one step, "" where each is its own.
    """

    snapshot: Snapshot
    before: Recorded
    changes: Changes
    untold: str


@dataclass(slots=True)
class _Opening:
    """Hold what is to be known of the beginning: the point in time, and unmasked documents."""

    point: Timestamp | None = None
    definitions: Mapping[str, Definition] | None = None
    unmasked: Mapping[str, DocumentIndex] | None = None

    def __call__(self, reading: Reading, state: MemoryState, masker: Masker) -> None:
        self.point = reading.point
        self.definitions = {name: c.definition for name, c in state.collections.items()}
        # What the oplog says of a document is about the one that was there, and not a masked one.
        self.unmasked = {
            name: DocumentIndex(collection)
            for name, collection in state.collections.items()
            if collection.definition.data_name and masker.rewrites(name)
        }


def record_program(
    database: Database,
    path: Path,
    request: Request,
    conduct: Conduct,
    run: Callable[[Recorded], None],
    *,
    replace_it: bool,
) -> Performance:
    """Capture a database, `run` a program, and record what it wrote, all as the snapshot `path`.

    `run` is given what was captured, and what it raises ends the recording: nothing is left of it.
    So do the errors of a capture; those of writing the files come last.
    """
    check_target(path, replace=replace_it)
    with translated(path), aside_of(path) as aside:
        began, opening = _now(database), _Opening()
        conduct = replace(conduct, opened=opening, may_be_missing=True)
        before = record(database, aside / path.name, request, conduct, replace=False)
        run(before)
        ended = _now(database)
        teller = _Teller(database, request, conduct, before.snapshot, opening)
        recorded_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        recorded_at = recorded_at.replace("+00:00", "Z")
        directory, untold = before.snapshot.path, ""
        try:
            entry = write_steps(directory, teller.tell(began.point), recorded_at=recorded_at)
        except UntoldError as error:
            untold = str(error)
            entry = write_steps(
                directory, teller.tell_at_once(), recorded_at=recorded_at, untold=untold
            )
        snapshot = put_recording(before.snapshot, entry, path, replace_it=replace_it)
    return Performance(
        snapshot, replace(before, snapshot=snapshot), _changes(snapshot, began, ended), untold
    )


@dataclass(frozen=True, slots=True)
class _Now:
    """Hold one moment: of the oplog, by this machine's clock and by the server's, in ms."""

    point: Timestamp | None
    here: int
    there: int


def _now(database: Database) -> _Now:
    point = read_point(database)
    here = time.time_ns() // 1_000_000
    if point is None:
        return _Now(None, here, here)
    clock = read_moment(database).clock
    return _Now(point, here, int(clock.replace(tzinfo=datetime.UTC).timestamp() * 1000))


class _Teller:
    """Tell what was written since a snapshot was captured, masked as that is."""

    def __init__(
        self,
        database: Database,
        request: Request,
        conduct: Conduct,
        snapshot: Snapshot,
        opening: _Opening,
    ) -> None:
        self._database, self._request, self._conduct = database, request, conduct
        self._snapshot, self._opening = snapshot, opening
        self._before = opening.definitions or {}

    def tell(self, began: Timestamp | None) -> Iterator[Write]:
        """Tell the writes, step by step; raises UntoldError where they cannot be told."""
        since = self._opening.point or began  # an empty database is read at no time
        if since is None:
            raise UntoldError(_NO_OPLOG)
        with open_reading(self._database, self._conduct.pace, self._request.leaves_out) as reading:
            until = reading.point or read_point(self._database) or since
            masker = self._masker(reading)
            telling = Telling(self._before, self._original, self._request.leaves_out, reading)
            try:
                for write in telling.tell(read_commits(self._database, since, until)):
                    if masked := _masked(write, masker):
                        yield masked
            except CommandError as error:
                raise UntoldError(str(error)) from None
            telling.check()
        masker.check_documents()

    def tell_at_once(self) -> Iterator[Write]:
        """Tell as one step what is otherwise than before; all of the database is read for that."""
        with open_reading(self._database, self._conduct.pace, self._request.leaves_out) as reading:
            masker = self._masker(reading)
            live = self._request.choose(reading.state, missing_is_fine=True)
            masked = {name: masker.mask(each) for name, each in live.collections.items()}
            difference = compare(self._snapshot, MemoryState(live.label, masked))
            masker.check_documents()
        for name, found in difference.collections.items():
            yield from _at_once(name, found)

    def _original(self, name: str) -> Original:
        if name in (unmasked := self._opening.unmasked or {}):
            return lambda: unmasked[name]
        return cache(lambda: DocumentIndex(self._snapshot.collections[name]))

    def _masker(self, reading: Reading) -> Masker:
        masker = make_masker(self._request, self._conduct.project, self._before)
        for name, collection in reading.state.collections.items():
            if not self._request.leaves_out(name):
                masker.include(collection.definition)
        return masker


def _masked(write: Write, masker: Masker) -> Write | None:
    """Mask a write; None where it holds what may not be written, which `masker` then tells."""
    if write.definition is not None:
        masker.include(write.definition)
    if write.to:
        masker.include(Definition(write.to))
        if masker.rewrites(write.collection) or masker.rewrites(write.to):
            raise UntoldError(f"{write.collection}, which is masked, was renamed")
    if not write.document:
        return write
    document = masker.mask_document(write.collection, write.document)
    return replace(write, document=document) if document else None


def _at_once(name: str, found: CollectionDifference) -> Iterator[Write]:
    before, after = found.before, found.after
    if after is None or (before is not None and before.type != after.type):
        yield Write(1, "drop", name)
    if after is None:
        return
    if before != after:
        yield Write(1, "define", name, definition=after)
    yield from (Write(1, "delete", name, document) for document in found.deleted)
    yield from (Write(1, "update", name, change.after) for change in found.updated)
    yield from (Write(1, "insert", name, document) for document in found.inserted)


def _changes(snapshot: Snapshot, began: _Now, ended: _Now) -> Changes:
    """Tell all that a recording has changed, from its files."""
    difference = compare(snapshot, at_step(snapshot, -1))
    occurrences = Occurrences(snapshot)
    start = datetime.datetime.fromtimestamp(began.here / 1000, datetime.UTC)
    spans = ((began.here, ended.here), (began.there, ended.there))
    return Changes(
        before=difference.before,
        after=difference.after,
        collections=difference.collections,
        scenario=snapshot.label,
        digest=snapshot.digest,
        # The ids of another process than this one are known by their time alone.
        provenance=partial(Provenance, spans, b"", partial(occurrences.hold, start)),
    )
