"""A database that was restored from a scenario: it resets to it, and tells what has changed."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Hosts
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from bson.objectid import ObjectId
from bson.timestamp import Timestamp

from mongoshot.comparison.difference import Changes, compare, compare_collections
from mongoshot.comparison.documents import compare_documents
from mongoshot.comparison.provenance import Provenance
from mongoshot.comparison.text import CollectionDifference
from mongoshot.config import NaturalOrder
from mongoshot.errors import CommandError, RestoreError, UsageError
from mongoshot.server.catalog import Entry, list_uuids
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database, as_written, describe
from mongoshot.server.documents import find_documents
from mongoshot.server.durability import confirm
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import advance_baseline, read_baseline, write_baseline
from mongoshot.server.left import take_left
from mongoshot.server.tracking.choice import open_tracker
from mongoshot.server.tracking.fingerprints import Fingerprint, take_fingerprint
from mongoshot.server.tracking.window import (
    Catalog,
    LateWrites,
    Moment,
    Point,
    Tier,
    Tracker,
    Window,
)
from mongoshot.snapshot.model import (
    Collection,
    MemoryState,
    Progress,
    Scenario,
    State,
    no_progress,
)
from mongoshot.snapshot.occurrences import Occurrences
from mongoshot.snapshot.order import in_order
from mongoshot.snapshot.overlay import with_others
from mongoshot.snapshot.spool import spooled
from mongoshot.staging.clock import Clock, Span
from mongoshot.staging.furnished import furnished
from mongoshot.staging.load import check_kept, complete_baseline, load
from mongoshot.staging.repair import MOST_DOCUMENTS, Repair

#: Times that a reset begins again because another program writes to what it puts back.
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class ResetReport:
    """Say what a reset did.

    `strategy` is how the touched documents were found, `documents` how many were written,
    `collections` which were put back, `reloads` why some of them were loaded whole, `seconds` how
    long it took. `late` are the writes that came after `Staged.finish`.
    """

    strategy: Tier
    documents: int
    collections: tuple[str, ...]
    seconds: float
    reloads: Mapping[str, str] = field(default_factory=dict)
    late: tuple[LateWrites, ...] = ()


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

    _clock: ClassVar = Clock()  # made before the first test that is staged begins

    def __init__(
        self,
        scenario: Scenario,
        database: Database,
        tracker: Tracker,
        catalog: Catalog,
        *,
        since: Point | None = None,
        natural_order: NaturalOrder = "small",
    ) -> None:
        """Take over `database`, which held exactly `scenario` at `since` (None: now).

        `catalog` is what it held then.
        """
        self.scenario = scenario
        self.database = database
        self._database = as_written(database)
        self._tracker = tracker
        self._repair = Repair(scenario, self._database, tracker, catalog, natural_order)
        self._since = tracker.now() if since is None else since
        self._mark = self._clean_mark()
        self._proof: Fingerprint | None = None
        self._finished: Moment | None = None
        self._occurrences = Occurrences(scenario)
        self._began = self._clock.now()
        self.before_reset: Callable[[], None] = lambda: None  # may raise, and then nothing is reset

    @property
    def tier(self) -> Tier:
        """Say how this deployment tells what was touched."""
        return self._tracker.tier

    def reset(self) -> ResetReport:
        """Bring the database back to its scenario, touching only what has changed.

        Changes count from here. Raises RestoreError and the errors of the connection.
        """
        self.before_reset()
        started = time.perf_counter()
        finished, self._finished = self._finished, None
        late: tuple[LateWrites, ...] | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            window = self._tracker.touched_since(self._since, self._repair.catalog, finished)
            late = window.late if late is None else late  # later on, some are this reset's own
            try:
                written, reloads = self._repair.repair(window)
                break
            except (RestoreError, CommandError):
                # Another program made a document or a collection again before this one could.
                if attempt == _ATTEMPTS or not self._written_since(window):
                    raise
        self._since = self._tracker.resume(self._since, window)
        self._mark = self._clean_mark()
        self._began = self._clock.now()
        return ResetReport(
            self._tracker.tier,
            written,
            tuple(sorted({*window.documents, *window.collections})),
            time.perf_counter() - started,
            reloads,
            late or (),
        )

    def furnish(self, names: Iterable[str]) -> None:
        """Let the scenario have these collections, empty, where it has none of that name.

        Those of an earlier call go. For a database that was reset a moment ago; changes count from
        here. Raises RestoreError and the errors of the connection.
        """
        scenario = furnished(self.scenario, names)
        if scenario.collections.keys() == self.scenario.collections.keys():
            return
        self.scenario = scenario
        self._repair.turn_to(scenario, self._since)
        if self._tracker.tier == "fingerprints":  # the others know these collections by name
            self._since = self._tracker.now()
        self._mark = self._clean_mark()
        if self._proof is not None:
            self._proof = take_fingerprint(self._database)

    def complete(self, *, verifiable: bool) -> None:
        """Enter the restore in the ledger as complete; take the fingerprint for `verify`.

        Raises RestoreError where the server may have lost what was written meanwhile.
        """
        check_kept(self._database, self._tracker, self._since)
        baseline = complete_baseline(self.scenario, self._repair.catalog, self._ledger_point())
        write_baseline(self.database, baseline)
        self._proof = take_fingerprint(self._database) if verifiable else None

    def finish(self) -> None:
        """Say that whoever used the database is done: the next reset reports what comes later."""
        self._finished = self._tracker.moment()

    def late(self) -> tuple[LateWrites, ...]:
        """Tell which writes have come since `finish`; none where that was not said."""
        if self._finished is None:
            return ()
        catalog = self._repair.catalog
        return self._tracker.touched_since(self._since, catalog, self._finished).late

    def remember(self, settling: float = 0.0) -> None:
        """Enter in the ledger that nobody uses the database any more, and what it was left with.

        What comes within `settling` seconds is still of those who did; what comes later is somebody
        else's, whom the next restore refuses to overwrite.
        """
        point = self._ledger_point()
        confirm(self._database)
        if point is not None and self._tracker.lost_since(point):
            point = None  # what the last reset put right may be gone: the next run loads all
        left = take_left(self.database, settling)
        advance_baseline(self.database, point, list_uuids(self.database), left)

    def _ledger_point(self) -> Timestamp | None:
        return self._since if isinstance(self._since, Timestamp) else None

    def _written_since(self, window: Window) -> bool:
        later = self._tracker.touched_since(window.until, window.catalog)
        return bool(later.documents or later.collections)

    def mark(self) -> None:
        """Let changes count from the state that the database is in now."""
        window = self._tracker.touched_since(self._since, self._repair.catalog)
        # Many documents are kept on disk, as their collection.
        many = [name for name, ids in window.documents.items() if len(ids) > MOST_DOCUMENTS]
        whole = [*window.collections, *many]
        live = live_state(self._database, whole).collections
        documents: dict[str, dict[bytes, bytes | None]] = {}
        for name, identities in window.documents.items():
            if name not in many:
                found = find_documents(self._database, window.catalog[name].definition, identities)
                documents[name] = {identity: found.get(identity) for identity in identities}
        collections = {name: spooled(live[name]) if name in live else None for name in whole}
        self._mark = _Mark(window.until, window.catalog, documents, collections)

    def changes(self) -> Changes:
        """Tell what has happened to the database since the mark; falsy where nothing has."""
        mark = self._mark
        window = self._tracker.touched_since(mark.point, mark.catalog)
        live = live_state(self._database, window.collections).collections
        found: dict[str, CollectionDifference | None] = {}
        for name in window.collections:
            found[name] = compare_collections(self._at_mark(name), live.get(name))
        for name, identities in window.documents.items():
            if name in mark.collections:
                # Touched before the mark in a way that only the whole collection could tell.
                now = live_state(self._database, [name]).collections.get(name)
                found[name] = compare_collections(mark.collections[name], now)
            else:
                found[name] = self._compare_documents(name, identities)
        return Changes(
            before=self.scenario.label,
            after=describe(self.database),
            collections={name: found[name] for name in sorted(found) if found[name]},  # type: ignore[misc]
            scenario=self.scenario.label,
            digest=self.scenario.digest,
            provenance=partial(self.provenance, self._clock.now()),
        )

    def provenance(self, until: int | None = None) -> Provenance:
        """Tell which values were made since the last reset, or the restore.

        The server is asked for its clock. `until` is the end by this machine's clock, in
        milliseconds since 1970; None: now.
        """
        span = Span(self._began, self._clock.now() if until is None else until)
        spans = [span]
        asked = self._clock.now()
        if moment := self._tracker.moment():
            spans.append(span.by(moment.clock, Span(asked, self._clock.now())))
        began = datetime.datetime.fromtimestamp(span.first / 1000, datetime.UTC)
        return Provenance(
            spans=tuple((each.first, each.last) for each in spans),
            process=ObjectId().binary[4:9],
            in_scenario=partial(self._occurrences.hold, began),
        )

    def state(self) -> State:
        """Return the state of the database as it is now."""
        return live_state(self._database)

    def verify(self) -> None:
        """Raise RestoreError unless the database is what the restore left, hash by hash.

        Raises UsageError where it was restored without `verifiable`.
        """
        if self._proof is None:
            raise UsageError("nothing to verify with: restore it with verifiable=True")
        if wrong := take_fingerprint(self._database).touched_since(self._proof):
            raise RestoreError(
                f"{describe(self.database)} is not what the scenario {self.scenario.label} says, in"
                f" {', '.join(wrong)}: another program writes to it, or this is a fault of"
                " mongoshot; give the tests a database of their own with --db-name"
                f"\n{self._what_differs(wrong)}"
            )

    def _what_differs(self, names: list[str]) -> str:
        live = live_state(self._database, names).collections
        expected, found = (
            MemoryState(label, {name: state[name] for name in names if name in state})
            for label, state in (
                (self.scenario.label, self.scenario.collections),
                (describe(self.database), live),
            )
        )
        difference = compare(expected, found)
        return str(difference) if difference else "its documents agree by now, or their order"

    def _at_mark(self, name: str) -> Collection | None:
        """Return a collection as it was at the mark."""
        if name in self._mark.collections:
            return self._mark.collections[name]
        collection = self.scenario.collections.get(name)
        touched = self._mark.documents.get(name)
        if collection is None or not touched:
            return collection
        return Collection(collection.definition, partial(with_others, collection, touched))

    def _compare_documents(self, name: str, identities: set[bytes]) -> CollectionDifference:
        definition = self._mark.catalog[name].definition
        after = find_documents(self._database, definition, identities)
        touched_before = self._mark.documents.get(name, {})
        before = dict(self._repair.original(name).find(identities - touched_before.keys()))
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

    def _clean_mark(self) -> _Mark:
        return _Mark(self._since, dict(self._repair.catalog), {}, {})


def restore(
    scenario: Scenario,
    database: Database,
    *,
    allowed_hosts: Hosts[str] = frozenset(),
    claimed: bool = False,
    verifiable: bool = False,
    natural_order: NaturalOrder = "small",
    progress: Progress = no_progress,
) -> Staged:
    """Restore a scenario into a database, in full, and return it staged; no other run has it then.

    `verifiable` takes the fingerprint that `Staged.verify` needs, for which the server reads all of
    the database. `allowed_hosts` are hosts besides loopback that may be written to, by exact name.
    `claimed` says that the caller asked the guard before, and has the database since.
    `natural_order` says whether a reset gives documents their place in it back. The snapshot
    is verified before the first write; a restore that is cut short leaves the database
    marked as incomplete.

    Raises SnapshotDamagedError, OwnershipError, RestoreError, ServerError.
    """
    tracker = open_tracker(database)
    # From before the first write, where the own ones can be told from those of other programs.
    since = tracker.now() if tracker.writer else None
    with Leases(f"a restore of {scenario.label}", shares=True) as leases:
        catalog = load(
            scenario,
            database,
            allowed_hosts=allowed_hosts,
            claimed=claimed,
            leases=leases,
            writer=tracker.writer,
            progress=progress,
        )
        staged = Staged(
            scenario, database, tracker, catalog, since=since, natural_order=natural_order
        )
        if tracker.writer:
            staged.reset()  # what others have written meanwhile
        staged.complete(verifiable=verifiable)
    return staged


def resume(
    scenario: Scenario, database: Database, *, natural_order: NaturalOrder = "small"
) -> tuple[Staged, ResetReport] | None:
    """Stage a database that was restored from this very scenario before by what was touched since.

    Returns None where the ledger does not say that it was, or the server keeps no trace of writes.
    The caller has asked the guard. Raises SnapshotDamagedError, RestoreError, ServerError.
    """
    baseline = read_baseline(database)
    if baseline is None or not baseline.complete or baseline.digest != scenario.digest:
        return None
    if baseline.point is None:
        return None
    scenario.verify(unchanged_is_enough=True)
    scenario = furnished(scenario, baseline.collections.keys())
    catalog = {
        name: Entry(collection.definition, baseline.collections.get(name))
        for name, collection in scenario.collections.items()
    }
    if (tracker := open_tracker(database)).tier == "fingerprints":
        return None
    staged = Staged(
        scenario, database, tracker, catalog, since=baseline.point, natural_order=natural_order
    )
    return staged, staged.reset()
