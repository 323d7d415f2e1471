"""The state that a recording came to at one of its steps: a scenario like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from mongoshot.errors import SnapshotDamagedError, StepError
from mongoshot.snapshot.bounds import LONGEST_LINE
from mongoshot.snapshot.directory import Snapshot, load_scenario, reading
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.manifest import RecordingEntry
from mongoshot.snapshot.metadata import checked
from mongoshot.snapshot.model import Collection, Definition, join_documents
from mongoshot.snapshot.scenario_names import split_known_name
from mongoshot.snapshot.steps.model import Write, parse_write

_REMEDY = "take it from version control again, or record it anew with --replace"


def find_scenario(name: str, directory: Path) -> Snapshot | AtStep:
    """Open the scenario `name` below the snapshots directory, or `name@step`: one as it was then.

    Step 0 is the state before the first one; -1 is the last step, -2 the one before it. Raises
    SnapshotNotFoundError, and StepError where there is no such step.
    """
    scenario, step = split_known_name(name, directory)
    snapshot = load_scenario(scenario, directory)
    return snapshot if step is None else at_step(snapshot, step)


def at_step(snapshot: Snapshot, step: int) -> Snapshot | AtStep:
    """Return a recording as it was at a step, counted as `find_scenario` does."""
    recording = snapshot.manifest.recording
    if recording is None:
        raise StepError(
            f"{snapshot.path} has no steps: it was captured, and not recorded while a program ran"
            f" (mongoshot record {snapshot.name} -- COMMAND)"
        )
    count = recording.steps
    if not -count - 1 <= step <= count:
        only = "only the state before, step 0" if count == 0 else f"steps 0 to {count}"
        raise StepError(f"{snapshot.path} has no step {step}: it has {only}")
    chosen = step if step >= 0 else count + 1 + step
    return AtStep(snapshot, recording, chosen) if chosen else snapshot


def read_writes(snapshot: Snapshot) -> Iterator[Write]:
    """Read the writes of a recording, in order.

    Raises SnapshotDamagedError, at the end at the latest, unless they are those of the manifest.
    """
    recording = snapshot.manifest.recording
    if recording is None:
        return
    for write, _ in _located(snapshot.path / recording.name, recording):
        yield write


def _located(path: Path, recording: RecordingEntry) -> Iterator[tuple[Write, int]]:
    """Read each write with the offset of its line."""
    digest, offset, step, number = hashlib.sha256(), 0, 0, 0
    with reading(path), path.open("rb") as file:
        # A line without an end is no reason to read all of it.
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
            write = parse_write(line, f"{path}, line {number}")
            if not step <= write.step <= step + 1:
                raise SnapshotDamagedError(
                    f"{path}, line {number}: step {write.step} follows step {step}; {_REMEDY}"
                )
            step = write.step
            yield write, offset
            digest.update(line)
            offset += len(line)
    if (offset, digest.hexdigest(), step) != (recording.bytes, recording.sha256, recording.steps):
        raise SnapshotDamagedError(
            f"{path} has {step} steps in {offset} bytes, and the manifest says {recording.steps} in"
            f" {recording.bytes}, or others; {_REMEDY}"
        )


@dataclass(frozen=True)
class AtStep:
    """Be a recording as it was at one of its steps, from 1 on."""

    snapshot: Snapshot
    recording: RecordingEntry
    step: int

    @property
    def label(self) -> str:
        """Say in a report what state this is."""
        return f"{self.snapshot.name}@{self.step}"

    @property
    def digest(self) -> str:
        """Identify what it holds: the state before, the writes, and how many of them."""
        parts = f"{self.snapshot.digest}\n{self.recording.sha256}\n{self.step}\n"
        return f"sha256:{hashlib.sha256(parts.encode()).hexdigest()}"

    @property
    def captured_at(self) -> str:
        """Say until when what it holds was made."""
        return self.recording.recorded_at

    def verify(self, *, unchanged_is_enough: bool = False) -> None:
        """Raise SnapshotDamagedError unless all of it can be read as it was written."""
        self.snapshot.verify(unchanged_is_enough=unchanged_is_enough)
        _ = self.collections

    @cached_property
    def collections(self) -> Mapping[str, Collection]:
        """Return the collections as they were at the step, by name."""
        path = self.snapshot.path / self.recording.name
        made = {name: _Made(c.definition, c) for name, c in self.snapshot.collections.items()}
        for write, offset in _located(path, self.recording):
            if write.step > self.step:
                continue  # read to the end all the same: only then is it known to be whole
            try:
                _carry_out(made, write, offset)
            except TypeError as error:
                raise SnapshotDamagedError(
                    f"{path}: step {write.step}: {error}; {_REMEDY}"
                ) from None
            except KeyError:
                raise SnapshotDamagedError(
                    f"{path}: step {write.step} is about {write.collection!r:.80}, which is not"
                    f" there by then; {_REMEDY}"
                ) from None
        return {name: made[name].collection(path) for name in sorted(made)}


@dataclass(slots=True)
class _Made:
    """Hold what became of a collection: what it was before, and where later documents stand.

    `changed` are offsets in the recording of documents that have kept their place, None for those
    that are gone; `added` of those that came behind all others, in natural order.
    """

    definition: Definition
    before: Collection | None = None
    changed: dict[bytes, int | None] = field(default_factory=dict)
    added: dict[bytes, int] = field(default_factory=dict)

    def put(self, identity: bytes, offset: int, *, is_new: bool) -> None:
        if is_new or identity in self.added:
            self.added[identity] = offset
        else:
            self.changed[identity] = offset

    def remove(self, identity: bytes) -> None:
        if self.added.pop(identity, None) is None:
            self.changed[identity] = None

    def collection(self, path: Path) -> Collection:
        if self.before is not None and not (self.changed or self.added):
            before = self.before
            if before.definition == self.definition:
                return before
            return Collection(self.definition, before.chunks, before.file, before.digest)
        return Collection(self.definition, lambda: join_documents(self._documents(path)))

    def _documents(self, path: Path) -> Iterator[bytes]:
        with reading(path), path.open("rb") as file:

            def at(offset: int) -> bytes:
                file.seek(offset)
                return parse_write(file.readline(LONGEST_LINE), str(path)).document

            for document in self.before.documents() if self.before else ():
                identity = document_id(document)
                if identity not in self.changed:
                    yield document
                elif (offset := self.changed[identity]) is not None:
                    yield at(offset)
            for offset in self.added.values():
                yield at(offset)


def _carry_out(made: dict[str, _Made], write: Write, offset: int) -> None:
    """Carry out one write.

    Raises KeyError where its collection is not there, and TypeError for a name that none can have.
    """
    name = write.collection
    if write.kind == "define" and write.definition is not None:
        if name in made:
            made[name].definition = write.definition
        else:
            made[name] = _Made(write.definition)
    elif write.kind == "drop":
        del made[name]
    elif write.kind == "rename":
        moved = made.pop(name)
        moved.definition = checked(replace(moved.definition, name=write.to))
        made[write.to] = moved
    elif write.kind == "delete":
        made[name].remove(write.identity)
    else:
        made[name].put(write.identity, offset, is_new=write.kind == "insert")
