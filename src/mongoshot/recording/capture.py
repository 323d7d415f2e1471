"""Live database → snapshot: read-only, at one point in time where the server can do that."""

from __future__ import annotations

import contextlib
import datetime
import difflib
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mongoshot.errors import CaptureError, CommandError, UsageError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import require_database
from mongoshot.server.connection import Database, describe
from mongoshot.server.reading import Reading, came_too_late, open_reading
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import MemoryState, Progress, no_progress
from mongoshot.snapshot.writer import check_format, check_target, write_snapshot

_ATTEMPTS = 3


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
    encoding = check_format(format)
    if isinstance(collections, str) or isinstance(exclude, str):
        raise UsageError("collections and exclude take lists of names, not one string")
    path = Path(path)
    check_target(path, replace=replace)
    recipe: dict[str, Any] = {
        "database": database.name,
        "collections": sorted(collections),
        "exclude": sorted(exclude),
        "format": format,
    }
    for _ in range(_ATTEMPTS):
        require_database(database)
        with open_reading(database) as reading, contextlib.suppress(_CatalogChangedError):
            state = _select(reading.state, recipe["collections"], recipe["exclude"])
            try:
                return write_snapshot(
                    state,
                    path,
                    origin=_origin(reading, state, recipe),
                    format=encoding,
                    replace=replace,
                    progress=progress,
                    before_commit=partial(_check_catalog, database, reading),
                )
            except CommandError as error:
                # A collection that was dropped cannot be read any more at an earlier time.
                _check_catalog(database, reading)
                if not came_too_late(error):
                    raise
    raise CaptureError(
        f"the collections or indexes of {describe(database)} changed during each of {_ATTEMPTS}"
        " captures; capture it when no migration is under way"
    )


def _select(state: MemoryState, only: list[str], exclude: list[str]) -> MemoryState:
    for name in (*only, *exclude):
        if name not in state.collections:
            near = difflib.get_close_matches(name, state.collections, n=3)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else "it has " + ", ".join(state.collections)
            )
            raise UsageError(f"no collection {name!r} in {state.label}: {hint}")
    chosen = set(only or state.collections) - set(exclude)
    return MemoryState(
        state.label, {name: c for name, c in state.collections.items() if name in chosen}
    )


def _origin(reading: Reading, state: MemoryState, recipe: dict[str, Any]) -> Origin:
    now = datetime.datetime.now(datetime.UTC)
    return Origin(
        server_version=reading.server_version,
        captured_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        consistency="snapshot" if reading.consistent else "none",
        outside_consistency=tuple(
            name for name, c in state.collections.items() if c.definition.capped
        ),
        recipe=recipe,
    )


class _CatalogChangedError(CaptureError):
    """Report that the collections are no longer what they were before they were read."""


def _check_catalog(database: Database, reading: Reading) -> None:
    """Raise unless the definitions are still those that the documents were read under.

    Definitions are not part of the server's snapshot reads, so they are compared around it.
    """
    before = {name: c.definition for name, c in reading.state.collections.items()}
    if list_definitions(database) != before:
        raise _CatalogChangedError
