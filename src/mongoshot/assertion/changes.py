"""What a test sees of the changes to its database."""

from __future__ import annotations

from collections.abc import Callable

from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.difference import Changes
from mongoshot.comparison.inline.expected import decides_itself
from mongoshot.comparison.inline.sequences import ByCollection, Documents, Updates
from mongoshot.errors import UsageError

#: Lines of a report of what a test has changed.
MOST_LINES = 40


def show_changes(changes: Changes) -> str:
    """Write changes for a person: how much in each collection, then a screenful of what."""
    lines = str(changes).splitlines()
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"… and {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines)


class ObservedChanges:
    """Be `db_changes`: what has happened to the database up to the moment it is looked at.

    `found` is what `bool()` has found when it last looked; None where it has not.
    """

    def __init__(self, read: Callable[[], Changes]) -> None:
        """Take a function that asks the staged database."""
        self._ask = read
        self._last: Changes | None = None
        self.found: Changes | None = None

    def read(self) -> Changes:
        """Return what has changed until now."""
        self._last = self._ask()
        return self._last

    def __eq__(self, other: object) -> bool:
        """Compare the changes until now with a stored expectation.

        Raises UsageError for what can never be equal, as `!=` would pass where it is a mistake.
        """
        if isinstance(other, ObservedChanges):
            return NotImplemented
        if isinstance(other, ObservedState) or not decides_itself(other):
            raise UsageError(
                f"db_changes is compared with db_snapshot, not with {_named(other)};"
                ' inline, write db_changes.inserted == {"orders": [{…}]}, or .updated, or .deleted,'
                " and not db_changes where nothing is to change"
            )
        return bool(other == self.read())

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        """Tell whether anything has changed until now."""
        self.found = self.read()
        return bool(self.found)

    def __str__(self) -> str:
        """Write the changes until now for a person."""
        return str(self.read())

    def __repr__(self) -> str:
        """Say in one line how much had changed when this was last looked at, else until now.

        pytest asks for it while it explains a comparison, of which this is a side.
        """
        return repr(self.read() if self._last is None else self._last)

    @property
    def inserted(self) -> ByCollection[Documents]:
        """Return the documents inserted until now, by collection, to compare with dicts."""
        return self.read().inserted

    @property
    def updated(self) -> ByCollection[Updates]:
        """Return pairs of an updated document before and after, by collection."""
        return self.read().updated

    @property
    def deleted(self) -> ByCollection[Documents]:
        """Return the documents deleted until now, by collection, to compare with dicts."""
        return self.read().deleted


def _named(other: object) -> str:
    return "db_state" if isinstance(other, ObservedState) else f"a {type(other).__name__}"
