"""What the indexes of a collection say of a path: whether following it has to read everything."""

from __future__ import annotations

from collections.abc import Mapping

from mongoshot.recording.selection.model import Reference
from mongoshot.snapshot.model import Definition


def is_indexed(definition: Definition, keys: tuple[str, ...]) -> bool:
    """Tell whether the server can find documents by values at that path without reading all."""
    path = ".".join(keys)
    for index in definition.decoded_indexes():
        if "partialFilterExpression" in index or index.get("hidden"):
            continue  # finds some documents alone, or none
        first = next(iter(index["key"]), "")
        if first == path and index["key"][first] in (1, -1, "hashed"):
            return True
        if first.endswith("$**") and f"{path}.".startswith(first.removesuffix("$**")):
            return True
    return keys == ("_id",)


def is_unique(definition: Definition, keys: tuple[str, ...]) -> bool:
    """Tell whether no two documents can have the same value at that path."""
    path = ".".join(keys)
    return keys == ("_id",) or any(
        index.get("unique")
        and list(index["key"]) == [path]
        and "partialFilterExpression" not in index
        for index in definition.decoded_indexes()
    )


def unindexed_paths(
    reference: Reference, definitions: Mapping[str, Definition], *, up: bool
) -> tuple[str, ...]:
    """Return what a reference is followed by without an index: `orders.customer_id`.

    Down, that is its key; with `up`, also the field that holds it.
    """
    asked = [(reference.target, reference.target_keys)]
    if up:
        asked.append((reference.collection, reference.keys))
    return tuple(
        f"{name}.{'.'.join(keys)}"
        for name, keys in asked
        if name in definitions and not is_indexed(definitions[name], keys)
    )
