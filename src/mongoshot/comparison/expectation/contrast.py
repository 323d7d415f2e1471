"""Two expectations, under rules → what of the one is not as the other says."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from functools import partial

from mongoshot.comparison.documents import (
    Value,
    compare_values,
    has_moved,
)
from mongoshot.comparison.expectation.definitions import definition_updates, name_parts
from mongoshot.comparison.expectation.filtering import strip_part
from mongoshot.comparison.expectation.mismatch import (
    FieldMismatch,
    Mismatch,
    Nearest,
    PartMismatch,
)
from mongoshot.comparison.expectation.model import (
    SECTIONS,
    Expectation,
    Facet,
    Refusals,
    fields_of,
    members,
)
from mongoshot.comparison.expectation.rules import Rules, Scope
from mongoshot.comparison.matching import assign, nearest
from mongoshot.comparison.sameness import type_name
from mongoshot.snapshot.elements import DATE

Facets = Mapping[Facet, Value]

_MOVED = "the same elements in another order"

#: What a state's difference from its scenario says of what is there besides, or is not.
_MORE, _LESS = ("inserted", "created"), ("deleted", "dropped")

#: In the order in which they are told.
_VERDICTS = ("otherwise", "missing", "unexpected")


def find_mismatch(
    expected: Expectation,
    actual: Expectation,
    rules: Rules | None = None,
) -> Mismatch:
    """Compare what is expected with what is, under rules; None: exactly.

    The numbers of placeholders are taken as they stand (see `renumbering`). Raises InvalidBSONError
    where an expectation holds what is none.
    """
    if expected.kind != actual.kind:
        return Mismatch(actual.kind, {}, other_kind=expected.kind)
    parts: dict[str, tuple[PartMismatch, ...]] = {}
    for name in sorted(expected.facets.keys() | actual.facets.keys()):
        old, new = expected.facets.get(name, {}), actual.facets.get(name, {})
        scope, refused = (rules or Rules()).of(name), actual.refused.get(name, {})
        if (old != new or refused) and scope.mode != "ignore":
            parts[name] = tuple(_find_parts(actual.kind, old, new, scope, refused))
    parts = {name: found for name, found in parts.items() if found}
    return Mismatch(actual.kind, parts, tuple(_notes(expected, actual)))


def _notes(expected: Expectation, actual: Expectation) -> Iterator[str]:
    if expected.digest != actual.digest:
        yield (
            f"recorded against {expected.scenario} ({expected.digest[7:19]}), which has changed"
            f" since: it is {actual.scenario} ({actual.digest[7:19]}) now"
        )


def _find_parts(
    kind: str, expected: Facets, actual: Facets, scope: Scope, refused: Refusals
) -> Iterator[PartMismatch]:
    # What is has been stripped before it was written.
    kept = {facet: strip_part(facet[0], value, scope) for facet, value in expected.items()}
    expected = {facet: value for facet, value in kept.items() if value is not None}
    found: list[PartMismatch] = []
    for section in dict.fromkeys(facet[0] for facet in (*actual, *expected)):
        old, new = (
            {facet: value for facet, value in side.items() if facet[0] == section}
            for side in (expected, actual)
        )
        for part in _find_in_section(section, old, new, scope, refused):
            if not _is_tolerated(kind, part, scope):
                found.append(part)
            elif part.actual and (fields := refused.get((section, part.actual))):
                found.append(PartMismatch(section, part.actual, part.actual, fields))
    ranks = {verdict: rank for rank, verdict in enumerate(_VERDICTS)}
    yield from sorted(found, key=lambda part: (part.section in SECTIONS, ranks[part.verdict]))


def _is_tolerated(kind: str, part: PartMismatch, scope: Scope) -> bool:
    """Tell whether it is enough that what is expected is there."""
    if scope.mode != "contains":
        return False
    if kind == "difference":  # what is not said there is expected, too: it is in the scenario
        of_more = _MORE if part.verdict == "unexpected" else _LESS
        return part.verdict != "otherwise" and part.section in of_more
    return part.verdict == "unexpected"


def _find_in_section(
    section: str, expected: Facets, actual: Facets, scope: Scope, refused: Refusals
) -> Iterator[PartMismatch]:
    pairs = _pair(section, expected, actual, scope)
    for facet, partner in pairs.items():
        fields = find_fields(section, expected[facet], actual[partner], scope)
        if fields := fields + refused.get((section, actual[partner]), ()):
            yield PartMismatch(section, expected[facet], actual[partner], fields)
    partners = set(pairs.values())
    missing = [value for facet, value in expected.items() if facet not in pairs]
    unexpected = [value for facet, value in actual.items() if facet not in partners]
    candidates: list[Nearest | None] = [None] * len(missing)
    if section in ("inserted", "documents"):
        near = nearest([value.raw for value in missing], [value.raw for value in unexpected])
        for at, candidate in enumerate(near):
            if candidate is not None:
                other = unexpected[candidate]
                fields = find_fields(section, missing[at], other, scope)
                candidates[at] = Nearest(other, fields)
    for value, resembling in zip(missing, candidates, strict=True):
        fields = _changed_definition(value, None) if section == "definition" else ()
        yield PartMismatch(section, value, None, fields, resembling)
    for value in unexpected:
        fields = _changed_definition(None, value) if section == "definition" else ()
        yield PartMismatch(section, None, value, fields)


def _pair(section: str, expected: Facets, actual: Facets, scope: Scope) -> dict[Facet, Facet]:
    """Pair what is expected with what is, one to one: by `_id` unless rules free that."""
    pairs = {facet: facet for facet, value in expected.items() if facet in actual}
    if section not in SECTIONS:
        return pairs
    free = scope.free_identity
    if not free and all(identity for _, identity, _ in (*expected, *actual)):
        return pairs

    found = {facet: facet for facet in pairs if not free and facet[1]}
    left, right = (_alike(section, side, found.keys(), scope) for side in (expected, actual))
    for alike, olds in left.items():
        news = right.get(alike, [])

        def compatible(
            old: int, new: int, olds: list[Facet] = olds, news: list[Facet] = news
        ) -> bool:
            return not find_fields(section, expected[olds[old]], actual[news[new]], scope)

        assigned = assign(len(olds), len(news), compatible)
        found |= {olds[old]: news[new] for old, new in assigned.items()}
    return {facet: found[facet] for facet in expected if facet in found}


def _alike(
    section: str, facets: Facets, but: Collection[Facet], scope: Scope
) -> dict[Value | None, list[Facet]]:
    """Put together what is the same but for what a matcher compares: no others can be equal."""
    found: dict[Value | None, list[Facet]] = {}
    for facet, value in facets.items():
        if facet not in but:
            rest = None if scope.matcher("") else strip_part(section, value, scope, matched=True)
            found.setdefault(rest, []).append(facet)
    return found


def find_fields(
    section: str, expected: Value, actual: Value, scope: Scope
) -> tuple[FieldMismatch, ...]:
    """Say where two parts of one section are not the same under rules, field by field."""
    if expected == actual:
        return ()
    if section == "updated":
        return tuple(_updated_fields(expected, actual, scope))
    if section in SECTIONS:
        return tuple(_value_fields("", expected, actual, scope))
    if section == "definition":
        return _changed_definition(expected, actual)
    return tuple(_named_fields(name_parts(expected), name_parts(actual)))


def _updated_fields(expected: Value, actual: Value, scope: Scope) -> Iterator[FieldMismatch]:
    old, new = fields_of(expected), fields_of(actual)
    for path in [*new, *(path for path in old if path not in new)]:
        yield from _update_fields(path, old.get(path), new.get(path), scope)
    old_order, new_order = (members(update).get("reordered") for update in (expected, actual))
    if old_order != new_order:
        yield FieldMismatch("", old_order, new_order, remark="order of the fields")
    elif list(old) != list(new) and old.keys() == new.keys():
        yield FieldMismatch("", ", ".join(old), ", ".join(new), remark="order of the updates")


def _update_fields(
    path: str, expected: Value | None, actual: Value | None, scope: Scope
) -> Iterator[FieldMismatch]:
    """Say how a field was to change and how it did, down to the part that is not the same."""
    if expected == actual:
        return
    if expected is None or actual is None:
        sides = members(expected or actual)  # type: ignore[arg-type]  # they are not equal
        moved = (
            "before" in sides and "after" in sides and has_moved(sides["before"], sides["after"])
        )
        yield FieldMismatch(path, expected, actual, updates=True, remark=_MOVED if moved else "")
        return
    old, new = members(expected), members(actual)
    before = _side_fields(path, old.get("before"), new.get("before"), scope)
    after = _side_fields(path, old.get("after"), new.get("after"), scope)
    if not before and all(field.path != path for field in after):
        yield from after
    else:
        remark = after[0].remark if after and not before else ""
        yield FieldMismatch(path, expected, actual, updates=True, remark=remark)


def _side_fields(
    path: str, expected: Value | None, actual: Value | None, scope: Scope
) -> tuple[FieldMismatch, ...]:
    if expected == actual:
        return ()
    if expected is None or actual is None:
        return (FieldMismatch(path, expected, actual),)
    return tuple(_value_fields(path, expected, actual, scope))


def _value_fields(
    path: str, expected: Value, actual: Value, scope: Scope
) -> Iterator[FieldMismatch]:
    fields, reordered = compare_values(expected, actual, path, partial(_judge, scope))
    for field in fields:
        remark = _remark(field.before, field.after) if field.before and field.after else ""
        yield FieldMismatch(field.path, field.before, field.after, remark=remark)
    for order in reordered:
        old, new = (", ".join(keys) for keys in (order.before, order.after))
        yield FieldMismatch(order.path, old, new, remark="order of the fields")


def _judge(scope: Scope, path: str, expected: Value, actual: Value) -> bool | None:
    matcher = scope.matcher(path)
    return matcher.same(expected, actual) if matcher else None


def _remark(expected: Value, actual: Value) -> str:
    if has_moved(expected, actual):
        return _MOVED
    kinds = [type_name(value) for value in (expected, actual)]
    if kinds[0] != kinds[1]:
        return f"{kinds[0]} expected, is {kinds[1]}"
    if expected.type == actual.type == DATE:
        return _later(*(int.from_bytes(v.raw, "little", signed=True) for v in (expected, actual)))
    return ""


def _later(expected: int, actual: int) -> str:
    """Say in words by how many milliseconds one date is behind another."""
    try:
        apart = datetime.timedelta(milliseconds=abs(actual - expected))
    except OverflowError:
        return ""
    text = str(apart).removesuffix(", 0:00:00")
    return f"{text} {'later' if actual > expected else 'earlier'}"


def _changed_definition(expected: Value | None, actual: Value | None) -> tuple[FieldMismatch, ...]:
    """Compare two parts of the section `definition`, by what the definition consists of.

    In changes it has sides, in states it is what it is; None stands for no change.
    """
    sides = [members(value) if value else {} for value in (expected, actual)]
    if not any("after" in side for side in sides):
        return tuple(_named_fields(*(name_parts(value) for value in (expected, actual))))
    updates = [definition_updates(side) for side in sides]
    found = []
    for path in {**updates[1], **updates[0]}:
        old, new = (update.get(path) for update in updates)
        if old != new:
            found.append(FieldMismatch(path, old, new, updates=True))
    return tuple(found)


def _named_fields(
    expected: Mapping[str, Value], actual: Mapping[str, Value]
) -> Iterator[FieldMismatch]:
    for name in {**actual, **expected}:
        old, new = expected.get(name), actual.get(name)
        if old == new:
            continue
        if old is None or new is None:
            yield FieldMismatch(name, old, new)
        else:
            yield from _value_fields(name, old, new, Scope())
