"""Single text files, which are whole or as they were."""

from __future__ import annotations

import os
from pathlib import Path

from mongoshot.errors import UsageError


def write_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file in UTF-8: aside, and put in its place when it is whole.

    A `durable` one is on the disk by then, also if the system fails a moment later. Raises OSError,
    and UnicodeEncodeError for half a surrogate pair; what was there before is then as it was.
    """
    # A short name: that of the file may already be as long as a name can be.
    aside = path.with_name(f".{os.urandom(8).hex()}.partial")
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_file(path: Path, text: str) -> None:
    """Write a file that somebody has named, as `write_whole` does; a link stays one.

    Raises UsageError where that cannot be.
    """
    try:
        write_whole(path.resolve(), text)
    except OSError as error:
        raise cannot_write(str(path), error) from None


def cannot_write(what: str, error: Exception) -> UsageError:
    """Say that a file, or what an option names, cannot be written, and why."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return UsageError(
        f"{what} cannot be written: {reason}; make room there, or name a file elsewhere"
    )
