"""What a capture is to hold: as it is asked for, and as the manifest keeps it to do it again."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mongoshot.errors import UsageError
from mongoshot.snapshot.model import MemoryState
from mongoshot.snapshot.writer import Format, check_format


@dataclass(frozen=True, slots=True)
class Request:
    """Say what of a database a snapshot is to hold, and how it is to be kept.

    `collections` are those to capture, none for all; `exclude` those to leave out.
    """

    collections: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    format: Format | None = None

    @classmethod
    def of(
        cls,
        *,
        collections: Iterable[str] = (),
        exclude: Iterable[str] = (),
        format: str | None = None,
    ) -> Request:
        """Take a request as somebody types it; raises UsageError for what can be none."""
        if isinstance(collections, str) or isinstance(exclude, str):
            raise UsageError("collections and exclude take lists of names, not one string")
        return cls(tuple(sorted(collections)), tuple(sorted(exclude)), check_format(format))

    def recipe(self, database: str) -> dict[str, Any]:
        """Return what the manifest keeps of the request, as JSON."""
        return {
            "database": database,
            "collections": list(self.collections),
            "exclude": list(self.exclude),
            "format": self.format,
        }

    def choose(self, state: MemoryState) -> MemoryState:
        """Leave of a state what is asked for; raises UsageError for a collection that it lacks."""
        for name in (*self.collections, *self.exclude):
            if name not in state.collections:
                near = difflib.get_close_matches(name, state.collections, n=3)
                hint = (
                    f"did you mean {' or '.join(near)}?"
                    if near
                    else "it has " + ", ".join(state.collections)
                )
                raise UsageError(f"no collection {name!r} in {state.label}: {hint}")
        chosen = set(self.collections or state.collections) - set(self.exclude)
        return MemoryState(
            state.label, {name: c for name, c in state.collections.items() if name in chosen}
        )
