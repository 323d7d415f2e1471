"""A shop of any size, seeded, with references of every kind."""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bson
import pytest
from bson.binary import UuidRepresentation
from bson.dbref import DBRef

from mongoshot.server.connection import Database

_BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_BATCH = 5_000
_NEXT = {0: 3, 3: 3, 6: -6}
_COLLECTIONS = (
    *("categories", "products", "customers", "addresses", "coupons", "warehouses"),
    *("orders", "payments", "shipments", "reviews", "audit"),
)


@dataclass
class LargeShop:
    """Hold a database, and the `_id` of the order whose second product is not there."""

    database: Database
    documents: int
    order_with_a_lost_product: bson.ObjectId


@pytest.fixture
def make_large_shop(make_database: Callable[[], Database]) -> Callable[[int], LargeShop]:
    """Fill a database with a shop of so many orders, and five times as many documents."""

    def make(orders: int) -> LargeShop:
        return _Maker(make_database(), orders).make()

    return make


class _Maker:
    def __init__(self, database: Database, orders: int) -> None:
        self.database = database
        self.random = random.Random(20260101)
        self.orders = [self._object_id() for _ in range(orders)]
        self.customers = [self._object_id() for _ in range(max(10, orders // 4))]
        self.addresses = [self._uuid() for _ in self.customers]
        self.products = [f"sku-{number:06d}" for number in range(max(20, orders // 8))]
        self.categories = list(range(1, 41))
        self.warehouses = ["north", "south", "west"]
        self.payments = [self._object_id() for _ in range(orders)]

    def make(self) -> LargeShop:
        self._define()
        documents = 0
        for name in _COLLECTIONS:
            made = list(getattr(self, f"_{name}")())
            for start in range(0, len(made), _BATCH):
                self.database[name].insert_many(made[start : start + _BATCH])
            documents += len(made)
        return LargeShop(self.database, documents, self.orders[-1])

    def _define(self) -> None:
        database = self.database
        database.create_collection(
            "orders", validator={"$jsonSchema": {"required": ["customer_id", "lines"]}}
        )
        database["orders"].create_index("customer_id")
        database["orders"].create_index("placed")
        database["coupons"].create_index("code", unique=True)
        database["audit"].create_index("subject_id")
        # payments.order_id has none, as happens.
        database["shipments"].create_index("orderId")
        database["reviews"].create_index("product")
        database.create_collection(
            "open_orders",
            viewOn="orders",
            pipeline=[
                {"$match": {"status": "open"}},
                {
                    "$lookup": {
                        "from": "customers",
                        "localField": "customer_id",
                        "foreignField": "_id",
                        "as": "customer",
                    }
                },
            ],
        )

    def _object_id(self) -> bson.ObjectId:
        return bson.ObjectId(self.random.randbytes(12))

    def _uuid(self) -> bson.Binary:
        drawn = uuid.UUID(bytes=self.random.randbytes(16), version=4)
        return bson.Binary.from_uuid(drawn, UuidRepresentation.STANDARD)

    def _at(self, number: int) -> datetime.datetime:
        return _BEGIN + datetime.timedelta(minutes=number)

    def _categories(self) -> Any:
        for number in self.categories:
            parent = number // 3 or None
            yield {"_id": number, "name": f"category {number}", "parent_id": parent}

    def _products(self) -> Any:
        for number, sku in enumerate(self.products):
            yield {
                "_id": sku,
                # A driver of another language writes numbers as int64.
                "category_id": bson.Int64(self.random.choice(self.categories)),
                "stock": number % 50,
                "price": number + 0.5,
            }

    def _customers(self) -> Any:
        for number, identity in enumerate(self.customers):
            document = {
                "_id": identity,
                "email": f"customer{number}@example.com",
                "status": self.random.choice(["active", "sleeping"]),
                "level": number % 5,
                "default_address_id": self.addresses[number],
            }
            if number % 9 in _NEXT and number - number % 9 + 9 <= len(self.customers):
                # Three of nine in a circle, as nobody forbids it.
                document["referred_by"] = self.customers[number + _NEXT[number % 9]]
            yield document

    def _addresses(self) -> Any:
        for number, identity in enumerate(self.addresses):
            yield {"_id": identity, "customer": self.customers[number], "town": f"town {number}"}

    def _coupons(self) -> Any:
        for number in range(30):
            yield {"_id": self._object_id(), "code": f"SAVE{number:02d}", "percent": number % 7}

    def _warehouses(self) -> Any:
        for name in self.warehouses:
            yield {"_id": name, "level": 1}

    def _orders(self) -> Any:
        for number, identity in enumerate(self.orders):
            customer = self.random.randrange(len(self.customers))
            lines = [
                {"product_id": self.random.choice(self.products), "quantity": line + 1}
                for line in range(self.random.randint(1, 4))
            ]
            if number == len(self.orders) - 1:
                lines.append({"product_id": "sku-gone", "quantity": 1})
            document: dict[str, Any] = {
                "_id": identity,
                "number": number + 1,
                "placed": self._at(number),
                "status": self.random.choice(["open", "paid", "sent"]),
                "customer_id": self.customers[customer],
                "shipping": {"address_id": self.addresses[customer], "level": 1},
                "lines": lines,
            }
            if number % 4 == 0:
                document["coupon_code"] = f"SAVE{number % 30:02d}"
            yield document

    def _payments(self) -> Any:
        for number, identity in enumerate(self.payments):
            order = self.orders[number]
            yield {"_id": identity, "order_id": order, "status": "paid", "paid": self._at(number)}

    def _shipments(self) -> Any:
        for number, order in enumerate(self.orders):
            if number % 8:
                warehouse = self.random.choice(self.warehouses)
                yield {
                    "_id": self._uuid(),
                    "orderId": order,
                    "from": DBRef("warehouses", warehouse),
                    "weight": number % 40,
                }

    def _reviews(self) -> Any:
        for number in range(len(self.orders) // 2):
            yield {
                "_id": number + 1,
                "product": self.random.choice(self.products),
                "customer": self.random.choice(self.customers),
                "stars": number % 5 + 1,
            }

    def _audit(self) -> Any:
        kinds = [("order", self.orders), ("customer", self.customers), ("payment", self.payments)]
        for number in range(len(self.orders)):
            kind, identities = kinds[number % 3]
            subject = identities[number % len(identities)]
            yield {"_id": number, "kind": kind, "subject_id": subject, "at": self._at(number)}
