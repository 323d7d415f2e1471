from __future__ import annotations

import uuid

import pytest
from bson import ObjectId
from bson.binary import Binary, UuidRepresentation

from mongoshot.comparison.provenance import Provenance
from mongoshot.snapshot.occurrences import Family

#: Seconds since 1970, and so many milliseconds more: 12:00:00.400 to 12:00:02.600.
BEGAN, ENDED = 1_790_000_000_400, 1_790_000_002_600
HERE = b"here!"


def made(family: Family, raw: bytes, *, legacy: bool = False, held: bytes = b"") -> bool:
    def in_scenario(_: Family, value: bytes) -> bool:
        return value == held

    return Provenance(((BEGAN, ENDED),), HERE, in_scenario).made(family, raw, legacy=legacy)


def object_id(milliseconds: int, process: bytes = b"there") -> bytes:
    return (milliseconds // 1000).to_bytes(4, "big") + process + b"\0\0\1"


def date(milliseconds: int) -> bytes:
    return milliseconds.to_bytes(8, "little", signed=True)


def test_object_ids_have_a_time_or_come_from_this_process() -> None:
    assert made("ObjectId", object_id(BEGAN))
    assert made("ObjectId", object_id(ENDED))
    assert made("ObjectId", object_id(BEGAN - 1000))
    assert not made("ObjectId", object_id(BEGAN - 3000))
    assert not made("ObjectId", object_id(ENDED + 3000))
    assert not made("ObjectId", ObjectId("677f6bf4bcd8c88e15000001").binary)
    assert made("ObjectId", object_id(0, HERE))


def test_what_the_scenario_holds_was_not_made() -> None:
    for family, raw in (
        ("ObjectId", object_id(BEGAN)),
        ("UUID", uuid.uuid4().bytes),
        ("Date", date(BEGAN + 1)),
    ):
        assert made(family, raw)  # type: ignore[arg-type]
        assert not made(family, raw, held=raw)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (BEGAN, True),
        (ENDED, True),
        (BEGAN + 700, True),
        (BEGAN - 9, True),
        (BEGAN - 50, False),
        (ENDED + 50, False),
        (BEGAN - 400, True),  # cut to the second
        (BEGAN - 1400, False),
        (ENDED + 400, False),
        (-1, False),
        (-(2**63), False),
        (2**63 - 1, False),
    ],
)
def test_dates_lie_in_the_time_of_the_test(milliseconds: int, expected: bool) -> None:
    assert made("Date", date(milliseconds)) is expected


def timed(version: int, milliseconds: int) -> uuid.UUID:
    ticks = milliseconds * 10_000 + 0x01B21DD213814000
    if version == 7:
        return uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | 5)
    if version == 6:
        return uuid.UUID(int=(ticks >> 12) << 80 | 6 << 76 | (ticks & 0xFFF) << 64 | 2 << 62 | 5)
    low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0xFFF
    return uuid.UUID(fields=(low, middle, high | 0x1000, 0x80, 1, 2))


@pytest.mark.parametrize("version", [1, 6, 7])
def test_uuids_with_a_time_are_like_object_ids(version: int) -> None:
    assert timed(version, BEGAN).version == version or version > 5
    assert made("UUID", timed(version, BEGAN).bytes)
    assert not made("UUID", timed(version, BEGAN - 5000).bytes)


def test_random_uuids_were_made_and_others_were_not() -> None:
    assert made("UUID", uuid.uuid4().bytes)
    assert made("UUID", uuid.uuid1().bytes) is False
    for constant in (
        uuid.UUID(int=0),
        uuid.UUID(int=7),
        uuid.UUID(int=2**128 - 1),
        uuid.uuid3(uuid.NAMESPACE_DNS, "a"),
        uuid.uuid5(uuid.NAMESPACE_DNS, "a"),
    ):
        assert not made("UUID", constant.bytes)


@pytest.mark.parametrize(
    "representation",
    [
        UuidRepresentation.PYTHON_LEGACY,
        UuidRepresentation.JAVA_LEGACY,
        UuidRepresentation.CSHARP_LEGACY,
    ],
)
def test_legacy_uuids_are_known_in_whatever_order_their_bytes_are(representation: int) -> None:
    for _ in range(50):
        assert made("UUID", Binary.from_uuid(uuid.uuid4(), representation), legacy=True)
