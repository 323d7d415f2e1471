"""Snapshot → database, in full: verified before the first write, marked complete after the last."""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections.abc import Collection as Hosts
from collections.abc import Iterable, Iterator

from bson.timestamp import Timestamp

from mongoshot.errors import CommandError, RestoreError
from mongoshot.server.catalog import (
    Entry,
    check_can_be_made,
    find_uuid,
    list_catalog,
    list_definitions,
)
from mongoshot.server.collections import create, create_indexes, drop
from mongoshot.server.connection import Database, describe
from mongoshot.server.documents import Writer
from mongoshot.server.durability import confirm
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import write_baseline
from mongoshot.server.ledger_entry import Baseline
from mongoshot.server.ownership import claim
from mongoshot.server.tracking.window import Catalog, Point, Tracker
from mongoshot.snapshot.model import (
    Collection,
    Definition,
    Progress,
    Scenario,
    in_creation_order,
    no_progress,
)

#: Up to this many bytes of documents, an index is made before the documents are written: an empty
#: collection gets one without waiting for a commit of the server's journal. Above it, building the
#: index at the end costs less than keeping it up to date.
INDEXES_FIRST = 8 << 20


def load(
    scenario: Scenario,
    database: Database,
    *,
    allowed_hosts: Hosts[str] = frozenset(),
    claimed: bool = False,
    leases: Leases | None = None,
    writer: Writer | None = None,
    progress: Progress = no_progress,
) -> Catalog:
    """Make a database equal to a scenario: documents, indexes, options and views.

    Verifies the scenario, and that the database is mongoshot's to overwrite (unless the caller has
    `claimed` it), before the first write; `leases` hold it then. From then on the ledger has the
    database as incomplete: it is for the caller to enter it as complete. Returns what was made,
    with the UUIDs of it: what another program makes or makes anew meanwhile is not in it.

    Raises SnapshotDamagedError, OwnershipError, RestoreError.
    """
    scenario.verify()
    definitions = {name: c.definition for name, c in scenario.collections.items()}
    check_can_be_made(database, definitions.values())
    if not claimed:
        claim(database, allowed_hosts, leases=leases)
    write_baseline(database, Baseline(scenario.digest, scenario.label, complete=False))
    drop_all(database, list_definitions(database).values())
    with contextlib.suppress(CommandError):  # not every user has the right
        drop(database, "system.views")  # left empty by the last view, it would be in the way
    writer = writer or Writer(database)
    catalog: dict[str, Entry] = {}
    for definition in in_creation_order(definitions):
        create(database, definition)
        # Before it is filled: one that somebody makes anew meanwhile has another.
        catalog[definition.name] = Entry(definition, find_uuid(database, definition))
        fill(scenario.collections[definition.name], database, writer, progress)
    return as_listed(catalog, database)


def as_listed(catalog: Catalog, database: Database) -> dict[str, Entry]:
    """Return collections as their server states them: another version may do that otherwise.

    One that has other indexes was changed by another program since, and stays as it was.
    """
    there = list_catalog(database, only=catalog)
    return {
        name: there[name] if name in there and _is_the_same(entry, there[name]) else entry
        for name, entry in catalog.items()
    }


def _is_the_same(entry: Entry, listed: Entry) -> bool:
    names = (
        [index["name"] for index in each.definition.decoded_indexes()] for each in (entry, listed)
    )
    return entry.uuid == listed.uuid and operator.eq(*names)


def complete_baseline(scenario: Scenario, catalog: Catalog, point: Timestamp | None) -> Baseline:
    """Say that what was not touched since `point` is as in the scenario."""
    uuids = {name: entry.uuid for name, entry in catalog.items() if entry.uuid}
    return Baseline(scenario.digest, scenario.label, True, uuids, point)


def check_kept(database: Database, tracker: Tracker, since: Point) -> None:
    """Raise RestoreError unless what was written since a point is there, and will be.

    To be called before anybody is told that a database is complete.
    """
    confirm(database)
    if reason := tracker.lost_since(since):
        raise RestoreError(
            f"{describe(database)} is not complete: {reason}; the ledger says so, and the next"
            " restore, or test, starts over"
        )


def drop_all(database: Database, definitions: Iterable[Definition]) -> None:
    """Drop collections, each view before what it reads from."""
    for definition in reversed(in_creation_order({d.name: d for d in definitions})):
        drop(database, definition.name)


def fill(
    collection: Collection,
    database: Database,
    writer: Writer,
    progress: Progress = no_progress,
) -> int:
    """Give a collection that was created just now its documents and indexes; return how many."""
    definition = collection.definition
    chunks = collection.chunks()
    small, is_all = _read_up_to(chunks, INDEXES_FIRST)
    # On its way to a unique index, one refuses new duplicates and keeps those that were there.
    # https://www.mongodb.com/docs/manual/reference/command/collMod/#convert-an-existing-index-to-unique
    strict = any(index.get("prepareUnique") for index in definition.decoded_indexes())
    indexes_first = is_all and not strict
    if indexes_first:
        create_indexes(database, definition)
    documents = 0
    for chunk in itertools.chain(small, () if is_all else chunks):
        inserted = writer.insert(definition, chunk)
        documents += inserted
        progress(definition.name, inserted)
    if not indexes_first:
        create_indexes(database, definition)
    return documents


def _read_up_to(chunks: Iterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """Read chunks up to about `size` bytes; return them and whether these were all."""
    read: list[bytes] = []
    for chunk in chunks:
        read.append(chunk)
        if (size := size - len(chunk)) < 0:
            return read, False
    return read, True
