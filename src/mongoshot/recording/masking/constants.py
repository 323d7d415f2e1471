"""Values that are written beside documents: in queries, validators, filters of indexes, views.

A manifest keeps the queries of its recipe, and metadata files the definitions of collections. No
mask changes these: an e-mail address that is masked in all documents may still stand there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mongoshot.recording.masking import masks
from mongoshot.recording.masking.plan import Plan
from mongoshot.snapshot import elements
from mongoshot.snapshot.elements import iterate_elements
from mongoshot.snapshot.model import Definition

_INNER: Final = (elements.DOCUMENT, elements.ARRAY)
#: Types whose values tell nothing of anybody.
_NO_VALUES: Final = (
    elements.BOOLEAN,
    elements.NULL,
    elements.UNDEFINED,
    elements.MIN_KEY,
    elements.MAX_KEY,
)
#: Operators whose operands are about fields, and are no values of them.
_ABOUT_FIELDS: Final = frozenset({b"$exists", b"$type", b"$size", b"$comment"})

#: Operators that may be about any field: programs, and words of whatever is in a text index.
_OPAQUE: Final = frozenset({b"$where", b"$function", b"$text"})

#: Keywords of a JSON schema with values in them, and with the names of fields.
_SCHEMA_VALUES: Final = frozenset({b"enum", b"minimum", b"maximum", b"pattern"})
_SCHEMA_FIELDS: Final = frozenset({b"properties", b"patternProperties"})


def masked_constants(query: bytes, plan: Plan) -> list[str]:
    """Return the paths of masked fields that a query, a BSON document, compares with values.

    A field that an expression (`$expr`) names counts, whatever it is compared with; so does all
    that may be about any field, such as `$where`.
    https://www.mongodb.com/docs/manual/reference/operator/query/
    """
    return sorted(set(_in_query(query, 0, (), plan)))


def constants_of(definition: Definition, plans: Mapping[str, Plan]) -> list[tuple[str, str]]:
    """Return where in a definition there are values of masked fields, with the fields' paths.

    `plans` are those of all collections that are captured. Looks into validators, the filters of
    partial indexes, and the `$match` stages of a view.
    """
    found = []
    plan = plans[definition.name]
    for key, at in _documents(definition.options):
        if key == b"validator":
            found += [("validator", path) for path in _in_query(definition.options, at, (), plan)]
        elif key == b"pipeline":
            below = plans.get(str(definition.decoded_options().get("viewOn")))
            for _, stage in _documents(definition.options, at) if below else ():
                for name, match in _documents(definition.options, stage):
                    if name == b"$match" and below:
                        paths = _in_query(definition.options, match, (), below)
                        found += [("pipeline", path) for path in paths]
    for index in definition.indexes:
        for key, at in _documents(index):
            if key == b"partialFilterExpression":
                found += [("partial indexes", path) for path in _in_query(index, at, (), plan)]
    return sorted(set(found))


def _documents(buffer: bytes, start: int = 0) -> Iterator[tuple[bytes, int]]:
    for kind, key, at, _ in iterate_elements(buffer, start):
        if kind in _INNER:
            yield key, at


def _in_query(
    buffer: bytes, start: int, above: tuple[str, ...], plan: Plan, *, array: bool = False
) -> Iterator[str]:
    for kind, key, at, stop in iterate_elements(buffer, start):
        if not array and key in _ABOUT_FIELDS:
            continue
        if key == b"$jsonSchema" and kind == elements.DOCUMENT:
            yield from _in_schema(buffer, at, (), plan)
            continue
        if key in _OPAQUE:
            if any(each.rule.mask.name != masks.KEEP for each in plan.rules):
                yield f"{plan.root.shown} ({key.decode()})"
            continue
        path = above
        if not array and not key.startswith(b"$"):
            names = key.decode(errors="replace").split(".")
            path += tuple(name for name in names if not name.isdigit())
        if kind in _INNER:
            yield from _in_query(buffer, at, path, plan, array=kind == elements.ARRAY)
        elif kind == elements.STRING and buffer[at + 4 : at + 5] == b"$" and not above:
            field = buffer[at + 5 : stop - 1].decode(errors="replace")  # `"$email"` of an $expr
            yield from _masked(tuple(field.split(".")), plan)
        elif kind not in _NO_VALUES:
            yield from _masked(path, plan)


def _in_schema(buffer: bytes, start: int, path: tuple[str, ...], plan: Plan) -> Iterator[str]:
    for kind, key, at, _ in iterate_elements(buffer, start):
        if key in _SCHEMA_VALUES:
            yield from _masked(path, plan)
        elif key in _SCHEMA_FIELDS and kind == elements.DOCUMENT:
            for name, inner in _documents(buffer, at):
                below = (*path, name.decode(errors="replace"))
                yield from _in_schema(buffer, inner, below, plan)
        elif kind in _INNER:
            yield from _in_schema(buffer, at, path, plan)


def _masked(path: tuple[str, ...], plan: Plan) -> Iterator[str]:
    if path and (node := plan.most_masked(path)).changes:
        yield node.shown
