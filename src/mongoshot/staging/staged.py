"""A database that was restored from a scenario: it resets to it, and tells what has changed."""

from __future__ import annotations

import time
from collections.abc import Collection as Hosts
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from mongoshot.comparison.difference import Changes, compare_collections
from mongoshot.comparison.documents import compare_documents
from mongoshot.comparison.text import CollectionDifference
from mongoshot.errors import RestoreError, UsageError
from mongoshot.server.catalog import Entry, list_catalog
from mongoshot.server.collections import find_documents, insert, live_state, remove
from mongoshot.server.connection import Database, describe
from mongoshot.server.ownership import Baseline, write_baseline
from mongoshot.server.tracking.choice import open_tracker
from mongoshot.server.tracking.fingerprints import Fingerprint, take_fingerprint
from mongoshot.server.tracking.window import Catalog, Point, Tier, Tracker, Window
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.model import (
    Collection,
    Progress,
    Scenario,
    State,
    in_creation_order,
    no_progress,
)
from mongoshot.snapshot.order import in_order
from mongoshot.staging.load import drop_all, load, load_collection

#: Touched documents of one collection from which it is reloaded whole.
_MOST_DOCUMENTS = 10_000


@dataclass(frozen=True, slots=True)
class ResetReport:
    """Say what a reset did.

    `strategy` is how the touched documents were found, `documents` how many were written,
    `collections` which were put back, `reloads` why some of them were loaded whole, `seconds` how
    long it took.
    """

    strategy: Tier
    documents: int
    collections: tuple[str, ...]
    seconds: float
    reloads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Hold the point that changes count from, and what was not as in the scenario by then.

    `documents` are those that were touched before, by collection and id, None where there is none;
    `collections` those that were otherwise altogether.
    """

    point: Point
    catalog: Catalog
    documents: Mapping[str, Mapping[bytes, bytes | None]]
    collections: Mapping[str, Collection | None]


class Staged:
    """Hold a database that was restored from a scenario, and the mark that changes count from."""

    def __init__(
        self,
        scenario: Scenario,
        database: Database,
        tracker: Tracker,
        proof: Fingerprint | None = None,
    ) -> None:
        """Take over `database`, which holds exactly `scenario` and has the fingerprint `proof`."""
        self.scenario = scenario
        self.database = database
        self._tracker = tracker
        self._catalog: dict[str, Entry] = list_catalog(database)
        self._since = tracker.now()
        self._mark = self._clean_mark()
        self._indexes: dict[str, DocumentIndex] = {}
        self._proof = proof

    def reset(self) -> ResetReport:
        """Bring the database back to its scenario, touching only what has changed.

        Changes count from here. Raises RestoreError and the errors of the connection.
        """
        started = time.perf_counter()
        window = self._tracker.touched_since(self._since, self._catalog)
        reloads = dict(window.collections)
        written = 0
        for name, identities in window.documents.items():
            if len(identities) > _MOST_DOCUMENTS:
                reloads[name] = f"{len(identities)} of its documents were touched"
                continue
            written += self._put_back(name, identities)
        if reloads:
            written += self._reload(reloads, window)
        self._since = self._tracker.resume(self._since, window)
        self._mark = self._clean_mark()
        return ResetReport(
            self._tracker.tier,
            written,
            tuple(sorted({*window.documents, *reloads})),
            time.perf_counter() - started,
            reloads,
        )

    def mark(self) -> None:
        """Let changes count from the state that the database is in now."""
        window = self._tracker.touched_since(self._since, self._catalog)
        live = live_state(self.database).collections if window.collections else {}
        documents: dict[str, dict[bytes, bytes | None]] = {}
        for name, identities in window.documents.items():
            found = find_documents(self.database, window.catalog[name].definition, identities)
            documents[name] = {identity: found.get(identity) for identity in identities}
        collections = {name: _hold(live.get(name)) for name in window.collections}
        self._mark = _Mark(window.until, window.catalog, documents, collections)

    def changes(self) -> Changes:
        """Tell what has happened to the database since the mark; falsy where nothing has."""
        mark = self._mark
        window = self._tracker.touched_since(mark.point, mark.catalog)
        live = live_state(self.database).collections if window.collections else {}
        found: dict[str, CollectionDifference | None] = {}
        for name in window.collections:
            found[name] = compare_collections(self._at_mark(name), live.get(name))
        for name, identities in window.documents.items():
            if name in mark.collections:
                # Touched before the mark in a way that only the whole collection could tell.
                now = live_state(self.database).collections.get(name)
                found[name] = compare_collections(mark.collections[name], now)
            else:
                found[name] = self._compare_documents(name, identities)
        return Changes(
            before=self.scenario.label,
            after=describe(self.database),
            collections={name: found[name] for name in sorted(found) if found[name]},  # type: ignore[misc]
            scenario=self.scenario.label,
            digest=self.scenario.digest,
        )

    def state(self) -> State:
        """Return the state of the database as it is now."""
        return live_state(self.database)

    def verify(self) -> None:
        """Raise RestoreError unless the database is what the restore left, hash by hash.

        Raises UsageError where it was restored without `verifiable`.
        """
        if self._proof is None:
            raise UsageError("nothing to verify with: restore it with verifiable=True")
        if wrong := take_fingerprint(self.database).touched_since(self._proof):
            raise RestoreError(
                f"{describe(self.database)} is not what the scenario {self.scenario.label} says, in"
                f" {', '.join(wrong)}: another program writes to it, or this is a fault of"
                " mongoshot; give the tests a database of their own with --db-name"
            )

    def _at_mark(self, name: str) -> Collection | None:
        """Return a collection as it was at the mark."""
        if name in self._mark.collections:
            return self._mark.collections[name]
        collection = self.scenario.collections.get(name)
        touched = self._mark.documents.get(name)
        if collection is None or not touched:
            return collection
        return Collection(collection.definition, partial(_replaced, collection, touched))

    def _compare_documents(self, name: str, identities: set[bytes]) -> CollectionDifference:
        definition = self._mark.catalog[name].definition
        after = find_documents(self.database, definition, identities)
        touched_before = self._mark.documents.get(name, {})
        before = dict(self._index(name).find(identities - touched_before.keys()))
        before |= {i: d for i, d in touched_before.items() if d is not None and i in identities}
        changes = [
            compare_documents(before[i], after[i]) for i in in_order(before.keys() & after.keys())
        ]
        return CollectionDifference(
            before=definition,
            after=definition,
            inserted=tuple(after[i] for i in in_order(after.keys() - before.keys())),
            updated=tuple(change for change in changes if change),
            deleted=tuple(before[i] for i in in_order(before.keys() - after.keys())),
        )

    def _put_back(self, name: str, identities: set[bytes]) -> int:
        definition, session = self._catalog[name].definition, self._tracker.session
        if session is None:
            raise RestoreError(f"documents of {name} were tracked, and cannot be written apart")
        pristine = self._index(name).find(identities)
        # All go before the first comes, so that no unique index sees two that swapped a value.
        remove(self.database, definition, identities, session)
        if pristine:
            insert(self.database, definition, b"".join(pristine.values()), session)
        return len(pristine)

    def _reload(self, reloads: Mapping[str, str], window: Window) -> int:
        baseline = Baseline(self.scenario.digest, self.scenario.label, complete=False)
        write_baseline(self.database, baseline)
        there = [window.catalog[name].definition for name in reloads if name in window.catalog]
        drop_all(self.database, there)
        wanted = {
            name: collection.definition
            for name, collection in self.scenario.collections.items()
            if name in reloads
        }
        documents = 0
        for name in reloads:
            self._catalog.pop(name, None)
        for definition in in_creation_order(wanted):
            collection = self.scenario.collections[definition.name]
            documents += load_collection(collection, self.database, session=self._tracker.session)
        now = list_catalog(self.database)
        self._catalog |= {
            name: Entry(definition, now[name].uuid if name in now else None)
            for name, definition in wanted.items()
        }
        write_baseline(self.database, replace(baseline, complete=True))
        return documents

    def _index(self, name: str) -> DocumentIndex:
        if name not in self._indexes:
            self._indexes[name] = DocumentIndex(self.scenario.collections[name])
        return self._indexes[name]

    def _clean_mark(self) -> _Mark:
        return _Mark(self._since, dict(self._catalog), {}, {})


def restore(
    scenario: Scenario,
    database: Database,
    *,
    allowed_hosts: Hosts[str] = frozenset(),
    claimed: bool = False,
    verifiable: bool = False,
    progress: Progress = no_progress,
) -> Staged:
    """Restore a scenario into a database, in full, and return it staged.

    `verifiable` takes the fingerprint that `Staged.verify` needs, for which the server reads all of
    the database. `allowed_hosts` are hosts besides loopback that may be written to, by exact name.
    `claimed` says that the caller asked the guard before, and has the database since. The snapshot
    is verified before the first write; a restore that is cut short leaves the database
    marked as incomplete.

    Raises SnapshotDamagedError, OwnershipError, RestoreError, ServerError.
    """
    load(scenario, database, allowed_hosts=allowed_hosts, claimed=claimed, progress=progress)
    proof = take_fingerprint(database) if verifiable else None
    return Staged(scenario, database, open_tracker(database), proof)


def _hold(collection: Collection | None) -> Collection | None:
    if collection is None:
        return None
    chunks = list(collection.chunks())
    return Collection(collection.definition, partial(_reread, chunks))


def _replaced(collection: Collection, touched: Mapping[bytes, bytes | None]) -> Iterator[bytes]:
    for document in collection.documents():
        if document_id(document) not in touched:
            yield document
    yield from (document for document in touched.values() if document is not None)


def _reread(chunks: list[bytes]) -> Iterator[bytes]:
    return iter(chunks)
