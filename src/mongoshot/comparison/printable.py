"""Names and values as text that a terminal only shows: what would command it is spelled out."""

from __future__ import annotations

import re

# What would command a terminal, end a line or turn its direction, where a name or a value holds it;
# and half a surrogate pair, which stands for a byte of the command line that is no character.
_UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Return a text with control characters spelled out, as `\x1b`; line ends stay."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    r"""Return a name that stays within its line: control characters and line ends as `\n`."""
    return printable(text).replace("\n", r"\n")


def printable_json(text: str) -> str:
    r"""Return a text of JSON that says the same, with control characters as `\u001b`."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
