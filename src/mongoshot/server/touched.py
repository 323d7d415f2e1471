"""Which collections of a database were touched: by fingerprints, on any server.

A fingerprint holds what each collection is and the server's hash of its documents, so that it costs
the server a reading of the database, and the network next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mongoshot.server.collections import hash_collections, list_definitions
from mongoshot.server.connection import Database
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
    """Take the fingerprint of a database as it is now."""
    return Fingerprint(list_definitions(database), hash_collections(database))
