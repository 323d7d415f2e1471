"""Give placeholders the numbers that they have in another expectation, as far as they are the same.

A document too many takes a number, and those behind it are not numbered as expected: a reader wants
to be told of the one, and not of all the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from mongoshot.comparison.expectation.model import Expectation, parse_expectation

#: Quotes within a string are escaped: nothing else looks like this in an expectation.
_PLACEHOLDER = re.compile(r'(\{"\$(?:oid|uuid)": ")((ObjectId|UUID)-[0-9]+)')


class _Part(NamedTuple):
    """Hold what is said of one document: its own ids, all ids, and all but their numbers."""

    own: list[str]
    all: list[str]
    masked: str


def renumber(expected: str, actual: str) -> str:
    """Return the text `actual`, its placeholders numbered as in the text `expected`.

    Both are expectations, and the result says what `actual` says. Documents are taken for the same
    that hold the same but for numbers, then, in order, what is left of a collection where as many
    are left on both sides. Raises ExpectationError.
    """
    names: dict[str, str] = {}
    given: set[str] = set()
    pairs = list(_pairs(parse_expectation(expected), parse_expectation(actual)))
    same = [(old.all, new.all) for old, new in pairs if old.masked == new.masked]
    for wanted, found in [*((old.own, new.own) for old, new in pairs), *same]:
        for name, number in zip(found, wanted, strict=False):
            if name not in names and number not in given and _family(name) == _family(number):
                names[name] = number
                given.add(number)
    given |= set(_ids(expected))
    for name in dict.fromkeys(_ids(actual)):
        if name not in names:
            numbers = (f"{_family(name)}-{number}" for number in count(1))
            names[name] = next(number for number in numbers if number not in given)
            given.add(names[name])
    return _PLACEHOLDER.sub(lambda found: found[1] + names[found[2]], actual)


def _pairs(expected: Expectation, actual: Expectation) -> Iterator[tuple[_Part, _Part]]:
    for name in expected.facets.keys() & actual.facets.keys():
        old, new = _by_section(expected, name), _by_section(actual, name)
        for section in old.keys() & new.keys():
            yield from _pairs_of(old[section], new[section])


def _by_section(expectation: Expectation, name: str) -> dict[str, list[_Part]]:
    sections: dict[str, list[_Part]] = {}
    for (section, identity, _), value in expectation.facets[name].items():
        text = str(value)
        own = _ids(str(identity)) if identity else []
        part = _Part(own, _ids(text), _PLACEHOLDER.sub(r"\1\3", text))
        sections.setdefault(section, []).append(part)
    return sections


def _pairs_of(expected: list[_Part], actual: list[_Part]) -> Iterator[tuple[_Part, _Part]]:
    waiting: dict[str, list[_Part]] = {}
    for part in reversed(expected):
        waiting.setdefault(part.masked, []).append(part)
    left = []
    for part in actual:
        if alike := waiting.get(part.masked):
            yield alike.pop(), part
        elif part.own:
            left.append(part)
    rest = [part for part in expected if part.own and part in waiting[part.masked]]
    if len(rest) == len(left):
        yield from zip(rest, left, strict=True)


def _ids(text: str) -> list[str]:
    return [found[2] for found in _PLACEHOLDER.finditer(text)]


def _family(name: str) -> str:
    return name.partition("-")[0]
