"""Putting right what was touched: single documents in their place, or a collection from new."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import zip_longest

from bson.timestamp import Timestamp

from mongoshot.comparison.pairing import pair_documents
from mongoshot.config import NaturalOrder
from mongoshot.errors import CommandError
from mongoshot.server.catalog import Entry, find_uuid
from mongoshot.server.collections import create, drop, read_chunks
from mongoshot.server.connection import Database
from mongoshot.server.documents import Writer, find_documents
from mongoshot.server.ledger import write_baseline
from mongoshot.server.tracking.window import (
    Catalog,
    Point,
    Tracker,
    Window,
    why_not_by_document,
)
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.model import Collection, Definition, Scenario, in_creation_order
from mongoshot.staging.load import as_listed, check_kept, complete_baseline, drop_all, fill

#: Touched documents of one collection from which it is reloaded whole.
MOST_DOCUMENTS = 10_000
#: Bytes of them from which on it is, too: they are held in memory, as a loaded collection is not.
_MOST_BYTES = 64 << 20
#: Documents of a collection that may be written again so that one comes back to its place: these
#: take a server about two milliseconds.
_FEW_DOCUMENTS = 100
#: Times that a collection is dropped again because another program has made it meanwhile.
_ATTEMPTS = 10


class Repair:
    """Bring collections of one database back to its scenario; `catalog` is what it then holds."""

    def __init__(
        self,
        scenario: Scenario,
        database: Database,
        tracker: Tracker,
        catalog: Catalog,
        natural_order: NaturalOrder,
    ) -> None:
        """Write to `database`, as `tracker` leaves out where it can."""
        self.catalog: dict[str, Entry] = dict(catalog)
        self._scenario = scenario
        self._database = database
        self._tracker = tracker
        self._writer = tracker.writer or Writer(database)
        self._natural_order = natural_order
        self._indexes: dict[str, DocumentIndex] = {}
        # Documents that a repair which failed may have removed, in writes that no window names.
        self._owed: dict[str, set[bytes]] = {}

    def original(self, name: str) -> DocumentIndex:
        """Return the documents of a collection as they are in the scenario."""
        if name not in self._indexes:
            self._indexes[name] = DocumentIndex(self._scenario.collections[name])
        return self._indexes[name]

    def turn_to(self, scenario: Scenario, point: Point) -> None:
        """Make the database another scenario's, which has other collections and is else the same.

        The database is as in the scenario before, and holds nothing else. Raises as `repair` does.
        """
        there = self.catalog
        differing = self._scenario.collections.keys() ^ scenario.collections.keys()
        self._scenario = scenario
        self.catalog = {name: entry for name, entry in there.items() if name not in differing}
        self._indexes = {n: index for n, index in self._indexes.items() if n not in differing}
        self._reload(dict.fromkeys(differing, "it is another scenario's"), Window(point, there))

    def repair(self, window: Window) -> tuple[int, dict[str, str]]:
        """Put right all that a window names.

        Returns how many documents were written, and which collections were loaded whole and why.
        Raises RestoreError and the errors of the connection; then all may be tried again.
        """
        documents, reloads = dict(window.documents), dict(window.collections)
        if self._tracker.writer is None:
            # Some of it this repair's predecessor may have written, as it is to be; and to read a
            # collection costs less than to load it.
            many = [name for name, ids in documents.items() if len(ids) > MOST_DOCUMENTS]
            for name in (*reloads, *many):
                differing = self._differing(name, window)
                if differing is not None:
                    documents[name] = differing
                    reloads.pop(name, None)
        for name in self._owed.keys() - reloads.keys():
            documents[name] = documents.get(name, set()) | self._owed[name]
        written = 0
        for name, identities in documents.items():
            if len(identities) > MOST_DOCUMENTS:
                reloads[name] = f"more than {MOST_DOCUMENTS:,} of its documents were touched"
                continue
            self._owed[name] = set(identities)
            done = self._put_back(name, identities, window.displaced.get(name, set()))
            if isinstance(done, str):
                reloads[name] = done
                continue
            written += done
            del self._owed[name]
        if reloads:
            written += self._reload(reloads, window)
        return written, reloads

    def _put_back(self, name: str, identities: set[bytes], displaced: set[bytes]) -> int | str:
        """Put documents back and return how many, or why the collection has to be reloaded."""
        definition = self.catalog[name].definition
        original = self.original(name)
        pristine = original.find_up_to(_MOST_BYTES, identities)
        if pristine is None:
            return f"more than {_MOST_BYTES >> 20} MiB of its documents were touched"
        if self._tracker.writer is None:
            there = find_documents(self._database, definition, identities)
            identities = {i for i in identities if there.get(i) != pristine.get(i)}
            pristine = {i: document for i, document in pristine.items() if i in identities}
            if not identities:
                return 0
        in_order = self._natural_order == "exact" or len(original) <= _FEW_DOCUMENTS
        moved = displaced if in_order else frozenset[bytes]()
        inserted = self._writer.put_back(definition, identities, pristine, moved)
        if not inserted or not in_order:
            return len(pristine)
        behind = original.from_first(inserted, MOST_DOCUMENTS)
        if behind is None:
            return "the natural order of many of its documents was changed"
        if list(behind) != inserted:
            self._owed[name] |= behind.keys()
            self._writer.remove(definition, behind)
            self._writer.insert(definition, b"".join(behind.values()))
        return len({*pristine, *behind})

    def _differing(self, name: str, window: Window) -> set[bytes] | None:
        """Name the documents that are not as in the scenario; None where these would not do."""
        now = window.catalog.get(name)
        if now is None or now != self.catalog.get(name):
            return None
        recorded = self._scenario.collections[name]
        live = Collection(now.definition, partial(read_chunks, self._database, now.definition))
        if why_not_by_document(now.definition):
            pairs = zip_longest(recorded.documents(), live.documents())
            return set() if all(a == b for a, b in pairs) else None
        differing: set[bytes] = set()
        for before, after in pair_documents(recorded.chunks(), live.chunks()):
            differing.add(document_id(before or after or b""))
            if len(differing) > MOST_DOCUMENTS:
                break
        return differing

    def _reload(self, reloads: Mapping[str, str], window: Window) -> int:
        point = window.until if isinstance(window.until, Timestamp) else None
        baseline = complete_baseline(self._scenario, self.catalog, point)
        write_baseline(self._database, replace(baseline, complete=False, collections={}))
        there = [window.catalog[name].definition for name in reloads if name in window.catalog]
        drop_all(self._database, there)
        wanted = {
            name: collection.definition
            for name, collection in self._scenario.collections.items()
            if name in reloads
        }
        documents = 0
        for definition in in_creation_order(wanted):
            self._create(definition)
            # Before it is filled: one that somebody makes anew meanwhile has another.
            uuid = find_uuid(self._database, definition)
            collection = self._scenario.collections[definition.name]
            documents += fill(collection, self._database, self._writer)
            self.catalog[definition.name] = Entry(definition, uuid)
        self._owed = {name: ids for name, ids in self._owed.items() if name not in reloads}
        self.catalog |= as_listed({name: self.catalog[name] for name in wanted}, self._database)
        check_kept(self._database, self._tracker, window.until)
        write_baseline(self._database, complete_baseline(self._scenario, self.catalog, point))
        return documents

    def _create(self, definition: Definition) -> None:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(CommandError):
                create(self._database, definition)
                return
            # Another program's write has made it again since it was dropped.
            drop(self._database, definition.name)
        create(self._database, definition)
