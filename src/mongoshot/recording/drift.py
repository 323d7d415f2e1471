"""Whether a scenario still looks like the database that it was captured from.

Not whether it holds the same: documents come and go. What code depends on is compared: which
collections there are, their options, validators and indexes, which fields their documents have, and
of which types. Fields are those of the first and last documents of each collection, at the capture
as now; a field that is rare and not met may still be there, and is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mongoshot.comparison.documents import Value
from mongoshot.comparison.text import name_path, shorten, spell_out
from mongoshot.errors import SnapshotError
from mongoshot.recording.capture import describe_documents
from mongoshot.recording.masking.hiding import hidden, plans_of
from mongoshot.recording.request import Request
from mongoshot.server.collections import require_database
from mongoshot.server.connection import Database, describe
from mongoshot.server.reading import open_reading
from mongoshot.server.sampling import EACH_END
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.elements import DOCUMENT, iterate_elements
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.profile import Profile, Types

Change = Literal["new", "vanished", "changed"]

#: How often a field would have been met, by how often it was at the capture, to be called vanished.
_SURELY_MET = 20

_SIGNS: Mapping[Change, str] = {"new": "+", "vanished": "-", "changed": "~"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Say in what a collection is not as it was captured.

    `what` is "collection", "documents", "type", "option", "index" or "field"; `name` that of the
    option, the index or the field's path, else "". `before` and `now` are texts, "" for nothing.
    """

    collection: str
    what: str
    name: str
    change: Change
    before: str = ""
    now: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """Hold all in which a database is not as a snapshot of it; falsy where that is nothing."""

    snapshot: str
    captured_at: str
    database: str
    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        """Tell whether anything is not as it was."""
        return bool(self.findings)

    def __str__(self) -> str:
        """Write it for a person, by collection."""
        return "\n".join(self._lines())

    def to_json(self) -> dict[str, Any]:
        """Return it for other programs."""
        return asdict(self) | {"findings": [asdict(each) for each in self.findings]}

    def _lines(self) -> Iterator[str]:
        since = f"{self.snapshot}, captured {self.captured_at}"
        if not self:
            yield f"{self.database} still looks like {since}"
            return
        yield f"{self.database} no longer looks like {since}"
        last = None
        for each in self.findings:
            if each.collection != last:
                yield f"\n{spell_out(each.collection)}"
            last = each.collection
            sides = " → ".join(side for side in (each.before, each.now) if side)
            named = f"{each.what} {name_path(each.name)}" if each.name else each.what
            yield f"  {_SIGNS[each.change]} {named}{f'  {sides}' if sides else ''}"


def find_drift(snapshot: Snapshot, database: Database) -> Drift:
    """Compare a database with the snapshot that was captured from it. Only reads.

    Raises SnapshotError for a snapshot without a profile, DatabaseNotFoundError, and the errors of
    the connection.
    """
    origin = snapshot.manifest.origin
    if not origin.profile and snapshot.collections:
        raise SnapshotError(
            f"{snapshot.path} does not say what its database looked like: it was not captured, or"
            f" by an older mongoshot; type: mongoshot capture {snapshot.path.name} --replace"
        )
    require_database(database)
    request = Request.from_recipe(origin.recipe)
    with open_reading(database, left_out=request.leaves_out) as reading:
        state = request.choose(reading.state, missing_is_fine=True)
        profiles = describe_documents(reading, state)
    definitions = {name: collection.definition for name, collection in state.collections.items()}
    plans = plans_of(request, definitions)
    findings: list[Finding] = []
    for name in sorted({*snapshot.definitions, *definitions}):
        before, now = snapshot.definitions.get(name), definitions.get(name)
        if before is None or now is None:
            findings.append(
                Finding(name, "collection", "", "new" if before is None else "vanished")
            )
            continue
        findings += _compare_definitions(before, now)
        if name in origin.profile and name in profiles:
            known = hidden(origin.profile[name], plans[name])
            findings += _compare_profiles(name, known, hidden(profiles[name], plans[name]))
    return Drift(snapshot.path.name, origin.captured_at, describe(database), tuple(findings))


def _compare_definitions(before: Definition, now: Definition) -> Iterator[Finding]:
    if before.type != now.type:
        yield Finding(before.name, "type", "", "changed", before.type, now.type)
    parts = (
        ("option", _options(before), _options(now)),
        ("index", _indexes(before), _indexes(now)),
    )
    for what, old, new in parts:
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                sides = [shorten(side[name]) if name in side else "" for side in (old, new)]
                yield Finding(before.name, what, name, _change(*sides), *sides)


def _change(before: str, now: str) -> Change:
    return "changed" if before and now else "new" if now else "vanished"


def _options(definition: Definition) -> dict[str, Value]:
    raw = definition.options
    return {
        key.decode(errors="backslashreplace"): Value(kind, raw[start:end])
        for kind, key, start, end in iterate_elements(raw)
    }


def _indexes(definition: Definition) -> dict[str, Value]:
    names = (str(index.get("name")) for index in definition.decoded_indexes())
    return {name: Value(DOCUMENT, raw) for name, raw in zip(names, definition.indexes, strict=True)}


def _compare_profiles(name: str, before: Profile, now: Profile) -> Iterator[Finding]:
    if before.documents and not now.documents:
        yield Finding(name, "documents", "", "vanished", f"{before.documents:,} were looked at")
        return
    told: tuple[str, ...] = ()
    for path in sorted({*before.fields, *now.fields}):
        if path.startswith(told):
            continue  # what a field that is told of holds comes and goes with it
        old, new = before.fields.get(path, {}), now.fields.get(path, {})
        if all(kind in new or not _is_gone(old[kind], before, now) for kind in old):
            if new.keys() <= old.keys():
                continue
            change: Change = "changed" if old else "new"
        else:
            change = "changed" if new else "vanished"
        if change != "changed":
            told = (*told, f"{path}.", f"{path}[")
        yield Finding(name, "field", path, change, _told(old, before), _told(new, now))


def _is_gone(count: int, before: Profile, now: Profile) -> bool:
    """Tell whether it is no accident that what was met `count` times is met no more."""
    if now.documents < 2 * EACH_END:  # all were looked at
        return True
    return count / before.documents * now.documents >= _SURELY_MET


def _told(types: Types, profile: Profile) -> str:
    """Write types as `int32, null (in 12 of 300 documents)`."""
    if not types:
        return ""
    met = min(sum(types.values()), profile.documents)
    often = "" if met == profile.documents else f" (in {met:,} of {profile.documents:,} documents)"
    return f"{', '.join(types)}{often}"
