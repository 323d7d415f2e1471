from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from checkout import Checkout

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson import ObjectId
    from pymongo.database import Database

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def checkout(db: Database[dict[str, Any]]) -> Checkout:
    """The checkout, at a fixed time: what it writes is the same on every run."""
    return Checkout(db, clock=lambda: NOW)


@pytest.fixture
def customer_id(db: Database[dict[str, Any]]) -> Callable[[str], ObjectId]:
    """Finds a customer by e-mail address."""

    def find(email: str) -> ObjectId:
        customer = db.customers.find_one({"email": email})
        assert customer is not None, f"{email} is not in the scenario"
        found: ObjectId = customer["_id"]
        return found

    return find
