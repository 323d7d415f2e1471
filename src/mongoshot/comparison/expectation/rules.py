"""What an assertion asks to be left out, or to be compared otherwise than exactly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from mongoshot.comparison.documents import Value, unique_fields
from mongoshot.comparison.inline.expected import equals
from mongoshot.comparison.sameness import Rule
from mongoshot.errors import UsageError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, NULL, framed, iterate_elements
from mongoshot.snapshot.paths import Pattern, parse_pattern, path_step

#: How much of a collection is compared: all of it; what is expected must be there, and more may
#: be; nothing.
Mode = Literal["exact", "contains", "ignore"]


@dataclass(frozen=True, slots=True)
class Asked(Rule):
    """Ask a Python object whether it equals what is, whatever the stored expectation has there."""

    object: Any

    def same(self, expected: Value, actual: Value) -> bool:  # noqa: ARG002 - as a matcher
        """Leave it to `accepts`, which sees the value itself and not what stands for it."""
        return True

    def accepts(self, actual: Value) -> bool:
        """Tell whether the object says that it equals the value; UsageError where it fails."""
        try:
            return equals(self.object, actual)
        except Exception as error:
            raise UsageError(
                f"match: an object of {type(self.object).__name__} was compared with"
                f" {str(actual)!r:.100}, and failed: {error!r:.200}; let its == give True or False"
            ) from error


@dataclass(frozen=True)
class Scope:
    """Hold what the rules say of one collection.

    Paths are those of `FieldChange`. Of several matchers for one path the last one counts.
    """

    mode: Mode = "exact"
    excluded_paths: tuple[str, ...] = ()
    matchers: tuple[tuple[str, Rule], ...] = ()

    @cached_property
    def _exclusion(self) -> re.Pattern[str]:
        # What lies below an excluded path is excluded, too.
        return re.compile(rf"(?:{'|'.join(self.excluded_paths)})(?=[.\[]|$)")

    @cached_property
    def _matching(self) -> list[tuple[re.Pattern[str], Rule]]:
        return [(re.compile(path), matcher) for path, matcher in reversed(self.matchers)]

    def excludes(self, path: str) -> bool:
        """Tell whether a field is left out, or a document that it is in."""
        return bool(self.excluded_paths and self._exclusion.match(_dotted(path)))

    def matcher(self, path: str) -> Rule | None:
        """Return what compares the values of a field, None where they are compared exactly."""
        dotted = _dotted(path)
        return next((m for pattern, m in self._matching if pattern.fullmatch(dotted)), None)

    @property
    def free_identity(self) -> bool:
        """Tell whether documents are not told apart by their `_id`."""
        return self.excludes("_id") or self.matcher("_id") is not None

    @property
    def asks(self) -> bool:
        """Tell whether any value is compared with a Python object."""
        return any(isinstance(matcher, Asked) for _, matcher in self.matchers)

    def strip(self, document: bytes) -> bytes:
        """Return a document without the fields that are left out."""
        return (
            self.strip_value(Value(DOCUMENT, document), "").raw if self.excluded_paths else document
        )

    def leaves_out(self, path: str, *, matched: bool = False) -> bool:
        """Tell whether a field is left out; with `matched`, also one that a matcher compares."""
        return self.excludes(path) or (matched and self.matcher(path) is not None)

    def strip_value(self, value: Value, path: str, *, matched: bool = False) -> Value:
        """Return the value of the field `path` without what is left out of it.

        Where elements of an array come behind one that is left out, null stands for it: they keep
        their places, so that the same is left out of what this returns, and no more.
        """
        if value.type not in (DOCUMENT, ARRAY) or unique_fields(value) is None:
            return value
        members: list[bytes] = []
        in_array = value.type == ARRAY
        for at, (kind, key, start, end) in enumerate(iterate_elements(value.raw)):
            inner = (path + path_step(key, in_array)).removeprefix(".")
            if not self.leaves_out(inner, matched=matched):
                kept = self.strip_value(Value(kind, value.raw[start:end]), inner, matched=matched)
                if in_array:
                    members += (b"%c%d\0" % (NULL, gap) for gap in range(len(members), at))
                members.append(bytes([kind]) + key + b"\0" + kept.raw)
        return Value(value.type, framed(b"".join(members)))


_EXACT = Scope()


@dataclass(frozen=True)
class Rules:
    """Hold what an assertion asks for; falsy where that is nothing.

    `exclude` are patterns of what is left out; `match` what compares the fields that a pattern
    means; `collections` the mode by a collection's name, `*` for all others.
    """

    exclude: tuple[Pattern, ...] = ()
    match: tuple[tuple[Pattern, Rule], ...] = ()
    collections: Mapping[str, Mode] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return bool(self.exclude or self.match or self.collections)

    def __or__(self, other: Rules) -> Rules:
        """Return these rules and others; where both speak of the same, the others count."""
        return Rules(
            self.exclude + other.exclude,
            self.match + other.match,
            {**self.collections, **other.collections},
        )

    def of(self, collection: str) -> Scope:
        """Return what they say of a collection."""
        if not self:
            return _EXACT
        mode: Mode = self.collections.get(collection, self.collections.get("*", "exact"))
        excluded = [path for pattern in self.exclude for path in pattern.within(collection)]
        if "" in excluded:
            mode = "ignore"
        matchers = [
            (path, each) for pattern, each in self.match for path in pattern.within(collection)
        ]
        return Scope(mode, tuple(excluded), tuple(matchers))


def make_rules(exclude: object = None, match: object = None, collections: object = None) -> Rules:
    """Make rules of what a user has written.

    `exclude` is a pattern or several; `match` a mapping of patterns to matchers, or to any object
    that is compared with the actual value by `==`; `collections` a mapping of names to modes.
    Raises UsageError for anything else.
    """
    return Rules(_patterns(exclude), _matchers(match), _modes(collections))


def _patterns(exclude: object) -> tuple[Pattern, ...]:
    texts = [exclude] if isinstance(exclude, str) else exclude
    if texts is None:
        return ()
    if not isinstance(texts, Iterable) or isinstance(texts, Mapping | bytes):
        raise UsageError(
            'exclude takes paths such as ["orders.items[].updated_at", "*.etag"], not'
            f" {exclude!r:.100}"
        )
    return tuple(parse_pattern(text, "exclude") for text in texts)


def _matchers(match: object) -> tuple[tuple[Pattern, Rule], ...]:
    if match is None:
        return ()
    if not isinstance(match, Mapping):
        raise UsageError(
            'match takes a mapping of paths to matchers, such as {"orders.total": within(0.01)},'
            f" not {match!r:.100}"
        )
    return tuple(
        (parse_pattern(path, "match"), _rule(path, matcher)) for path, matcher in match.items()
    )


def _rule(path: object, matcher: object) -> Rule:
    if isinstance(matcher, Rule):
        return matcher
    if isinstance(matcher, type):
        raise UsageError(
            f"match: {path!r:.100} is given the class {matcher.__name__}; give an object:"
            " same_type, within(0.01), unordered, by_value, or any that defines =="
        )
    *classes, _ = type(matcher).__mro__
    if matcher is not None and not any("__eq__" in vars(each) for each in classes):
        raise UsageError(
            f"match: {path!r:.100} is given {matcher!r:.100}, which equals nothing but itself;"
            " give same_type, within(0.01), unordered, by_value, or any object that defines =="
        )
    return Asked(matcher)


def _modes(collections: object) -> dict[str, Mode]:
    if collections is None:
        return {}
    if not isinstance(collections, Mapping):
        raise UsageError(
            'collections takes a mapping of names to modes, such as {"audit": "ignore"}, not'
            f" {collections!r:.100}"
        )
    for name, mode in collections.items():
        if not isinstance(name, str) or mode not in get_args(Mode):
            raise UsageError(
                f"collections: {name!r:.100} is given {mode!r:.100}; the modes are"
                f" {', '.join(get_args(Mode))}"
            )
    return dict(collections)


def _dotted(path: str) -> str:
    return path if not path or path.startswith("[") else f".{path}"
