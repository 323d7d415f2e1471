"""What a test sees of its whole database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mongoshot.comparison.expectation.writing import state_to_text
from mongoshot.comparison.provenance import Provenance
from mongoshot.errors import UsageError
from mongoshot.snapshot.model import Collection, State


class ObservedState:
    """Be `db_state`: the whole database, or one collection of it, at the moment it is looked at."""

    def __init__(
        self,
        read: Callable[[], State],
        scenario: str,
        digest: str,
        only: str | None = None,
        provenance: Callable[[], Provenance] | None = None,
    ) -> None:
        """Take a function that reads the database, and what it was staged from.

        `provenance` tells which values were made since.
        """
        self._read = read
        self._provenance = provenance
        self.scenario = scenario
        self._digest = digest
        self._only = only

    def __getitem__(self, collection: str) -> ObservedState:
        """Look at one collection alone."""
        return ObservedState(self._read, self.scenario, self._digest, collection, self._provenance)

    def __eq__(self, other: object) -> bool:
        """Compare the state as it is now with a stored expectation."""
        return bool(other == self) if not isinstance(other, ObservedState) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Name the state."""
        return f"<state of {self._only or 'the database'}, staged from {self.scenario}>"

    def to_text(self) -> str:
        """Write the state as it is now as the text of an expectation."""
        collections = self._collections()
        provenance = self._provenance() if self._provenance else None
        return state_to_text(collections, self.scenario, self._digest, provenance)

    def _collections(self) -> Mapping[str, Collection]:
        collections = self._read().collections
        if self._only is None:
            return collections
        if self._only not in collections:
            there = ", ".join(collections) or "none"
            raise UsageError(f"no collection {self._only!r} in the database: there are {there}")
        return {self._only: collections[self._only]}
