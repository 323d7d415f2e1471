"""What an expectation says of a collection's definition, part by part, as a person calls them."""

from __future__ import annotations

from collections.abc import Mapping

from mongoshot.comparison.documents import Value, compare_values
from mongoshot.comparison.expectation.filtering import document_of
from mongoshot.comparison.expectation.model import members
from mongoshot.snapshot.elements import DOCUMENT


def name_parts(definition: Value | None) -> dict[str, Value]:
    """Return what a definition consists of, by name: `type`, `option validator`, `index _id_`."""
    parts: dict[str, Value] = {}
    for name, value in (members(definition) if definition else {}).items():
        if name in ("options", "indexes") and value.type == DOCUMENT:
            kind = "option" if name == "options" else "index"
            parts |= {f"{kind} {key}": each for key, each in members(value).items()}
        else:
            parts[name] = value
    return parts


def definition_updates(sides: Mapping[str, Value]) -> dict[str, Value]:
    """Return what has changed from one definition to another, by name and path in that part.

    Takes the definitions `before` and `after`, and gives documents with these sides, each as far
    as it is there.
    """
    old, new = (name_parts(sides.get(side)) for side in ("before", "after"))
    updates: dict[str, Value] = {}
    for name in {**new, **old}:
        before, after = old.get(name), new.get(name)
        if before and after:
            fields, reordered = compare_values(before, after, name)
            if reordered:  # an index of the same fields in another order is another index
                updates[name] = _update(before, after)
            else:
                updates |= {each.path: _update(each.before, each.after) for each in fields}
        else:
            updates[name] = _update(before, after)
    return updates


def _update(before: Value | None, after: Value | None) -> Value:
    sides = {"before": before, "after": after}
    return document_of({side: value for side, value in sides.items() if value is not None})
