"""What looks like data of people, and is written where no rule names it: a hint, not an error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mongoshot.recording.masking.findings import shown_key
from mongoshot.recording.masking.plan import KEEP, PASS, STOP, Node
from mongoshot.recording.masking.values import TEXTS
from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import MAXIMUM_DEPTH, iterate_elements

#: Paths that are remembered, for what a misspelled rule may mean.
_PATHS = 2000

_INNER = (elements.DOCUMENT, elements.ARRAY)

_EMAIL = re.compile(rb"[^\s@<>\"]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PHONE = re.compile(
    rb"(?:\+|00)[1-9][0-9 ()./-]{7,18}[0-9]|\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}"
    rb"|[0-9]{3}-[0-9]{3}-[0-9]{4}"
)
_PERSON = re.compile(
    r"(?:first|last|full|given|family|middle|sur|customer|user|contact)_?-?name|surname"
    r"|name_(?:first|last)",
    re.IGNORECASE,
)
#: A `name` may be anything's; these look like those of people.
_FULL_NAME = re.compile(
    rb"[A-Z\xc3-\xc5][\w'.\x80-\xff-]+(?: [A-Z\xc3-\xc5][\w'.\x80-\xff-]*){1,3}"
)
_BIRTH = re.compile(r"(?:birth_?-?(?:day|date)|date_?-?of_?-?birth|dob|born)(?:_?(?:at|on))?", re.I)
_ADDRESS = re.compile(r"(?:street|address|addr)_?-?(?:line)?_?-?[0-9]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hint:
    """Say that a field looks like data of people: in `count` values of `documents` looked at."""

    path: str
    looks_like: str
    count: int
    documents: int


class Hints:
    """Look at some documents of a collection, closely; `paths` are those of their fields."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._counts: Counter[tuple[str, str]] = Counter()
        self.documents = 0
        self.paths: set[str] = set()

    def look(self, document: bytes) -> None:
        """Count what a document, as it was captured, has in it that no rule names."""
        self.documents += 1
        self._counts.update(self._within(document, 0, self._root, "", False, 1))

    def found(self) -> list[Hint]:
        """Return what was seen, by path."""
        return [
            Hint(path, what, count, self.documents)
            for (path, what), count in sorted(self._counts.items())
        ]

    def _within(
        self, buffer: bytes, start: int, node: Node, above: str, array: bool, depth: int
    ) -> Iterator[tuple[str, str]]:
        if depth > MAXIMUM_DEPTH:
            return
        for kind, key, at, stop in iterate_elements(buffer, start):
            child = node.child(key, array)
            if not array and _EMAIL.fullmatch(key) and node.action != KEEP:
                yield node.shown, "e-mail addresses as keys"
            if len(self.paths) < _PATHS:
                self.paths.add(child.shown)
            name = above if array else shown_key(key).strip(".")
            if kind in _INNER:
                yield from self._within(buffer, at, child, name, kind == elements.ARRAY, depth + 1)
            elif child.action in (PASS, STOP):
                what = _what(kind, name, above, buffer[at:stop])
                if what:
                    yield child.shown, what


def _what(kind: int, name: str, above: str, raw: bytes) -> str | None:
    if kind == elements.DATE or kind in TEXTS:
        if _BIRTH.fullmatch(name):
            return "birth dates"
        if kind == elements.DATE:
            return None
    if kind not in TEXTS or len(raw) <= 5:
        return None
    text = raw[4:-1]
    if _EMAIL.fullmatch(text):
        return "e-mail addresses"
    if _PHONE.fullmatch(text):
        return "phone numbers"
    named = _PERSON.fullmatch(name) or (above == "name" and name in ("first", "last"))
    if named or (name == "name" and _FULL_NAME.fullmatch(text)):
        return "names"
    return "addresses" if _ADDRESS.fullmatch(name) else None
