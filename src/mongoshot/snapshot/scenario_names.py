"""Names of scenarios, and of their steps: `import@3`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mongoshot.errors import SnapshotError
from mongoshot.snapshot.manifest import MANIFEST_NAME

_AT = re.compile(r"(.+)@(-?[0-9]{1,9})", re.DOTALL)


def check_name(name: str) -> None:
    """Raise SnapshotError unless `name` can be a scenario's: one plain directory name."""
    plain = name.isprintable() and name == name.strip() and not set(name) & set('/\\:*?"<>|')
    if not plain or not name or name.startswith(".") or name.endswith("."):
        raise SnapshotError(
            f"{name!r} cannot be the name of a scenario: take letters, digits, '-', '_' and '.'"
        )


def check_new_name(name: str, directory: Path) -> None:
    """Raise SnapshotError unless a scenario in `directory` can be, or already is, called `name`."""
    check_name(name)
    scenario, step = split_known_name(name, directory)
    if step is not None:
        raise SnapshotError(
            f"{name!r} cannot be the name of a new scenario: it means step {step} of {scenario!r},"
            " as in: mongoshot restore; choose a name without '@' and a number behind it"
        )


def split_name(name: str) -> tuple[str, int | None]:
    """Return the scenario that a name is of, and the step behind it: `import@3`; None for none."""
    found = _AT.fullmatch(name)
    return (found[1], int(found[2])) if found else (name, None)


def split_known_name(name: str, directory: Path) -> tuple[str, int | None]:
    """Return what `split_name` does, but for a scenario of that very name in `directory`."""
    # `os.path` says no of what cannot be looked at, which whoever reads it says better.
    known = os.path.isfile(directory / name / MANIFEST_NAME)  # noqa: PTH113
    return (name, None) if known else split_name(name)
