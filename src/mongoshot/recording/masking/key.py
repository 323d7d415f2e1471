"""The key of a project's masks: in the environment, or in a file that git never sees."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from mongoshot.errors import UsageError
from mongoshot.files import (
    make_directory,
    name_aside,
    remove_aside,
    sync,
    sync_directory,
    write_whole,
)

VARIABLE = "MONGOSHOT_MASKING_KEY"

_DIRECTORY = ".mongoshot"
_NAME = "masking.key"
_SHORTEST = 16

#: Bytes of a key.
KEY_SIZE = 32
_IGNORE = "# What mongoshot keeps between two runs of tests. Nothing of it belongs in git.\n*\n"


def load_key(root: Path, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the key of the project at `root`, 32 bytes; make its file at first need.

    MONGOSHOT_MASKING_KEY comes before `.mongoshot/masking.key`. Both hold a text; the same text is
    the same key. It is stretched with scrypt (RFC 7914), so that one that somebody thought of is
    not found by trying.

    Raises UsageError for a key that is too short, and for a file that others may read, or that can
    neither be read nor made.
    """
    text = environment.get(VARIABLE)
    where = f"the environment variable {VARIABLE}"
    if text is None:
        path = root / _DIRECTORY / _NAME
        where = str(path)
        try:
            text = _read(path)
        except OSError as error:
            raise UsageError(
                f"{where}: {error.strerror}; make it readable, or set {VARIABLE} to the key"
            ) from None
    text = text.strip()
    if len(text) < _SHORTEST:
        raise UsageError(
            f"{where} should hold a key of {_SHORTEST} characters or more, not {len(text)};"
            f' make one with python -c "import secrets; print(secrets.token_hex(32))"'
        )
    return hashlib.scrypt(
        text.encode(errors="surrogateescape"),
        salt=b"mongoshot masking",
        n=1 << 14,
        r=8,
        p=1,
        dklen=KEY_SIZE,
    )


def fingerprint(key: bytes) -> str:
    """Tell keys apart, in eight hexadecimal digits."""
    return hashlib.blake2b(b"fingerprint", key=key, digest_size=4).hexdigest()


def _read(path: Path) -> str:
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        _make(path)
        file = path.open(encoding="utf-8", errors="replace")
    with file:
        if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
            raise UsageError(f"{path} may be read by others; chmod 600 {path}")
        return file.read()


def _make(path: Path) -> None:
    """Make a key, unless another process is faster."""
    make_directory(path.parent)
    ignore = path.with_name(".gitignore")
    if not ignore.exists():
        write_whole(ignore, _IGNORE, durable=False)
    aside = name_aside(path)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(os.urandom(32).hex() + "\n")
            sync(file)
        try:
            os.link(aside, path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            if not path.exists():
                aside.replace(path)
        # Before the first snapshot whose masked values nobody could make again without it.
        sync_directory(path.parent)
    finally:
        remove_aside(aside)
