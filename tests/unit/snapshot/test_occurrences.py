from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson import Binary, ObjectId

from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.occurrences import Occurrences

if TYPE_CHECKING:
    from tests.conftest import MakeState

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
KEYS = [uuid.uuid4() for _ in range(5)]
IDS = [ObjectId.from_datetime(NOW + datetime.timedelta(seconds=n)) for n in range(3)]


class Held:
    """Be a scenario of a few documents; counts how often it is read."""

    label = digest = "held"

    def __init__(self, make_state: MakeState, captured_at: str, *documents: Any) -> None:
        self.captured_at = captured_at
        self.collections = make_state(a=list(documents)).collections
        self.read = 0
        for collection in self.collections.values():
            object.__setattr__(collection, "chunks", self._counted(collection.chunks))

    def _counted(self, chunks: Any) -> Any:
        def read() -> Iterator[bytes]:
            self.read += 1
            yield from chunks()

        return read

    def verify(self, *, unchanged_is_enough: bool = False) -> None:
        """Be whole."""


def test_uuids_are_found_in_every_form_and_read_for_once(make_state: MakeState) -> None:
    scenario = Held(
        make_state,
        "2020-01-01T00:00:00Z",
        {"_id": Binary.from_uuid(KEYS[0]), "text": str(KEYS[1])},
        # What looks like the beginning of another: an int32 of 16 before an array.
        {"_id": 1, "n": 16, "": [Binary(KEYS[2].bytes, 3)], "upper": str(KEYS[3]).upper()},
        {"_id": 2, "prefix": f"urn:uuid:{KEYS[4]}"},
    )
    occurrences = Occurrences(scenario)
    assert [occurrences.hold_uuid(key.bytes) for key in KEYS] == [True] * 4 + [False]
    assert scenario.read == 1


@pytest.mark.parametrize(
    ("captured_at", "expected"),
    [
        ("2026-01-02T03:04:05Z", True),
        ("2025-12-01T00:00:00Z", False),
        ("2027-01-01T00:00:00Z", True),
        ("long ago", True),
        ("2020-01-01T00:00:00", True),
        ("", False),
    ],
)
def test_ids_and_dates_are_looked_for_where_the_scenario_is_as_young(
    make_state: MakeState, captured_at: str, expected: bool
) -> None:
    dates = [NOW + datetime.timedelta(milliseconds=7 * n) for n in range(3)]
    scenario = Held(
        make_state, captured_at, {"_id": IDS[0], "text": str(IDS[1]), "at": [dates[0], dates[1]]}
    )
    occurrences = Occurrences(scenario)
    found = [occurrences.hold_object_id(each.binary, NOW) for each in IDS]
    assert found == [expected, expected, False]
    raw = [bson.encode({"": date})[6:14] for date in dates]
    assert [occurrences.hold_date(each, NOW) for each in raw] == [expected, expected, False]
    assert scenario.read == (2 if expected else 0)


def test_a_snapshot_says_when_it_was_captured(every_snapshot: Snapshot) -> None:
    assert every_snapshot.captured_at == "2026-01-02T03:04:05Z"


@pytest.fixture
def every_snapshot(make_state: MakeState, origin: Any, tmp_path: Any) -> Snapshot:
    from mongoshot.snapshot.writer import write_snapshot

    return write_snapshot(make_state(a=[]), tmp_path / "x", origin=origin)
