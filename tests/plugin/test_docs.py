"""The samples of the guides are programs, and pass."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]


def test_the_page_of_expectations(pytester: pytest.Pytester, run: Run) -> None:
    page = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
    samples = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    assert len(samples) == 3
    pytester.makepyfile(test_page="\n\n".join(samples))
    shutil.copytree(ROOT / "snapshots", pytester.path / "snapshots")

    recorded = run("--snapshot-update", "-W", "error")
    recorded.assert_outcomes(passed=5)
    recorded.stdout.fnmatch_lines(["*2 snapshots generated*"])
    run("-W", "error", "-n", "2").assert_outcomes(passed=5)
