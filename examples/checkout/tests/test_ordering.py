from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from checkout import (
    Checkout,
    CheckoutError,
    CustomerSuspendedError,
    InvalidOrderError,
    OutOfStockError,
    UnknownCustomerError,
    UnknownProductError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    FindCustomer = Callable[[str], ObjectId]

ADA = "ada.lindqvist@example.com"
VICTOR = "victor.moreau@example.com"  # suspended

pytestmark = pytest.mark.scenario("shop")


def test_an_active_customer_can_order(
    checkout: Checkout, customer_id: FindCustomer, db_changes: Any, db_snapshot: Any
) -> None:
    order_id = checkout.place_order(customer_id(ADA), {"MUG-BLUE": 2, "LAMP-BLACK": 1})

    assert order_id == "order-1201"
    assert db_changes == db_snapshot


def test_the_last_one_is_sold_once(
    checkout: Checkout, customer_id: FindCustomer, db_changes: Any, db_snapshot: Any
) -> None:
    ada = customer_id(ADA)
    checkout.place_order(ada, {"LAMP-BRASS": 1})
    with pytest.raises(OutOfStockError):
        checkout.place_order(ada, {"LAMP-BRASS": 1})

    assert db_changes == db_snapshot


def test_a_request_sent_twice_places_one_order(
    checkout: Checkout, customer_id: FindCustomer, db_changes: Any, db_snapshot: Any
) -> None:
    ada = customer_id(ADA)
    first = checkout.place_order(ada, {"SOAP-CEDAR": 3}, request_id="web-1")
    second = checkout.place_order(ada, {"SOAP-CEDAR": 3}, request_id="web-1")

    assert first == second
    assert db_changes == db_snapshot


@pytest.mark.parametrize(
    ("quantities", "refusal"),
    [
        pytest.param({"TEAPOT-BLUE": 1}, OutOfStockError, id="out-of-stock"),
        pytest.param({"LAMP-BRASS": 2}, OutOfStockError, id="more-than-are-left"),
        pytest.param({"MUG-BLUE": 1, "TEAPOT-BLUE": 1}, OutOfStockError, id="second-out-of-stock"),
        pytest.param({"MUG-PINK": 1}, UnknownProductError, id="unknown-product"),
        pytest.param({"CLOCK-WALNUT": 1}, UnknownProductError, id="no-longer-sold"),
        pytest.param({"MUG-BLUE": 0}, InvalidOrderError, id="none-of-a-product"),
        pytest.param({}, InvalidOrderError, id="no-products"),
    ],
)
def test_a_refused_order_leaves_nothing_behind(
    checkout: Checkout,
    customer_id: FindCustomer,
    db_changes: Any,
    quantities: dict[str, int],
    refusal: type[CheckoutError],
) -> None:
    with pytest.raises(refusal):
        checkout.place_order(customer_id(ADA), quantities)

    assert not db_changes


def test_a_suspended_customer_is_refused(
    checkout: Checkout, customer_id: FindCustomer, db_changes: Any
) -> None:
    with pytest.raises(CustomerSuspendedError, match=VICTOR):
        checkout.place_order(customer_id(VICTOR), {"MUG-BLUE": 1})

    assert not db_changes


def test_an_unknown_customer_is_refused(checkout: Checkout, db_changes: Any) -> None:
    with pytest.raises(UnknownCustomerError):
        checkout.place_order(ObjectId("000000000000000000000000"), {"MUG-BLUE": 1})

    assert not db_changes
