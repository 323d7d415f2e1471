from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.comparison.expectation.size import measure
from mongoshot.snapshot.model import Collection, Definition

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState

EMPTY = 5  # bytes of {}
BINARY = len(bson.encode({"b": b""}))


def empty(count: int) -> list[dict[str, Any]]:
    return [{}] * count


def of_bytes(*sizes: int) -> list[dict[str, Any]]:
    return [{"b": bytes(size - BINARY)} for size in sizes]


@pytest.mark.parametrize(
    ("contents", "large"),
    [
        ({}, False),
        ({"a": empty(1000)}, False),
        ({"a": empty(1001)}, True),
        ({"a": empty(600), "b": [], "c": empty(400)}, False),
        ({"a": empty(600), "b": [], "c": empty(401)}, True),
        ({"a": of_bytes(200 << 10, 56 << 10)}, False),
        ({"a": of_bytes(200 << 10, (56 << 10) + 1)}, True),
        ({"a": of_bytes(200 << 10), "b": of_bytes(57 << 10)}, True),
    ],
)
def test_documents_and_bytes_make_a_state_large(
    make_state: MakeState, contents: dict[str, Any], large: bool
) -> None:
    state = make_state(**contents)
    told, collections = measure(state.collections)
    assert told is large
    assert {name: list(c.documents()) for name, c in collections.items()} == {
        name: list(c.documents()) for name, c in state.collections.items()
    }


@pytest.mark.parametrize("count", [1, 4, 2000])
def test_nothing_is_read_twice(count: int) -> None:
    readings: list[int] = []

    def read() -> Iterator[bytes]:
        readings.append(0)
        for number in range(count):
            readings[-1] += 1
            yield bson.encode({"_id": number})

    _, collections = measure({"a": Collection(Definition("a"), read)})
    assert len(list(collections["a"].documents())) == count
    assert readings == [count]


def test_a_time_series_is_not_written_whole(
    make_state: MakeState, make_collection: MakeCollection
) -> None:
    weather = make_collection("weather", [{"_id": 1}], type="timeseries")
    assert measure(make_state(a=[], weather=weather).collections)[0]
    assert not measure(make_state(a=[]).collections)[0]
