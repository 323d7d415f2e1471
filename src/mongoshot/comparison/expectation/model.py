"""What a test is expected to change or to leave, as text to keep, and two of them compared.

Format version 1, readable Extended JSON:

    {"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "sha256:…",
     "collections": {"orders": {"updated": [{"_id": "order-1001",
                                             "fields": {"status": {"before": "open",
                                                                   "after": "paid"}}}],
                                "inserted": [{…}], "deleted": [{"_id": …}],
                                "definition": {"before": {…}, "after": {…}}},
                     "carts": {"created": {}}, "drafts": {"dropped": {}}}}

An update also has, by path, the keys of each (sub)document that are `reordered`: that stand neither
as before nor, the new ones, behind those. A definition has `type`, `options` and, by name,
`indexes` where they are not those of a collection that was made by writing to it. A `"kind":
"state"` has for each collection its `definition` and its `documents`. A large state is a `"kind":
"difference"`: as the scenario, but for this, which is said as changes are; what a dropped
collection held is not. What it was recorded against, `scenario` and `digest`, is told when an
expectation fails, and not compared.

Placeholders stand for ids and dates that the test made: `{"$oid": "ObjectId-1"}`, `{"$uuid":
"UUID-1"}`, `{"$date": "now"}`, and for an id as a string `{"$oid": "ObjectId-1 as text"}`. No value
that a test could store is written like that; `snapshot.encoding.placeholders` has all forms. Behind
the documents whose `_id` is literal, which stand by it, are those whose `_id` is a placeholder, by
what else they hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from mongoshot.comparison.documents import Value, identity_of
from mongoshot.comparison.expectation.mismatch import FieldMismatch
from mongoshot.errors import ExpectationError, InvalidExtendedJSONError
from mongoshot.snapshot.elements import ARRAY, DOCUMENT, SMALLEST_DOCUMENT, iterate_elements
from mongoshot.snapshot.encoding import from_extended_json

#: How the expectation of a state is written: whole, or as its difference from the scenario.
StateKind: TypeAlias = Literal["state", "difference"]

FORMAT_VERSION = 1
KINDS = ("changes", *get_args(StateKind))
_KEYS = frozenset({"format_version", "kind", "scenario", "digest", "collections"})
_OF_UPDATE, _SIDES = frozenset({"_id", "fields", "reordered"}), frozenset({"before", "after"})

#: One thing that an expectation says: its section, which document or part it is about, and which of
#: several with the same `_id`, or none, from 0.
Facet: TypeAlias = tuple[str, Value | None, int]
#: What of a collection is not as rules ask: by section, and what is said there.
Refusals: TypeAlias = Mapping[tuple[str, Value], tuple[FieldMismatch, ...]]
#: Sections of a collection, and what is said of a document that one side alone has there.
SECTIONS = {
    "updated": "updated",
    "inserted": "inserted",
    "deleted": "deleted",
    "documents": "there",
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """Hold a parsed expectation.

    `facets` has, by collection, each thing that is said and the BSON value that it is said with;
    `refused`, of those, what is not as rules ask, whatever is expected.
    """

    kind: str
    scenario: str
    digest: str
    facets: Mapping[str, Mapping[Facet, Value]]
    refused: Mapping[str, Refusals] = field(default_factory=dict)


def parse_expectation(text: str) -> Expectation:
    """Read an expectation from its text.

    Raises ExpectationError for anything else, and for a format version of a newer mongoshot.
    """
    remedy = "take the file from version control again, or record it with pytest --snapshot-update"
    try:
        raw = from_extended_json(text, placeholders=True)
        document: Any = RawBSONDocument(raw)
        if document["format_version"] != FORMAT_VERSION:
            raise ExpectationError(
                f"the expectation has format version {document['format_version']}, and this"
                f" mongoshot reads version {FORMAT_VERSION}; pip install -U mongoshot, or {remedy}"
            )
        kind, scenario, digest = (document[key] for key in ("kind", "scenario", "digest"))
        if kind not in KINDS or not isinstance(scenario + digest, str):
            raise TypeError(f"kind {kind!r}, scenario {scenario!r}")  # noqa: TRY301
        collections = _told_once(Value(DOCUMENT, raw), "the file", _KEYS)["collections"]
        facets = {
            name: _read_collection(collection)
            for name, collection in _told_once(collections, "collections").items()
        }
    except (InvalidExtendedJSONError, BSONError, KeyError, AttributeError, TypeError) as error:
        raise ExpectationError(f"this is no expectation ({error!r:.200}); {remedy}") from None
    return Expectation(kind, scenario, digest, facets)


def _read_collection(collection: Value) -> dict[Facet, Value]:
    facets: dict[Facet, Value] = {}
    met: Counter[tuple[str, Value | None]] = Counter()
    for section, value in _facets(collection):
        identity = identity_of(value.raw) if section in SECTIONS else None
        facets[section, identity, met[section, identity]] = value
        met[section, identity] += 1
    return facets


def _facets(collection: Value) -> Iterator[tuple[str, Value]]:
    for section, value in _told_once(collection, "a collection").items():
        if section not in SECTIONS:
            yield section, _of_type(DOCUMENT, value, section)
            continue
        for entry in members(_of_type(ARRAY, value, section)).values():
            yield section, _of_type(DOCUMENT, entry, section)
            if section == "updated":
                _check_update(entry)


def _check_update(update: Value) -> None:
    fields = _told_once(update, "an update", _OF_UPDATE).get("fields")
    for path, change in (_told_once(fields, "fields") if fields else {}).items():
        _told_once(change, path, _SIDES)


def _told_once(value: Value, what: str, known: Set[str] = frozenset()) -> dict[str, Value]:
    """Return the members of a document, of which each says something, and none what another does.

    What was merged by hand may hold one twice, of which one alone would count.
    """
    found = members(_of_type(DOCUMENT, value, what))
    # Type, name and value of each, and the frame of the document.
    size = sum(len(name.encode()) + len(each.raw) + 2 for name, each in found.items())
    if size + SMALLEST_DOCUMENT < len(value.raw):
        raise TypeError(f"{what} holds the same key twice")
    if known and not found.keys() <= known:
        unknown = min(found.keys() - known)
        raise TypeError(f"{what} holds {unknown!r}, and may hold {', '.join(sorted(known))}")
    return found


def _of_type(type: int, value: Value, what: str) -> Value:
    if value.type != type:
        raise TypeError(f"{what!r} should hold {'a list' if type == ARRAY else 'documents'}")
    return value


def members(value: Value) -> dict[str, Value]:
    """Return the members of a document, or of an array by index, by name."""
    return {
        key.decode(): Value(kind, value.raw[start:end])
        for kind, key, start, end in iterate_elements(value.raw)
    }


def fields_of(update: Value) -> dict[str, Value]:
    """Return the fields of an update by their paths, each with its value before and after."""
    fields = members(update).get("fields")
    return members(_of_type(DOCUMENT, fields, "fields")) if fields else {}
