"""Say how Extended JSON can look, and why a value cannot be written in it.

Source of the format:
https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from json.encoder import encode_basestring
from typing import Final

from mongoshot.snapshot.bounds import FEW_CHARACTERS, MOST_VALUES

RESERVED_KEYS: Final = frozenset(
    {
        "$binary",
        "$code",
        "$date",
        "$dbPointer",
        "$maxKey",
        "$minKey",
        "$numberDecimal",
        "$numberDouble",
        "$numberInt",
        "$numberLong",
        "$oid",
        "$regularExpression",
        "$scope",
        "$symbol",
        "$timestamp",
        "$undefined",
        "$uuid",
    }
)
"""Keys that make an object a type wrapper: no document that has one can be told from a wrapper."""

REMEMBERED_KEYS: Final = 4096
REMEMBERED_KEY_SIZE: Final = 128
"""Keys remembered at a time, and the length up to which one is.

Documents of a collection share their keys, but those of a hostile one must not fill the memory."""

Write = Callable[["Style", bytes, int, int], tuple[str, int]]
"""Write the payload of the value at an offset of a buffer.

Takes the style, the buffer, the offset of the raw value, and its level (1 for the outermost); gives
the text and the offset behind the value."""

Form = tuple[Write, str, str]
"""How a value is written: its payload, and the text before and after that."""

STRINGS: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""Strings of JSON. One without an end goes to the end of the text, so that each character is looked
at once, whatever the text."""

# What JSON allows in a string but some tool takes for a line break or a control character.
_CONTROLS: Final = re.compile("[\x7f-\x9f\u2028\u2029]")


class Refusal(Exception):  # noqa: N818 - a signal between the modules of the writer, not an error
    """Carry out of the walk why a value has no exact text, and the path to it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._reason = reason
        self._path: list[str] = []

    def at(self, step: str) -> None:
        """Put a step of the path (`.key` or `[3]`) before those that are known."""
        self._path.append(step)

    def explanation(self) -> str:
        """Give the message: the path to the value, and the reason."""
        path = "".join(reversed(self._path)).removeprefix(".")
        subject = "the field " + (path or '""') if self._path else "the value"
        return f"Extended JSON cannot hold {subject} exactly: {self._reason}"


class Heads(dict[bytes, Form]):
    """Remember how the fields met so far are written, by their type byte and key."""

    def __init__(self, forms: dict[int, Form], colon: str) -> None:
        super().__init__()
        self._forms = forms
        self._colon = colon

    def __missing__(self, head: bytes) -> Form:
        write, before, after = self._forms[head[0]]
        try:
            key = head[1:].decode()
        except UnicodeDecodeError as error:
            raise Refusal(f"its key is not valid UTF-8 at byte {error.start} of the key") from None
        if key in RESERVED_KEYS:
            raise Refusal(f"its key {key} is reserved for a type wrapper")
        form = (write, quoted(key) + self._colon + before, after)
        if len(head) <= REMEMBERED_KEY_SIZE:
            if len(self) >= REMEMBERED_KEYS:
                self.clear()
            self[head] = form
        return form


@dataclass(frozen=True, slots=True)
class Style:
    """Say how Extended JSON looks."""

    forms: dict[int, Form]
    """How a value of each type is written, by type byte."""
    heads: Heads
    """The same with a key before it, by type byte and key."""
    colon: str
    """What separates a key from its value."""
    comma: str
    """What separates members that stand on one line."""
    indent: int | None = None
    """Spaces per level where every member has its own line; None for all on one line."""

    def indented(self, indent: int | None) -> Style:
        """Give this style with another indent."""
        return self if indent == self.indent else replace(self, indent=indent)


def quoted(text: str) -> str:
    """Write a string as JSON that is one line in every tool, and escape nothing beyond that."""
    return without_controls(encode_basestring(text))


def without_controls(encoded: str) -> str:
    """Escape, in a JSON string, the control characters and line breaks that JSON itself allows."""
    if encoded.isprintable():
        return encoded
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded)


def has_too_many_values(text: str) -> bool:
    """Tell whether a text of JSON has more values than are read; of others it may say either."""
    if len(text) <= FEW_CHARACTERS or _count_values(text) <= MOST_VALUES:
        return False
    return _count_values(STRINGS.sub('""', text)) > MOST_VALUES


def _count_values(text: str) -> int:
    return text.count(",") + text.count("{") + text.count("[")
