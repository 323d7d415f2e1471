"""Paths of fields, and patterns of such: which fields of which collections a rule is about.

A pattern names a collection and a path in its documents: `orders.items[].updated_at`. A step is a
field; `[]` any element of an array, `[3]` one of them; `*` any field, or, at the beginning, any
collection; `**` any number of steps, none too. Within a name, `*` stands for any characters:
`orders.*_at`. A name with other than letters, digits, `_`, `-` and `$` stands as a JSON string in
brackets, and is then literal: `["audit.log"].at`, `orders["a.b"]`. A collection's dots may also
stand as they are: `audit.log.at` is the field `at` of `audit.log`, and `log.at` of `audit`.

A pattern that names a collection alone is about all of its documents.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from mongoshot.errors import UsageError
from mongoshot.snapshot.elements import MAXIMUM_DEPTH
from mongoshot.snapshot.encoding.style import quoted

#: A key that is a step of a path as it stands. One with a dot in it is not a path, and one with a
#: dollar before it could be taken for a type wrapper of Extended JSON.
_PLAIN_KEY = re.compile(r"(?!\$)[^.\[\]\"\s]+")
_INDEX_KEY = re.compile(rb"[0-9]+")

_STEP = re.compile(
    r"""
      \.? (?P<name> [\w*$-]+ )
    | \[ (?P<index> [0-9]* ) \]
    | \[ (?P<quoted> "(?:[^"\\]|\\.)*" ) \]
    """,
    re.VERBOSE,
)

# One step of a path as `path_step` writes it, the first one with its dot.
_PLAIN_FIELD = r'\.[^.\[\]"\s]'
_QUOTED_FIELD = r'\["(?:[^"\\]|\\.)*"\]'
_INDEX = r"\[[0-9]+\]"
_ANY_FIELD = rf"(?:{_PLAIN_FIELD}+|{_QUOTED_FIELD})"
_ANY_STEPS = rf"(?:{_PLAIN_FIELD}+|{_QUOTED_FIELD}|{_INDEX})*"


@dataclass(frozen=True, slots=True)
class _Step:
    """Hold one step of a pattern: a name with `*` in it, a literal name, or an index."""

    glob: str | None = None
    literal: str | None = None
    index: str | None = None

    def expression(self) -> str:
        """Write the step, any but `**`, as a regular expression of what `path_step` writes."""
        if self.index is not None:
            return rf"\[{self.index}\]" if self.index else _INDEX
        if self.literal is not None:
            return re.escape(path_step(self.literal.encode(), False))
        if self.glob == "*":
            return _ANY_FIELD
        if "*" not in str(self.glob):
            return re.escape(path_step(str(self.glob).encode(), False))
        return r"\." + _glob(str(self.glob), r'[^.\[\]"\s]')

    def names(self, collection: str) -> bool:
        """Tell whether the step names a collection."""
        if self.glob is None:
            return self.literal == collection
        return bool(re.fullmatch(_glob(self.glob, "."), collection, re.DOTALL))


@dataclass(frozen=True, slots=True)
class Pattern:
    """Hold a pattern, as its text and as its steps."""

    text: str
    steps: tuple[_Step, ...]

    def within(self, collection: str) -> list[str]:
        """Give regular expressions of the paths that it means in a collection; [] for none.

        They are of paths as `FieldChange` has them, with the dot before the first step; "" is the
        whole document.
        """
        first = self.steps[0]
        if first.glob == "**":
            # Any collection, and any number of steps in it.
            return [_expression(self.steps)]
        found = []
        for end in range(1, len(self.steps) + 1):
            head, tail = self.steps[:end], self.steps[end:]
            if end > 1 and any(step.glob is None for step in head):
                break
            named = first if end == 1 else _Step(glob=".".join(str(step.glob) for step in head))
            if named.names(collection):
                found.append(_expression(tail))
            if first.glob == "*":
                break
        return found


def _expression(steps: tuple[_Step, ...]) -> str:
    """Write steps as a regular expression whose matching takes the square of a path, no more.

    What stands between two `**` is met best where it is met first: that is never looked for again.
    """
    groups: list[list[str]] = [[]]
    for step in steps:
        if step.glob == "**":
            groups.append([])
        else:
            groups[-1].append(step.expression())
    first, *others = ("".join(group) for group in groups)
    if not others:
        return first
    between = "".join(f"(?>{_ANY_STEPS}?{group})" for group in others[:-1] if group)
    return f"{first}{between}{_ANY_STEPS}{others[-1]}"


def _glob(name: str, character: str) -> str:
    """Write a name with `*` in it as a regular expression, in the same way."""
    first, *others = map(re.escape, name.split("*"))
    if not others:
        return first
    between = "".join(f"(?>{character}*?{part})" for part in others[:-1] if part)
    return f"{first}{between}{character}*{others[-1]}"


def parse_pattern(text: object, of: str) -> Pattern:
    """Read a pattern; `of` says what it is for.

    Raises UsageError for anything else.
    """
    if not isinstance(text, str):
        raise UsageError(f'{of} takes paths such as "orders.items[].updated_at", not {text!r:.100}')
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        # A dot belongs before each name but the first.
        if found is None or (found["name"] and (at > 0) != (found[0][0] == ".")):
            break
        name, index, quoted = found["name"], found["index"], found["quoted"]
        if (name and "**" in name and name != "**") or len(steps) == MAXIMUM_DEPTH:
            break
        try:
            literal = json.loads(quoted) if quoted else None
            f"{name}{literal}".encode()  # half a surrogate pair is in no name
        except (json.JSONDecodeError, UnicodeEncodeError):
            break
        steps.append(_Step(name, literal, index))
        at = found.end()
    if at < len(text) or not steps or steps[0].index is not None:
        raise UsageError(
            f"{of}: {text!r:.200} is no path{f', from character {at + 1} on' if at else ''}; write"
            ' a collection and its fields: "orders.items[].updated_at", "*.etag",'
            ' "**.updated_at", \'["audit.log"].at\''
        )
    return Pattern(text, tuple(steps))


def path_step(key: bytes, in_array: bool) -> str:
    """Write a key as a step of a path, so that no two paths read the same."""
    if in_array and _INDEX_KEY.fullmatch(key):
        return f"[{key.decode()}]"
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return f"[{key!r}]"
    if in_array or not _PLAIN_KEY.fullmatch(name) or not name.isprintable():
        return f"[{quoted(name)}]"
    return f".{name}"
