"""What a test sees of the changes to its database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mongoshot.comparison.difference import Changes


class ObservedChanges:
    """Be `db_changes`: what has happened to the database up to the moment it is looked at."""

    def __init__(self, read: Callable[[], Changes]) -> None:
        """Take a function that asks the staged database."""
        self.read = read

    def __eq__(self, other: object) -> bool:
        """Compare the changes until now with a stored expectation."""
        changes = self.read()
        return bool(other == changes) if not isinstance(other, ObservedChanges) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        """Tell whether anything has changed until now."""
        return bool(self.read())

    def __str__(self) -> str:
        """Write the changes until now for a person."""
        return str(self.read())

    def __repr__(self) -> str:
        """Say in one line how much has changed until now."""
        return repr(self.read())

    @property
    def inserted(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return the documents inserted until now, by collection; [] where none."""
        return self.read().inserted

    @property
    def updated(self) -> Mapping[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
        """Return pairs of an updated document before and after, by collection; [] where none."""
        return self.read().updated

    @property
    def deleted(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return the documents deleted until now, by collection; [] where none."""
        return self.read().deleted
