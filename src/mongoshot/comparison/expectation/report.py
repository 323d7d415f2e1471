"""Two expectations that do not say the same → what was expected and what is, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mongoshot.comparison.documents import Value, compare_documents
from mongoshot.comparison.expectation.model import SECTIONS, Expectation, Facet, fields_of, members
from mongoshot.comparison.text import name_path, render_fields, shorten, shorten_both

_OF_THE_COLLECTION = {
    "created": "created",
    "dropped": "dropped",
    "definition": "options or indexes changed",
}


def describe(expectation: Expectation) -> Iterator[str]:
    """Say what an expectation holds, as lines of text."""
    for name, facets in expectation.facets.items():
        yield name
        for facet, value in facets.items():
            yield f"  {_title(facet, value)}"
            yield from (f"  {line}" for line in _details(facet[0], value))


def describe_mismatch(expected: Expectation, actual: Expectation) -> Iterator[str]:
    """Say what was expected and what is, as lines of text: counts first, then every field."""
    names = sorted(
        name
        for name in {*expected.facets, *actual.facets}
        if expected.facets.get(name) != actual.facets.get(name)
    )
    what = "changes" if actual.kind == "changes" else "state"
    if expected.kind != actual.kind:
        yield f"the expectation is of {expected.kind}, and this is a comparison of {actual.kind}"
        return
    yield f"{what} not as expected in {', '.join(names)}"
    for name in names:
        yield name
        for line in _compare(expected.facets.get(name, {}), actual.facets.get(name, {})):
            yield f"  {line}"
    if expected.digest != actual.digest:
        yield (
            f"note: recorded against {expected.scenario} ({expected.digest[7:19]}), which has"
            f" changed since: it is {actual.scenario} ({actual.digest[7:19]}) now"
        )


def _compare(expected: Mapping[Facet, Value], actual: Mapping[Facet, Value]) -> Iterator[str]:
    for facet in [*actual, *(facet for facet in expected if facet not in actual)]:
        old, new = expected.get(facet), actual.get(facet)
        if old == new:
            continue
        if old is None:
            yield f"+ {_title(facet, new)}, which is not expected"
            yield from _details(facet[0], new)
        elif new is None:
            yield f"- {_title(facet, old)}: this is expected, and is not so"
            yield from _details(facet[0], old)
        else:
            yield f"~ {_title(facet)} otherwise than expected"
            yield from _field_by_field(facet[0], old, new)


def _title(facet: Facet, value: Value | None = None) -> str:
    section, identity, _ = facet
    if section == "definition" and value is not None and "after" not in members(value):
        return "the collection: there"  # of a state, which the other state has not
    if section in SECTIONS:
        return f"_id {shorten(identity)}: {SECTIONS[section]}"
    return f"the collection: {_OF_THE_COLLECTION.get(section, section)}"


def _details(section: str, value: Value | None) -> Iterator[str]:
    if section == "updated" and value is not None:
        for path, update in fields_of(value).items():
            yield f"    {name_path(path)}  {_arrow(update)}"
        if order := members(value).get("reordered"):
            yield f"    order of the fields  {shorten(order)}"
    elif section == "definition" and value is not None and "after" in (sides := members(value)):
        if change := compare_documents(sides["before"].raw, sides["after"].raw):
            yield from (f"    {line}" for line in render_fields(change))
    elif section not in ("deleted", "dropped"):
        yield f"    {shorten(value)}"


def _field_by_field(section: str, expected: Value, actual: Value) -> Iterator[str]:
    if section != "updated":
        change = compare_documents(expected.raw, actual.raw)
        for field in change.fields if change else ():
            yield _is_not(name_path(field.path), field.before, field.after)
        for order in change.reordered if change else ():
            keys = ", ".join(order.keys)
            yield f"    {name_path(order.path)}: the fields are in the order {keys}"
        return
    old, new = fields_of(expected), fields_of(actual)
    for path in [*new, *(path for path in old if path not in new)]:
        if old.get(path) != new.get(path):
            yield from _compare_update(path, old.get(path), new.get(path))
    orders = [members(update).get("reordered") for update in (expected, actual)]
    if orders[0] != orders[1]:
        yield _is_not("order of the fields", *orders)
    elif old == new:
        yield "    the fields are in another order than expected"


def _compare_update(path: str, expected: Value | None, actual: Value | None) -> Iterator[str]:
    """Say how a field was to change and how it did, down to the part that is not the same."""
    if expected is None or actual is None:
        yield f"    {name_path(path)}  expected {_arrow(expected)}, is {_arrow(actual)}"
        return
    change = compare_documents(expected.raw, actual.raw)
    parts = change.fields if change and not change.reordered else ()
    if parts and all(part.path.startswith(("after.", "after[")) for part in parts):
        for part in parts:
            yield _is_not(path + part.path.removeprefix("after"), part.before, part.after)
        return
    old, new = members(expected), members(actual)
    old_before, new_before = shorten_both(old.get("before"), new.get("before"))
    old_after, new_after = shorten_both(old.get("after"), new.get("after"))
    yield (
        f"    {name_path(path)}  expected {old_before} → {old_after}, is {new_before} → {new_after}"
    )


def _is_not(name: str, expected: Value | None, actual: Value | None) -> str:
    before, after = shorten_both(expected, actual)
    return f"    {name}  expected {before}, is {after}"


def _arrow(change: Value | None) -> str:
    if change is None:
        return "no change"
    sides = members(change)
    before, after = shorten_both(sides.get("before"), sides.get("after"))
    return f"{before} → {after}"
