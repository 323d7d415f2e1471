"""What stands in a template for a value that is made for each document: sequence, fake, ref."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mongoshot.errors import TemplateError


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """Number documents: the n-th value is made by `value`, n from `start` on.

    The count is kept by whoever makes documents, and begins again with each test.
    """

    value: Callable[[int], Any]
    start: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Fake:
    """Stand for what a provider of Faker gives, with these arguments."""

    provider: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    locale: str = "en_US"


@dataclass(frozen=True, slots=True)
class Reference:
    """Stand for a field of another document, by the document's name or its position."""

    collection: str
    document: str | int
    path: str = "_id"

    def __str__(self) -> str:
        """Return it as it is typed."""
        at = f", field={self.path!r}" if self.path != "_id" else ""
        return f"ref({self.collection!r}, {self.document!r}{at})"


def sequence(pattern: str | Callable[[int], Any] | list[Any] = "{}", *, start: int = 1) -> Sequence:
    """Give each document the next value of a sequence, which begins again with each test.

    `sequence("user-{}")` gives "user-1", "user-2", …; `sequence(lambda n: n * 10)` what the
    function makes of 1, 2, …; a list its elements, from the first again after the last; and
    `sequence()` the numbers themselves. `start` is the first number.

    Raises TemplateError for anything else, and for a pattern without a place for the number.
    """
    if isinstance(pattern, str):
        if pattern == "{}":
            return Sequence(int, start)
        try:
            distinct = pattern.format(1) != pattern.format(2)
        except (IndexError, KeyError, ValueError, AttributeError, TypeError):
            distinct = False
        if not distinct:
            raise TemplateError(
                f"sequence({pattern!r}) has no place for the number: write {{}} there, as in"
                ' sequence("user-{}")'
            )
        return Sequence(pattern.format, start)
    if isinstance(pattern, list | tuple) and pattern:
        values = tuple(pattern)
        return Sequence(lambda n: values[(n - start) % len(values)], start)
    if callable(pattern):
        return Sequence(pattern, start)
    raise TemplateError(
        "sequence takes a text with {} in it, a function of a number, or a list with values in it,"
        f" not {pattern!r}"
    )


def fake(provider: str, /, *arguments: Any, locale: str = "en_US", **keywords: Any) -> Fake:
    """Give each document a value of Faker's: `fake("email")`, `fake("pyint", max_value=9)`.

    What it gives depends on the builder's seed, the collection, the field, and how many documents
    the test has made there before: another template or another field does not change it.
    https://faker.readthedocs.io/en/stable/providers.html
    """
    return Fake(provider, arguments, keywords, locale)


def ref(collection: str, document: str | int = 0, *, field: str = "_id") -> Reference:
    """Refer to another document: `ref("customers", "alice")`, `ref("customers", 0)`.

    Documents have names where they are given to `create` as a mapping of names to documents, and
    keep them for the test; positions count from 0 among those of the same call, whatever the order
    of its collections, and from the last with -1. `field` is a path with dots.
    """
    return Reference(collection, document, field)
