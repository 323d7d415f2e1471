"""A part of a real database, chosen so that it is whole."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson.dbref import DBRef
from bson.raw_bson import RawBSONDocument
from pymongo.errors import WriteError

from mongoshot.errors import CaptureError, CommandError, UsageError
from mongoshot.recording.selection.choose import select
from mongoshot.recording.selection.inference import infer_references
from mongoshot.recording.selection.model import Root, Selected, Selection
from mongoshot.recording.selection.parsing import parse_reference, parse_roots, selection_of
from mongoshot.recording.selection.values import Extractor, equality_key
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database
from mongoshot.server.finding import find_one_of
from mongoshot.server.reading import Reading, open_reading
from mongoshot.snapshot.encoding import from_extended_json
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import State
from mongoshot.snapshot.writer import write_snapshot
from mongoshot.staging.staged import restore

if TYPE_CHECKING:
    from tests.integration.recording.conftest import LargeShop

MakeLargeShop = Callable[[int], "LargeShop"]

#: The references that the shop is made with, all of them and no others.
REFERENCES = [
    "addresses.customer=customers._id",
    "audit.subject_id=customers._id",
    "audit.subject_id=orders._id",
    "audit.subject_id=payments._id",
    "categories.parent_id=categories._id",
    "customers.default_address_id=addresses._id",
    "customers.referred_by=customers._id",
    "orders.coupon_code=coupons.code",
    "orders.customer_id=customers._id",
    "orders.lines[].product_id=products._id",
    "orders.shipping.address_id=addresses._id",
    "payments.order_id=orders._id",
    "products.category_id=categories._id",
    "reviews.customer=customers._id",
    "reviews.product=products._id",
    "shipments.from.$id=warehouses._id",
    "shipments.orderId=orders._id",
]
LAST_ORDERS = Selection(roots=(Root("orders", sort=bson.encode({"placed": -1}), limit=20),))


def read(state: State) -> dict[str, list[dict[str, Any]]]:
    """Read all documents of a state; collections without any are left out."""
    documents = {
        name: [bson.decode(document) for document in collection.documents()]
        for name, collection in state.collections.items()
    }
    return {name: found for name, found in documents.items() if found}


def ids(state: State) -> dict[str, list[Any]]:
    return {name: [each["_id"] for each in found] for name, found in read(state).items()}


@dataclass
class Chosen:
    """Hold a selection, and the ids of its documents, read while the reading was open."""

    selected: Selected
    ids: dict[str, list[Any]]


def choose(database: Database, *roots: Root, follow: tuple[str, ...] = (), **more: Any) -> Chosen:
    with open_reading(database) as reading:
        names = reading.state.collections
        references = tuple(parse_reference(text, names) for text in follow)
        selected = select(reading, Selection(roots, references, **more))
        return Chosen(selected, ids(selected.state))


def needed_by_the_last_orders(database: Database) -> dict[str, set[Any]]:
    """Work out, with no more than the shop's own rules, what its last 20 orders need."""
    orders = list(database["orders"].find(sort=[("placed", -1)], limit=20))
    of_them = {"$in": [order["_id"] for order in orders]}
    payments = database["payments"].distinct("_id", {"order_id": of_them})
    shipments = list(database["shipments"].find({"orderId": of_them}))
    subjects = {"$in": [*of_them["$in"], *payments]}
    skus = {line["product_id"] for order in orders for line in order["lines"]} - {"sku-gone"}
    categories = set(database["products"].distinct("category_id", {"_id": {"$in": list(skus)}}))
    customers = {order["customer_id"] for order in orders}
    while True:
        more = set(database["categories"].distinct("parent_id", {"_id": {"$in": [*categories]}}))
        more |= set(database["customers"].distinct("referred_by", {"_id": {"$in": [*customers]}}))
        numbers = {each for each in more if isinstance(each, int)}
        people = {each for each in more if isinstance(each, bson.ObjectId)}
        if numbers <= categories and people <= customers:
            break
        categories |= numbers
        customers |= people
    return {
        "orders": set(of_them["$in"]),
        "payments": set(payments),
        "shipments": {shipment["_id"] for shipment in shipments},
        "audit": set(database["audit"].distinct("_id", {"subject_id": subjects})),
        "products": skus,
        "categories": categories,
        "customers": customers,
        "addresses": set(
            database["addresses"].distinct("_id", {"customer": {"$in": [*customers]}})
        ),
        "coupons": set(
            database["coupons"].distinct(
                "_id", {"code": {"$in": [order.get("coupon_code") for order in orders]}}
            )
        ),
        "warehouses": {shipment["from"].id for shipment in shipments},
    }


@pytest.mark.parametrize("orders", [400, pytest.param(40_000, marks=pytest.mark.long)])
def test_twenty_orders_come_with_all_that_they_need_and_nothing_else(
    make_large_shop: MakeLargeShop,
    make_database: Callable[[], Database],
    tmp_path: Path,
    origin: Origin,
    orders: int,
) -> None:
    shop = make_large_shop(orders)
    target = make_database()

    with open_reading(shop.database) as reading:
        selected = select(reading, LAST_ORDERS)
        snapshot = write_snapshot(selected.state, tmp_path / "part", origin=origin)
    restore(snapshot, target)

    assert [str(each.reference) for each in selected.references] == [
        text for text in REFERENCES if not text.startswith("reviews")
    ]
    needed = needed_by_the_last_orders(shop.database)
    assert {name: {each["_id"] for each in found} for name, found in read(snapshot).items()} == (
        needed
    )
    assert selected.documents == {name: len(found) for name, found in sorted(needed.items())}
    assert sum(selected.documents.values()) < 500

    [dangling] = selected.dangling
    assert (dangling.collection, dangling.path, dangling.targets, dangling.values) == (
        "orders",
        "lines[].product_id",
        ("products._id",),
        1,
    )
    assert dangling.examples == (f'{{"$oid": "{shop.order_with_a_lost_product}"}}',)
    assert (selected.broken, selected.notes) == ((), ())

    open_orders = list(target["open_orders"].find())
    assert {each["_id"] for each in open_orders} == set(
        target["orders"].distinct("_id", {"status": "open"})
    )
    assert open_orders
    assert all(len(each["customer"]) == 1 for each in open_orders)
    with pytest.raises(WriteError, match="failed validation"):
        target["orders"].insert_one({"_id": 1})


def test_all_references_are_inferred_and_no_others(make_large_shop: MakeLargeShop) -> None:
    with open_reading(make_large_shop(400).database) as reading:
        inferred = infer_references(reading)

    assert [str(each.reference) for each in inferred] == REFERENCES
    evidence = {str(each.reference): str(each.evidence) for each in inferred}
    assert evidence["payments.order_id=orders._id"] == (
        "inferred; by its name; 200 of 200 values found; no index on payments.order_id"
    )
    assert evidence["shipments.from.$id=warehouses._id"].startswith("DBRef; 3 of 3 values found")
    assert evidence["audit.subject_id=orders._id"] == "inferred; 75 of 200 values found"


def test_a_recipe_does_the_same_again_and_infers_nothing(make_large_shop: MakeLargeShop) -> None:
    shop = make_large_shop(100)
    with open_reading(shop.database) as reading:
        first = select(reading, LAST_ORDERS)
        recipe = json.loads(json.dumps(first.recipe))
        again = selection_of(recipe, reading.state.collections)
        second = select(reading, again)

        assert again.infer is False
        assert [str(each) for each in again.follow] == REFERENCES
        assert second.recipe == first.recipe
        assert read(second.state) == read(first.state) != {}
        assert second.dangling == first.dangling != ()
        assert {each.evidence.by for each in second.references} == {"declared"}


def test_an_excluded_collection_is_told_from_what_the_source_has_lost(
    make_large_shop: MakeLargeShop,
) -> None:
    shop = make_large_shop(100)
    selection = Selection(LAST_ORDERS.roots, exclude=("products", "audit"))

    with open_reading(shop.database) as reading:
        selected = select(reading, selection)
        skus = {
            line["product_id"]
            for order in read(selected.state)["orders"]
            for line in order["lines"]
        }

    assert {"products", "audit"}.isdisjoint(selected.state.collections)
    assert [each.values for each in selected.dangling] == [1]
    [broken] = selected.broken
    assert (broken.path, broken.values) == ("lines[].product_id", len(skus) - 1)


@pytest.fixture
def family(make_database: Callable[[], Database]) -> Database:
    """Make documents that refer in every way that there is."""
    database = make_database()
    database["people"].insert_many(
        [
            {"_id": 1, "boss": bson.Int64(2), "code": "a"},
            {"_id": 2.0, "boss": 3, "code": "b"},
            {"_id": bson.Int64(3), "boss": bson.Decimal128("1.0"), "code": "b"},
            {"_id": 4, "boss": 4, "code": "c"},
            {"_id": 5, "boss": None, "code": "d"},
            {"_id": {"a": 1, "b": bson.Int64(2)}, "code": "e"},
        ]
    )
    database["notes"].insert_many(
        [
            {"_id": "kinds", "of": [4, bson.Regex("^"), None, "missing", [5]]},
            {"_id": "document", "of": {"a": 1.0, "b": 2}},
            {"_id": "codes", "of": {"codes": [{"code": "b"}, {"code": "c"}, {"code": "b"}]}},
            {
                "_id": "dbrefs",
                "by": [DBRef("people", 5), DBRef("things", 5), DBRef("gone", 5)],
                "map": {f"5ca4bbce{n:016x}": DBRef("people", 4) for n in range(3)},
                "a.b": DBRef("people", 5),
                "deep": {"er": DBRef("people", 4, database.name)},
                "other": DBRef("people", 1, "elsewhere"),
                "view": DBRef("all_people", 1),
            },
        ]
    )
    database["things"].insert_many([{"_id": 4, "note": "dbrefs"}, {"_id": 5, "note": "kinds"}])
    database["weather"].insert_many([{"_id": number, "thing": 5} for number in range(9)])
    database["members"].insert_many({"_id": {"person": person, "thing": 4}} for person in (1, 5))
    database.create_collection("all_people", viewOn="people", pipeline=[])
    return database


def only(note: str) -> Root:
    return Root("notes", query=bson.encode({"_id": note}))


@pytest.mark.parametrize(
    ("root", "follow", "expected"),
    [
        pytest.param(
            Root("people", query=bson.encode({"_id": 1})),
            ("people.boss=people._id",),
            {"people": [1, 2, 3]},
            id="a circle, of numbers of all types",
        ),
        pytest.param(
            Root("people", query=bson.encode({"_id": 4})),
            ("people.boss=people._id",),
            {"people": [4]},
            id="itself",
        ),
        pytest.param(
            only("kinds"),
            ("notes.of=people._id", "people.boss=people._id"),
            {"notes": ["kinds"], "people": [4, 5]},
            id="an array of several types",
        ),
        pytest.param(
            only("document"),
            ("notes.of=people._id",),
            {"notes": ["document"], "people": [{"a": 1, "b": 2}]},
            id="a document",
        ),
        pytest.param(
            only("codes"),
            ("notes.of.codes[].code=people.code",),
            {"notes": ["codes"], "people": [2, 3, 4]},
            id="another key, which two documents have",
        ),
        pytest.param(
            only("kinds"),
            ("notes.of=people._id", "notes.of=things._id"),
            {"notes": ["kinds"], "people": [4, 5], "things": [4, 5]},
            id="to several collections",
        ),
        pytest.param(
            only("dbrefs"),
            (),
            {"notes": ["dbrefs"], "people": [4, 5], "things": [5]},
            id="DBRefs",
        ),
    ],
)
def test_references_of_every_kind_lead_down(
    family: Database, root: Root, follow: tuple[str, ...], expected: dict[str, list[Any]]
) -> None:
    assert choose(family, root, follow=follow, infer=False, levels_up=0).ids == expected


def test_what_leads_out_of_the_database_is_told(family: Database) -> None:
    selected = choose(family, only("dbrefs"), infer=False).selected

    assert [str(each) for each in selected.dangling] == [
        'notes.by[].$id: 1 value not in gone._id; for example in _id "dbrefs"'
    ]
    assert [str(each.reference) for each in selected.references] == [
        "notes.by[].$id=gone._id",
        "notes.by[].$id=people._id",
        "notes.by[].$id=things._id",
        "notes.deep.er.$id=people._id",
        'notes.map["*"].$id=people._id',
        'notes["a.b"].$id=people._id',
    ]
    assert selected.notes == (
        "1 DBRefs lead to the database elsewhere, and were not followed",
        "1 DBRefs lead to the view all_people, and were not followed",
    )


def test_a_declared_field_that_no_document_has_is_told(make_large_shop: MakeLargeShop) -> None:
    follow = (
        "orders.custmer_id=customers._id",
        "payments.order=orders._id",
        "orders.coupon_code=coupons.cod",
        "orders.lines[].product_id=products._id",
        "reviews.product=products._id",
    )
    order = Root("orders", query=bson.encode({"coupon_code": "SAVE04"}), limit=1)

    selected = choose(make_large_shop(40).database, order, follow=follow, infer=False).selected

    assert selected.notes == (
        "--follow orders.custmer_id=customers._id: no document of orders has custmer_id; did you"
        " mean customer_id?",
        "--follow payments.order=orders._id: no document of payments has order; did you mean"
        " order_id?",
        "--follow orders.coupon_code=coupons.cod: no document of coupons has cod; did you mean"
        " code?",
    )


def test_only_dbrefs_that_a_server_can_be_asked_for_are_inferred(family: Database) -> None:
    with open_reading(family) as reading:
        inferred = infer_references(reading)

    assert [str(each.reference) for each in inferred if each.evidence.by == "DBRef"] == [
        "notes.by[].$id=people._id",
        "notes.by[].$id=things._id",
        "notes.deep.er.$id=people._id",
    ]


def test_only_roots_go_up_over_so_many_levels_and_documents(family: Database) -> None:
    follow = ("things.note=notes._id", "weather.thing=things._id", "notes.of[]=people._id")

    def up(**bounds: int) -> Chosen:
        return choose(family, only("kinds"), follow=follow, infer=False, **bounds)

    # The people that the note is about were reached down, and bring no other note.
    people = {"notes": ["kinds"], "people": [4, 5]}
    assert up(levels_up=0).ids == people
    assert up(levels_up=1).ids == people | {"things": [5]}
    assert up().ids == people | {"things": [5], "weather": list(range(9))}
    cut = up(most_children=2, levels_up=4)
    assert cut.ids == people | {"things": [5], "weather": [0, 1]}
    assert cut.selected.notes == (
        "7 documents were left out, as by weather.thing=things._id more than 2 refer to the same"
        " one, of 1; --most-children takes more",
    )
    assert [(each.up, each.down, each.cut) for each in cut.selected.references] == [
        (0, 2, 0),
        (1, 0, 0),
        (2, 0, 7),
    ]


def test_dbrefs_lead_up_too(family: Database) -> None:
    root = Root("people", query=bson.encode({"_id": 5}))
    follow = ("notes.by[].$id=people._id",)

    found = choose(family, root, follow=follow, infer=False).ids

    assert found == {"notes": ["dbrefs"], "people": [4, 5], "things": [5]}
    # The same path leads into another collection, and another path into another database.
    assert choose(
        family,
        only("kinds"),
        Root("people", query=bson.encode({"_id": 1})),
        follow=("notes.other.$id=people._id", "notes.by[].$id=weather._id"),
        infer=False,
    ).ids == {"notes": ["kinds"], "people": [1]}


def test_parts_of_an_id_are_references_too(family: Database) -> None:
    root = Root("things", query=bson.encode({"_id": 4}))
    follow = ("members._id.person=people._id", "members._id.thing=things._id")

    found = choose(family, root, follow=follow, infer=False).ids

    members = [{"person": person, "thing": 4} for person in (1, 5)]
    assert found == {"members": members, "people": [1, 5], "things": [4]}


def test_whole_collections_come_with_what_they_need(family: Database) -> None:
    root = Root("people", query=bson.encode({"_id": 1}))
    follow = ("things.note=notes._id",)

    chosen = choose(family, root, follow=follow, infer=False, whole=("things",))

    assert chosen.ids == {
        "notes": ["dbrefs", "kinds"],
        "people": [1, 4, 5],
        "things": [4, 5],
    }
    assert chosen.selected.documents == {"notes": 2, "people": 3}


def test_roots_are_the_same_whatever_the_order_of_the_documents(
    make_database: Callable[[], Database],
) -> None:
    databases = [make_database(), make_database()]
    documents = [{"_id": number, "rank": number % 3} for number in range(300)]
    databases[0]["c"].insert_many(documents)
    databases[1]["c"].insert_many(reversed(documents))

    def both(**root: Any) -> list[int]:
        first, second = (choose(each, Root("c", **root)).ids["c"] for each in databases)
        assert first == second
        return list(first)

    sample = both(sample=10)
    assert len(sample) == 10
    assert sample != list(range(10))
    assert set(sample) < set(both(sample=20))
    assert both(limit=3) == [0, 1, 2]
    assert both(sort=bson.encode({"rank": -1}), limit=3) == [2, 5, 8]
    assert both(sort=from_extended_json('{"rank": -1.0, "_id": -1}'), limit=2) == [296, 299]
    assert both(query=bson.encode({"rank": 2, "_id": {"$lt": 9}})) == [2, 5, 8]
    assert set(both(query=bson.encode({"rank": 1}), sample=5)) <= set(range(1, 300, 3))
    assert choose(databases[0], Root("c", query=bson.encode({"rank": 9}))).selected.notes == (
        "no document of c is what was asked for",
    )


def test_kinds_of_collections(make_database: Callable[[], Database]) -> None:
    database = make_database()
    database.create_collection("log", capped=True, size=100_000)
    database["log"].insert_many([{"_id": number, "c": number} for number in (5, 3, 9, 1)])
    database.create_collection("collated", collation={"locale": "en", "strength": 1})
    database["collated"].insert_many([{"_id": "a"}, {"_id": "B"}, {"_id": "c"}])
    database["refers"].insert_many([{"_id": 1, "to": ["b", "a"]}])
    database["system.js"].insert_one({"_id": "f", "value": bson.Code("1")})
    database.create_collection("weather", timeseries={"timeField": "at"})
    database["weather"].insert_one({"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)})
    database.create_collection("view", viewOn="log", pipeline=[])

    # In natural order; what is equal by a collation alone is not what is referred to.
    chosen = choose(
        database,
        Root("log", query=bson.encode({"c": {"$lt": 9}})),
        Root("refers"),
        follow=("refers.to=collated._id",),
        infer=False,
    )
    assert chosen.ids == {"log": [5, 3, 1], "refers": [1], "collated": ["a"], "system.js": ["f"]}
    assert [each.values for each in chosen.selected.dangling] == [1]
    assert set(chosen.selected.state.collections) == set(live_state(database).collections)
    assert len(choose(database, Root("log", limit=2), whole=("weather",)).ids["weather"]) == 1

    for name, message in [
        ("weather", "weather is a time series, which can only be taken whole: --whole weather"),
        ("view", "view is a view, whose documents are those of other collections: choose there"),
        ("lag", "no collection 'lag': did you mean log?"),
    ]:
        with pytest.raises(UsageError, match=message):
            choose(database, Root(name))
    with pytest.raises(CommandError, match=r"choose documents of .*log: .*unknown operator"):
        choose(database, Root("log", query=bson.encode({"a": {"$no": 1}})))


def test_without_a_session_it_is_the_same_and_what_is_gone_is_an_error(
    make_large_shop: MakeLargeShop,
) -> None:
    database = make_large_shop(100).database
    reading = Reading(database, live_state(database), "6.0.5")
    with open_reading(database) as consistent:
        expected = read(select(consistent, LAST_ORDERS).state)

    selected = select(reading, LAST_ORDERS)

    assert read(selected.state) == expected
    database["orders"].delete_one({"_id": expected["orders"][0]["_id"]})
    with pytest.raises(CaptureError, match=r"orders: 1 of the documents that were chosen are gone"):
        read(selected.state)


def test_random_graphs_give_what_a_plain_search_gives(
    make_database: Callable[[], Database],
) -> None:
    database = make_database()
    follow = ("a.to[]=b._id", "b.to=b._id", "b.to=c.key", "c.up=a._id")
    for seed in range(25):
        graph = Graph(random.Random(seed))
        for name, documents in graph.documents.items():
            database[name].delete_many({})
            database[name].insert_many(random.Random(seed).sample([*documents.values()], 12))
        roots = [Root("b", query=bson.encode({"_id": {"$in": graph.roots}}))]
        bounds = {"levels_up": seed % 4, "most_children": 1 + seed % 3}

        chosen = choose(database, *roots, follow=follow, infer=False, **bounds)

        assert chosen.ids == graph.selection(**bounds), seed
        assert sum(each.values for each in chosen.selected.dangling) == graph.lost(chosen.ids)


class Graph:
    """Documents that refer to each other and to nothing, and a search that knows them all."""

    def __init__(self, drawn: random.Random) -> None:
        def number() -> Any:
            kinds: tuple[Callable[[int], Any], ...] = (int, bson.Int64, float)
            return drawn.choice(kinds)(drawn.randrange(14))

        self.documents: dict[str, dict[int, dict[str, Any]]] = {
            "a": {n: {"_id": n, "to": [number() for _ in range(n % 3)]} for n in range(12)},
            "b": {n: {"_id": n, "to": number()} for n in range(12)},
            "c": {n: {"_id": n, "key": float(n % 9), "up": number()} for n in range(12)},
        }
        self.roots = drawn.sample(range(12), 2)

    def references(self, name: str, n: int) -> list[tuple[str, str, float]]:
        """Return the targets of a document: collection, key and value."""
        document = self.documents[name][n]
        if name == "a":
            return [("b", "_id", value) for value in document["to"]]
        if name == "b":
            return [("b", "_id", document["to"]), ("c", "key", document["to"])]
        return [("a", "_id", document["up"])]

    def found(self, target: str, key: str, value: float) -> set[tuple[str, int]]:
        return {(target, n) for n, each in self.documents[target].items() if each[key] == value}

    def selection(self, levels_up: int, most_children: int) -> dict[str, list[int]]:
        chosen = frontier = {("b", root) for root in self.roots}
        for _ in range(levels_up):
            # What refers to it, by reference and value.
            by_value: dict[tuple[str, str, str, float], set[int]] = {}
            for name, documents in self.documents.items():
                for n in documents:
                    for target, key, value in self.references(name, n):
                        if self.found(target, key, value) & frontier:
                            by_value.setdefault((name, target, key, value), set()).add(n)
            new = {
                (name, n)
                for (name, *_), each in by_value.items()
                for n in sorted(each)[:most_children]
            }
            # A key that was asked for on a level before is not asked for again.
            chosen, frontier = chosen | new, new - chosen
        while True:
            needed = {
                found
                for name, n in chosen
                for reference in self.references(name, n)
                for found in self.found(*reference)
            }
            if needed <= chosen:
                break
            chosen = chosen | needed
        return {
            name: sorted(n for each, n in chosen if each == name)
            for name in sorted({name for name, _ in chosen})
        }

    def lost(self, ids: dict[str, list[int]]) -> int:
        """Count the different values of each field that none of its targets has."""
        values: dict[tuple[str, float], bool] = {}
        for name, chosen in ids.items():
            for n in chosen:
                for target, key, value in self.references(name, n):
                    there = bool(self.found(target, key, value))
                    values[name, value] = values.get((name, value), False) or there
        return sum(not there for there in values.values())


def test_what_looks_like_a_reference_and_is_none_is_not_inferred(
    make_database: Callable[[], Database],
) -> None:
    database = make_database()
    numbers = range(1, 61)
    states = ["open", "paid", "sent"]
    database["orders"].insert_many(
        {
            "_id": n,
            "status": states[n % 3],  # also ids, of a collection that it does not name
            "customers": n % 5 + 1,  # how many
            "quantity": n,
            "number": n,
            "day": f"2026-01-{n % 28 + 1:02d}",
            "by_name": {f"name {k}": {"customer_id": n} for k in range(n, 2 * n)},
            "by_id": {str(bson.ObjectId()): {"customer_id": n}},
        }
        for n in numbers
    )
    database["customers"].insert_many({"_id": n, "customer_id": n, "order": n} for n in numbers)
    database["phases"].insert_many({"_id": state} for state in states)
    database["statistics"].insert_many({"_id": f"2026-01-{n:02d}"} for n in range(1, 29))
    ids = [bson.ObjectId() for _ in numbers]
    # Two that refer to the same do not refer to each other.
    database["users"].insert_many({"_id": each} for each in ids)
    for name in ("profiles", "settings"):
        database[name].create_index("user_id", unique=True)
        database[name].insert_many({"_id": bson.ObjectId(), "user_id": each} for each in ids)

    database["logins"].insert_many({"user_id": ids[n % 20]} for n in numbers)
    # Of two that both have it once, none is known to refer to the other.
    for name in ("readers", "staff"):
        database[name].create_index("email", unique=True)
        database[name].insert_many({"email": f"p{n}@example.com"} for n in numbers)
    database["comments"].insert_many({"email": f"p{n % 9}@example.com"} for n in numbers)
    database["staff"].delete_many({"email": {"$lt": "p9"}})

    with open_reading(database) as reading:
        assert [str(each.reference) for each in infer_references(reading)] == [
            "comments.email=readers.email",
            "logins.user_id=users._id",
            "profiles.user_id=users._id",
            "settings.user_id=users._id",
        ]


def test_keys_other_than_id_are_inferred(make_database: Callable[[], Database]) -> None:
    database = make_database()
    # Nearly unique: one account is there twice.
    accounts = [{"account_id": 100_000 + n * 7919 % 90_000, "limit": 9000} for n in range(80)]
    database["accounts"].insert_many([*accounts, {"account_id": accounts[0]["account_id"]}])
    database["customers"].insert_many(
        {"accounts": [accounts[(n * k) % 80]["account_id"] for k in range(3)], "age": n}
        for n in range(40)
    )
    database["parts"].create_index("sku", unique=True)
    database["parts"].insert_many({"sku": f"p-{n}"} for n in range(30))
    database["boxes"].insert_many({"lines": [{"sku": f"p-{n % 5}"}]} for n in range(30))

    with open_reading(database) as reading:
        inferred = infer_references(reading)
        declared = parse_reference("customers.accounts=accounts._id", reading.state.collections)
        others = infer_references(reading, declared=[declared], but_not=[inferred[0].reference])
        root = parse_roots(reading.state.collections, samples=["customers=10"])
        found = read(select(reading, Selection(root)).state)

    assert [str(each.reference) for each in inferred] == [
        "boxes.lines[].sku=parts.sku",
        "customers.accounts[]=accounts.account_id",
    ]
    assert others == ()
    wanted = {number for customer in found["customers"] for number in customer["accounts"]}
    assert {account["account_id"] for account in found["accounts"]} == wanted
    assert len(found["customers"]) == 10


def test_equal_is_what_the_server_takes_for_equal(make_database: Callable[[], Database]) -> None:
    database = make_database()
    plain: list[Any] = [
        *(5, bson.Int64(5), 5.0, bson.Decimal128("5.00"), "5", 0, -0.0, bson.Decimal128("-0E+9")),
        *(0.1, bson.Decimal128("0.1"), bson.Decimal128("0.1000000000000000055511151231257827")),
        *(2.0**53, bson.Int64(2**53), bson.Int64(2**53 + 1), bson.Decimal128(str(2**53 + 1))),
        *(float("nan"), bson.Decimal128("NaN"), float("inf"), bson.Decimal128("Infinity")),
        *(bson.Decimal128("1E+6144"), bson.Decimal128("10E+6143"), 1e300, True, 1, "a", "A"),
        *({"a": 1, "b": 2.0}, {"a": 1.0, "b": bson.Int64(2)}, {"b": 2, "a": 1}, {"a": [1]}, {}),
        *({"a": [1.0]}, bson.ObjectId(b"1" * 12), bson.Binary(b"x" * 16, 3)),
        *(bson.Binary(b"x" * 16, 4), bson.DatetimeMS(5), bson.Timestamp(0, 5), bson.Code("a")),
        *(bson.MinKey(), bson.MaxKey(), "é", "e\u0301"),
    ]
    documents = [bson.encode({"_id": at, "v": value}) for at, value in enumerate(plain)]
    documents.append(bson.encode({"_id": len(plain), "v": "a"}).replace(b"\x02v", b"\x0ev"))
    database["c"].insert_many([RawBSONDocument(document) for document in documents])
    extractor = Extractor([("v",)])
    values = [value for document in documents for _, value in extractor.values(document)]
    with open_reading(database) as reading:
        definition = reading.state.collections["c"].definition
        for value in values:
            found = find_one_of(reading, definition, "v", [value], fields=["_id"])

            alike = [
                at for at, each in enumerate(values) if equality_key(each) == equality_key(value)
            ]
            assert [bson.decode(each)["_id"] for each in found] == alike, value
