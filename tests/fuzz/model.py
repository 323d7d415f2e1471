"""What a target of the fuzzer is, and what all of them need."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mongoshot.errors import MongoshotError

#: Separates the parts of an input that is several; no text in UTF-8 holds it.
CUT = b"\xff\xfe"


@dataclass(frozen=True, slots=True)
class Target:
    """Say what is fed to a parser, and which laws hold for whatever it is fed.

    `run` raises for an input that breaks one; errors of mongoshot are no such. `seeds` gives what
    the fuzzer begins with, the same each time.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]

    def __call__(self, data: bytes) -> None:
        """Feed one input. Refusing it with an error of ours, in one line, is always right."""
        try:
            self.run(data)
        except MongoshotError as error:
            text = str(error)
            assert text, "an error says what it is about"
            assert len(text) < 5_000, "an error is no copy of what was read"


def parts(data: bytes, count: int) -> list[bytes]:
    """Take an input apart into so many parts; those that are missing are empty."""
    found = data.split(CUT, count - 1)
    return found + [b""] * (count - len(found))


def text_of(data: bytes) -> str:
    """Take bytes as text; those that are none as half surrogate pairs, as the system does."""
    return data.decode("utf-8", "surrogateescape")


def document(*elements: tuple[int, bytes, bytes]) -> bytes:
    """Put a BSON document together, of types, keys and raw values."""
    body = b"".join(bytes((kind,)) + key + b"\0" + raw for kind, key, raw in elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def string(text: bytes) -> bytes:
    """Write the raw value of a BSON string."""
    return struct.pack("<i", len(text) + 1) + text + b"\0"


@cache
def scratch() -> Path:
    """Give a directory of this process, which goes with it."""
    directory = tempfile.TemporaryDirectory(prefix="mongoshot-fuzz-")
    _KEPT.append(directory)
    return Path(directory.name)


def write_files(directory: Path, data: bytes) -> Iterator[Path]:
    """Write the files that an input names: name, NUL and content each, in an empty directory."""
    directory.mkdir(exist_ok=True)
    for left in directory.iterdir():
        left.unlink()
    for part in data.split(CUT)[:8]:
        name, _, content = part.partition(b"\0")
        if not name or b"/" in name or name in (b".", b"..") or len(name) > 255:
            continue
        path = directory / text_of(name)
        path.write_bytes(content)
        yield path


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
