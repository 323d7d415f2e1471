"""Documents as their plan wants them, on raw BSON: what no rule names stays byte for byte."""

from __future__ import annotations

import struct
from typing import Final

from mongoshot.errors import InvalidBSONError
from mongoshot.recording.masking.findings import Finding, Findings, shape_of_value
from mongoshot.recording.masking.plan import (
    APPLY,
    DROP,
    KEEP,
    NULL,
    PASS,
    REDACT,
    STOP,
    Node,
    Plan,
)
from mongoshot.recording.masking.values import EMPTY, TEXTS, TYPE_NAMES, Refused, redacted
from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import MAXIMUM_DEPTH, framed, index_keys, value_end

_INNER: Final = (elements.DOCUMENT, elements.ARRAY)
_SIZES: Final = {
    elements.DOUBLE: 8,
    elements.OBJECT_ID: 12,
    elements.DATE: 8,
    elements.NULL: 0,
    elements.INT32: 4,
    elements.INT64: 8,
}
_length = struct.Struct("<i").unpack_from


class Rewriter:
    """Mask the documents of one collection, and find what cannot be."""

    def __init__(self, plan: Plan, findings: Findings) -> None:
        self._plan = plan
        self._findings = findings
        self._document = b""
        self._stopped = False

    def rewrite(self, document: bytes) -> bytes | None:
        """Return what is to be written of a document; None where it is left out.

        It is left out where all of it is dropped, and where something in it may not be written,
        which is then among the findings.
        """
        root = self._plan.root
        if root.action == DROP:
            root.mark_used()
            return None
        self._document = document
        self._stopped = False
        made = self._inner(document, 0, len(document), root, False, 1)
        return None if self._stopped else document if made is None else made

    def _inner(
        self, buffer: bytes, start: int, end: int, node: Node, array: bool, depth: int
    ) -> bytes | None:
        """Return a document or array as it is to be; None where it stays as it is."""
        if depth > MAXIMUM_DEPTH:
            raise InvalidBSONError(f"a document lies more than {MAXIMUM_DEPTH} levels deep")
        parts: list[bytes] = []
        dropped = False
        position = copied = start + 4
        limit = end - 1
        find, known = buffer.find, node.known(array)
        element = node.element() if array else None
        while position < limit:
            kind = buffer[position]
            key_end = find(0, position + 1, limit)
            if key_end < 0:
                raise InvalidBSONError(f"the key at byte offset {position + 1} has no end")
            at = key_end + 1
            if kind == elements.STRING and at + 5 <= limit:
                stop = at + 4 + _length(buffer, at)[0]
                if stop > limit or stop < at + 5:
                    stop = value_end(buffer, kind, at, limit)
            elif kind in _SIZES:
                stop = at + _SIZES[kind]
            else:
                stop = value_end(buffer, kind, at, limit)
            key = buffer[position + 1 : key_end]
            child = element or known.get(key) or node.child(key, array)
            action = child.action
            if action == PASS and not child.alive:
                position = stop
                continue
            if kind in _INNER and action in (PASS, KEEP, APPLY, STOP):
                made = None
                if not child.met:
                    child.mark_used()
                if child.alive or action not in (PASS, KEEP):
                    made = self._inner(buffer, at, stop, child, kind == elements.ARRAY, depth + 1)
                    if stop == at + 5:
                        self._empty_inner(child, kind)
                if made is not None:
                    parts += (buffer[copied:at], made)
                    copied = stop
            elif action == APPLY:
                if not child.met:
                    child.mark_used()
                if kind not in EMPTY:
                    made = self._applied(child, kind, buffer[at:stop])
                    parts += (buffer[copied:at], made)
                    copied = stop
            elif action == PASS:
                self._unnamed(child, kind, buffer, at, stop)
            elif action == STOP:
                self._stop_at_id(child, kind)
            elif action != KEEP:
                if not child.met:
                    child.mark_used()
                parts.append(buffer[copied:position])
                copied = stop
                dropped |= action == DROP
                if action == NULL:
                    parts.append(b"\x0a" + buffer[position + 1 : at])
                elif action == REDACT:
                    parts += (buffer[position:at], redacted(kind, buffer[at:stop]))
            position = stop
        if position != limit:
            raise InvalidBSONError(f"the value before byte offset {position} is too long")
        if not parts:
            return None
        parts.append(buffer[copied:limit])
        members = b"".join(parts)
        return framed(_renumbered(members) if dropped and array else members)

    def _applied(self, node: Node, kind: int, raw: bytes) -> bytes:
        assert node.apply is not None  # noqa: S101 - what APPLY says
        try:
            return node.apply(kind, raw, self._document)
        except Refused as refused:
            advice, what = refused.instead, refused.what
        rule = node.rule.mask.text if node.rule else ""
        self._report(Finding(node.shown, "refused", f"{rule} is given {what}", advice))
        return raw

    def _empty_inner(self, node: Node, kind: int) -> None:
        """Stop at one that no rule is about: it is a field as well."""
        if node.action == PASS and self._plan.deny and not node.reached:
            self._report(Finding(node.shown, "unnamed", TYPE_NAMES[kind], ""))

    def _unnamed(self, node: Node, kind: int, buffer: bytes, at: int, stop: int) -> None:
        if not self._plan.deny or (node.dotted == "_id" and kind == elements.OBJECT_ID):
            return
        shape = ""
        if kind in TEXTS:
            shape = shape_of_value(buffer[at + 4 : min(stop - 1, at + 84)].decode(errors="replace"))
        self._report(Finding(node.shown, "unnamed", TYPE_NAMES[kind], ""), shape)

    def _stop_at_id(self, node: Node, kind: int) -> None:
        if kind == elements.OBJECT_ID or kind in EMPTY:
            return
        rule = node.rule
        what = f"{rule} covers it, but only a rule that names _id can keep ids apart"
        self._report(Finding(node.shown, "refused", what, "keep"))

    def _report(self, finding: Finding, shape: str = "") -> None:
        self._stopped = True
        self._findings.add(finding, shape)


def _renumbered(members: bytes) -> bytes:
    """Give the elements of an array, of which some are gone, the keys "0", "1", … again."""
    array = framed(members)
    found = list(elements.iterate_elements(array))
    return b"".join(
        bytes((kind,)) + key + array[at:stop]
        for key, (kind, _, at, stop) in zip(index_keys(len(found)), found, strict=False)
    )
