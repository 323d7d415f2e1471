"""Fill an empty database with a small shop: the same documents on every run.

    python examples/shop/make_shop.py --db-url mongodb://127.0.0.1:27017 --db-name shop

The shop covers September 2025 to February 2026. Tests can count on these entities:

    customer  ada.lindqvist@example.com   active
    customer  victor.moreau@example.com   suspended
    product   MUG-BLUE                    40 in stock, 12.50
    product   LAMP-BRASS                  exactly one left, 149.00
    product   TEAPOT-BLUE                 out of stock
    product   CLOCK-WALNUT                in stock, no longer sold
    order     order-1001                  open (unpaid), Ada's: 2 x MUG-BLUE, 1 x BOWL-OAK
    order     order-1002                  paid, Ada's: 1 x TEAPOT-BLUE
    order     order-1003                  cancelled, Ada's: 1 x LAMP-BRASS
    counter   orders                      the last order is order-1200
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import unicodedata
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from bson import Binary, Decimal128, Int64, ObjectId
from pymongo import ASCENDING, DESCENDING, TEXT, IndexModel, MongoClient
from pymongo.errors import PyMongoError

if TYPE_CHECKING:
    from pymongo.database import Database

Document = dict[str, Any]
Lines = list[tuple[Document, int]]  # products and how many of each
Wish = tuple[Document, Lines, str]  # the customer, the lines, the status of the order

FIRST_ORDER = 1001
ORDERS = 200
CUSTOMERS = 80
REVIEWS = 120
CARTS = 25

REGISTRATION = (datetime(2025, 1, 7, tzinfo=UTC), datetime(2025, 8, 29, tzinfo=UTC))
ORDERING = (datetime(2025, 9, 1, tzinfo=UTC), datetime(2026, 2, 20, tzinfo=UTC))
TODAY = datetime(2026, 2, 28, 18, 0, tzinfo=UTC)

# Long, because the TTL monitor would delete the carts of a dataset whose dates have passed.
CART_LIFETIME = timedelta(days=20 * 365)

FIRST_NAMES = """
    Amina Anouk Bram Chiara Daniel Elif Emma Farid Grace Hanna Hugo Ines Jasper Jonas José Lars
    Katarzyna Leila Lina Luca Mateo Maya Milan Nadia Niels Noor Olivia Omar Petra Priya Rosa Samuel
    Sofia Stefan Tessa Thomas Uma Wout Yara Zoë
"""
LAST_NAMES = """
    Andersson Bakker Bauer Benali Costa Dubois Eriksen Fernández Ferrari Fischer García Haddad
    Hansen Ivanova Jansen Kaya Keller Kowalska Laurent Lemaire Lindgren Martens Meyer Moretti Müller
    Nguyen Novák O'Brien Okafor Peeters Petrov Rossi Sharma Silva Smit Svensson Vermeulen Visser
    Weber Yilmaz
"""
STREETS = (
    "Canal Street",
    "Church Lane",
    "Harbour Road",
    "Linden Avenue",
    "Market Square",
    "Mill Road",
    "Orchard Way",
    "Station Road",
)
CITIES = (
    ("Amsterdam", "1016 GV", "NL"),
    ("Utrecht", "3511 LX", "NL"),
    ("Antwerp", "2000", "BE"),
    ("Ghent", "9000", "BE"),
    ("Hamburg", "20095", "DE"),
    ("Munich", "80331", "DE"),
    ("Lyon", "69002", "FR"),
    ("Malmö", "211 22", "SE"),
    ("Dublin", "D02 X285", "IE"),
)
# kind, category, price, weight in kg, what it is, finishes
PRODUCT_LINES = (
    ("Mug", "kitchen", "12.50", 0.35, "Stoneware mug for coffee or tea", "Blue White Green Grey"),
    ("Teapot", "kitchen", "48.00", 0.95, "Teapot with a steel strainer", "Blue White Green Black"),
    ("Bowl", "kitchen", "24.90", 0.6, "Turned salad bowl", "Oak Walnut Beech Olive"),
    ("Board", "kitchen", "32.00", 1.2, "Cutting board, oiled by hand", "Oak Walnut Beech Olive"),
    ("Carafe", "kitchen", "29.50", 0.7, "Mouth-blown water carafe", "Clear Green Smoke Amber"),
    ("Lamp", "living", "149.00", 2.4, "Table lamp with a dimmer", "Brass Copper Black White"),
    (
        "Cushion",
        "living",
        "39.95",
        0.5,
        "Cushion with a feather filling",
        "Linen Wool Velvet Cotton",
    ),
    (
        "Blanket",
        "living",
        "89.00",
        1.1,
        "Woven blanket, 130 by 180 cm",
        "Wool Alpaca Cotton Mohair",
    ),
    ("Clock", "living", "75.00", 0.8, "Silent wall clock", "Walnut Oak Brass Black"),
    ("Vase", "living", "34.50", 0.9, "Vase for tall stems", "Clear Blue Smoke White"),
    ("Notebook", "office", "14.95", 0.3, "Notebook of 192 dotted pages", "Red Navy Black Sand"),
    ("Pen", "office", "27.00", 0.04, "Refillable ballpoint pen", "Brass Steel Copper Black"),
    ("Tray", "office", "42.00", 0.75, "Letter tray that stacks", "Oak Walnut Steel White"),
    ("Towel", "bath", "22.00", 0.45, "Bath towel, 70 by 140 cm", "White Sand Navy Green"),
    ("Soap", "bath", "8.75", 0.12, "Soap of olive oil", "Lavender Citrus Cedar Rose"),
)
STOCK_BY_NAME = {"MUG-BLUE": 40, "LAMP-BRASS": 1, "TEAPOT-BLUE": 0}
UNLISTED = {"CLOCK-WALNUT", "VASE-SMOKE"}

PRAISE = (
    "Exactly as in the picture.",
    "Better made than I expected; I ordered a second one.",
    "A present for my sister, who uses it every day.",
    "Fine, though the colour is darker than on the screen.",
    "Arrived in two days, well packed.",
    "It does what it should.",
)
COMPLAINTS = (
    "It arrived with a scratch.",
    "Smaller than I thought. Do read the measurements.",
    "The second one broke within a month.",
)
CARRIERS = ("DHL", "PostNL", "bpost", "DPD")

ORDER_SCHEMA = {
    "bsonType": "object",
    "required": ["_id", "customer_id", "status", "lines", "total", "currency", "placed_at"],
    "properties": {
        "_id": {"bsonType": "string", "pattern": "^order-[0-9]+$"},
        "customer_id": {"bsonType": "objectId"},
        "status": {"enum": ["open", "paid", "shipped", "cancelled"]},
        "lines": {
            "bsonType": "array",
            "minItems": 1,
            "items": {
                "bsonType": "object",
                "required": ["sku", "quantity", "unit_price"],
                "properties": {
                    "sku": {"bsonType": "string"},
                    "quantity": {"bsonType": "int", "minimum": 1},
                    "unit_price": {"bsonType": "decimal"},
                },
            },
        },
        "total": {"bsonType": "decimal"},
        "currency": {"enum": ["EUR"]},
        "placed_at": {"bsonType": "date"},
    },
}

INDEXES = {
    "customers": [
        # One account per address, however it is capitalised.
        IndexModel("email", unique=True, collation={"locale": "en", "strength": 2}),
        IndexModel([("address.country", ASCENDING), ("registered_at", DESCENDING)]),
        IndexModel("loyalty.card", unique=True, sparse=True),
    ],
    "products": [
        IndexModel("sku", unique=True),
        IndexModel([("category", ASCENDING), ("price", ASCENDING)]),
        IndexModel("tags"),
        IndexModel(
            [("name", TEXT), ("description", TEXT)],
            name="search",
            weights={"name": 10, "description": 2},
            default_language="english",
        ),
    ],
    "orders": [
        IndexModel([("customer_id", ASCENDING), ("placed_at", DESCENDING)]),
        IndexModel("lines.sku"),
        IndexModel("placed_at", name="open_by_age", partialFilterExpression={"status": "open"}),
        IndexModel("request_id", unique=True, sparse=True),
    ],
    "payments": [
        IndexModel("order_id", unique=True),
        IndexModel([("method", ASCENDING), ("received_at", DESCENDING)]),
    ],
    "reviews": [
        IndexModel([("sku", ASCENDING), ("customer_id", ASCENDING)], unique=True),
        IndexModel([("stars", DESCENDING), ("written_at", DESCENDING)]),
    ],
    "carts": [
        IndexModel("touched_at", expireAfterSeconds=int(CART_LIFETIME.total_seconds())),
        IndexModel("customer_id", sparse=True),
    ],
}

OPEN_ORDERS = [
    {"$match": {"status": "open"}},
    {
        "$lookup": {
            "from": "customers",
            "localField": "customer_id",
            "foreignField": "_id",
            "as": "customer",
        }
    },
    {"$unwind": "$customer"},
    {"$project": {"placed_at": 1, "total": 1, "email": "$customer.email"}},
]


class Shop:
    """Makes the documents of one shop, all from one source of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.process = self.random.randbytes(5)  # the part of an ObjectId that names its maker
        self.made_ids = 0

    def object_id(self, created: datetime) -> ObjectId:
        self.made_ids += 1
        seconds = int(created.timestamp())
        return ObjectId(
            seconds.to_bytes(4, "big") + self.process + self.made_ids.to_bytes(3, "big")
        )

    def moment(self, start: datetime, end: datetime) -> datetime:
        milliseconds = (end - start) // timedelta(milliseconds=1)
        return start + timedelta(milliseconds=self.random.randrange(milliseconds))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def customers(self) -> list[Document]:
        strangers = [(first, last) for first in FIRST_NAMES.split() for last in LAST_NAMES.split()]
        people = [("Ada", "Lindqvist", "active"), ("Victor", "Moreau", "suspended")]
        for first, last in self.random.sample(strangers, CUSTOMERS - len(people)):
            people.append((first, last, "suspended" if self.chance(0.06) else "active"))
        moments = sorted(self.moment(*REGISTRATION) for _ in people)
        return [self.customer(*person, at) for person, at in zip(people, moments, strict=True)]

    def customer(self, first: str, last: str, status: str, registered_at: datetime) -> Document:
        city, postcode, country = self.random.choice(CITIES)
        customer: Document = {
            "_id": self.object_id(registered_at),
            "email": f"{plain(first)}.{plain(last)}@example.com",
            "name": {"first": first, "last": last},
            "status": status,
            "address": {
                "street": self.random.choice(STREETS),
                "number": self.random.randint(1, 240),
                "postcode": postcode,
                "city": city,
                "country": country,
            },
            "newsletter": self.chance(0.4),
            "registered_at": registered_at,
        }
        if status == "suspended":
            customer["suspension"] = {
                "reason": self.random.choice(["chargeback", "returned mail"]),
                "since": self.moment(datetime(2026, 1, 5, tzinfo=UTC), TODAY),
            }
        if self.chance(0.6):  # missing: never asked; null: asked, and not given
            known = self.chance(0.75)
            customer["phone"] = f"+31 20 555 {self.random.randint(0, 9999):04}" if known else None
        if self.chance(0.35):
            customer["loyalty"] = {
                "card": f"L{self.random.randint(10**7, 10**8 - 1)}",
                "points": Int64(self.random.randrange(0, 4000, 25)),
            }
        return customer

    def products(self) -> list[Document]:
        return [
            self.product(kind, category, price, weight, description, finish)
            for kind, category, price, weight, description, finishes in PRODUCT_LINES
            for finish in finishes.split()
        ]

    def product(
        self, kind: str, category: str, price: str, weight: float, description: str, finish: str
    ) -> Document:
        sku = f"{kind}-{finish}".upper()
        added_at = self.moment(*REGISTRATION)
        product: Document = {
            "_id": self.object_id(added_at),
            "sku": sku,
            "name": f"{kind}, {finish.lower()}",
            "description": f"{description}.",
            "category": category,
            "price": Decimal128(price),
            "stock": STOCK_BY_NAME.get(sku, self.random.randint(3, 120)),
            "listed": sku not in UNLISTED,
            "tags": sorted({category, kind.lower(), finish.lower()}),
            "barcode": Int64(8_710_000_000_000 + self.random.randrange(10**9)),
            "package": {
                "weight_kg": weight,
                "size_cm": [self.random.randint(6, 40) + 0.5 for _ in range(3)],
            },
            "photo_sha256": Binary(hashlib.sha256(sku.encode()).digest()),
            "added_at": added_at,
        }
        if self.chance(0.2):
            product["supplier"] = None  # made in the shop's own workshop
        elif self.chance(0.7):
            product["supplier"] = {
                "name": f"{kind} & Sons",
                "lead_days": self.random.randint(3, 30),
            }
        return product

    def orders(self, customers: list[Document], products: list[Document]) -> list[Document]:
        by_sku = {product["sku"]: product for product in products}
        ada = customers[0]
        wishes: list[Wish] = [
            (ada, [(by_sku["MUG-BLUE"], 2), (by_sku["BOWL-OAK"], 1)], "open"),
            (ada, [(by_sku["TEAPOT-BLUE"], 1)], "paid"),
            (ada, [(by_sku["LAMP-BRASS"], 1)], "cancelled"),
        ]
        moments = sorted(self.moment(*ORDERING) for _ in range(ORDERS))
        wishes += [self.wish(at, customers, products) for at in moments[len(wishes) :]]
        return [
            self.order(f"order-{number}", at, *wish)
            for number, (at, wish) in enumerate(zip(moments, wishes, strict=True), FIRST_ORDER)
        ]

    def wish(self, at: datetime, customers: list[Document], products: list[Document]) -> Wish:
        welcome = [
            customer
            for customer in customers
            if customer["status"] == "active" or at < customer["suspension"]["since"]
        ]
        size = self.random.choices([1, 2, 3, 4], weights=[5, 4, 2, 1])[0]
        chosen = self.random.sample(products, size)
        lines = [(each, self.random.choices([1, 2, 4], weights=[6, 2, 1])[0]) for each in chosen]
        statuses = ["open", "paid", "shipped", "cancelled"]
        status = self.random.choices(statuses, weights=[10, 15, 65, 10])[0]
        return self.random.choice(welcome), lines, status

    def order(
        self, order_id: str, placed_at: datetime, customer: Document, lines: Lines, status: str
    ) -> Document:
        total = sum((product["price"].to_decimal() * count for product, count in lines), Decimal(0))
        order: Document = {
            "_id": order_id,
            "customer_id": customer["_id"],
            "status": status,
            "lines": [
                {
                    "sku": product["sku"],
                    "name": product["name"],
                    "quantity": count,
                    "unit_price": product["price"],
                }
                for product, count in lines
            ],
            "total": Decimal128(total),
            "currency": "EUR",
            "ship_to": customer["address"],
            "placed_at": placed_at,
            "history": self.history(status, placed_at),
        }
        if self.chance(0.7):  # placed on the web site; the others came in by telephone
            order["request_id"] = f"web-{self.random.getrandbits(48):012x}"
        if self.chance(0.25):
            order["gift"] = {"wrap": True, "message": self.random.choice(["Happy birthday!", None])}
        if status == "shipped":
            order["shipment"] = {
                "carrier": self.random.choice(CARRIERS),
                "tracking": f"{self.random.randrange(10**10):010}",
            }
        return order

    def history(self, status: str, placed_at: datetime) -> list[Document]:
        steps = {"open": [], "shipped": ["paid", "shipped"]}.get(status, [status])
        history = [{"status": "open", "at": placed_at}]
        at = placed_at
        for step in steps:
            at = self.moment(at + timedelta(minutes=2), at + timedelta(days=3))
            history.append({"status": step, "at": at})
        return history

    def payments(self, orders: list[Document]) -> list[Document]:
        return [self.payment(order) for order in orders if order["status"] in ("paid", "shipped")]

    def payment(self, order: Document) -> Document:
        method = self.random.choice(["card", "card", "bank transfer", "voucher"])
        reference = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:shop:{order['_id']}")
        payment: Document = {
            "_id": f"payment-{order['_id']}",
            "order_id": order["_id"],
            "amount": order["total"],
            "currency": order["currency"],
            "method": method,
            "reference": Binary.from_uuid(reference),
            "received_at": order["history"][1]["at"],
        }
        if method == "card":
            payment["card"] = {
                "last_digits": f"{self.random.randrange(10**4):04}",
                "expires": {
                    "year": self.random.randint(2027, 2030),
                    "month": self.random.randint(1, 12),
                },
            }
        return payment

    def reviews(self, orders: list[Document]) -> list[Document]:
        bought = {
            (line["sku"], order["customer_id"]): order["history"][-1]["at"]
            for order in orders
            if order["status"] == "shipped"
            for line in order["lines"]
        }
        reviewed = self.random.sample(sorted(bought), REVIEWS)
        return [self.review(*key, shipped_at=bought[key]) for key in reviewed]

    def review(self, sku: str, customer_id: ObjectId, *, shipped_at: datetime) -> Document:
        written_at = self.moment(shipped_at + timedelta(hours=20), TODAY)
        stars = self.random.choices([1, 2, 3, 4, 5], [1, 2, 3, 7, 9])[0]
        review: Document = {
            "_id": self.object_id(written_at),
            "sku": sku,
            "customer_id": customer_id,
            "stars": stars,
            "text": self.random.choice(PRAISE if stars > 2 else COMPLAINTS),
            "helpful": Int64(self.random.choice([0, 0, 0, 1, 2, 5, 13])),
            "written_at": written_at,
        }
        if stars <= 2 and self.chance(0.8):
            review["answer"] = {
                "text": "We are sorry to hear that, and have sent you a message.",
                "at": min(written_at + timedelta(hours=26, minutes=10), TODAY),
            }
        return review

    def carts(self, customers: list[Document], products: list[Document]) -> list[Document]:
        return [self.cart(self.random.choice(customers), products) for _ in range(CARTS)]

    def cart(self, customer: Document, products: list[Document]) -> Document:
        chosen = self.random.sample(products, self.random.randint(0, 3))
        cart: Document = {
            "_id": Binary.from_uuid(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "lines": [{"sku": each["sku"], "quantity": 1} for each in chosen],
            "touched_at": self.moment(TODAY - timedelta(days=14), TODAY),
        }
        if self.chance(0.6):  # the others belong to visitors without an account
            cart["customer_id"] = customer["_id"]
        return cart


def plain(name: str) -> str:
    """The name in the letters of an e-mail address."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return letters.replace("'", "").lower()


def add_ratings(products: list[Document], reviews: list[Document]) -> None:
    """Give each product that has reviews their number and average; the others have no rating."""
    stars = defaultdict(list)
    for review in reviews:
        stars[review["sku"]].append(review["stars"])
    for product in products:
        if given := stars.get(product["sku"]):
            product["rating"] = {"average": round(sum(given) / len(given), 2), "count": len(given)}


def make_shop(database: Database[Document], *, seed: int = 2025) -> Counter[str]:
    """Fill ``database`` with the shop; return the number of documents of each collection.

    Raises ValueError when the database holds anything already.
    """
    if held := database.list_collection_names():
        raise ValueError(
            f"the database {database.name!r} is not empty (it holds {', '.join(sorted(held))}):"
            " drop it first, or choose another --db-name"
        )
    shop = Shop(seed)
    customers = shop.customers()
    products = shop.products()
    orders = shop.orders(customers, products)
    reviews = shop.reviews(orders)
    add_ratings(products, reviews)
    documents: dict[str, list[Document]] = {
        "customers": customers,
        "products": products,
        "orders": orders,
        "payments": shop.payments(orders),
        "reviews": reviews,
        "carts": shop.carts(customers, products),
        "counters": [{"_id": "orders", "last": FIRST_ORDER + ORDERS - 1}],
    }

    database.create_collection("orders", validator={"$jsonSchema": ORDER_SCHEMA})
    for name, indexes in INDEXES.items():
        database[name].create_indexes(indexes)
    for name, content in documents.items():
        database[name].insert_many(content)
    database.create_collection("open_orders", viewOn="orders", pipeline=OPEN_ORDERS)
    return Counter({name: len(content) for name, content in documents.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill an empty database with a small shop.")
    parser.add_argument("--db-url", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--db-name", default="shop")
    parser.add_argument("--seed", type=int, default=2025)
    options = parser.parse_args()
    with MongoClient[Document](options.db_url, serverSelectionTimeoutMS=5000) as client:
        try:
            counts = make_shop(client[options.db_name], seed=options.seed)
        except (ValueError, PyMongoError) as error:
            sys.exit(f"make_shop: {error}")
    for name, count in counts.items():
        print(f"{count:5} {name}")


if __name__ == "__main__":
    main()
