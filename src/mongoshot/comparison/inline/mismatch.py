"""What an inline expectation says and what was found → where they are not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from mongoshot.comparison.documents import Value, identity_of, unique_fields
from mongoshot.comparison.inline.expected import (
    ByValue,
    Unordered,
    encode_value,
    make_pattern,
)
from mongoshot.comparison.inline.pairing import pair
from mongoshot.comparison.inline.sequences import Observed, normalize, pattern_of
from mongoshot.comparison.matching import nearest
from mongoshot.comparison.sameness import items_of, type_name
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, framed
from mongoshot.snapshot.paths import path_step


class Absent:
    """Stand for a value that is not expected, as None and all others may well be."""


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class InlineField:
    """Say how one field is not as expected; `path` is written as in `FieldChange`.

    `expected` is the Python value, or ABSENT; `actual` is None where the field is not there.
    `remark` says what the two values hardly show: "int32 expected, is int64"; where both are not
    there, it says all: "the same elements in another order".
    """

    path: str
    expected: object
    actual: Value | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class InlineMismatch:
    """Hold where one collection is not as expected.

    `otherwise` has what is expected with what comes nearest to it, `missing` what nothing comes
    near to, and `unexpected` the BSON values that nobody expects.
    """

    section: str
    collection: str
    found: int
    expected: int
    otherwise: tuple[tuple[object, Value], ...]
    missing: tuple[object, ...]
    unexpected: tuple[Value, ...]


def find_mismatch(observed: Observed[Any, Any], expected: Sequence[object]) -> InlineMismatch:
    """Say what of an expectation is not so, and what is and is not expected."""
    values = observed.values()
    patterns = [pattern_of(item) for item in expected]
    assigned = pair(patterns, values)
    missing = [i for i in range(len(expected)) if i not in assigned]
    taken = set(assigned.values())
    rest = [value for j, value in enumerate(values) if j not in taken]
    parts = [patterns[i].literal or _encodable(normalize(expected[i])) for i in missing]
    partners = _partners(parts, rest)
    near = set(partners.values())
    return InlineMismatch(
        section=observed.section,
        collection=observed.collection,
        found=len(values),
        expected=len(expected),
        otherwise=tuple((expected[missing[m]], rest[c]) for m, c in sorted(partners.items())),
        missing=tuple(expected[i] for m, i in enumerate(missing) if m not in partners),
        unexpected=tuple(v for c, v in enumerate(rest) if c not in near),
    )


def _partners(missing: Sequence[Value | None], rest: Sequence[Value]) -> dict[int, int]:
    """Find for what is missing what was meant: the same `_id`, else the nearest, else the only.

    `missing` has what of each is BSON. Returns the number of one by that of the other.
    """
    found: dict[int, int] = {}
    by_id = {identity: c for c, value in enumerate(rest) if (identity := _identity(value))}
    for m, part in enumerate(missing):
        identity = _identity(part) if part else None
        if identity in by_id:
            found[m] = by_id.pop(identity)
    left = [m for m in range(len(missing)) if m not in found]
    free = sorted(set(range(len(rest))) - set(found.values()))
    near = nearest([_as_document(missing[m]) for m in left], [_as_document(rest[c]) for c in free])
    found |= {m: free[c] for m, c in zip(left, near, strict=True) if c is not None}
    left = [m for m in left if m not in found]
    free = sorted(set(free) - set(found.values()))
    if len(left) == len(free) == 1 and missing[left[0]]:
        found[left[0]] = free[0]
    return found


def _encodable(expected: object) -> Value | None:
    """Return what of an expectation is BSON, the rest left out; None where nothing is."""
    if isinstance(expected, ByValue):
        return _encodable(expected.expected)
    if isinstance(expected, Unordered):
        return _encodable(list(expected.items))
    if (value := encode_value(expected)) is not None:
        return value
    if isinstance(expected, Mapping):
        fields = ((str(key).encode(), _encodable(value)) for key, value in expected.items())
        return Value(DOCUMENT, _framed(fields))
    if isinstance(expected, list | tuple):
        items = ((b"%d" % i, _encodable(item)) for i, item in enumerate(expected))
        return Value(ARRAY, _framed(items))
    return None


def _framed(fields: Iterator[tuple[bytes, Value | None]]) -> bytes:
    return framed(b"".join(b"%c%b\0%b" % (v.type, key, v.raw) for key, v in fields if v))


def _as_document(value: Value | None) -> bytes:
    return value.raw if value and value.type in (DOCUMENT, ARRAY) else framed(b"")


def _identity(value: Value) -> Value | None:
    """Return the `_id` of a document, or of the first of a pair."""
    if value.type == ARRAY:
        value = next(iter(items_of(value)), value)
    return identity_of(value.raw) if value.type == DOCUMENT else None


def find_fields(expected: object, actual: Value) -> Iterator[InlineField]:
    """Say how a document, or one before and one after, is not as expected, field by field."""
    expected = normalize(expected)
    if actual.type == ARRAY and isinstance(expected, list) and len(expected) == 2:
        for side, item, value in zip(("before", "after"), expected, items_of(actual), strict=True):
            yield from _find(item, value, side, by_value=False)
    else:
        yield from _find(expected, actual, "", by_value=False)


def _find(expected: object, actual: Value, path: str, by_value: bool) -> Iterator[InlineField]:
    """Say how a value is not as expected, as deep down as it can be said."""
    if make_pattern(expected, by_value=by_value).accepts(actual):
        return
    if isinstance(expected, ByValue):
        yield from _find(expected.expected, actual, path, by_value=True)
        return
    fields = unique_fields(actual) if actual.type in (DOCUMENT, ARRAY) else None
    if isinstance(expected, Mapping) and actual.type == DOCUMENT and fields is not None:
        yield from _in_document(expected, fields, path, by_value)
    elif isinstance(expected, Unordered) and actual.type == ARRAY:
        yield from _in_any_order(expected, items_of(actual), path, by_value)
    elif isinstance(expected, list | tuple) and actual.type == ARRAY:
        yield from _in_array(expected, items_of(actual), path, by_value)
    else:
        yield InlineField(path, expected, actual, _types(expected, actual))


def _in_document(
    expected: Mapping[Any, object], fields: Mapping[bytes, Value], path: str, by_value: bool
) -> Iterator[InlineField]:
    wanted = {str(key).encode(errors="surrogatepass"): value for key, value in expected.items()}
    for key, value in wanted.items():
        inner = _step(path, key)
        if key in fields:
            yield from _find(value, fields[key], inner, by_value)
        else:
            yield InlineField(inner, value, None)
    for key, actual in fields.items():
        if key not in wanted:
            yield InlineField(_step(path, key), ABSENT, actual)
    both = [key for key in wanted if key in fields], [key for key in fields if key in wanted]
    if both[0] != both[1] and not by_value:
        wanted_order, order = (", ".join(_step("", key) for key in keys) for keys in both)
        remark = f"the fields are in the order {order}; expected {wanted_order}"
        yield InlineField(path, ABSENT, None, remark)


def _in_array(
    expected: Sequence[object], items: Sequence[Value], path: str, by_value: bool
) -> Iterator[InlineField]:
    patterns = [make_pattern(item, by_value=by_value) for item in expected]
    if len(pair(patterns, items)) == len(expected) == len(items):
        yield InlineField(path, ABSENT, None, "the same elements in another order")
        return
    for at, (value, actual) in enumerate(zip_longest(expected, items, fillvalue=ABSENT)):
        inner = _step(path, b"%d" % at, in_array=True)
        if isinstance(value, Absent) or isinstance(actual, Absent):
            yield InlineField(inner, value, actual if isinstance(actual, Value) else None)
        else:
            yield from _find(value, actual, inner, by_value)


def _in_any_order(
    expected: Unordered, items: Sequence[Value], path: str, by_value: bool
) -> Iterator[InlineField]:
    assigned = pair([make_pattern(item, by_value=by_value) for item in expected.items], items)
    missing = [item for at, item in enumerate(expected.items) if at not in assigned]
    rest = [at for at in range(len(items)) if at not in assigned.values()]
    if len(missing) == len(rest) == 1:
        yield from _find(missing[0], items[rest[0]], _step(path, b"%d" % rest[0], True), by_value)
        return
    for item in missing:
        yield InlineField(f"{path}[]", item, None)
    for at in rest:
        yield InlineField(_step(path, b"%d" % at, in_array=True), ABSENT, items[at])


def _step(path: str, key: bytes, in_array: bool = False) -> str:
    return (path + path_step(key, in_array)).removeprefix(".")


def _types(expected: object, actual: Value) -> str:
    value = encode_value(expected)
    if value is None or value.type == actual.type:
        return ""
    return f"{type_name(value)} expected, is {type_name(actual)}"
