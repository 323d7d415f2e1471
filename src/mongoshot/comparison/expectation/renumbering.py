"""Give placeholders the numbers that they have in another expectation, as far as they are the same.

A document too many takes a number, and those behind it are not numbered as expected: a reader wants
to be told of the one, and not of all the others. Where rules leave out what the numbers come from,
or let documents be there that nobody expects, numbers tell nothing at all before that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import count
from typing import NamedTuple

from mongoshot.comparison.documents import Value, compare_values
from mongoshot.comparison.expectation.contrast import find_fields
from mongoshot.comparison.expectation.filtering import strip_part
from mongoshot.comparison.expectation.model import Expectation, Facet
from mongoshot.comparison.expectation.rules import Rules, Scope
from mongoshot.comparison.matching import nearest
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, framed, iterate_elements
from mongoshot.snapshot.encoding.placeholders import read_placeholder, written_placeholder

#: The id of a placeholder, and a whole one; something else that looks like this would be numbered,
#: and no more.
_RAW_ID = re.compile(rb"\x02\$(?:oid|uuid)\0.{4}((?:ObjectId|UUID)-[0-9]+)", re.DOTALL)
_RAW = re.compile(rb".{4}\x02\$(oid|uuid)\0.{4}(ObjectId|UUID)-[0-9]+((?: [^\0]*)?)\0\0", re.DOTALL)

#: Parts that are alike and looked through for one that matchers accept, where nothing else tells.
_CLOSE = 16

#: Times that two documents are tried to be the same, before it is enough; a few microseconds each.
_TRIES = 50_000

#: What parts are alike in: collection, section, and all that is said but for the numbers.
_Kind = tuple[str, str, bytes | None]
#: A kind, and which of the ids that such a part holds is what; -1 and "" for any.
_Place = tuple[_Kind, int, str]


class _Part(NamedTuple):
    """Hold what is said of one document: its own ids, and all ids that matter.

    `matched` is all of it with one number for all ids; None where no matcher compares anything.
    """

    kind: _Kind
    own: list[str]
    ids: list[str]
    value: Value
    matched: Value | None
    scope: Scope

    def suits(self, actual: _Part) -> bool:
        """Tell whether matchers accept an actual part of the same kind for this one."""
        if self.matched is None or actual.matched is None:
            return True
        return not find_fields(self.kind[1], self.matched, actual.matched, self.scope)


def renumber(expected: Expectation, actual: Expectation, rules: Rules | None = None) -> Expectation:
    """Return `actual`, its placeholders numbered as in `expected`.

    The result says what `actual` says. Where there is a way to number so that everything expected
    is there, it is found, unless what is alike is so in too many ways; else documents are taken for
    the same that hold the same but for numbers, then those that come nearest to each other.
    """
    if actual.facets == expected.facets:
        return actual
    values = (value for facets in actual.facets.values() for value in facets.values())
    used = dict.fromkeys(name for value in values for name in _ids(value))
    if not used:
        return actual
    old, new = (list(_parts(side, rules or Rules())) for side in (expected, actual))
    names = _search(old, new)
    if names is None:
        names = _guess(old, new)
    given = {*names.values(), *(each for part in old for each in part.ids)}
    numbers = {family: count(1) for family in ("ObjectId", "UUID")}
    for name in used:
        if name not in names:
            family = _family(name)
            free = (f"{family}-{number}" for number in numbers[family])
            names[name] = next(number for number in free if number not in given)
    if all(name == number for name, number in names.items()):
        return actual
    renaming = _Renaming(names)
    return replace(
        actual,
        facets=renaming.facets(actual.facets),
        refused={
            name: {
                (section, renaming.value(value)): fields for (section, value), fields in r.items()
            }
            for name, r in actual.refused.items()
        },
    )


class _Renaming:
    """Write placeholders with other numbers."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._placeholders: dict[bytes, bytes] = {}  # the same ones stand in many places

    def facets(self, facets: Mapping[str, Mapping[Facet, Value]]) -> dict[str, dict[Facet, Value]]:
        """Rename all that an expectation says."""
        return {
            collection: {
                (section, identity and self.value(identity), at): self.value(value)
                for (section, identity, at), value in said.items()
            }
            for collection, said in facets.items()
        }

    def value(self, value: Value) -> Value:
        """Rename what a value is or holds."""
        return Value(value.type, self._raw(value.type, value.raw))

    def _raw(self, kind: int, raw: bytes) -> bytes:
        if kind not in (DOCUMENT, ARRAY) or not _RAW_ID.search(raw):
            return raw
        if (known := self._placeholders.get(raw)) is not None:
            return known
        if text := written_placeholder(raw):
            self._placeholders[raw] = self._placeholder(text)
            return self._placeholders[raw]
        members = (
            bytes([kind]) + key + b"\0" + self._raw(kind, raw[start:end])
            for kind, key, start, end in iterate_elements(raw)
        )
        return framed(b"".join(members))

    def _placeholder(self, text: str) -> bytes:
        [(key, name)] = json.loads(text).items()
        family_and_number, *form = name.split(" ", 1)
        renamed = " ".join([self._names.get(family_and_number, family_and_number), *form])
        document = read_placeholder(key, renamed)
        assert document is not None, renamed  # noqa: S101 - it was one before
        return document


def _parts(expectation: Expectation, rules: Rules) -> Iterator[_Part]:
    for name, facets in expectation.facets.items():
        scope = rules.of(name)
        for (section, identity, _), value in facets.items():
            if scope.mode == "ignore":
                continue
            decisive = strip_part(section, value, scope, matched=True)
            ids = _ids(decisive)
            masked = _without_numbers(decisive.type, decisive.raw) if decisive else None
            own = [] if scope.free_identity else _ids(identity)
            matched = strip_part(section, value, scope) if scope.matchers else None
            if matched is not None:
                names = {each: f"{_family(each)}-1" for each in _ids(matched)}
                matched = _Renaming(names).value(matched)
            yield _Part((name, section, masked), own, ids, value, matched, scope)


def _without_numbers(kind: int, raw: bytes) -> bytes:
    """Write a value so that it is the same for the same but for numbers; it is no BSON then."""
    if kind not in (DOCUMENT, ARRAY) or not _RAW_ID.search(raw):
        return raw
    if placeholder := _RAW.fullmatch(raw):
        return b"\xff".join(placeholder.groups())
    members = (
        bytes([inner]) + key + b"\0" + _without_numbers(inner, raw[start:end])
        for inner, key, start, end in iterate_elements(raw)
    )
    return framed(b"".join(members))


def _search(expected: list[_Part], actual: list[_Part]) -> dict[str, str] | None:
    """Find numbers by which everything expected is there; None where there are none, or too late.

    What is rare is looked for first; a part whose ids are known already is looked up by these.
    """
    wanted = [part for part in expected if part.ids]
    offers, _ = _listed(actual)
    if any((part.kind, -1, "") not in offers for part in wanted):
        return None
    wanted.sort(key=lambda part: len(offers[part.kind, -1, ""]))
    _, ranks = _listed(wanted)
    binding = _Binding()
    tried: list[Iterator[int]] = []
    undo: list[tuple[int, list[str]]] = []
    tries = 0
    suits = cache(lambda one, other: wanted[one].suits(actual[other]))

    def choices(one: int) -> Iterator[int]:
        part = wanted[one]
        lists = [offers[part.kind, -1, ""]]
        for place, number in enumerate(part.ids):
            name = binding.names.get(number)
            lists.append(offers.get((part.kind, place, name), []) if name else lists[0])
        shortest, rank = min(zip(lists, ranks[one], strict=True), key=lambda each: len(each[0]))
        # Those that are alike mostly stand in the same order.
        return (shortest[(rank + ahead) % len(shortest)] for ahead in range(len(shortest)))

    while len(undo) < len(wanted):
        one = len(undo)
        if len(tried) == one:
            tried.append(choices(one))
        for other in tried[-1]:
            tries += 1
            if tries > _TRIES + len(wanted):
                return None
            bound = binding.bind(other, wanted[one].ids, actual[other].ids)
            if bound is not None and suits(one, other):
                undo.append((other, bound))
                break
            if bound is not None:
                binding.release(other, bound)
        else:
            tried.pop()
            if not undo:
                return None
            binding.release(*undo.pop())
    return {name: number for number, name in binding.names.items()}


def _listed(parts: list[_Part]) -> tuple[dict[_Place, list[int]], list[list[int]]]:
    """List parts by their kind, and by each id that they hold where; tell their ranks in these."""
    lists: dict[_Place, list[int]] = {}
    ranks: list[list[int]] = []
    for at, part in enumerate(parts):
        places = [(part.kind, -1, ""), *((part.kind, *held) for held in enumerate(part.ids))]
        ranks.append([len(lists.setdefault(place, [])) for place in places])
        for place in places:
            lists[place].append(at)
    return lists, ranks


class _Binding:
    """Hold which number stands for which name, one to one, and which parts are taken."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._taken: set[int] = set()

    def bind(self, at: int, numbers: list[str], names: list[str]) -> list[str] | None:
        """Take the part `at`, whose names then have these numbers; None where they cannot.

        Returns the numbers that had no name before.
        """
        if at in self._taken or len(numbers) != len(names):
            return None
        bound: list[str] = []
        for number, name in zip(numbers, names, strict=True):
            known = self.names.get(number)
            if known is None and name not in self._numbers and _family(name) == _family(number):
                self.names[number] = name
                self._numbers[name] = number
                bound.append(number)
            elif known != name:
                self._forget(bound)
                return None
        self._taken.add(at)
        return bound

    def release(self, at: int, bound: list[str]) -> None:
        """Give back what `bind` took."""
        self._taken.remove(at)
        self._forget(bound)

    def _forget(self, bound: list[str]) -> None:
        for number in bound:
            del self._numbers[self.names.pop(number)]


def _guess(expected: list[_Part], actual: list[_Part]) -> dict[str, str]:
    """Number by documents that are the same but for numbers, then by those that come nearest."""
    pairs = list(_pairs(expected, actual))
    names: dict[str, str] = {}
    given: set[str] = set()

    def give(numbers: list[str], found: list[str]) -> None:
        for number, name in zip(numbers, found, strict=False):
            if name not in names and number not in given and _family(name) == _family(number):
                names[name] = number
                given.add(number)

    for old, new in pairs:
        give(old.own, new.own)
    for old, new in pairs:
        if old.kind == new.kind:
            give(old.ids, new.ids)
    for old, new in pairs:
        if old.kind == new.kind or names.keys() >= set(new.ids):
            continue
        if len(old.ids) == len(new.ids):
            give(old.ids, new.ids)
        else:
            fields, _ = compare_values(old.value, new.value, "")
            sides = [(_ids(field.before), _ids(field.after)) for field in fields]
            differing = {name for numbers, found in sides for name in (*numbers, *found)}
            same = [name for name in new.ids if name in old.ids and name not in differing]
            for numbers, found in [(same, same), *sides]:
                give(numbers, found)
    return names


def _pairs(expected: list[_Part], actual: list[_Part]) -> Iterator[tuple[_Part, _Part]]:
    waiting: dict[_Kind, list[_Part]] = {}
    for part in reversed(expected):
        waiting.setdefault(part.kind, []).append(part)
    left = actual
    for has_to_suit in (True, False):
        parts, left = left, []
        for part in parts:
            alike = waiting.get(part.kind, [])
            near = range(len(alike) - 1, max(-1, len(alike) - 1 - _CLOSE), -1)
            found = (at for at in near if not has_to_suit or alike[at].suits(part))
            if (at := next(found, None)) is None:
                left.append(part)
            else:
                yield alike.pop(at), part
    left = [part for part in left if part.own]
    remaining = {id(part) for parts in waiting.values() for part in parts}
    rest = [part for part in expected if part.own and id(part) in remaining]
    for place in dict.fromkeys(part.kind[:2] for part in rest):
        yield from _nearest(*([p for p in side if p.kind[:2] == place] for side in (rest, left)))


def _nearest(expected: list[_Part], actual: list[_Part]) -> Iterator[tuple[_Part, _Part]]:
    found = nearest([part.value.raw for part in expected], [part.value.raw for part in actual])
    yield from (
        (part, actual[at]) for part, at in zip(expected, found, strict=True) if at is not None
    )
    left = [part for part, at in zip(expected, found, strict=True) if at is None]
    taken = set(found)
    others = [part for at, part in enumerate(actual) if at not in taken]
    if len(left) == len(others):
        yield from zip(left, others, strict=True)


def _ids(value: Value | None) -> list[str]:
    """Return the ids of a value, in the order of its text."""
    return [name.decode() for name in _RAW_ID.findall(value.raw)] if value else []


def _family(name: str) -> str:
    return name.partition("-")[0]
