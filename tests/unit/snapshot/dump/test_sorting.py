"""Documents in any order come sorted as the server sorts them, within bounded memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest

from mongoshot.errors import DumpError
from mongoshot.snapshot.dump import sorting
from mongoshot.snapshot.dump.sorting import in_snapshot_order
from mongoshot.snapshot.elements import split_documents
from mongoshot.snapshot.model import Definition, join_documents

#: In the order of the server. https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
IDS: list[Any] = [
    bson.MinKey(),
    None,
    float("nan"),
    float("-inf"),
    bson.Int64(-(2**62)),
    -1,
    0.5,
    1,
    bson.Decimal128("1.00000000000000000000000000000001"),
    bson.Int64(2**53 + 1),
    float(2**53 + 2),
    float("inf"),
    "",
    "A",
    "B",
    "a",
    "a\0",
    "ab",
    "é",
    {},
    {"a": 1},
    {"a": 1, "b": 0},
    {"b": 0},
    {"a": "x"},
    bson.Binary(b"zz"),
    bson.Binary(b"aaa"),
    bson.Binary(b"aaa", 5),
    bson.Binary(b"a" * 300),
    bson.ObjectId(bytes(12)),
    bson.ObjectId(bytes([1] * 12)),
    False,
    True,
    bson.DatetimeMS(-5),
    bson.DatetimeMS(5),
    bson.Timestamp(1, 2),
    bson.Timestamp(2, 1),
    bson.MaxKey(),
]
PLAIN = Definition("x")


def reading(documents: list[bytes]) -> Callable[[], Iterator[bytes]]:
    return lambda: join_documents(documents)


def order(documents: list[bytes], scratch: Path, definition: Definition = PLAIN) -> list[bytes]:
    chunks = in_snapshot_order(definition, reading(documents), "x", scratch)
    return [document for chunk in chunks for document in split_documents(chunk)]


def test_ids_of_all_types_are_sorted(tmp_path: Path) -> None:
    expected = [bson.encode({"a": number, "_id": each}) for number, each in enumerate(IDS)]
    for seed in range(20):
        shuffled = random.Random(seed).sample(expected, len(expected))
        assert order(shuffled, tmp_path) == expected


def test_more_than_memory_may_hold_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_RUN_DOCUMENTS", 1000)
    monkeypatch.setattr(sorting, "_MERGE_BYTES", 0)
    filler = {"x": "y" * 900}
    expected = [bson.encode({"_id": number} | filler) for number in range(20_000)]
    shuffled = random.Random(1).sample(expected, len(expected))
    assert order(shuffled, tmp_path) == expected
    with pytest.raises(DumpError, match="x has two documents with the _id 7:"):
        order([*shuffled, expected[7]], tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_order_of_its_own_stays(tmp_path: Path) -> None:
    numbers = [bson.encode({"_id": number}) for number in (3, 1, 2)]
    strings = [bson.encode({"_id": text}) for text in ("é", "B", "a")]
    capped = Definition("x", options=bson.encode({"capped": True}))
    collated = Definition("x", options=bson.encode({"collation": {"locale": "fr"}}))
    assert order(numbers, tmp_path, capped) == numbers
    assert order(strings, tmp_path, collated) == strings
    assert order(numbers, tmp_path, collated) == sorted(numbers)


def test_what_servers_store_is_not_damaged(tmp_path: Path) -> None:
    odd = bson.encode({"_id": 1, "bytes": "abc", "late": bson.DatetimeMS(2**62)})
    odd = odd.replace(b"abc", b"\xff\xfe\xfd")  # no UTF-8, and the server never looks
    assert order([odd], tmp_path) == [odd]
