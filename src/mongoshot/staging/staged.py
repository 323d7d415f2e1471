"""A database that was restored from a scenario: it resets to it, and tells what has changed."""

from __future__ import annotations

import time
from collections.abc import Collection as Hosts
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from mongoshot.comparison.difference import Changes, compare_collections
from mongoshot.errors import RestoreError
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database, describe
from mongoshot.server.touched import Fingerprint, take_fingerprint
from mongoshot.snapshot.model import (
    Collection,
    Progress,
    Scenario,
    State,
    in_creation_order,
    no_progress,
)
from mongoshot.staging.load import drop_all, load, load_collection


@dataclass(frozen=True, slots=True)
class ResetReport:
    """Say what a reset did.

    `strategy` is how the touched collections were found, `documents` how many were written,
    `collections` which were put back, `seconds` how long it took.
    """

    strategy: Literal["fingerprints"]
    documents: int
    collections: tuple[str, ...]
    seconds: float


class Staged:
    """Hold a database that was restored from a scenario, and the mark that changes count from."""

    def __init__(self, scenario: Scenario, database: Database, baseline: Fingerprint) -> None:
        """Take over `database`, which holds exactly `scenario` and has the fingerprint given."""
        self.scenario = scenario
        self.database = database
        self._baseline = baseline
        self._mark = baseline
        self._marked: Mapping[str, Collection] = scenario.collections

    def reset(self) -> ResetReport:
        """Bring the database back to its scenario, touching only what has changed.

        Changes count from here. Raises RestoreError and the errors of the connection.
        """
        started = time.perf_counter()
        now = take_fingerprint(self.database)
        touched = now.touched_since(self._baseline)
        drop_all(self.database, [now.definitions[n] for n in touched if n in now.definitions])
        again = {
            n: self._baseline.definitions[n] for n in touched if n in self._baseline.definitions
        }
        documents = 0
        for definition in in_creation_order(again):
            documents += load_collection(self.scenario.collections[definition.name], self.database)
        self._mark, self._marked = self._baseline, self.scenario.collections
        seconds = time.perf_counter() - started
        return ResetReport("fingerprints", documents, tuple(touched), seconds)

    def mark(self) -> None:
        """Let changes count from the state that the database is in now."""
        self._mark = take_fingerprint(self.database)
        touched = self._mark.touched_since(self._baseline)
        live = live_state(self.database).collections
        marked = {n: c for n, c in self.scenario.collections.items() if n not in touched}
        for name in touched:
            if name in live:
                chunks = list(live[name].chunks())
                marked[name] = Collection(live[name].definition, partial(_reread, chunks))
        self._marked = marked

    def changes(self) -> Changes:
        """Tell what has happened to the database since the mark; falsy where nothing has."""
        now = take_fingerprint(self.database)
        live = live_state(self.database).collections
        found = {}
        for name in now.touched_since(self._mark):
            difference = compare_collections(self._marked.get(name), live.get(name))
            if difference:
                found[name] = difference
        return Changes(
            before=self.scenario.label,
            after=describe(self.database),
            collections=found,
            scenario=self.scenario.label,
            digest=self.scenario.digest,
        )

    def state(self) -> State:
        """Return the state of the database as it is now."""
        return live_state(self.database)

    def verify(self) -> None:
        """Raise RestoreError unless the database is what the restore left, hash by hash."""
        wrong = take_fingerprint(self.database).touched_since(self._baseline)
        if wrong:
            raise RestoreError(
                f"{describe(self.database)} is not what the scenario {self.scenario.label} says, in"
                f" {', '.join(wrong)}: another program writes to it, or this is a fault of"
                " mongoshot; give the tests a database of their own with --db-name"
            )


def restore(
    scenario: Scenario,
    database: Database,
    *,
    allowed_hosts: Hosts[str] = frozenset(),
    progress: Progress = no_progress,
) -> Staged:
    """Restore a scenario into a database, in full, and return it staged.

    `allowed_hosts` are hosts besides loopback that may be written to, by exact name. The snapshot
    is verified before the first write; a restore that is cut short leaves the database marked as
    incomplete. Raises SnapshotDamagedError, OwnershipError, RestoreError, ServerError.
    """
    load(scenario, database, allowed_hosts=allowed_hosts, progress=progress)
    return Staged(scenario, database, take_fingerprint(database))


def _reread(chunks: list[bytes]) -> Iterator[bytes]:
    return iter(chunks)
