"""Single files, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from mongoshot.errors import UsageError


def write_file(path: Path, text: str) -> None:
    """Write a text file in UTF-8: aside, and put in its place when it is whole.

    Raises UsageError where that cannot be; what was there before is then as it was.
    """
    try:
        target = path.resolve()
        aside = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
        try:
            with aside.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(str(path), error) from None


def cannot_write(what: str, error: Exception) -> UsageError:
    """Say that a file, or what an option names, cannot be written, and why."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return UsageError(
        f"{what} cannot be written: {reason}; make room there, or name a file elsewhere"
    )
