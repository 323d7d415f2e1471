"""One database object for a whole run, which stands for one of several databases at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database as PymongoDatabase

from mongoshot.server.connection import Database


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """Stand for one test's use of a database, and be no other's.

    `arranged` is to be called when what the test starts from has been added to.
    """

    arranged: Callable[[], None] | None = None


class CurrentDatabase(PymongoDatabase[dict[str, Any]]):
    """Be the database that was set last, by `switch`.

    A collection or a change stream that is taken from it stays with the database of that time.
    Any public attribute of its own would hide a collection of that name.
    """

    def __init__(self, target: Database) -> None:
        """Stand for `target` at first."""
        self._target = target
        self._use: Use | None = None
        super().__init__(target.client, target.name)

    def __getitem__(self, name: str) -> Any:
        """Return a collection of the current database."""
        return self._target[name]

    def get_collection(self, *arguments: Any, **options: Any) -> Any:
        """Return a collection of the current database."""
        return self._target.get_collection(*arguments, **options)

    def create_collection(self, *arguments: Any, **options: Any) -> Any:
        """Create a collection in the current database."""
        return self._target.create_collection(*arguments, **options)

    def with_options(self, *arguments: Any, **options: Any) -> Any:
        """Return the current database with other options."""
        return self._target.with_options(*arguments, **options)

    def watch(self, *arguments: Any, **options: Any) -> Any:
        """Watch the current database."""
        return self._target.watch(*arguments, **options)


def switch(database: CurrentDatabase, target: Database, use: Use | None = None) -> None:
    """Let `database` stand for `target`, of the same client, from now on, for the test of `use`."""
    database._target = target  # noqa: SLF001 - see the class: a method would hide a collection
    database._name = target.name  # noqa: SLF001 - what all else in the driver's class works by
    database._use = use  # noqa: SLF001 - see above


def use_of(database: Database) -> Use | None:
    """Return which test uses the database of a run; None for any other, and before the first."""
    return database._use if isinstance(database, CurrentDatabase) else None  # noqa: SLF001 - see above
