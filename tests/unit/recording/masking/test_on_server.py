"""A server takes masked documents as it took the originals."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.raw_bson import RawBSONDocument

from mongoshot.server.connection import Client
from mongoshot.snapshot.model import Collection

MaskAll = Callable[..., Any]
MakeCollection = Callable[..., Collection]


@pytest.fixture
def live(mongo_client: Client) -> Any:
    """Give a collection of nobody else's; it goes with its database."""
    name = f"t_mask_{os.getpid()}"
    yield mongo_client[name]["people"]
    mongo_client.drop_database(name)


def test_unique_indexes_and_the_order_of_ids_hold(
    mask_all: MaskAll, make_collection: MakeCollection, live: Any
) -> None:
    ids = [*(f"{each}-{n}" for n in range(300) for each in ("ab", "Ab", "é1")), *range(-50, 300)]
    ids += [Int64(2**40 + n) for n in range(50)] + [n + 0.5 for n in range(50)]
    ids += [Decimal128(f"{n}.250") for n in range(50)]
    documents = [
        {"_id": each, "email": f"{n}@x.org", "code": f"K{n % 40}x{n // 40}", "sub": [{"no": n}]}
        for n, each in enumerate(ids)
    ]
    live.create_index("email", unique=True)
    live.create_index(
        [("code", 1), ("sub.no", 1)], unique=True, collation={"locale": "en", "strength": 2}
    )
    live.insert_many(documents)

    indexes = [bson.decode(bson.encode(each)) for each in live.list_indexes()]
    raw = [bson.encode(each) for each in live.find().sort("_id", 1)]
    flags = ["people.email=email", "people.code=text", "people.sub=number"]
    strings = make_collection("people", [each for each in raw if each[4] == 2], indexes=indexes)
    numbers = make_collection("people", [each for each in raw if each[4] != 2], indexes=indexes)
    masked = [
        *mask_all(numbers, *flags, "people._id=number").raw["people"],
        *mask_all(strings, *flags, "people._id=text").raw["people"],
    ]
    assert len(masked) == len(raw)
    live.delete_many({})
    live.insert_many(map(RawBSONDocument, masked))
    assert [bson.encode(each) for each in live.find().sort("_id", 1)] == masked
    assert not {each["email"] for each in documents} & set(live.distinct("email"))


def test_what_was_captured_from_a_server_is_masked_and_restored(
    mask_all: MaskAll, make_collection: MakeCollection, live: Any
) -> None:
    live.insert_many({"email": f"ada{n}@x.org", "ref": ObjectId()} for n in range(2000))
    raw = [bson.encode(each) for each in live.find().sort("_id", 1)]
    done = mask_all(make_collection("people", raw), "people._id=objectid", "people.email=email")
    done.masker.check()
    live.delete_many({})
    live.insert_many(map(RawBSONDocument, done.raw["people"]))
    assert [bson.encode(each) for each in live.find().sort("_id", 1)] == done.raw["people"]
    assert live.count_documents({"email": {"$regex": "^ada"}}) == 0
