"""Whether a database stood still while it was read, where no server keeps a point in time for us.

Everything is read once more, and hashed. Where a collection is the same both times, it was so in
between; where all are, the first reading is the state of the whole database at the moment when it
ended. (What was changed and changed back meanwhile makes no difference to that.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from mongoshot.snapshot.model import Collection, MemoryState


class Standstill:
    """Remember what was read of a state, to compare it with a second reading."""

    def __init__(self, state: MemoryState, again: Callable[[], MemoryState] | None = None) -> None:
        """Take the state that will be read.

        `again` gives the one to read the second time, where documents are chosen by what others
        hold: chosen anew between the readings, these are closed at the moment that both show.
        """
        self._again = again
        self._digests: dict[str, str] = {}
        #: The same state; whoever reads its documents to their end has them hashed on the way.
        self.state = self._watched(state)

    def written_meanwhile(self) -> tuple[str, ...]:
        """Read everything again, and name the collections that are not as they were read before.

        Costs a reading of the whole state, and no memory.
        """
        first = dict(self._digests)
        state = self._watched(self._again()) if self._again else self.state
        for collection in state.collections.values():
            for _ in collection.chunks():
                pass
        return tuple(sorted(name for name in first if first[name] != self._digests[name]))

    def _watched(self, state: MemoryState) -> MemoryState:
        watched = {
            name: Collection(each.definition, partial(self._watch, each))
            for name, each in state.collections.items()
        }
        return MemoryState(state.label, watched)

    def _watch(self, collection: Collection) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in collection.chunks():
            digest.update(chunk)
            yield chunk
        self._digests[collection.name] = digest.hexdigest()
