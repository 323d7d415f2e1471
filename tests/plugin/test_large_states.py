"""The expectation of a large state is its difference from the scenario."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mongoshot import capture
from mongoshot.server.connection import Client

Run = Callable[..., pytest.RunResult]

TEST = """
    import pytest

    @pytest.mark.scenario("stock")
    def test_it(db, db_state, db_snapshot):
        db.orders.update_one({"_id": 700}, {"$set": {"status": "paid"}})
        payment = db.payments.insert_one({"order": 700}).inserted_id
        db.orders.insert_one({"_id": -1, "payment": payment})
        db.products.delete_one({"_id": 3})
        # more
        assert db_state == db_snapshot
        assert db_state["orders"] == db_snapshot
        assert db_state["products"] == db_snapshot
"""


@pytest.fixture
def record_stock(
    pytester: pytest.Pytester, mongo_client: Client, inner_database: str
) -> Callable[[int], None]:
    """Record the scenario `stock`, with so many orders and ten products, in place of another."""

    def record(orders: int) -> None:
        source = mongo_client[f"{inner_database}_source"]
        for name, count in (("orders", orders), ("products", 10)):
            source.drop_collection(name)
            source[name].insert_many({"_id": n, "status": "open"} for n in range(count))
        capture(source, pytester.path / "snapshots" / "stock", replace=True)

    return record


@pytest.fixture
def module(pytester: pytest.Pytester, record_stock: Callable[[int], None], run: Run) -> Path:
    """Record the expectations of `TEST` against 2,000 orders."""
    record_stock(2000)
    module = pytester.makepyfile(test_stock=TEST)
    run("--snapshot-update").assert_outcomes(passed=1)
    return module


def stored(module: Path, name: str) -> Any:
    return json.loads((module.parent / "__expectations__" / "test_stock" / name).read_text())


def test_it_is_short_and_says_what_differs(module: Path, run: Run) -> None:
    everything, orders, products = (
        stored(module, f"test_it{index}.json") for index in ("", ".1", ".2")
    )
    assert everything["kind"] == orders["kind"] == "difference"
    assert everything["collections"] == {
        "orders": {
            "updated": [
                {"_id": 700, "fields": {"status": {"before": "open", "after": "paid"}}},
            ],
            "inserted": [{"_id": -1, "payment": {"$oid": "ObjectId-1"}}],
        },
        "payments": {"created": {}, "inserted": [{"_id": {"$oid": "ObjectId-1"}, "order": 700}]},
        "products": {"deleted": [{"_id": 3}]},
    }
    assert orders["collections"].keys() == {"orders"}
    assert products["kind"] == "state"
    assert len(products["collections"]["products"]["documents"]) == 9
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            'db.orders.update_one({"_id": 1999}, {"$set": {"status": 1}})',
            ["*state not as expected in orders*", "*_id 1999: updated*", '*status  "open" → 1*'],
        ),
        (
            'db.orders.delete_one({"_id": 0})',
            ["*state not as expected in orders*", "*_id 0: deleted*"],
        ),
        (
            'db.orders.update_one({"_id": 700}, {"$set": {"status": "payed"}})',
            ['*status  expected "open" → "paid", is "open" → "payed"*'],
        ),
        ('db.stray.insert_one({"_id": 1})', ["*not as expected in stray*", "*: created*"]),
        ('db.orders.create_index("status")', ["*options or indexes changed*", "*status_1*"]),
    ],
    ids=["update", "delete", "wrong value", "stray collection", "index"],
)
def test_whatever_else_differs_fails(module: Path, run: Run, more: str, lines: list[str]) -> None:
    module.write_text(module.read_text().replace("# more", more))
    failed = run("-vv")
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(lines)


def test_it_holds_when_the_scenario_grows(
    module: Path, run: Run, record_stock: Callable[[int], None]
) -> None:
    record_stock(3000)
    run().assert_outcomes(passed=1)

    module.write_text(module.read_text().replace("# more", "db.orders.delete_one({'_id': 2500})"))
    failed = run("-vv")
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["*_id 2500: deleted*", "*note: recorded against stock (*"])
