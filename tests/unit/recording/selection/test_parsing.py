from __future__ import annotations

import json
import re

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongoshot.errors import UsageError
from mongoshot.recording.selection.model import Reference, Root, Selection
from mongoshot.recording.selection.parsing import (
    parse_reference,
    parse_roots,
    recipe_of,
    selection_of,
)

NAMES = ("orders", "customers", "audit", "audit.log", "a=b", "odd name")


def test_roots_are_joined_by_collection() -> None:
    roots = parse_roots(
        NAMES,
        queries=['orders={"at": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}, "a": "x=y"}'],
        sorts=['orders={"at": -1, "n": 1}'],
        limits=["orders=20", "a=b=3"],
        samples=["customers=10"],
    )

    assert [root.collection for root in roots] == ["a=b", "customers", "orders"]
    assert roots[0] == Root("a=b", limit=3)
    assert roots[1] == Root("customers", sample=10)
    orders = roots[2]
    assert orders.limit == 20
    assert orders.query is not None
    assert bson.decode(orders.query)["a"] == "x=y"
    assert orders.sort == bson.encode({"at": -1, "n": 1})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"queries": ["order={}"]}, "--query: no collection 'order': did you mean orders?"),
        ({"queries": ["zzz={}"]}, "no collection 'zzz': there is a=b, audit, audit.log,"),
        ({"queries": ["orders"]}, "--query 'orders' names no collection: write --query"),
        ({"queries": ["orders={a: 1}"]}, "--query orders: this is not JSON"),
        ({"queries": ["orders=[]"]}, "--query orders: the outermost value must be a document"),
        ({"queries": ["orders={}", "orders={}"]}, "--query is there twice for orders"),
        ({"limits": ["orders=many"]}, "--limit orders=many: a number of documents is wanted"),
        ({"limits": ["orders=0"]}, "--limit orders=0: take at least one document"),
        ({"samples": ["orders=-1"]}, "--sample orders=-1: a number of documents is wanted"),
        ({"samples": ["orders=1"], "limits": ["orders=1"]}, "--sample orders=1 chooses by itself"),
        (
            {"sorts": ['orders={"at": "up"}'], "limits": ["orders=1"]},
            "--sort orders: 'at' is sorted by 'up'; write 1 for upwards",
        ),
        ({"sorts": ['orders={"at": 1}']}, "--sort orders=… alone chooses nothing"),
    ],
)
def test_what_is_no_root_is_refused_in_one_line(given: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse_roots(NAMES, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (
            "orders.customer_id=customers._id",
            Reference("orders", ("customer_id",), "customers", ("_id",)),
        ),
        (
            "orders.lines[].product.sku=customers.sku",
            Reference("orders", ("lines", None, "product", "sku"), "customers", ("sku",)),
        ),
        ("audit.log.at.id=orders._id", Reference("audit.log", ("at", "id"), "orders")),
        ('["audit"].log.at=orders._id', Reference("audit", ("log", "at"), "orders")),
        ("audit.at=orders._id", Reference("audit", ("at",), "orders")),
        ("orders.owner.$id=customers._id", Reference("orders", ("owner", "$id"), "customers")),
        ('["odd name"]["a = b"][]=orders._id', Reference("odd name", ("a = b", None), "orders")),
    ],
)
def test_references_are_read_and_written_again(text: str, reference: Reference) -> None:
    assert parse_reference(text, NAMES) == reference
    assert parse_reference(reference.text(NAMES), NAMES) == reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("orders.customer_id", "is no reference: write a field and the key that it holds"),
        ("order.customer_id=customers._id", "no collection 'order': did you mean orders?"),
        ("orders=customers._id", "'orders' names a collection and no field of it"),
        ("orders.*_id=customers._id", "must name one field: write it without *"),
        ("orders.lines[0].id=customers._id", "must name one field: write it without *, and []"),
        ('orders["a.b"]=customers._id', "a server cannot be asked for the field 'a.b'"),
        ("orders.$where=customers._id", "a server cannot be asked for the field '$where'"),
        ("orders.$id=customers._id", "a DBRef is a field with an $id"),
        ("orders.x.$id=customers.email", "a DBRef is a field with an $id, which is an _id"),
        ("orders.x=customers.y.$id", "behind the = stands a key, mostly _id"),
        ("orders..x=customers._id", "is no path"),
    ],
)
def test_what_is_no_reference_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse_reference(text, NAMES)
    assert "\n" not in str(caught.value)


def test_a_recipe_is_json_and_means_the_same() -> None:
    follow = (parse_reference("audit.log.at=orders._id", NAMES),)
    query = bson.encode({"n": bson.Int64(1), "at": bson.Decimal128("1.0"), "ö": {"$in": [1, 2.0]}})
    sort = bson.encode({"b": 1, "a": -1})
    roots = (Root("orders", query, sort, 5), Root("customers", sample=2))
    selection = Selection(roots, (), whole=("audit",), exclude=("a=b",), levels_up=0)

    recipe = json.loads(json.dumps(recipe_of(selection, follow, NAMES)))
    again = selection_of(recipe, NAMES)

    assert again == Selection(
        (roots[1], roots[0]), follow, False, (), ("audit",), ("a=b",), levels_up=0
    )
    assert recipe["follow"] == ['["audit.log"].at=orders._id']


@pytest.mark.parametrize("damage", [{"roots": []}, {"roots": {"orders": {"query": 1}}}, {}])
def test_a_recipe_that_is_none_is_a_usage_error(damage: dict[str, object]) -> None:
    recipe = recipe_of(Selection((Root("orders", limit=1),)), (), NAMES) | damage
    if not damage:
        del recipe["follow"]
    with pytest.raises(UsageError, match="the recipe of the selection cannot be read"):
        selection_of(recipe, NAMES)


_keys = st.text(min_size=1).filter(
    lambda key: not key.startswith("$") and "." not in key and "\0" not in key
)
_paths = st.builds(lambda first, rest: (first, *rest), _keys, st.lists(st.none() | _keys))
_collections = st.sampled_from(
    ["orders", "audit", "audit.log", "audit.log.at", "log", "a=b", 'o"dd [name]', "*", "$x", "é"]
)


@given(st.builds(Reference, _collections, _paths, _collections, _paths))
def test_any_reference_can_be_written_and_read_again(reference: Reference) -> None:
    names = ["orders", "audit", "audit.log", "audit.log.at", "log", "a=b", 'o"dd [name]']
    names += ["*", "$x", "é"]
    assert parse_reference(reference.text(names), names) == reference


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("whole", 5),
        ("exclude", [5]),
        ("follow", [5]),
        ("roots", {"orders": {"limit": "x"}}),
        ("roots", {"orders": {"query": 5}}),
        ("levels_up", "x"),
    ],
)
def test_a_recipe_that_somebody_changed_is_an_error(key: str, value: object) -> None:
    recipe = recipe_of(Selection((Root("orders", limit=1),)), (), ["orders"])
    assert selection_of(recipe, ["orders"]).roots == (Root("orders", limit=1),)
    with pytest.raises(UsageError, match="recipe of the selection cannot be read"):
        selection_of({**recipe, key: value}, ["orders"])


@pytest.mark.parametrize("text", ["\x1d20", "20\n", "\u00b2", "-1", "1_0", ""])
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="a number of documents is wanted"):
        parse_roots({"orders"}, limits=[f"orders={text}"])
