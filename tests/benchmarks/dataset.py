"""The data that is measured on: a seeded shop of any size, and what a test does to it.

Three collections of a third each, ids of three types, two secondary indexes a collection, about
0.5 kB a document. The same size gives the same bytes, on every machine.
"""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import bson

from mongoshot.server.connection import Database
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Collection, Definition, MemoryState, join_documents
from mongoshot.snapshot.writer import write_snapshot

#: The scenario's name, in the directory that `snapshots_path` gives.
NAME = "shop"

INDEXES: Mapping[str, tuple[str, ...]] = {
    "customers": ("email", "town"),
    "orders": ("customer", "placed"),
    "products": ("category", "price"),
}
_BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_WORDS = ("amber", "bolt", "cedar", "drift", "ember", "flint", "grove", "haven", "inlet")
_STATES = ("open", "paid", "packed", "sent", "returned")


def count_in(collection: str, size: int) -> int:
    """Say how many documents a collection has where all three together have `size`."""
    return size // 3 + (collection == "orders") * (size % 3)


def identity(collection: str, number: int) -> Any:
    """Return the `_id` of a collection's document `number`, counted from 0 in the order of ids."""
    if collection == "customers":
        return bson.ObjectId(number.to_bytes(12, "big"))
    return f"sku-{number:08d}" if collection == "products" else number


def write_dataset(size: int, snapshots: Path, server_version: str) -> Snapshot:
    """Write the snapshot of `size` documents, as BSON, into the directory `snapshots`."""
    collections = {
        name: Collection(_definition(name), partial(_chunks, name, size)) for name in INDEXES
    }
    origin = Origin(server_version, "2026-01-01T00:00:00Z", "snapshot")
    return write_snapshot(
        MemoryState(NAME, collections), snapshots / NAME, origin=origin, format="bson"
    )


def touch(database: Database, size: int, times: int) -> None:
    """Touch 6 documents in 3 collections, others each of the `times`: 4 updates, 1 in, 1 out."""
    chosen = random.Random(times)
    one_of = {
        name: [identity(name, number) for number in chosen.sample(range(count_in(name, size)), 2)]
        for name in INDEXES
    }
    customers, orders, products = (database[name] for name in INDEXES)
    customers.update_one({"_id": one_of["customers"][0]}, {"$set": {"town": "Elsewhere"}})
    customers.update_one({"_id": one_of["customers"][1]}, {"$inc": {"points": 1}})
    orders.update_one({"_id": one_of["orders"][0]}, {"$set": {"status": "lost"}})
    orders.insert_one({"_id": f"new {times}", "status": "open", "lines": [{"sku": "sku-0"}]})
    products.update_one({"_id": one_of["products"][0]}, {"$inc": {"stock": -1}})
    products.delete_one({"_id": one_of["products"][1]})


def check_counts(database: Database, size: int) -> None:
    """Raise AssertionError unless the database has as many documents as the dataset."""
    counted = {name: database[name].estimated_document_count() for name in INDEXES}
    if counted != {name: count_in(name, size) for name in INDEXES}:
        raise AssertionError(f"{database.name} has {counted}, and should have {size} documents")


def _definition(name: str) -> Definition:
    indexes = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
    indexes += [{"v": 2, "key": {field: 1}, "name": f"{field}_1"} for field in INDEXES[name]]
    return Definition(name, indexes=tuple(map(bson.encode, indexes)))


def _chunks(name: str, size: int) -> Iterator[bytes]:
    return join_documents(map(bson.encode, _documents(name, size)))


def _documents(name: str, size: int) -> Iterator[dict[str, Any]]:
    chosen = random.Random(f"{name} {size}")
    # Picked from a thousand, which costs a hundredth of making one for each document.
    texts = [" ".join(chosen.choices(_WORDS, k=60)) for _ in range(1000)]
    number_of_customers = count_in("customers", size)
    make = _MAKERS[name]
    for number in range(count_in(name, size)):
        text, pick = texts[int(chosen.random() * 1000)], chosen.random()
        customer = identity("customers", int(pick * number_of_customers))
        yield {"_id": identity(name, number), **make(number, text, pick, customer)}


def _customer(number: int, text: str, pick: float, _: bson.ObjectId) -> dict[str, Any]:
    return {
        "email": f"customer-{number}@example.org",
        "town": f"Town {int(pick * 500)}",
        "points": number % 1000,
        "since": _BEGIN - datetime.timedelta(minutes=number),
        "address": {"street": f"{text[:20]} {number % 99}", "code": f"{number % 90000:05d}"},
        "tags": [text[20:26], text[26:32]],
        "notes": text[:250],
    }


def _order(number: int, text: str, pick: float, customer: bson.ObjectId) -> dict[str, Any]:
    return {
        "customer": customer,
        "placed": _BEGIN + datetime.timedelta(minutes=number),
        "status": _STATES[number % len(_STATES)],
        "total": pick * 500,
        "lines": [
            {"sku": f"sku-{(number + line) % 1000:08d}", "quantity": line, "price": pick * 100}
            for line in range(1, 4)
        ],
        "remarks": text[:180],
    }


def _product(number: int, text: str, pick: float, _: bson.ObjectId) -> dict[str, Any]:
    return {
        "category": f"category {number % 40}",
        "price": pick * 100,
        "stock": bson.Int64(number % 5000),
        "name": text[:30],
        "text": text,
    }


_MAKERS: Mapping[str, Callable[[int, str, float, bson.ObjectId], dict[str, Any]]] = {
    "customers": _customer,
    "orders": _order,
    "products": _product,
}


def read_documents(snapshot: Snapshot, collection: str) -> list[dict[str, Any]]:
    """Decode all documents of one collection of a snapshot."""
    chunks = snapshot.collections[collection].chunks()
    return list(itertools.chain.from_iterable(map(bson.decode_all, chunks)))
