"""Two versions of one document → all its fields side by side, those that are the same too."""

from __future__ import annotations

from dataclasses import dataclass

from mongoshot.comparison.documents import (
    FieldChange,
    FieldOrder,
    Value,
    compare_values,
)
from mongoshot.snapshot.elements import DOCUMENT, iterate_elements
from mongoshot.snapshot.paths import path_step


@dataclass(frozen=True, slots=True)
class Alignment:
    """Hold two documents side by side.

    `fields` has each field once, those with the same value on both sides as they are: as deep as
    there are differences, and no deeper. Without the same ones they are the `fields` of a
    `DocumentChange`, in the same order; `reordered` are the same.
    """

    fields: tuple[FieldChange, ...]
    reordered: tuple[FieldOrder, ...]


def align(before: bytes, after: bytes) -> Alignment:
    """Put two versions of a document side by side.

    Raises InvalidBSONError where one of them is none.
    """
    left, right = (Value(DOCUMENT, side) for side in (before, after))
    fields, reordered = compare_values(left, right, "", every=True)
    return Alignment(tuple(fields), tuple(reordered))


def list_fields(document: bytes) -> list[tuple[str, Value]]:
    """Return the fields of a document with their paths, one level deep; a key twice comes twice.

    Raises InvalidBSONError where it is none.
    """
    return [
        (path_step(key, False).removeprefix("."), Value(kind, document[start:end]))
        for kind, key, start, end in iterate_elements(document)
    ]
