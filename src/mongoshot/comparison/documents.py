"""Two versions of one document → the fields that differ, exact to type and field order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mongoshot.errors import InvalidBSONError, NotRepresentableError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, document_id, iterate_elements
from mongoshot.snapshot.encoding.placeholders import WITH_PLACEHOLDERS, written_placeholder
from mongoshot.snapshot.encoding.writer import write_value
from mongoshot.snapshot.model import decode
from mongoshot.snapshot.paths import path_step

#: Elements of an array up to which it is one change that they stand in another order.
_MOST_MOVED = 64

#: Asked about the two values of a field, by its path, where they are not the same bytes: True where
#: they count as the same, False where they differ as a whole, None to have them looked into.
Judge = Callable[[str, "Value", "Value"], bool | None]


@dataclass(frozen=True, slots=True)
class Value:
    """Hold one BSON value: its type byte and its bytes (https://bsonspec.org/spec.html)."""

    type: int
    raw: bytes

    def __str__(self) -> str:
        """Write the value as readable Extended JSON, which shows its type; also a placeholder."""
        try:
            return write_value(WITH_PLACEHOLDERS, self.type, self.raw)
        except (NotRepresentableError, InvalidBSONError):
            return f"<BSON type 0x{self.type:02x}: {self.raw.hex()}>"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """Say what became of one field: None stands for a field that is not there."""

    path: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True)
class FieldOrder:
    """Say in what order the keys of a (sub)document stood and stand; the document has path ""."""

    path: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """Hold a document before and after, as BSON bytes, and what makes the one of the other.

    `reordered` are the (sub)documents whose fields stand otherwise than in their order before, new
    ones at the end, as an update puts them.
    """

    before: bytes
    after: bytes
    fields: tuple[FieldChange, ...]
    reordered: tuple[FieldOrder, ...]

    @property
    def identity(self) -> Value | None:
        """Return the document's `_id`, or None where it has none."""
        return identity_of(self.after)

    def decoded(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the document before and after as Python values."""
        return decode(self.before), decode(self.after)


def identity_of(document: bytes) -> Value | None:
    """Return the `_id` of a document, or None where it has none."""
    identity = document_id(document)
    return Value(identity[0], identity[1:]) if identity else None


def compare_documents(
    before: bytes, after: bytes, judge: Judge | None = None
) -> DocumentChange | None:
    """Compare two documents field by field; None where they are the same bytes.

    With a `judge`, None too where it says that all which differs counts as the same.
    """
    if before == after:
        return None
    fields, reordered = compare_values(Value(DOCUMENT, before), Value(DOCUMENT, after), "", judge)
    if judge and not fields and not reordered:
        return None
    return DocumentChange(before, after, tuple(fields), tuple(reordered))


def compare_values(
    before: Value, after: Value, path: str, judge: Judge | None = None, *, every: bool = False
) -> tuple[list[FieldChange], list[FieldOrder]]:
    """Compare the two values of the field `path`: documents and arrays field by field.

    With `every`, fields that are the same are there, too: as deep as there are differences.
    """
    fields: list[FieldChange] = []
    reordered: list[FieldOrder] = []
    _compare(before, after, path, _Found(fields, reordered, judge, every))
    return fields, reordered


class _Found(NamedTuple):
    fields: list[FieldChange]
    reordered: list[FieldOrder]
    judge: Judge | None
    every: bool


def _compare(before: Value, after: Value, path: str, found: _Found) -> None:
    verdict = found.judge(path, before, after) if found.judge else None
    if verdict is True:
        return
    nested = before.type == after.type and before.type in (DOCUMENT, ARRAY) and verdict is None
    left, right = (unique_fields(side) if nested else None for side in (before, after))
    if left is None or right is None or _has_moved(left, right, after.type):
        found.fields.append(FieldChange(path, before, after))
        return
    in_array = after.type == ARRAY
    for key in [*right, *(key for key in left if key not in right)]:
        old, new = left.get(key), right.get(key)
        if old == new and not found.every:
            continue
        inner = (path + path_step(key, in_array)).removeprefix(".")
        if old and new and old != new:
            _compare(old, new, inner, found)
        else:
            found.fields.append(FieldChange(inner, old, new))
    kept = [key for key in left if key in right]
    if list(right) != kept + [key for key in right if key not in left]:
        orders = (tuple(_name(key, in_array) for key in side) for side in (left, right))
        found.reordered.append(FieldOrder(path, *orders))


def _name(key: bytes, in_array: bool) -> str:
    return path_step(key, in_array).removeprefix(".")


def has_moved(before: Value, after: Value) -> bool:
    """Tell whether two values are arrays of the same elements, in another order."""
    if before.type != ARRAY or after.type != ARRAY or before == after:
        return False
    left, right = unique_fields(before), unique_fields(after)
    return left is not None and right is not None and _has_moved(left, right, ARRAY)


def _has_moved(before: dict[bytes, Value], after: dict[bytes, Value], type: int) -> bool:
    # One thing to say, not one for each element; of a long array that would be more to read.
    return (
        type == ARRAY
        and len(before) == len(after) <= _MOST_MOVED
        and Counter(before.values()) == Counter(after.values())
    )


def unique_fields(value: Value) -> dict[bytes, Value] | None:
    """Return the fields of a document or array.

    Returns None where a key is there twice, and for a placeholder, which is one thing.
    """
    if written_placeholder(value.raw):
        return None
    fields: dict[bytes, Value] = {}
    count = 0
    for kind, key, start, end in iterate_elements(value.raw):
        fields[key] = Value(kind, value.raw[start:end])
        count += 1
    return fields if len(fields) == count else None
