"""Which collections are not what they were, by their fingerprints: on any server that hashes.

A standalone server keeps no trace of a write; dbHash tells which collections differ, for which the
server reads all of them. https://www.mongodb.com/docs/manual/reference/command/dbHash/
"""

from __future__ import annotations

from dataclasses import dataclass

from mongoshot.server.catalog import list_catalog, list_definitions
from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Database
from mongoshot.server.documents import Writer
from mongoshot.server.durability import identify_process
from mongoshot.server.tracking.window import Catalog, Moment, Point, Tier, Window
from mongoshot.snapshot.model import Definition


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
    """Track collections by their fingerprints."""

    tier: Tier = "fingerprints"
    writer: Writer | None = None

    def __init__(self, database: Database) -> None:
        """Track `database`."""
        self._database = database
        self._process = identify_process(database)

    def now(self) -> Point:
        """Take the fingerprint of the database."""
        return take_fingerprint(self._database)

    def moment(self) -> Moment | None:
        """Return None: fingerprints have no time."""
        return None

    def touched_since(
        self,
        since: Point,
        catalog: Catalog,
        ended: Moment | None = None,  # noqa: ARG002 - a fingerprint has no time
    ) -> Window:
        """Compare the database with its fingerprint at `since`."""
        now, there = take_fingerprint(self._database), list_catalog(self._database)
        reasons = dict.fromkeys(now.touched_since(since), "its fingerprint is another")
        for name, entry in there.items():
            # A hash has no order.
            if entry.definition.capped and name in catalog:
                reasons.setdefault(name, "it is capped: the order of its documents counts")
        return Window(now, there, {}, reasons)

    def resume(self, since: Point, window: Window) -> Point:  # noqa: ARG002 - the others need it
        """Go on comparing with the database as it was, and is again."""
        return since

    def lost_since(self, since: Point) -> str | None:  # noqa: ARG002 - the others need it
        """Tell whether the server was started again: one that crashed forgets its last writes."""
        if identify_process(self._database) != self._process:
            return "the server was started again meanwhile, and may have lost what was written"
        return None
