"""The scenario of `examples/notes_api` is what its script makes and mongoshot captures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mongoshot import Snapshot, capture
from mongoshot.server.connection import Database

PROJECT = Path(__file__).parents[2] / "examples" / "notes_api"


def test_the_committed_scenario_is_the_one_that_the_script_makes(
    make_database: Callable[[], Database], server_url: str, tmp_path: Path
) -> None:
    committed = Snapshot.load(PROJECT / "snapshots" / "notebook")
    database = make_database()
    script = [sys.executable, str(PROJECT / "make_notes.py")]

    where = ["--db-url", server_url, "--db-name", database.name]
    subprocess.run([*script, *where], check=True, stdout=subprocess.DEVNULL)

    assert capture(database, tmp_path / "notebook").digest == committed.digest
