"""A test run in a process of its own, as far as staging goes: how long it took, in what memory.

Run as `python -m tests.benchmarks.worker`; see `main` for the arguments.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from tests.benchmarks.dataset import NAME, touch

from mongoshot.config import resolve
from mongoshot.server.connection import connect
from mongoshot.staging.stage import Stage


def main(url: str, database: str, snapshots: Path, size: int, times: int) -> dict[str, Any]:
    """Stage, play one test that touches 6 documents, stage again; leave 6 touched.

    Returns seconds, a time since the epoch for whoever started this, bytes, and the ids of the
    collections, which are others after a load.
    """
    with connect(url) as client:
        at_first = _memory()
        flags = {"db-url": url, "db-name": database, "snapshots-path": str(snapshots)}
        settings = resolve(flags, root=snapshots, environment={})
        started = time.perf_counter()
        stage = Stage(client, database, settings)
        staged = stage.prepare((NAME,))
        seconds, staged_at = time.perf_counter() - started, time.time()
        touch(staged.database, size, times)
        stage.prepare((NAME,))
        at_last = _memory()
        touch(staged.database, size, times + 1)
        made = [str(info["info"]["uuid"]) for info in staged.database.list_collections()]
        stage.close()
    return {
        "made": sorted(made),
        "seconds": seconds,
        "staged_at": staged_at,
        "memory": at_last[0] - at_first[0],
        "peak": at_last[1] - at_first[0],
    }


def _memory() -> tuple[int, int]:
    """Return the resident bytes of this process, as they are and at most until now."""
    now: int = psutil.Process().memory_info().rss
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    # On Linux the other counts what the parent had when it started this process.
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return now, int(peak.split()[1]) * 1024


if __name__ == "__main__":
    url, database, snapshots, size, times = sys.argv[1:]
    result = main(url, database, Path(snapshots), int(size), int(times))
    json.dump(result, sys.stdout)
