from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_SIZES = (300, 600)
#: Rows without a value where the tool is not on PATH.
_MONGORESTORE = {"mongorestore, ratio", "mongorestore"}


# One test, because a run takes seconds; no time is asserted.
@pytest.mark.long
def test_the_smallest_run_shows_all_its_rows_in_the_table_and_in_the_json(tmp_path: Path) -> None:
    table, rows = _run(tmp_path / "results.json")

    shown = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert shown[2:] == [row["label"] for row in rows]
    assert {row["key"] for row in rows if not row["values"]} <= _MONGORESTORE

    ratios = [row["unit"] == "times" for row in rows]
    assert any(ratios)
    assert ratios == sorted(ratios, reverse=True)

    held = {row["key"]: row for row in rows if "bar" in row}
    assert held
    for key, row in held.items():
        applies = row["bar"]["size"] in (None, *_SIZES)
        assert isinstance(row["met"], bool) == applies, key


def _run(results: Path) -> tuple[str, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "tests.benchmarks", "--results", str(results)]
    command += ["--sizes", " ".join(map(str, _SIZES)), "--rounds", "1", "--tests", "3"]
    inner = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    ended = subprocess.run(
        command, cwd=_ROOT, env=inner, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert os.path.relpath(results, _ROOT) in ended.stdout
    return ended.stdout, json.loads(results.read_text())["rows"]
