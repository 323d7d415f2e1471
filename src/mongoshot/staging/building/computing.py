"""Values computed for each document: sequences, fakes, iterators, callables, models."""

from __future__ import annotations

import datetime
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from mongoshot.errors import MongoshotError, TemplateError
from mongoshot.staging.building.models import (
    build,
    document_factory,
    is_factory,
    is_model,
    model_document,
)
from mongoshot.staging.building.values import Fake, Reference, Sequence

#: Where a value stands: collection, name or position of the document, then keys and positions.
Path = tuple[str | int, ...]

#: Types of most values, which are what they are: a look for all that others may be takes longer.
_PLAIN = frozenset(
    {str, int, float, bool, bytes, type(None), datetime.datetime, ObjectId, Int64, Decimal128}
)


@dataclass(frozen=True, slots=True)
class Later:
    """Stand for what a callable makes of its document, once the rest of that is known."""

    function: Callable[[Any], Any]
    path: Path


def show(path: Path) -> str:
    """Name a field for a person: `orders[0].lines[1].sku`, `orders["first"].total`."""
    collection, *rest = path
    shown = str(collection)
    for at, part in enumerate(rest):
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += f'["{part}"]' if at == 0 else f".{part}"
    return shown


def constant_fields(template: Any) -> dict[str, Any]:
    """Return the fields of a template that are the same in each document."""
    if not isinstance(template, Mapping):
        return {}
    return {key: value for key, value in template.items() if _is_constant(value)}


def _is_constant(value: Any) -> bool:
    if type(value) is dict:
        return all(map(_is_constant, value.values()))
    return all(map(_is_constant, value)) if type(value) is list else type(value) in _PLAIN


class Computing:
    """Compute values as one test goes on: counts, and what is random, begin with it."""

    def __init__(self, seed: int) -> None:
        """Make values that depend on `seed`."""
        self._seed = seed
        self._counts: dict[Sequence, int] = {}
        self._occurrences: dict[Path, int] = {}
        self._factories: dict[type, Any] = {}
        self._fakers: dict[str, Any] = {}
        self._left = 0  # references and `Later` values that were left as they are

    def rewind(self) -> None:
        """Begin again."""
        self._counts.clear()
        self._occurrences.clear()
        self._factories.clear()

    def document(self, template: Any, given: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        """Make what a template says for a document to which `given` will be added.

        Raises TemplateError.
        """
        if isinstance(template, Mapping):
            return template
        if is_model(template):
            fields: dict[str, Any] = self._attempt(lambda: model_document(template, given), path)
            return fields
        if is_factory(template):
            if template not in self._factories:
                self._factories[template] = self._attempt(lambda: document_factory(template), path)
            factory, seed = self._factories[template], self._seed_at(path)
            built: dict[str, Any] = self._attempt(lambda: build(factory, given, seed), path)
            return built
        takes = self._takes_document(template, path)
        made = self._attempt(lambda: template(dict(given)) if takes else template(), path)
        if is_model(made):
            return self.document(made, given, path)
        if not isinstance(made, Mapping):
            raise TemplateError(
                f"{show(path)}: the template should give a document, not {_kind(made)}"
            )
        return made

    def fields(
        self, document: Mapping[str, Any], constant: Mapping[str, Any], path: Path
    ) -> tuple[dict[str, Any], list[str]]:
        """Compute the fields of a document; return it, and the keys of those that wait for others.

        What is the very object that `constant` has by that key is taken as it is. Raises
        TemplateError.
        """
        computed: dict[str, Any] = {}
        waiting: list[str] = []
        for key, value in document.items():
            if type(value) in _PLAIN or (key in constant and constant[key] is value):
                computed[key] = value
                continue
            before = self._left
            computed[key] = self.value(value, (*path, key))
            if self._left != before:
                waiting.append(key)
        return computed, waiting

    def value(self, value: Any, path: Path) -> Any:
        """Compute a value and what is within it; references and `Later` ones stay what they are.

        Raises TemplateError.
        """
        if type(value) in _PLAIN or isinstance(value, RawBSONDocument):
            return value
        if isinstance(value, Reference):
            self._left += 1
            return value
        if isinstance(value, Mapping):
            return {
                key: each if type(each) in _PLAIN else self.value(each, (*path, key))
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each, (*path, at)) for at, each in enumerate(value)]
        if isinstance(value, Sequence):
            number = self._counts.get(value, value.start)
            self._counts[value] = number + 1
            return self.value(self._attempt(lambda: value.value(number), path), path)
        if isinstance(value, Fake):
            return self.value(self._fake(value, path), path)
        if is_model(value) or is_factory(value):
            return self.value(self.document(value, {}, path), path)
        if isinstance(value, Iterator):
            return self.value(self._attempt(lambda: next(value), path), path)
        if callable(value):
            if self._takes_document(value, path):
                self._left += 1
                return Later(value, path)
            return self.value(self._called(value, path), path)
        return value

    def later(self, later: Later, document: dict[str, Any]) -> Any:
        """Compute what a callable makes of its document as far as that is known."""
        made = self._attempt(lambda: later.function(document), later.path)
        return self.value(made, later.path)

    def _called(self, function: Callable[[], Any], path: Path) -> Any:
        generator = _faker_behind(function)
        if generator is None:
            return self._attempt(function, path)
        # A provider of the user's own Faker: as reproducible, and Faker's state is left alone.
        state, generator.random = generator.random, random.Random(self._seed_at(path))  # noqa: S311 - no secrets
        try:
            return self._attempt(function, path)
        finally:
            generator.random = state

    def _fake(self, fake: Fake, path: Path) -> Any:
        faker = self._fakers.get(fake.locale)
        if faker is None:
            faker = self._fakers[fake.locale] = _open_faker(fake.locale, path)
        faker.seed_instance(self._seed_at(path))
        try:
            provider = getattr(faker, fake.provider)
        except AttributeError:
            raise TemplateError(
                f"{show(path)}: Faker has no provider {fake.provider!r};"
                " https://faker.readthedocs.io lists those that there are"
            ) from None
        return self._attempt(lambda: provider(*fake.arguments, **fake.keywords), path)

    def _seed_at(self, path: Path) -> str:
        # By field and how often that was made, so that one template does not change another.
        place = (path[0], *path[2:])
        count = self._occurrences.get(place, 0)
        self._occurrences[place] = count + 1
        return f"{self._seed} {place} {count}"

    def _takes_document(self, function: Callable[..., Any], path: Path) -> bool:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # of some that are written in C nothing is known
            return False
        needed = [
            each
            for each in parameters
            if each.default is each.empty
            and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        ]
        if len(needed) > 1 or any(each.kind == each.KEYWORD_ONLY for each in needed):
            raise TemplateError(
                f"{show(path)}: a callable is called with nothing, or with its document; this one"
                f" takes {', '.join(each.name for each in needed)}"
            )
        return bool(needed)

    def _attempt(self, function: Callable[[], Any], path: Path) -> Any:
        try:
            return function()
        except StopIteration:
            raise TemplateError(
                f"{show(path)}: the iterator has no more values; take one that does not end, like"
                " sequence([…]), which begins again with each test"
            ) from None
        except MongoshotError as error:
            raise TemplateError(f"{show(path)}: {error}") from None
        except Exception as error:  # the user's code may raise anything
            reason = " ".join(str(error).split())[:300]
            raise TemplateError(f"{show(path)}: {type(error).__name__}: {reason}") from error


def _open_faker(locale: str, path: Path) -> Any:
    try:
        from faker import Faker
    except ImportError:
        raise TemplateError(
            f"{show(path)}: fake() takes the package faker; type: pip install faker"
        ) from None
    try:
        return Faker(locale)
    except AttributeError as error:
        raise TemplateError(f"{show(path)}: Faker does not know the locale: {error}") from None


def _faker_behind(function: Any) -> Any:
    """Return the generator that a provider's bound method draws from, or None."""
    if "faker" not in sys.modules:
        return None
    while hasattr(function, "func") and hasattr(function, "keywords"):
        function = function.func  # functools.partial
    generator = getattr(getattr(function, "__self__", None), "generator", None)
    return generator if isinstance(generator, sys.modules["faker"].Generator) else None


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
