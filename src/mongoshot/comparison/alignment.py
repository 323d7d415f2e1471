"""Two versions of one document → all its fields side by side, those that are the same too."""

from __future__ import annotations

from dataclasses import dataclass

from mongoshot.comparison.documents import FieldChange, Value, path_step, unique_fields
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, iterate_elements


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """Say in what order the keys of a (sub)document stood and stand; see `FieldOrder`."""

    path: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Hold two documents side by side.

    `fields` has each field once, those with the same value on both sides as they are: as deep as
    there are differences, and no deeper. Without the same ones they are the `fields` of a
    `DocumentChange`, in the same order; `reordered` is for the same (sub)documents.
    """

    fields: tuple[FieldChange, ...]
    reordered: tuple[KeyOrder, ...]


def align(before: bytes, after: bytes) -> Alignment:
    """Put two versions of a document side by side.

    Raises InvalidBSONError where one of them is none.
    """
    fields: list[FieldChange] = []
    reordered: list[KeyOrder] = []
    _align(Value(DOCUMENT, before), Value(DOCUMENT, after), "", fields, reordered)
    return Alignment(tuple(fields), tuple(reordered))


def list_fields(document: bytes) -> list[tuple[str, Value]]:
    """Return the fields of a document with their paths, one level deep; a key twice comes twice.

    Raises InvalidBSONError where it is none.
    """
    return [
        (path_step(key, False).removeprefix("."), Value(kind, document[start:end]))
        for kind, key, start, end in iterate_elements(document)
    ]


def _align(
    before: Value, after: Value, path: str, fields: list[FieldChange], reordered: list[KeyOrder]
) -> None:
    left, right = unique_fields(before), unique_fields(after)
    if left is None or right is None:
        fields.append(FieldChange(path, before, after))
        return
    in_array = after.type == ARRAY
    steps = {key: path_step(key, in_array) for key in [*right, *left]}
    for key, step in steps.items():
        inner = (path + step).removeprefix(".")
        old, new = left.get(key), right.get(key)
        nested = old and new and old.type == new.type and old.type in (DOCUMENT, ARRAY)
        if nested and old != new:
            _align(old, new, inner, fields, reordered)  # type: ignore[arg-type]
        else:
            fields.append(FieldChange(inner, old, new))
    kept = [key for key in left if key in right]
    if list(right) != kept + [key for key in right if key not in left]:
        names = {key: step.removeprefix(".") for key, step in steps.items()}
        orders = (tuple(names[key] for key in side) for side in (left, right))
        reordered.append(KeyOrder(path, *orders))
