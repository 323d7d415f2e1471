"""Placeholders: what stands in an Extended JSON text for a value that is another each time.

Each has the wrapper of what it stands for, and in it what no value of that type has:

    {"$oid": "ObjectId-1"}                  an ObjectId
    {"$oid": "ObjectId-1 as text"}          its 24 hexadecimal digits as a string
    {"$uuid": "UUID-1"}                     a UUID: binary, subtype 4
    {"$uuid": "UUID-1 as subtype 3"}        the same bytes in the legacy subtype
    {"$uuid": "UUID-1 as text"}             its 36 characters as a string
    {"$date": "now"}                        a date

`as upper-case text` stands for a string with the digits A to F. As a document with such a key has
no Extended JSON, nothing that a user stores is written like that. Read back, a placeholder is the
BSON document that it looks like, which for the same reason is none that was read from a literal.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mongoshot.snapshot import elements as bson
from mongoshot.snapshot.elements import framed
from mongoshot.snapshot.encoding.writer import READABLE, styled, write_document

if TYPE_CHECKING:
    from mongoshot.snapshot.encoding.style import Form, Style

Replace = Callable[[int, bytes], str | None]
"""Give the placeholder of a value, of its type byte and raw bytes, or None for the value itself.

Is asked for ObjectIds, dates, UUIDs, and strings as long as an ObjectId or a UUID."""

LENGTHS_OF_TEXTS: Final = (24, 36)

_TEXT: Final = "( as (upper-case )?text)?"
_NAMES: Final = {
    "$oid": re.compile(f"ObjectId-[1-9][0-9]*{_TEXT}"),
    "$uuid": re.compile(f"UUID-[1-9][0-9]*({_TEXT}| as subtype 3)"),
    "$date": re.compile("now"),
}
_AS_DOCUMENT: Final = re.compile(rb".{4}\x02(\$(?:oid|uuid|date))\0.{4}([ -~]+)\0\0", re.DOTALL)
_LONGEST: Final = 64

_unpack_int32 = struct.Struct("<i").unpack_from


def placeholder(key: str, name: str) -> str:
    """Write the placeholder `name` in the wrapper `key`."""
    return f'{{"{key}": "{name}"}}'


def read_placeholder(key: str, name: object) -> bytes | None:
    """Return the document that a placeholder is read as; None where it is none."""
    names = _NAMES.get(key)
    if names is None or type(name) is not str or not names.fullmatch(name):
        return None
    size = struct.pack("<i", len(name) + 1)
    return framed(b"\x02" + key.encode() + b"\0" + size + name.encode() + b"\0")


def written_placeholder(document: bytes) -> str | None:
    """Write a document that `read_placeholder` has made; None for any other."""
    # Almost every document is told by its first key not to be one.
    if document[4:6] != b"\x02$" or len(document) > _LONGEST:
        return None
    found = _AS_DOCUMENT.fullmatch(document)
    if found is None:
        return None
    key, name = (part.decode() for part in found.groups())
    return placeholder(key, name) if read_placeholder(key, name) == document else None


def replacing(replace: Replace) -> Style:
    """Give the readable style that writes what `replace` says in place of a value."""

    def form(kind: int, end: Callable[[bytes, int], int]) -> Form:
        write, before, after = READABLE.forms[kind]

        def write_either(style: Style, buffer: bytes, position: int, depth: int) -> tuple[str, int]:
            stop = end(buffer, position)
            if stop and (text := replace(kind, buffer[position:stop])) is not None:
                return text, stop
            text, stop = write(style, buffer, position, depth)
            return f"{before}{text}{after}", stop

        return write_either, "", ""

    return styled(
        {
            bson.OBJECT_ID: form(bson.OBJECT_ID, lambda _, position: position + 12),
            bson.DATE: form(bson.DATE, lambda _, position: position + 8),
            bson.STRING: form(bson.STRING, _end_of_text),
            bson.BINARY: form(bson.BINARY, _end_of_uuid),
        }
    )


def _end_of_text(buffer: bytes, position: int) -> int:
    length: int = _unpack_int32(buffer, position)[0] - 1
    return position + 4 + length + 1 if length in LENGTHS_OF_TEXTS else 0


def _end_of_uuid(buffer: bytes, position: int) -> int:
    # Length and subtype lie before the bytes.
    of_a_uuid = buffer[position : position + 5] in (b"\x10\0\0\0\3", b"\x10\0\0\0\4")
    return position + 21 if of_a_uuid else 0


def _document_or_placeholder(
    style: Style, buffer: bytes, position: int, depth: int
) -> tuple[str, int]:
    if buffer[position + 4 : position + 6] == b"\x02$":
        size = _unpack_int32(buffer, position)[0]
        text = written_placeholder(buffer[position : position + size])
        if text is not None:
            return text, position + size
    return write_document(style, buffer, position, depth)


WITH_PLACEHOLDERS: Final = styled({bson.DOCUMENT: (_document_or_placeholder, "", "")})
"""The readable style that also writes the documents that placeholders are read as."""
