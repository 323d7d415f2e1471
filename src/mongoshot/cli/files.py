"""Single files that a command is asked to write: whole or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from mongoshot.errors import UsageError
from mongoshot.files import cannot_write


def to_new_file(_context: click.Context, parameter: click.Parameter, value: Any) -> Path | None:
    """Take an option's value as a file to write; say at once where there can be none.

    A link stays one: the file that it leads to is written.
    """
    if value is None:
        return None
    option = parameter.opts[0]
    if value == "":
        raise UsageError(f"{option} is empty; give it the name of a file or leave it out")
    given = Path(value)
    try:
        path = given.resolve()
        if path.is_dir():
            raise UsageError(f"{option} {given} is a directory; name a file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{option} {given} is no file; name one, or a new one")
        if not path.parent.is_dir():
            raise UsageError(
                f"{option} {given}: there is no directory {path.parent}; make it, or name a file"
                " elsewhere"
            )
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise UsageError(
                f"{option} {given}: the directory {path.parent} cannot be written to; name a file"
                " elsewhere"
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise cannot_write(f"{option} {given}", error) from None
    return given
