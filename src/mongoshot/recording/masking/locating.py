"""Where in a document a hit of the scan lies, and whether a rule covers it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mongoshot.recording.masking import naming
from mongoshot.recording.masking.findings import Finding
from mongoshot.recording.masking.plan import APPLY, DROP, KEEP, NULL, PASS, REDACT, Node
from mongoshot.recording.masking.scanning import Hit
from mongoshot.recording.masking.values import EMPTY, NUMBERS, TEXTS
from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import MAXIMUM_DEPTH, iterate_elements

#: Types whose bytes are texts, or may be.
_SEARCHED: Final = TEXTS | {
    elements.BINARY,
    elements.REGULAR_EXPRESSION,
    elements.CODE,
    elements.CODE_WITH_SCOPE,
    elements.DB_POINTER,
}
_INNER: Final = (elements.DOCUMENT, elements.ARRAY)

_NUMERIC: Final = ("card number", "US social security number", "French NIR", "Brazilian CPF")

_BY_KIND: Final = {
    "card number": "card",
    "IBAN": "iban",
    "password hash": "hash",
    "French NIR": "digits",
    "US social security number": "digits",
}


def locate(document: bytes, hits: Sequence[Hit], root: Node) -> Iterator[Finding]:
    """Tell what no rule covers of what was found; the hits count from the document's start."""
    if root.action not in (KEEP, DROP):
        yield from _within(document, 0, hits, root, array=False, depth=1)


def _within(
    buffer: bytes, start: int, hits: Sequence[Hit], node: Node, *, array: bool, depth: int
) -> Iterator[Finding]:
    if depth > MAXIMUM_DEPTH:  # the walk that masks says so
        return
    for kind, key, at, stop in iterate_elements(buffer, start):
        name_start = at - len(key) - 2
        inside = [hit for hit in hits if name_start <= hit.start < stop]
        if not inside:
            continue
        child = node.child(key, array)
        in_key = next((hit for hit in inside if hit.start < at and not hit.exact), None)
        if in_key is not None and child.action not in (DROP, KEEP):
            # The key is no value: what is below the parent has to go, or to be kept.
            yield Finding(node.shown, "secret", f"{in_key.what} as a key", "redact")
        if child.action in (KEEP, DROP, NULL, REDACT):
            continue
        by_name = any(hit.exact and hit.what is None and hit.start == at for hit in inside)
        if kind in _INNER:
            if by_name:
                yield from _named(buffer, at, kind, child, key)
            yield from _within(
                buffer, at, inside, child, array=kind == elements.ARRAY, depth=depth + 1
            )
        else:
            what = _what(buffer, kind, key, at, stop, inside)
            if what and not _covers(child, what):
                yield _finding(child, what)


def _covers(node: Node, what: str) -> bool:
    """Tell whether the mask of a field hides a secret: `digits` leaves the letters."""
    if node.action != APPLY or node.rule is None:
        return False
    return node.rule.mask.name != "digits" or what in _NUMERIC


def _what(
    buffer: bytes, kind: int, key: bytes, at: int, stop: int, hits: Sequence[Hit]
) -> str | None:
    """Tell what a value is, by itself or by its name."""
    by_name = False
    for hit in hits:
        if hit.exact and hit.start == at:
            by_name |= hit.what is None
            if hit.what and kind in NUMBERS:
                return hit.what
        elif not hit.exact and hit.start >= at and kind in _SEARCHED:
            return hit.what
    return _by_name(buffer, kind, key, at, stop) if by_name else None


def _by_name(buffer: bytes, kind: int, name: bytes, at: int, stop: int) -> str | None:
    told = naming.category(name)
    if told is None:
        return None
    secret = False
    if kind in TEXTS or kind == elements.CODE:
        secret = naming.is_secret(told, name, buffer[at + 4 : stop - 1])
    elif kind == elements.BINARY:
        secret = stop - at > 5 and told != "number"
    elif kind in NUMBERS:
        secret = told == "number"
    return "a secret by its name" if secret else None


def _named(buffer: bytes, at: int, kind: int, node: Node, name: bytes) -> Iterator[Finding]:
    """Look at the values directly below a name that tells."""
    for inner, key, start, stop in iterate_elements(buffer, at):
        child = node.child(key, kind == elements.ARRAY)
        if child.action != PASS or inner in EMPTY or naming.category(key):
            continue
        if naming.is_description(key):
            continue
        what = _by_name(buffer, inner, name, start, stop)
        if what and (kind == elements.ARRAY or naming.category(name) == "password"):
            yield _finding(child, what)


def _finding(node: Node, what: str) -> Finding:
    advice = _BY_KIND.get(what, "redact")
    if node.unique and advice == "redact":
        advice = "text"
    return Finding(node.shown, "secret", what, advice)
