"""Whether a scenario holds an id or a date, anywhere in its documents, found as bytes.

What is looked for has so many bits of its own that it does not stand somewhere by chance, and where
it does, as part of something else, it is taken for held.
"""

from __future__ import annotations

import datetime
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from mongoshot.snapshot.model import Scenario

#: Kinds of values that programs make.
Family: TypeAlias = Literal["ObjectId", "UUID", "Date"]

#: How long before something is made a scenario must have been captured to be sure not to hold it,
#: however wrong the clocks of either are.
_CERTAIN = datetime.timedelta(days=1)

#: UUIDs, binary of either subtype and as strings. What is captured is only looked at, so that one
#: is found also behind bytes that look like another's beginning.
_BINARY_UUID = re.compile(rb"\x10\0\0\0[\3\4](?=(.{16}))", re.DOTALL)
_TEXT_UUID = re.compile(
    rb"\x25\0\0\0(?=([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\0)", re.DOTALL
)


class _Needle(NamedTuple):
    """Say by which bytes values of one kind and time are found, and where these stand in them."""

    part: bytes
    at: int
    size: int


class Occurrences:
    """Look for values in a scenario, and remember what it holds of their like.

    The documents are read once for all UUIDs, of which eight bytes each are kept, and once for all
    ids or dates of about one time: 256 seconds of ObjectIds, four hours of dates.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Look into the documents of `scenario`, once that is needed."""
        self._scenario = scenario
        self._uuids: array[int] | None = None
        self._found: dict[_Needle, frozenset[bytes]] = {}

    def hold(self, now: datetime.datetime, family: Family, raw: bytes) -> bool:
        """Tell whether a value that may have been made about `now` is there, by its raw bytes."""
        if family == "UUID":
            return self.hold_uuid(raw)
        if family == "ObjectId":
            return self.hold_object_id(raw, now)
        return self.hold_date(raw, now)

    def hold_uuid(self, raw: bytes) -> bool:
        """Tell whether a UUID is there, binary or as text, given as its 16 bytes.

        Raises SnapshotDamagedError, as do the others.
        """
        if self._uuids is None:
            found = array("Q")
            for chunk in self._chunks():
                found.extend(map(_short, _uuids(chunk)))
            self._uuids = array("Q", sorted(found))
        at = bisect_left(self._uuids, _short(raw))
        return at < len(self._uuids) and self._uuids[at] == _short(raw)

    def hold_object_id(self, raw: bytes, now: datetime.datetime) -> bool:
        """Tell whether an ObjectId that was made about `now` is there, also as text."""
        if self._captured_before(now):
            return False
        text = raw.hex().encode()
        wanted = [(raw, 3), (text, 6), (text.upper(), 6)]
        return self._hold([(_Needle(each[:size], 0, len(each)), each) for each, size in wanted])

    def hold_date(self, raw: bytes, now: datetime.datetime) -> bool:
        """Tell whether a date of about `now` is there, given as its eight bytes."""
        return not self._captured_before(now) and self._hold([(_Needle(raw[3:], 3, 8), raw)])

    def _captured_before(self, now: datetime.datetime) -> bool:
        captured_at = self._scenario.captured_at
        try:
            return not captured_at or datetime.datetime.fromisoformat(captured_at) < now - _CERTAIN
        except (ValueError, TypeError):
            return False  # no time, or one without a zone, from a stranger's manifest

    def _hold(self, wanted: list[tuple[_Needle, bytes]]) -> bool:
        if unknown := {needle for needle, _ in wanted} - self._found.keys():
            found: dict[_Needle, set[bytes]] = {needle: set() for needle in unknown}
            for chunk in self._chunks():
                for needle, values in found.items():
                    values.update(_beside(chunk, needle))
            self._found.update((needle, frozenset(values)) for needle, values in found.items())
        return any(value in self._found[needle] for needle, value in wanted)

    def _chunks(self) -> Iterator[bytes]:
        for collection in self._scenario.collections.values():
            yield from collection.chunks()


def _uuids(chunk: bytes) -> Iterable[bytes]:
    yield from _BINARY_UUID.findall(chunk)
    for text in _TEXT_UUID.findall(chunk):
        yield bytes.fromhex(text.decode().replace("-", ""))


def _short(uuid: bytes) -> int:
    """Fold a UUID into eight bytes, of which those that are random have their part in each."""
    return int.from_bytes(uuid[8:], "big") ^ int.from_bytes(uuid[:8], "big")


def _beside(chunk: bytes, needle: _Needle) -> Iterator[bytes]:
    at = chunk.find(needle.part)
    while at >= 0:
        start = max(at - needle.at, 0)
        yield chunk[start : start + needle.size]
        at = chunk.find(needle.part, at + 1)
