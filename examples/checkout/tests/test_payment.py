from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkout import OrderNotOpenError, UnknownOrderError, UnknownPaymentMethodError

if TYPE_CHECKING:
    from checkout import Checkout

OPEN, PAID, CANCELLED = "order-1001", "order-1002", "order-1003"

pytestmark = pytest.mark.scenario("shop")


def test_paying_marks_the_order(checkout: Checkout, db_changes: Any, db_snapshot: Any) -> None:
    payment_id = checkout.pay(OPEN, "card")

    assert payment_id == "payment-order-1001"
    assert db_changes == db_snapshot


def test_an_order_is_paid_once(checkout: Checkout, db_changes: Any, db_snapshot: Any) -> None:
    checkout.pay(OPEN, "bank transfer")
    with pytest.raises(OrderNotOpenError, match="order-1001 is paid"):
        checkout.pay(OPEN, "bank transfer")

    assert db_changes == db_snapshot


@pytest.mark.parametrize("order_id", [PAID, CANCELLED])
def test_a_closed_order_cannot_be_paid(checkout: Checkout, db_changes: Any, order_id: str) -> None:
    with pytest.raises(OrderNotOpenError):
        checkout.pay(order_id, "card")

    assert not db_changes


def test_an_unknown_way_to_pay_is_refused(checkout: Checkout, db_changes: Any) -> None:
    with pytest.raises(UnknownPaymentMethodError, match="card, bank transfer, voucher"):
        checkout.pay(OPEN, "seashells")

    assert not db_changes


class TestCancelling:
    def test_puts_the_products_back(
        self, checkout: Checkout, db_changes: Any, db_snapshot: Any
    ) -> None:
        checkout.cancel(OPEN)

        assert db_changes == db_snapshot

    def test_is_final(self, checkout: Checkout, db_changes: Any, db_snapshot: Any) -> None:
        checkout.cancel(OPEN)
        with pytest.raises(OrderNotOpenError, match="order-1001 is cancelled"):
            checkout.pay(OPEN, "card")

        assert db_changes == db_snapshot

    @pytest.mark.parametrize("order_id", [PAID, CANCELLED])
    def test_is_for_open_orders(self, checkout: Checkout, db_changes: Any, order_id: str) -> None:
        with pytest.raises(OrderNotOpenError):
            checkout.cancel(order_id)

        assert not db_changes

    def test_needs_an_order(self, checkout: Checkout, db_changes: Any) -> None:
        with pytest.raises(UnknownOrderError):
            checkout.cancel("order-9999")

        assert not db_changes
