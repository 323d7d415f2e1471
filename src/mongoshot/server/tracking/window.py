"""What was touched between two points: the question behind a reset, and the form of its answers.

A tracker answers it, by what the deployment allows: `oplog`, `change_stream` and `fingerprints` are
one each. Those that know documents gather what they read as `Touched`, by collection UUID, because
a document that is written to while its collection has another name for a while is found under no
other name later; `to_window` gives the collections their names.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from bson.timestamp import Timestamp
from pymongo.client_session import ClientSession

from mongoshot.server.catalog import Entry, list_catalog
from mongoshot.server.connection import RAW, Database, translated
from mongoshot.server.documents import Writer
from mongoshot.snapshot.model import Definition

Tier = Literal["oplog", "change stream", "fingerprints"]

#: A point that touches are counted from; which kind it is, the tracker knows that gave it.
Point: TypeAlias = Any
Catalog: TypeAlias = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Moment:
    """Join a point in time of the oplog with the server's clock at it."""

    point: Timestamp
    clock: datetime.datetime


@dataclass(frozen=True, slots=True)
class LateWrites:
    """Count the writes to one namespace that came after a moment, the first by so many seconds.

    `deletes` are those among them that removed a document, where that is known.
    """

    namespace: str
    writes: int
    seconds: float
    deletes: int = 0


@dataclass(slots=True)
class Touched:
    """Gather what was touched in a window of time.

    `documents` are ids (type byte and value, as `document_id` gives them) by collection UUID;
    `displaced` those among them that were removed at some time, and so lost their place in natural
    order; `collections` UUIDs of which any document may have been touched. `definitions` tells
    whether collections, views or indexes may not be what they were. Where `unknown` says why,
    anything in the database may have been touched. `late` are writes behind a moment of interest,
    by namespace.
    The next window begins at `until`.
    """

    until: Timestamp
    documents: dict[bytes, set[bytes]] = field(default_factory=dict)
    collections: set[bytes] = field(default_factory=set)
    displaced: dict[bytes, set[bytes]] = field(default_factory=dict)
    definitions: bool = False
    unknown: str | None = None
    late: dict[str, LateWrites] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything was touched."""
        return bool(self.documents or self.collections or self.definitions or self.unknown)

    def note_document(self, uuid: bytes, identity: bytes) -> None:
        """Add a document of a collection."""
        self.documents.setdefault(uuid, set()).add(identity)

    def note_late(
        self, namespace: str, clock: datetime.datetime, ended: Moment, *, is_delete: bool = False
    ) -> None:
        """Count a write that was made, by the server's clock, after a moment."""
        earlier = self.late.get(namespace)
        # Clocks of servers are set back at times; the order of the entries is not.
        seconds = max(0.0, (clock - ended.clock).total_seconds())
        self.late[namespace] = LateWrites(
            namespace,
            earlier.writes + 1 if earlier else 1,
            min(earlier.seconds, seconds) if earlier else seconds,
            (earlier.deletes if earlier else 0) + is_delete,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Say what was touched between two points.

    `documents` are ids (as `document_id` gives them) by collection, `displaced` those among them
    that lost their place in natural order; `collections` those that may be otherwise altogether,
    each with the reason.
    `until` is where the next window begins, `catalog`
    what the database holds by then. `late` are the writes that came after the moment asked about.
    """

    until: Point
    catalog: Catalog
    documents: Mapping[str, set[bytes]] = field(default_factory=dict)
    collections: Mapping[str, str] = field(default_factory=dict)
    late: tuple[LateWrites, ...] = ()
    displaced: Mapping[str, set[bytes]] = field(default_factory=dict)


class Tracker(Protocol):
    """Answer what was touched since a point."""

    @property
    def tier(self) -> Tier:
        """Say how it knows."""
        ...

    @property
    def writer(self) -> Writer | None:
        """Return the one whose writes it leaves out, or None where it tells none apart."""
        ...

    def now(self) -> Point:
        """Return the point from which all counts that is written later."""
        ...

    def moment(self) -> Moment | None:
        """Return this moment, for `touched_since` to tell later writes; None where it cannot."""
        ...

    def touched_since(self, since: Point, catalog: Catalog, ended: Moment | None = None) -> Window:
        """Tell what was touched since a point at which the database held `catalog`.

        Writes behind the moment `ended` are counted apart, too.
        """
        ...

    def resume(self, since: Point, window: Window) -> Point:
        """Return the point to count from once all that the window touched has been put back."""
        ...

    def lost_since(self, since: Point) -> str | None:
        """Say why writes of this process behind a point may be gone; None where they are there.

        To be asked when they are on a majority's disks (`server.durability`), if they are at all.
        """
        ...


def read_point(database: Database) -> Timestamp | None:
    """Ask for the time of the newest write; None on a standalone server, which has none.

    https://www.mongodb.com/docs/manual/reference/method/db.runCommand/#response
    """
    with translated("ask the server for the time of its newest write"):
        reply = database.client.admin.command("ping")
    point: Timestamp | None = reply.get("operationTime")
    return point


def read_moment(database: Database, session: ClientSession | None = None) -> Moment:
    """Ask a member of a replica set, or a mongos, for the time of its newest write and its clock.

    https://www.mongodb.com/docs/manual/reference/command/hello/
    """
    # Raw, so that the clock comes as in the entries of the oplog, whatever the client's URL says.
    with translated("ask the server for the time of its newest write"):
        reply: Any = database.client.admin.command("hello", codec_options=RAW, session=session)
    return Moment(reply["operationTime"], reply["localTime"])


def to_window(touched: Touched, catalog: Catalog, database: Database) -> Window:
    """Give what was touched its names, as they were in `catalog`.

    Asks what the database holds now where that may have changed.
    """
    late = tuple(touched.late.values())
    if not touched:
        return Window(touched.until, catalog, late=late)
    names = {entry.uuid: name for name, entry in catalog.items() if entry.uuid}
    now, collections = catalog, dict[str, str]()
    strangers = (touched.documents.keys() | touched.collections) - names.keys()
    if touched.definitions or touched.unknown or strangers:
        now = list_catalog(database)
        collections = _compare(catalog, now)
    if touched.unknown:
        collections = dict.fromkeys({*catalog, *now}, touched.unknown) | collections
    for uuid in touched.collections & names.keys():
        collections.setdefault(names[uuid], "it was emptied")
    documents = _by_name(touched, names, catalog, collections)
    displaced = {names[uuid]: ids for uuid, ids in touched.displaced.items() if uuid in names}
    return Window(touched.until, now, documents, collections, late, displaced)


def _compare(before: Catalog, now: Catalog) -> dict[str, str]:
    """Say of each collection that is not what it was why that is."""
    reasons = {}
    for name in {*before, *now}:
        old, new = before.get(name), now.get(name)
        if old is None:
            reasons[name] = "it was created"
        elif new is None:
            reasons[name] = "it was dropped or renamed"
        elif old.uuid != new.uuid:
            reasons[name] = "it was made anew"
        elif old.definition != new.definition:
            reasons[name] = "its options or indexes were changed"
    return reasons


def why_not_by_document(definition: Definition) -> str | None:
    """Say why a collection cannot be put right one document at a time; None where it can."""
    if definition.capped:
        return "it is capped: the order of its documents counts"
    if definition.type == "timeseries":
        return "it is a time series"
    if any(index.get("prepareUnique") for index in definition.decoded_indexes()):
        return "one of its indexes refuses documents that were there before it"
    return None


def _by_name(
    touched: Touched, names: Mapping[bytes, str], catalog: Catalog, collections: dict[str, str]
) -> dict[str, set[bytes]]:
    """Sort touched documents under the names of their collections, where ids are enough."""
    documents = {}
    for uuid, identities in touched.documents.items():
        # A stranger was created since, and is among the collections where it is still there.
        if (name := names.get(uuid)) is None or name in collections:
            continue
        if reason := why_not_by_document(catalog[name].definition):
            collections[name] = reason
        else:
            documents[name] = identities
    return documents
