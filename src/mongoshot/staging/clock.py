"""The clock of this machine, and that of its server, whatever a test does to Python's."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)


class Clock:
    """Tell the time as it went on since the first look at it.

    Tests freeze `time.time`, and names in modules that stand for it; a counter that an object holds
    is left alone.
    """

    def __init__(self) -> None:
        """Look at the time, which nobody should have frozen yet."""
        self._count = time.perf_counter_ns
        self._first = time.time_ns() - self._count()

    def now(self) -> int:
        """Return milliseconds since 1970."""
        return (self._first + self._count()) // 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """Hold a stretch of time: milliseconds since 1970 by this machine's clock, first and last."""

    first: int
    last: int

    def by(self, clock: datetime.datetime, asked: Span) -> Span:
        """Return it by another clock, which showed `clock` when it was asked: in UTC if naive."""
        if clock.tzinfo is None:
            clock = clock.replace(tzinfo=datetime.UTC)
        shown = (clock - _EPOCH) // _MILLISECOND
        return Span(self.first + shown - asked.last, self.last + shown - asked.first)
