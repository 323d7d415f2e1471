"""How much a file may ask for, whoever wrote it: every size that is believed of one has a bound.

Files come from pull requests, too. What is below keeps reading one within memory and time that do
not depend on what it says of itself; `docs/limits.md` has them as a table, with what each costs.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, Final

#: Bytes beyond which no document goes: the server's own limit, 16 MiB and 16 KiB, and a margin.
#: https://www.mongodb.com/docs/manual/reference/limits/#mongodb-limit-BSON-Document-Size
LARGEST_DOCUMENT: Final = 17 << 20

#: Bytes of one document as Extended JSON, in UTF-8: four of text for each of BSON. Binary values
#: take a third more than they have, strings what they have; only documents of control characters or
#: of millions of empty values take more, and those are kept as BSON.
LONGEST_TEXT: Final = 4 * LARGEST_DOCUMENT
#: The same with room for what stands around a document in the line of a recording.
LONGEST_LINE: Final = LONGEST_TEXT + (1 << 20)
#: Values in one text of Extended JSON. Each takes some 400 bytes while it is read, of two bytes of
#: text at the least; a document of 16 MiB with so many would have eight bytes for each.
MOST_VALUES: Final = 1 << 21
#: Characters of text up to which values need not be counted: there cannot be so many.
FEW_CHARACTERS: Final = 1 << 20
#: Characters of a number in a wrapper: a Decimal128 has 34 digits, sign, point and exponent, and
#: other programs may write leading zeros.
LONGEST_NUMBER: Final = 1_000

#: Lines without a document in a file of documents: packed, a gigabyte of them has a megabyte.
MOST_BLANK_LINES: Final = 10_000

#: Bytes of a manifest: those of 2,000 collections with profiles have some four.
LARGEST_MANIFEST: Final = 1 << 26
#: Bytes of the metadata of one collection: 64 indexes and a validator have some thousands.
LARGEST_METADATA: Final = 1 << 24
#: Bytes of the metadata of all collections of a dump, which is held in memory.
LARGEST_DUMPED_METADATA: Final = 1 << 26

#: A packed file may come to so many bytes whatever it has itself, and beyond that to so many times
#: its own: gzip reaches 1,032 times, documents that differ in more than their ids some 20.
UNPACKED_FREELY: Final = 1 << 30
MOST_UNPACKED: Final = 250

#: Bytes of a file of fixtures, which is held in memory as Python values, and of one in YAML, which
#: is read at some 100 kB a second.
LARGEST_FIXTURES: Final = 1 << 26
LARGEST_YAML: Final = 1 << 22
#: Values of a YAML file, with each alias counted as all that it stands for: nine lines can stand
#: for a billion.
MOST_NODES: Final = 1 << 20
#: Characters of a number in YAML: in base 60, as `1:30:00`, reading takes the square of them.
LONGEST_YAML_NUMBER: Final = 400

#: Elements that an update may make an array have: of so many, one takes eight bytes and more.
LONGEST_ARRAY: Final = LARGEST_DOCUMENT // 8


def not_a_file(path: Path) -> str:
    """Say what a file is that is none: a link, a pipe or a device; "" where it is one.

    One that is not there, and a directory, are left to whoever opens it. A link may lead anywhere,
    and who opens a pipe waits for somebody to write to it.
    """
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISLNK(mode):
        return "a link"
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a pipe or a device"


def read_up_to(file: IO[bytes], bound: int) -> bytes:
    """Read a file whole, or one byte more than `bound` of it, and take no memory for the rest."""
    parts: list[bytes] = []
    left = bound + 1
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def stays_within(path: Path, directory: Path) -> bool:
    """Tell whether a path is one below a directory, wherever links lead."""
    try:
        return path.resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError):  # links that lead in a circle
        return False
