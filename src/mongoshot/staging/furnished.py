"""A scenario, and collections beside its own that are there and empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import bson

from mongoshot.snapshot.model import Collection, Definition, Scenario

_ID_INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})


def furnished(scenario: Scenario, names: Iterable[str]) -> Scenario:
    """Return a scenario with these collections, empty, where it has none of that name.

    Of a scenario that was furnished before, what came with that goes.
    """
    own = scenario.own if isinstance(scenario, Furnished) else scenario
    missing = frozenset(names) - own.collections.keys()
    if isinstance(scenario, Furnished) and scenario.furniture == missing:
        return scenario
    return Furnished(own, missing) if missing else own


@dataclass(frozen=True)
class Furnished:
    """Be a scenario that has some empty collections more.

    It goes by the label and the digest of its own: an expectation does not depend on which
    templates there are, and the ledger knows the collections of a database by name.
    """

    own: Scenario
    furniture: frozenset[str]

    @property
    def label(self) -> str:
        """Say in a report what state this is."""
        return self.own.label

    @property
    def digest(self) -> str:
        """Identify what the scenario holds."""
        return self.own.digest

    @property
    def captured_at(self) -> str:
        """Say until when what the scenario holds was made."""
        return self.own.captured_at

    def verify(self, *, unchanged_is_enough: bool = False) -> None:
        """Raise SnapshotDamagedError unless all of it can be read as it was written."""
        self.own.verify(unchanged_is_enough=unchanged_is_enough)

    @cached_property
    def collections(self) -> Mapping[str, Collection]:
        """Return all collections by name, sorted by name."""
        empty = {
            name: Collection(Definition(name, indexes=(_ID_INDEX,))) for name in self.furniture
        }
        return dict(sorted({**self.own.collections, **empty}.items()))
