"""BSON bytes to MongoDB Extended JSON v2 text and back, without a Python document in between.

Decoding to Python objects first loses deprecated types, duplicate keys and the difference between
int32 and int64; here the bytes that come back are the bytes that went in, or there is an error.

Source of the format:
https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

from mongoshot.errors import NotRepresentableError
from mongoshot.snapshot.bounds import FEW_CHARACTERS, LONGEST_TEXT
from mongoshot.snapshot.elements import DOCUMENT
from mongoshot.snapshot.encoding.reader import read_document
from mongoshot.snapshot.encoding.style import has_too_many_values
from mongoshot.snapshot.encoding.writer import CANONICAL, READABLE, write_value


def to_extended_json(document: bytes) -> str:
    """Write one BSON document as canonical Extended JSON on one line, without spaces.

    The text has no line break and no control character in any tool's eyes; other characters beyond
    ASCII stand as themselves. `from_extended_json` gives back the identical bytes.

    Raises NotRepresentableError, with the path to the field and the reason, where no text would, or
    where another parser of Extended JSON would read something else from it, or it would be longer
    than is read (`snapshot.bounds`); InvalidBSONError, with
    the byte offset, where the bytes are not one document.
    """
    text = write_value(CANONICAL, DOCUMENT, document)
    if len(text) > FEW_CHARACTERS and (
        len(text.encode()) > LONGEST_TEXT or has_too_many_values(text)
    ):
        raise NotRepresentableError(
            f"Extended JSON would take {len(text) >> 20} MiB for it, more than is read again"
        )
    return text


def to_readable_json(document: bytes, *, indent: int | None = None) -> str:
    """Write one BSON document as Extended JSON for people: as short as it can be and stay exact.

    As `readable` writes it. `from_extended_json` gives back the identical bytes.

    Raises NotRepresentableError and InvalidBSONError as `to_extended_json` does.
    """
    return write_value(READABLE.indented(indent), DOCUMENT, document)


def readable(type: int, raw: bytes, *, indent: int | None = None) -> str:
    """Write one BSON value, given its type byte and raw bytes, as Extended JSON for people.

    An int32 is a JSON number, a finite double one that always has a point or an exponent, and a
    date of the years 1970 to 9999 stands in ISO 8601; all other types are canonical. With `indent`,
    in spaces per level, the members of documents and arrays have a line each, type wrappers none.

    Raises NotRepresentableError and InvalidBSONError as `to_extended_json` does.
    """
    return write_value(READABLE.indented(indent), type, raw)


def from_extended_json(text: str | bytes, *, placeholders: bool = False) -> bytes:
    """Read one document of Extended JSON, canonical or relaxed, as BSON.

    Numbers without a wrapper become int32 where they fit, else int64, and doubles where they have a
    fraction or an exponent. Duplicate keys and the order of keys are kept. Bytes are read as UTF-8.

    With `placeholders`, those of the module of that name may stand for values, and are read as the
    documents that they look like.

    Raises InvalidExtendedJSONError, saying what was expected, for anything else.
    """
    return read_document(text, placeholders=placeholders)


__all__ = ["from_extended_json", "readable", "to_extended_json", "to_readable_json"]
