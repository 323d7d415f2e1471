"""Ids are sorted as the server sorts them."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from typing import Any

import bson

from mongoshot.server.connection import RAW, Database
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.order import in_order

IDS: list[Any] = [
    bson.MinKey(),
    None,
    float("nan"),
    -1,
    bson.Int64(0),
    0.5,
    bson.Decimal128("0.75"),
    3,
    10**12,
    "B",
    "a",
    "é",
    bson.ObjectId("00" * 12),
    bson.ObjectId("ff" * 12),
    False,
    True,
    datetime.datetime(1960, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    bson.Timestamp(1, 9),
    bson.Timestamp(2, 1),
    bson.MaxKey(),
]


def test_ids_are_sorted_as_the_server_does(make_database: Callable[[], Database]) -> None:
    source = make_database()["ids"]
    shuffled = random.Random(7).sample(IDS, len(IDS))
    source.insert_many([{"_id": identity} for identity in shuffled])

    raw: Any = source.with_options(codec_options=RAW)
    by_server = [document_id(bytes(document.raw)) for document in raw.find(sort=[("_id", 1)])]

    assert len(by_server) == len(IDS)
    encoded = [document_id(bson.encode({"_id": identity})) for identity in shuffled]
    assert in_order(encoded) == by_server
