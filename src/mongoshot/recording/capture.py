"""Live database → snapshot: read-only, at one point in time where the server can do that."""

from __future__ import annotations

import contextlib
import datetime
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mongoshot.errors import CaptureError, CommandError
from mongoshot.recording.request import Request
from mongoshot.recording.standstill import Standstill
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import require_database
from mongoshot.server.connection import Database, describe
from mongoshot.server.reading import (
    Pace,
    Reading,
    came_too_late,
    find_unreadable,
    history_window,
    is_refused,
    open_reading,
    took_too_long,
)
from mongoshot.server.sampling import sample_documents
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import MemoryState, Progress, join_documents, no_progress
from mongoshot.snapshot.profile import Profile, profile
from mongoshot.snapshot.writer import BeforeCommit, check_target, write_snapshot

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Conduct:
    """Say how to go about a capture, whatever it is to hold.

    `before_commit` is given the snapshot that is to be replaced and the new one, and may raise. No
    file may get larger than `largest_file` bytes.
    """

    pace: Pace = field(default_factory=Pace)
    largest_file: int | None = None
    before_commit: BeforeCommit | None = None
    progress: Progress = no_progress


def capture(
    database: Database,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    collections: Iterable[str] = (),
    exclude: Iterable[str] = (),
    replace: bool = False,
    progress: Progress = no_progress,
) -> Snapshot:
    """Capture a database, or the `collections` of it that are not in `exclude`, into `path`.

    Only reads from the server. `format` is "bson", "json", or None for JSON up to 1 MiB a
    collection and BSON above. Returns the snapshot, its files already verified and safe on disk; an
    existing one is replaced only with `replace`, in one step at the end.

    Raises DatabaseNotFoundError, UsageError for a format or collection that is not there,
    SnapshotExistsError, NotRepresentableError, CaptureError, and the errors of the connection.
    """
    request = Request.of(collections=collections, exclude=exclude, format=format)
    conduct = Conduct(progress=progress)
    return record(database, Path(path), request, conduct, replace=replace)


def record(
    database: Database, path: Path, request: Request, conduct: Conduct, *, replace: bool
) -> Snapshot:
    """Capture what is requested, as `capture` does."""
    check_target(path, replace=replace)
    for attempt in range(1, _ATTEMPTS + 1):
        require_database(database)
        with (
            open_reading(database, conduct.pace) as reading,
            contextlib.suppress(_ChangedError),
        ):
            return _record_once(
                reading, path, request, conduct, replace=replace, is_last=attempt == _ATTEMPTS
            )
    raise CaptureError(
        f"the collections or indexes of {describe(database)} changed during each of {_ATTEMPTS}"
        " captures; capture it when no migration is under way"
    )


def _record_once(
    reading: Reading,
    path: Path,
    request: Request,
    conduct: Conduct,
    *,
    replace: bool,
    is_last: bool,
) -> Snapshot:
    state = request.choose(reading.state)
    standstill = None
    if not reading.consistent:
        standstill = Standstill(state)
        state = standstill.state

    def conclude() -> Origin:
        _check_catalog(reading)
        written = standstill.written_meanwhile() if standstill else ()
        if written and not is_last:
            raise _ChangedError
        return _origin(reading, state, request, standstill is not None, written)

    try:
        return write_snapshot(
            state,
            path,
            origin=conclude,
            format=request.format,
            replace=replace,
            progress=conduct.progress,
            before_commit=conduct.before_commit,
        )
    except CommandError as error:
        if is_refused(error):
            raise _unreadable(reading, state) from error
        if took_too_long(error):
            raise _outlasted(reading) from error
        # A collection that was dropped cannot be read any more at an earlier time.
        _check_catalog(reading)
        if came_too_late(error):
            raise _ChangedError from error
        raise


def _origin(
    reading: Reading,
    state: MemoryState,
    request: Request,
    read_twice: bool,
    written: tuple[str, ...],
) -> Origin:
    now = datetime.datetime.now(datetime.UTC)
    apart = written
    if not read_twice:
        apart = tuple(name for name, c in state.collections.items() if c.definition.capped)
    return Origin(
        server_version=reading.server_version,
        captured_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        consistency=("none" if written else "unchanged") if read_twice else "snapshot",
        outside_consistency=apart,
        recipe=request.recipe(reading.database.name),
        profile=describe_documents(reading, state),
    )


def describe_documents(reading: Reading, state: MemoryState) -> dict[str, Profile]:
    """Describe what the documents of a database look like, by the first and last of each kind."""
    return {
        name: profile(
            join_documents(
                sample_documents(reading.database, collection.definition, reading.session)
            )
        )
        for name, collection in state.collections.items()
        if collection.definition.type != "view"
    }


def _unreadable(reading: Reading, state: MemoryState) -> CaptureError:
    hidden = [name for name in find_unreadable(reading) if name in state.collections]
    series = any(state.collections[name].definition.type == "timeseries" for name in hidden)
    needs = "; the buckets of a time series take the role backup" if series else ""
    return CaptureError(
        f"this user is not allowed to read {', '.join(hidden)} in {describe(reading.database)}"
        f"{needs}; name another user in the URL, or leave it out:"
        f" {' '.join(f'--exclude {shlex.quote(name)}' for name in hidden)}"
    )


class _ChangedError(CaptureError):
    """Report that a database is no longer what it was when its reading began."""


def _check_catalog(reading: Reading) -> None:
    """Raise unless the definitions are still those that the documents were read under.

    Definitions are not part of the server's snapshot reads, so they are compared around it.
    """
    before = {name: c.definition for name, c in reading.state.collections.items()}
    if list_definitions(reading.database) != before:
        raise _ChangedError


def _outlasted(reading: Reading) -> CaptureError:
    window = history_window(reading)
    kept = f"{window} s" if window else "about 300 s"
    return CaptureError(
        f"the capture took longer than {describe(reading.database)} keeps what it was at one point"
        f" in time ({kept}); select less of it (--collection, --query, --limit), read without"
        " --pause, or have the server keep more: db.adminCommand({setParameter: 1,"
        " minSnapshotHistoryWindowInSeconds: 3600})"
    )
