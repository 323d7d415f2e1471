"""What a capture could not read, and what to type instead."""

from __future__ import annotations

import shlex

from mongoshot.errors import CaptureError
from mongoshot.server.connection import describe
from mongoshot.server.reading import Reading, find_unreadable, history_window
from mongoshot.snapshot.model import MemoryState


def unreadable(reading: Reading, state: MemoryState) -> CaptureError:
    """Return the error that names what this user may not read, and the options without it."""
    refused = find_unreadable(reading)
    hidden = [name for name in refused if name in state.collections]
    if not hidden:  # one that is left out, and asked about references
        return CaptureError(
            f"this user is not allowed to read {', '.join(refused)} in"
            f" {describe(reading.database)}, and a reference leads to what is left out; name"
            " another user in the URL, or follow none to there: --no-infer, and no --follow"
        )
    series = any(state.collections[name].definition.type == "timeseries" for name in hidden)
    needs = "; the buckets of a time series take the role backup" if series else ""
    return CaptureError(
        f"this user is not allowed to read {', '.join(hidden)} in {describe(reading.database)}"
        f"{needs}; name another user in the URL, or leave it out:"
        f" {' '.join(f'--exclude {shlex.quote(name)}' for name in hidden)}"
    )


def outlasted(reading: Reading) -> CaptureError:
    """Return the error for a reading that took longer than the server keeps what was."""
    window = history_window(reading)
    kept = f"{window} s" if window else "about 300 s"
    return CaptureError(
        f"the capture took longer than {describe(reading.database)} keeps what it was at one point"
        f" in time ({kept}); select less of it (--collection, --query, --limit), read without"
        " --pause, or have the server keep more: db.adminCommand({setParameter: 1,"
        " minSnapshotHistoryWindowInSeconds: 3600})"
    )
