"""Values and what is expected of them, put together one to one."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mongoshot.comparison.documents import Value
from mongoshot.comparison.matching import assign
from mongoshot.comparison.sameness import items_of
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, iterate_elements

#: Tells whether a value is as expected.
Check: TypeAlias = Callable[[Value], bool]
#: A part of a value by where it is: the key of a field, or the index in an array, with the place
#: in that element behind it.
Part: TypeAlias = tuple[bytes, Value]

#: Values that are tried at once where they are all that can be as expected.
_FEW = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """Hold an expectation of one value, made ready to be held against many.

    `literal` is the one value that it accepts, None where there may be several; `parts` are what
    every value has that it accepts, each part by its place.
    """

    accepts: Check
    literal: Value | None = None
    parts: Mapping[bytes, Value] = field(default_factory=dict)


def pair(patterns: Sequence[Pattern], actual: Sequence[Value]) -> dict[int, int]:
    """Give as many patterns as can be a value of their own, by number.

    A pattern that only one value can be for, or only equal ones, gets it, which takes nothing from
    the whole. For the others there is a maximum matching.
    """
    found, rest = _pair_literals(patterns, actual)
    loose = [i for i, pattern in enumerate(patterns) if pattern.literal is None]
    possible = _possible(patterns, loose, actual, rest)
    free = set(rest)
    choosy: list[int] = []
    for i in loose:
        values = possible.get(i)
        if values is not None and len(values) <= _FEW:
            values = possible[i] = {j for j in values if patterns[i].accepts(actual[j])}
        if values is None or len(values) > 1:
            choosy.append(i)
        elif values and values <= free:
            found[i] = values.pop()
            free.remove(found[i])
    left = sorted(free)

    def compatible(i: int, j: int) -> bool:
        values = possible.get(choosy[i])
        return (values is None or left[j] in values) and patterns[choosy[i]].accepts(
            actual[left[j]]
        )

    assigned = assign(len(choosy), len(left), compatible)
    found |= {choosy[i]: left[j] for i, j in assigned.items()}
    return dict(sorted(found.items()))


def _pair_literals(
    patterns: Sequence[Pattern], actual: Sequence[Value]
) -> tuple[dict[int, int], list[int]]:
    """Give each literal a value that is the same, and tell which values are left."""
    waiting: dict[Value, deque[int]] = defaultdict(deque)
    for j, value in enumerate(actual):
        waiting[value].append(j)
    found: dict[int, int] = {}
    for i, pattern in enumerate(patterns):
        if pattern.literal is not None and (same := waiting.get(pattern.literal)):
            found[i] = same.popleft()
    return found, sorted(j for same in waiting.values() for j in same)


def _possible(
    patterns: Sequence[Pattern], loose: Sequence[int], actual: Sequence[Value], rest: Sequence[int]
) -> dict[int, set[int]]:
    """Tell for each pattern that has literal parts which values have the rarest of them."""
    holders: dict[Part, set[int]] = {
        part: set() for i in loose for part in patterns[i].parts.items()
    }
    if holders:
        for j in rest:
            for part in _parts_of(actual[j]):
                if part in holders:
                    holders[part].add(j)
    return {
        i: min((holders[part] for part in patterns[i].parts.items()), key=lambda held: len(held))
        for i in loose
        if patterns[i].parts
    }


def _parts_of(value: Value) -> Iterator[Part]:
    if value.type == DOCUMENT:
        for kind, key, start, end in iterate_elements(value.raw):
            yield key, Value(kind, value.raw[start:end])
    elif value.type == ARRAY:
        for at, item in enumerate(items_of(value)):
            yield b"%d" % at, item
            for place, part in _parts_of(item):
                yield b"%d.%b" % (at, place), part
