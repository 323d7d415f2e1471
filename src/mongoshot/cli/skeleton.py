"""The test that a recording becomes: its code to be saved, and its expectation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mongoshot.errors import UsageError

if TYPE_CHECKING:
    from mongoshot.comparison.difference import Changes

_WITH_COMMAND = """\
import os
import subprocess

import pytest


@pytest.mark.scenario({scenario})
def {test}(db_url, db_name, db_changes, db_snapshot):
    environment = {{**os.environ, "DB_URL": db_url, "DB_NAME": db_name}}
    subprocess.run({command}, check=True, env=environment)
    assert db_changes == db_snapshot
"""
_BY_HAND = """\
import pytest


@pytest.mark.scenario({scenario})
def {test}(db, db_changes, db_snapshot):
    ...  # what you did while it was recorded
    assert db_changes == db_snapshot
"""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Stand for the test of the scenario `scenario`: `name` in the module `file`."""

    scenario: str
    file: Path
    name: str

    @classmethod
    def of(cls, scenario: str, file: str | None) -> Skeleton:
        """Name the test of a scenario; `file` is the module that it shall be in."""
        word = re.sub(r"\W+", "_", scenario, flags=re.ASCII).strip("_").lower() or "recording"
        path = Path(file) if file else Path("tests") / f"test_{word}.py"
        if path.suffix != ".py":
            raise UsageError(f"--test takes the file of a test, such as tests/test_{word}.py")
        return cls(scenario, path, f"test_{word}")

    @property
    def expectation(self) -> Path:
        """Return the file that the test looks for its expectation in."""
        from mongoshot.assertion.names import expectation_file

        return expectation_file(self.file, self.name)

    def check(self, *, replace: bool) -> None:
        """Raise UsageError where the test has an expectation that is not to be replaced."""
        if self.expectation.exists() and not replace:
            raise UsageError(
                f"{self.expectation} is already there; add --replace to record it anew, or name"
                " another test with --test FILE"
            )

    def write_expectation(self, changes: Changes) -> Path:
        """Write what the test is to expect, and return the file."""
        from mongoshot.comparison.expectation.writing import changes_to_text
        from mongoshot.files import cannot_write, write_file

        try:
            self.expectation.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(str(self.expectation), error) from None
        write_file(self.expectation, changes_to_text(changes))
        return self.expectation

    def code(self, command: Sequence[str], url: str, database: str) -> str:
        """Write the test; where the command names the URL or the database, it takes the test's."""
        scenario = json.dumps(self.scenario, ensure_ascii=False)
        if not command:
            return _BY_HAND.format(scenario=scenario, test=self.name)
        shown = f"[{', '.join(_argument(each, url, database) for each in command)}]"
        return _WITH_COMMAND.format(scenario=scenario, test=self.name, command=shown)


def _argument(argument: str, url: str, database: str) -> str:
    if argument == database:
        return "db_name"
    if url not in argument:
        return json.dumps(argument, ensure_ascii=False)
    before, _, behind = json.dumps(argument, ensure_ascii=False)[1:-1].partition(url)
    braced = [part.replace("{", "{{").replace("}", "}}") for part in (before, behind)]
    return f'f"{braced[0]}{{db_url}}{braced[1]}"' if before or behind else "db_url"
