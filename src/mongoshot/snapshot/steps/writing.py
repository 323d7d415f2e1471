"""Writing what was recorded after a snapshot was captured, and both in their place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mongoshot.files import make_directory, sync
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import RECORDING_NAME, RecordingEntry
from mongoshot.snapshot.placing import check_target, commit, number_revision, translated
from mongoshot.snapshot.steps.model import Write, write_to_json


def write_steps(
    directory: Path, writes: Iterable[Write], *, recorded_at: str, untold: str = ""
) -> RecordingEntry:
    """Write a recording into the directory of its snapshot, and return its entry in the manifest.

    `recorded_at` is when it ended, `untold` why its writes are one step, where they are. Raises
    NotRepresentableError, and whatever `writes` does; a file that is there is written over.
    """
    digest, size, step = hashlib.sha256(), 0, 0
    with (directory / RECORDING_NAME).open("wb") as file:
        for write in writes:
            line = write_to_json(write).encode() + b"\n"
            file.write(line)
            digest.update(line)
            size, step = size + len(line), write.step
        sync(file)
    return RecordingEntry(step, size, digest.hexdigest(), recorded_at, untold)


def put_recording(
    snapshot: Snapshot, entry: RecordingEntry, path: Path, *, replace_it: bool
) -> Snapshot:
    """Put a snapshot that lies aside, and what was recorded after it, at `path`.

    Raises SnapshotExistsError where one is there by now and is not to be replaced, and
    SnapshotError where that cannot be written.
    """
    existing = check_target(path, replace=replace_it)
    origin, files = snapshot.manifest.origin, snapshot.manifest.files
    manifest = replace(number_revision(path.name, existing, origin, files), recording=entry)
    with translated(path):
        make_directory(path.parent)
        whole = Snapshot(snapshot.path, manifest)
        whole.verify()
        commit(whole, path, existing)
    return Snapshot.load(path)
