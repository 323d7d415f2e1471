"""Which values a test made: ids and dates that no scenario holds and no source code either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mongoshot.snapshot.occurrences import Family

#: Milliseconds by which the clocks that ids and dates are made by may be apart from those that were
#: asked. An ObjectId has whole seconds of any process's clock, wherever that runs.
_MARGIN_OF_DATES = 10
_MARGIN_OF_IDS = 1000
_SECOND = 1000

#: 100 nanoseconds from the first day of the Gregorian calendar, which UUIDs count from, to 1970.
_GREGORIAN = 0x01B21DD213814000


@dataclass(frozen=True, slots=True)
class Provenance:
    """Tell whether a value was made since the database was staged.

    `spans` are the time since then in milliseconds since 1970, first and last, once by each clock.
    `process` are the five bytes that distinguish the ObjectIds of this process. `in_scenario` looks
    for a value, given as its family and raw bytes, in what the database was staged from.
    """

    spans: tuple[tuple[int, int], ...]
    process: bytes
    in_scenario: Callable[[Family, bytes], bool]

    def made(self, family: Family, raw: bytes, *, legacy: bool = False) -> bool:
        """Tell whether a value was made since: 12 bytes of an ObjectId, 16 of a UUID, 8 of a date.

        `legacy` is a UUID of the binary subtype 3, whose bytes stand in the order of one of several
        drivers.

        An ObjectId was, where its time says so, or this process made it, whatever a test did to the
        clock. A UUID was, where its version has a time that says so, or is random, and it is not in
        the scenario; one that is made from a name is the same each time. A date was, where its time
        says so; of a date without a fraction, the second that it may have been cut to counts.
        """
        if family == "ObjectId":
            seconds = int.from_bytes(raw[:4], "big") * _SECOND
            candidate = raw[4:9] == self.process or self._within(seconds, _SECOND, _MARGIN_OF_IDS)
        elif family == "UUID":
            readings = _legacy_readings(raw) if legacy else (raw,)
            candidate = any(map(self._may_be_made, readings))
        else:
            date = int.from_bytes(raw, "little", signed=True)
            lasts = 1 if date % _SECOND else _SECOND
            candidate = self._within(date, lasts, _MARGIN_OF_DATES)
        return candidate and not self.in_scenario(family, raw)

    def _within(self, start: int, lasts: int, margin: int) -> bool:
        return any(
            first - margin < start + lasts and start <= last + margin for first, last in self.spans
        )

    def _may_be_made(self, uuid: bytes) -> bool:
        """Read version and time of a UUID: https://www.rfc-editor.org/rfc/rfc9562#section-5."""
        if uuid[8] >> 6 != 0b10:
            return False
        version = uuid[6] >> 4
        if version == 7:
            return self._within(int.from_bytes(uuid[:6], "big"), 1, _MARGIN_OF_IDS)
        low, middle, high = (int.from_bytes(uuid[a:b], "big") for a, b in ((0, 4), (4, 6), (6, 8)))
        ticks = {
            1: (high & 0xFFF) << 48 | middle << 32 | low,
            6: low << 28 | middle << 12 | high & 0xFFF,
        }.get(version)
        if ticks is None:
            return version == 4
        return self._within((ticks - _GREGORIAN) // 10_000, 1, _MARGIN_OF_IDS)


def _legacy_readings(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Give the bytes of a UUID as they stand, and as old drivers for Java and C# turned them.

    https://github.com/mongodb/specifications/blob/master/source/bson-binary-uuid/uuid.md
    """
    java = raw[7::-1] + raw[:7:-1]
    csharp = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
    return raw, java, csharp
