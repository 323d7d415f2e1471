"""The test that a recording becomes: its code to be saved, and its expectation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mongoshot.errors import UsageError

if TYPE_CHECKING:
    from mongoshot.comparison.difference import Changes

_WITH_COMMAND = """\
import os
import subprocess
{imports}
import pytest


@pytest.mark.scenario({scenario})
def {test}(db_url, db_name, db_changes, db_snapshot):
    environment = {{**os.environ, "DB_URL": db_url, "DB_NAME": db_name}}
{both}    subprocess.run({command}, check=True, env=environment)
    assert db_changes == db_snapshot
"""
#: The URL of the server under test with the name of the database in it, and what makes it.
_BOTH = "url_of_db"
_WITH_NAME = f'    {_BOTH} = urlsplit(db_url)._replace(path=f"/{{db_name}}").geturl()\n'
#: A URL within an argument.
_URL = re.compile(r"mongodb(?:\+srv)?://[^\s\"'<>]+")
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
        shown = ", ".join(_argument(each, url, database) for each in command)
        names_both = _BOTH in shown
        return _WITH_COMMAND.format(
            imports="from urllib.parse import urlsplit\n" if names_both else "",
            scenario=scenario,
            test=self.name,
            both=_WITH_NAME if names_both else "",
            command=f"[{shown}]",
        )


def _argument(argument: str, url: str, database: str) -> str:
    """Write an argument as code: what led to the database recorded is the test's, and no password.

    A URL of another server stays, without its password: what that is to the program nobody knows.
    """
    if argument == database:
        return "db_name"
    pattern = _URL if "://" in url else re.compile(re.escape(url))
    texts, names, end = list[str](), list[str](), 0
    for found in pattern.finditer(argument):
        if name := _name_of(found[0], url, database):
            texts.append(argument[end : found.start()])
            names.append(name)
            end = found.end()
    texts = [
        json.dumps(_without_secrets(each, url), ensure_ascii=False)[1:-1]
        for each in [*texts, argument[end:]]
    ]
    if not names:
        return f'"{texts[0]}"'
    if names and not any(texts) and len(names) == 1:
        return names[0]
    braced = [text.replace("{", "{{").replace("}", "}}") for text in texts]
    within = [f"{{{name}}}{text}" for name, text in zip(names, braced[1:], strict=True)]
    return f'f"{braced[0]}{"".join(within)}"'


def _name_of(found: str, url: str, database: str) -> str:
    """Name what stands for a URL in a test; "" for one of another server."""
    if "://" not in url:
        return "db_url"
    there, ours = urlsplit(found), urlsplit(url)
    if there.netloc.rpartition("@")[2].lower() != ours.netloc.rpartition("@")[2].lower():
        return ""
    return _BOTH if unquote(there.path.strip("/")) == database else "db_url"


def _without_secrets(text: str, url: str) -> str:
    from mongoshot.server.urls import redact

    text = _URL.sub(lambda found: redact(found[0]), text)
    password = urlsplit(url).password if "://" in url else None
    for each in {password, unquote(password)} if password else ():
        text = text.replace(each, "***")
    return text
