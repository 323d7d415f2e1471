"""What a test sees of its whole database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mongoshot.comparison.difference import Difference, compare
from mongoshot.comparison.expectation.filtering import (
    filter_collections,
    filter_differences,
    find_refused,
    find_refused_of_state,
    looked_at,
    refusals,
)
from mongoshot.comparison.expectation.model import Refusals, StateKind
from mongoshot.comparison.expectation.rules import Rules
from mongoshot.comparison.expectation.size import measure
from mongoshot.comparison.expectation.writing import (
    ExpectationText,
    state_difference_to_text,
    state_to_text,
)
from mongoshot.comparison.inline.expected import decides_itself
from mongoshot.comparison.inline.sequences import Documents, expected_items
from mongoshot.comparison.printable import one_line
from mongoshot.comparison.provenance import Provenance
from mongoshot.errors import UsageError
from mongoshot.snapshot.model import Collection, MemoryState, Scenario, State


class ObservedState:
    """Be `db_state`: the whole database, or one collection of it, at the moment it is looked at."""

    def __init__(
        self,
        read: Callable[[], State],
        scenario: Scenario,
        only: str | None = None,
        provenance: Callable[[], Provenance] | None = None,
    ) -> None:
        """Take a function that reads the database, and what it was staged from.

        `provenance` tells which values were made since.
        """
        self._read = read
        self._provenance = provenance
        self.scenario = scenario
        self._only = only

    def __getitem__(self, collection: str) -> ObservedState:
        """Look at one collection alone."""
        return ObservedState(self._read, self.scenario, collection, self._provenance)

    def __eq__(self, other: object) -> bool:
        """Compare the state as it is now with a stored expectation, or a collection with a list.

        Raises UsageError for what can never be equal, as `!=` would pass where it is a mistake.
        """
        if isinstance(other, ObservedState):
            return NotImplemented
        if expected_items(other) is not None:
            return self.found() == other
        if not decides_itself(other):
            raise UsageError(
                f"db_state is compared with db_snapshot, and not with a {type(other).__name__};"
                ' one collection also with a list: db_state["orders"] == [{…}]'
            )
        return bool(other == self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Name the state."""
        of = one_line(self._only or "the database")
        return f"<state of {of}, staged from {self.scenario.label}>"

    def write(
        self, kind: StateKind | None = None, rules: Rules | None = None
    ) -> tuple[ExpectationText, Mapping[str, Refusals]]:
        """Write the state as it is now as the text of an expectation; tell what rules refuse.

        That is a "state", all documents, or a "difference" from the scenario; None for what its
        size suggests. A difference is read side by side with the scenario, and takes memory by what
        differs. Raises UsageError where the one collection is not there.
        """
        rules = rules or Rules()
        collections: Mapping[str, Collection] = dict(looked_at(self._collections(), rules))
        if kind is None:
            large, collections = measure(collections)
            kind = "difference" if large else "state"
        recorded = self.scenario.label, self.scenario.digest
        if kind == "state":
            collections = {name: _kept(collection) for name, collection in collections.items()}
            filtered = filter_collections(collections, rules)
            text = state_to_text(filtered, *recorded, self._values_made())
            return text, refusals(find_refused_of_state(collections, rules), text)
        found = self._difference(collections, rules).collections
        differences = filter_differences(found, rules)
        text = state_difference_to_text(differences, *recorded, self._values_made())
        return text, refusals(find_refused(found, rules), text)

    def found(self) -> Documents:
        """Return the documents of the one collection, to compare with a list.

        Those of a time series are its buckets. Raises UsageError where no single collection was
        chosen, or it is not there.
        """
        if self._only is None:
            raise UsageError('compare one collection with a list: db_state["orders"] == […]')
        documents = self._collections()[self._only].documents()
        return Documents("documents", self._only, list(documents))

    def _difference(self, collections: Mapping[str, Collection], rules: Rules) -> Difference:
        """Compare the scenario with the state, or their one collection."""
        scenario = {
            # One that was dropped: that says all, and its documents need not be read.
            name: collection if name in collections else Collection(collection.definition)
            for name, collection in looked_at(self.scenario.collections, rules)
            if self._only in (None, name)
        }
        return compare(
            MemoryState(self.scenario.label, scenario), MemoryState("the database", collections)
        )

    def _values_made(self) -> Provenance | None:
        return self._provenance() if self._provenance else None

    def _collections(self) -> Mapping[str, Collection]:
        collections = self._read().collections
        if self._only is None:
            return collections
        if self._only not in collections:
            there = one_line(", ".join(collections)) or "none"
            raise UsageError(f"no collection {self._only!r} in the database: there are {there}")
        return {self._only: collections[self._only]}


def _kept(collection: Collection) -> Collection:
    """Read a small collection, to be read again."""
    chunks = list(collection.chunks())
    return Collection(collection.definition, lambda: iter(chunks))
