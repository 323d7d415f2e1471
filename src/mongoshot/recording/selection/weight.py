"""How much of an overlap of values speaks for a reference."""

from __future__ import annotations

import re

from mongoshot.recording.selection.names import looks_like_count, says_identifier
from mongoshot.recording.selection.sampling import Field
from mongoshot.recording.selection.values import equality_key

#: ObjectIds and UUIDs are not made twice: where one is found, it was meant. A single field may
#: refer to several collections, so that a share of all values says nothing.
CERTAIN_KINDS = frozenset({"ObjectId", "UUID"})
#: The share of values that a field whose name speaks for the target must find there. Databases that
#: people develop on have dangling references; half of them is none any more.
NAMED_SHARE = 0.5
#: Numbers below this are found wherever documents are counted from 1: the name must end as that of
#: an identifier, or the field be a list.
SMALL_NUMBERS = 1_000
#: Numbers of this size are made by generators of ids; smaller ones, without a name, say nothing.
LARGE_NUMBERS = 1 << 40
#: Of values without a name that could be the same by chance: so many, so many found, that share.
#: A list of states has fewer; a field that refers to several collections finds a part in each.
FEWEST_VALUES, FEWEST_FOUND, UNNAMED_SHARE = 10, 5, 0.2
#: The share of strings that must look made by a generator of ids for the field to count as one.
GENERATED_SHARE = 0.9

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{24,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: With a digit and without spaces, eight characters or more, and no date.
_GENERATED = re.compile(r"(?!\d{4}-\d\d-\d\d)(?=.*\d)\S{8,}", re.DOTALL)


def may_be_named(field: Field, kind: str) -> bool:
    """Tell whether the name of a field may speak for what it refers to, given its values."""
    if kind != "number" or field.has_array:
        return True
    if says_identifier(field.path):
        return True
    return not looks_like_count(field.path) and max(_numbers(field)) >= SMALL_NUMBERS


def may_be_unnamed(field: Field, kind: str) -> bool:
    """Tell whether the values alone may speak for what a field refers to."""
    if kind in CERTAIN_KINDS:
        return True
    values = field.values[kind]
    if kind == "number":
        return len(values) >= FEWEST_VALUES and min(_numbers(field)) >= LARGE_NUMBERS
    texts = [value[5:-1].decode(errors="replace") for value in values.values()]
    if all(map(_HEXADECIMAL.fullmatch, texts)):
        return True
    generated = sum(_GENERATED.fullmatch(text) is not None for text in texts)
    return len(texts) >= FEWEST_VALUES and generated >= GENERATED_SHARE * len(texts)


def convinces(kind: str, looked_up: int, found: int, *, named: bool) -> bool:
    """Tell whether so many of the values speak for a reference, with or without its name."""
    if kind in CERTAIN_KINDS:
        return found >= 1
    if named:
        return found >= max(1, NAMED_SHARE * looked_up)
    return found >= max(FEWEST_FOUND, UNNAMED_SHARE * looked_up)


def _numbers(field: Field) -> list[int]:
    return [
        abs(number)
        for number in map(equality_key, field.values["number"].values())
        if isinstance(number, int)
    ]
