"""What tests of reliability have shown, and the page that is made of it: docs/reliability.md.

A test takes down what it has shown with the fixture `evidence`, once it has shown it. Where
`MONGOSHOT_EVIDENCE` names a directory, each such row is a file in it; `make reliability` runs the
tests, and then this module, which keeps all rows in docs/reliability.json and writes the page.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

VARIABLE = "MONGOSHOT_EVIDENCE"
ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
ROWS = ROOT / "docs" / "reliability.json"

#: The tables of the page, in order: what a row says it belongs to, and the heading of such rows.
TABLES = {
    "guard": "Databases that are not ours",
    "faults": "Faults",
    "failovers": "Replica sets and connections",
    "hostile": "Input from strangers",
    "fuzzing": "Fuzzing",
    "secrets": "Secrets",
    "load": "Load",
}

_INTRODUCTION = """\
# What mongoshot was put through

Written by `make reliability` and `make fuzz`, row by row, from what the tests named in the last
column counted while they ran on a real MongoDB. What is promised is in
[SECURITY.md](../SECURITY.md).
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Say what a test did, how often, and what came of it; `test` is its node id."""

    table: str
    done: str
    times: str
    seen: str
    test: str
    server: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Identify the row, which a later run of the same test replaces."""
        return self.test, self.done


@dataclass(frozen=True, slots=True)
class Evidence:
    """Take down what one test has shown."""

    test: str

    def __call__(self, table: str, done: str, times: int | str, seen: str) -> None:
        """Say what was done, how often (a number with its unit), and what was seen.

        `table` is one of `TABLES`. Writes nothing unless a run asks for it.
        """
        if table not in TABLES:
            raise ValueError(f"no table {table!r}; there are {', '.join(TABLES)}")
        if directory := os.environ.get(VARIABLE):
            keep(
                Row(
                    table, done, f"{times:,}" if isinstance(times, int) else times, seen, self.test
                ),
                Path(directory),
            )


def keep(row: Row, directory: Path) -> None:
    """Write one row as a file of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(repr(row.key).encode()).hexdigest()[:16]
    (directory / f"{name}.json").write_text(json.dumps(asdict(row)), encoding="utf-8")


def load(file: Path) -> list[Row]:
    """Read the rows of earlier runs; none where there is no such file."""
    return [Row(**each) for each in json.loads(file.read_text("utf-8"))] if file.exists() else []


def merge(before: Iterable[Row], now: Iterable[Row]) -> list[Row]:
    """Let rows replace those of the same test and deed; rows of tests that are gone go."""
    rows = {row.key: row for row in before} | {row.key: row for row in now}
    tables = list(TABLES)
    return sorted(
        (row for row in rows.values() if (ROOT / row.test.partition("::")[0]).exists()),
        key=lambda row: (tables.index(row.table), row.test, row.done),
    )


def render(rows: Iterable[Row]) -> str:
    """Write the page."""
    rows = list(rows)
    parts = [_INTRODUCTION]
    for table, heading in TABLES.items():
        if those := [row for row in rows if row.table == table]:
            lines = [f"## {heading}", "", "| done | times | seen | by |", "|---|---|---|---|"]
            lines += [f"| {r.done} | {r.times} | {r.seen} | `{r.test}` |" for r in those]
            parts.append("\n".join(lines) + "\n")
    if runs := sorted({row.server for row in rows if row.server}):
        parts.append(f"Run on {'; '.join(runs)}.\n")
    return "\n".join(parts)


def main(directory: Path) -> int:
    """Add the rows of a run to those there are, and write the page of all."""
    files = sorted(directory.glob("*.json"))
    ran_on = f"Python {platform.python_version()}, {os.cpu_count()} processors"
    now = [replace(Row(**json.loads(file.read_text("utf-8"))), server=ran_on) for file in files]
    rows = merge(load(ROWS), now)
    ROWS.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render(rows), encoding="utf-8")
    print(f"{len(now)} rows of this run, {len(rows)} on the page: {PAGE}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
