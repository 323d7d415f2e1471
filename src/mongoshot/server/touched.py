"""Which documents of which collections were touched: the question behind a reset and its answers.

Two tiers answer it. The oplog of a replica set knows documents; on a standalone server, whose
writes leave no trace, fingerprints tell which collections are not what they were.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from pymongo.client_session import ClientSession

from mongoshot.errors import CommandError
from mongoshot.server.catalog import Entry, list_catalog, list_definitions
from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Database
from mongoshot.server.oplog import Oplog, Touched
from mongoshot.snapshot.model import Definition

Tier = Literal["oplog", "fingerprints"]

#: A point that touches are counted from; which kind it is, the tracker knows that gave it.
Point: TypeAlias = Any
Catalog: TypeAlias = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Window:
    """Say what was touched between two points.

    `documents` are ids (as `document_id` gives them) by collection; `collections` those that may be
    otherwise altogether, each with the reason. `until` is where the next window begins, `catalog`
    what the database holds by then.
    """

    until: Point
    catalog: Catalog
    documents: Mapping[str, set[bytes]] = field(default_factory=dict)
    collections: Mapping[str, str] = field(default_factory=dict)


class Tracker(Protocol):
    """Answer what was touched since a point, but for the writes of a session of its own."""

    @property
    def tier(self) -> Tier:
        """Say how it knows."""
        ...

    @property
    def session(self) -> ClientSession | None:
        """Return the session to write with, or None where writes cannot be told apart."""
        ...

    def now(self) -> Point:
        """Return the point from which all counts that is written later."""
        ...

    def touched_since(self, since: Point, catalog: Catalog) -> Window:
        """Tell what was touched since a point at which the database held `catalog`."""
        ...

    def resume(self, since: Point, window: Window) -> Point:
        """Return the point to count from once all that the window touched has been put back."""
        ...


def open_tracker(database: Database) -> Tracker:
    """Return the tracker of the best tier that this server and this user allow."""
    client = database.client
    hello = client.admin.command("hello")
    if "setName" in hello:
        tracker = OplogTracker(database)
        with contextlib.suppress(CommandError):  # this user may not read the oplog
            tracker.touched_since(tracker.now(), {})
            return tracker
    return FingerprintTracker(database)


class OplogTracker:
    """Track documents by the oplog."""

    tier: Tier = "oplog"

    def __init__(self, database: Database) -> None:
        """Track `database`, whose server is the primary of a replica set."""
        self._database = database
        session = database.client.start_session(causal_consistency=False)
        self.session: ClientSession | None = session
        self._oplog = Oplog(database, session)

    def now(self) -> Point:
        """Return the time of the newest entry."""
        return self._oplog.now()

    def touched_since(self, since: Point, catalog: Catalog) -> Window:
        """Read the window from `since`; ask what the database holds where that may have changed."""
        touched = self._oplog.touched_since(since)
        if not touched:
            return Window(touched.until, catalog)
        names = {entry.uuid: name for name, entry in catalog.items() if entry.uuid}
        now, collections = catalog, dict[str, str]()
        strangers = (touched.documents.keys() | touched.collections) - names.keys()
        if touched.definitions or touched.unknown or strangers:
            now = list_catalog(self._database)
            collections = _compare(catalog, now)
        if touched.unknown:
            collections = dict.fromkeys({*catalog, *now}, touched.unknown) | collections
        for uuid in touched.collections & names.keys():
            collections.setdefault(names[uuid], "it was emptied")
        documents = _by_name(touched, names, catalog, collections)
        return Window(touched.until, now, documents, collections)

    def resume(self, since: Point, window: Window) -> Point:  # noqa: ARG002 - fingerprints need it
        """Go on where the reading of the window ended: what others wrote since comes next."""
        return window.until


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


def _by_name(
    touched: Touched, names: Mapping[bytes, str], catalog: Catalog, collections: dict[str, str]
) -> dict[str, set[bytes]]:
    """Sort touched documents under the names of their collections, where ids are enough."""
    documents = {}
    for uuid, identities in touched.documents.items():
        # A stranger was created since, and is among the collections where it is still there.
        if (name := names.get(uuid)) is None or name in collections:
            continue
        definition = catalog[name].definition
        if definition.capped:
            collections[name] = "it is capped: the order of its documents counts"
        elif definition.type == "timeseries":
            collections[name] = "it is a time series"
        elif any(index.get("prepareUnique") for index in definition.decoded_indexes()):
            collections[name] = "one of its indexes refuses documents that were there before it"
        else:
            documents[name] = identities
    return documents


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identify the state of each collection: its definition, and its documents by their MD5."""

    definitions: dict[str, Definition]
    hashes: dict[str, str]

    def touched_since(self, earlier: Fingerprint) -> list[str]:
        """Name the collections that are not what they were, also those made or dropped since."""
        return sorted(
            name
            for name in {*self.definitions, *earlier.definitions}
            if self._of(name) != earlier._of(name)
        )

    def _of(self, name: str) -> tuple[Definition | None, str | None]:
        definition = self.definitions.get(name)
        data_name = definition.data_name if definition else None
        return definition, self.hashes.get(data_name) if data_name else None


def take_fingerprint(database: Database) -> Fingerprint:
    """Take the fingerprint of a database as it is now; the server reads all of it."""
    return Fingerprint(list_definitions(database), hash_collections(database))


class FingerprintTracker:
    """Track collections by their fingerprints, on any server."""

    tier: Tier = "fingerprints"
    session: ClientSession | None = None

    def __init__(self, database: Database) -> None:
        """Track `database`."""
        self._database = database

    def now(self) -> Point:
        """Take the fingerprint of the database."""
        return take_fingerprint(self._database)

    def touched_since(self, since: Point, catalog: Catalog) -> Window:  # noqa: ARG002 - it has its own
        """Compare the database with its fingerprint at `since`."""
        now = take_fingerprint(self._database)
        reasons = dict.fromkeys(now.touched_since(since), "its fingerprint is another")
        return Window(now, list_catalog(self._database), {}, reasons)

    def resume(self, since: Point, window: Window) -> Point:  # noqa: ARG002 - the oplog needs it
        """Go on comparing with the database as it was, and is again."""
        return since
