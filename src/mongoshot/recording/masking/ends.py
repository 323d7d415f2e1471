"""Whether both ends of a reference have the same mask, without which it leads nowhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from mongoshot.recording.masking.plan import DROP, NULL, Node, Plan
from mongoshot.recording.selection.model import Reference


def unlike_ends(references: Iterable[Reference], plans: Mapping[str, Plan]) -> list[str]:
    """Return a line for each reference that masks break: its two ends, and what to type.

    `plans` are those of the collections that are captured; a reference into another is none here.
    """
    found = []
    for reference in references:
        holder, target = plans.get(reference.collection), plans.get(reference.target)
        if holder is not None and target is not None:
            field = holder.most_masked(reference.path)
            key = target.most_masked(reference.key)
            if not _agree(field, key):
                found.append(f"{_told(field)}, but {_told(key)}: {_advice(field, key)}")
    return found


def _agree(field: Node, key: Node) -> bool:
    if field.action in (DROP, NULL):
        return True  # it refers to nothing any more
    mask = _mask(field)
    # Dates are shifted by the document that they are in.
    return mask == _mask(key) and not mask.startswith("shift-date")


def _mask(node: Node) -> str:
    return node.rule.mask.text if node.changes and node.rule else ""


def _told(node: Node) -> str:
    mask = _mask(node)
    return f"{node.shown} is masked by {mask}" if mask else f"{node.shown} stays as it is"


def _advice(field: Node, key: Node) -> str:
    mask = _mask(key)
    if not mask:
        # Which of both should change nobody knows; a key in use is better left as it is.
        return f"mask both alike, or none, as with --mask {shlex.quote(f'{field.shown}=keep')}"
    if key.action in (DROP, NULL) or mask.startswith("shift-date"):
        mask = "null"
    return f"--mask {shlex.quote(f'{field.shown}={mask}')}"
