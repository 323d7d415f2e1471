"""Many small tests, as a user's project has them; copied into a project of its own to be run."""

from __future__ import annotations

import os
from typing import Any

import pytest

_NUMBERS = range(int(os.environ["BENCHMARK_TESTS"]))


@pytest.mark.scenario("shop")
@pytest.mark.parametrize("number", _NUMBERS)
def test_writes(db: Any, number: int) -> None:
    _write(db, number)


@pytest.mark.scenario("shop")
@pytest.mark.parametrize("number", _NUMBERS)
def test_changes(db: Any, db_changes: Any, number: int) -> None:
    _write(db, number)
    assert len(db_changes.inserted["orders"]) == 1


def _write(db: Any, number: int) -> None:
    db["orders"].insert_one({"_id": f"new {number}", "status": "open"})
    db["orders"].update_one({"_id": number}, {"$set": {"status": "lost"}})
    db["orders"].update_one({"_id": number + 1}, {"$inc": {"total": 1}})
    db["products"].update_one({"_id": f"sku-{number:08d}"}, {"$inc": {"stock": -1}})
    db["products"].delete_one({"_id": f"sku-{number + 1:08d}"})
