"""What the checkout does to the database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from bson import Binary, Decimal128, ObjectId
from pymongo import ReturnDocument

from checkout.errors import (
    CustomerSuspendedError,
    InvalidOrderError,
    OrderNotOpenError,
    OutOfStockError,
    UnknownCustomerError,
    UnknownOrderError,
    UnknownPaymentMethodError,
    UnknownProductError,
)

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession
    from pymongo.database import Database

Document = dict[str, Any]
Clock = Callable[[], datetime]
Result = TypeVar("Result")

PAYMENT_METHODS = ("card", "bank transfer", "voucher")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Checkout:
    """Takes orders and payments. Each call is one transaction: it happens in full or not at all."""

    def __init__(self, database: Database[Document], *, clock: Clock = utc_now) -> None:
        self.database = database
        self.clock = clock

    def place_order(
        self,
        customer_id: ObjectId,
        quantities: Mapping[str, int],
        *,
        request_id: str | None = None,
    ) -> str:
        """Order products, given as SKU and quantity, and return the id of the order.

        A request that was lost on the way can be sent again: with the same ``request_id`` the order
        is placed once, and its id returned each time.
        """
        if not quantities or min(quantities.values()) < 1:
            raise InvalidOrderError("an order needs at least one product, and one or more of each")

        def place(session: ClientSession) -> str:
            if request_id is not None:
                earlier = self.database.orders.find_one({"request_id": request_id}, session=session)
                if earlier is not None:
                    return str(earlier["_id"])
            customer = self._active_customer(customer_id, session)
            lines = [
                self._take_from_stock(sku, quantity, session)
                for sku, quantity in quantities.items()
            ]
            order_id = self._next_order_id(session)
            now = self.clock()
            order: Document = {
                "_id": order_id,
                "customer_id": customer_id,
                "status": "open",
                "lines": lines,
                "total": total_of(lines),
                "currency": "EUR",
                "ship_to": customer["address"],
                "placed_at": now,
                "history": [{"status": "open", "at": now}],
            }
            if request_id is not None:
                order["request_id"] = request_id
            self.database.orders.insert_one(order, session=session)
            return order_id

        return self._in_transaction(place)

    def pay(self, order_id: str, method: str) -> str:
        """Take the payment of an open order in full, and return the id of the payment."""
        if method not in PAYMENT_METHODS:
            accepted = ", ".join(PAYMENT_METHODS)
            raise UnknownPaymentMethodError(f"{method!r} is none of {accepted}")

        def settle(session: ClientSession) -> str:
            now = self.clock()
            order = self._close(order_id, "paid", now, session)
            reference = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:shop:{order_id}")
            payment_id = f"payment-{order_id}"
            payment: Document = {
                "_id": payment_id,
                "order_id": order_id,
                "amount": order["total"],
                "currency": order["currency"],
                "method": method,
                "reference": Binary.from_uuid(reference),
                "received_at": now,
            }
            self.database.payments.insert_one(payment, session=session)
            return payment_id

        return self._in_transaction(settle)

    def cancel(self, order_id: str) -> None:
        """Cancel an open order, and put its products back in stock."""

        def restock(session: ClientSession) -> None:
            order = self._close(order_id, "cancelled", self.clock(), session)
            for line in order["lines"]:
                self.database.products.update_one(
                    {"sku": line["sku"]}, {"$inc": {"stock": line["quantity"]}}, session=session
                )

        self._in_transaction(restock)

    def _in_transaction(self, work: Callable[[ClientSession], Result]) -> Result:
        with self.database.client.start_session() as session:
            return session.with_transaction(work)

    def _active_customer(self, customer_id: ObjectId, session: ClientSession) -> Document:
        customer = self.database.customers.find_one({"_id": customer_id}, session=session)
        if customer is None:
            raise UnknownCustomerError(f"there is no customer {customer_id}")
        if customer["status"] != "active":
            raise CustomerSuspendedError(f"{customer['email']} is {customer['status']}")
        return customer

    def _take_from_stock(self, sku: str, quantity: int, session: ClientSession) -> Document:
        """Take a product out of the stock, and return it as a line of an order."""
        products = self.database.products
        product = products.find_one_and_update(
            {"sku": sku, "listed": True, "stock": {"$gte": quantity}},
            {"$inc": {"stock": -quantity}},
            session=session,
        )
        if product is None:
            product = products.find_one({"sku": sku, "listed": True}, session=session)
            if product is None:
                raise UnknownProductError(f"{sku} is not for sale")
            raise OutOfStockError(f"{quantity} x {sku} ordered, {product['stock']} in stock")
        return {
            "sku": sku,
            "name": product["name"],
            "quantity": quantity,
            "unit_price": product["price"],
        }

    def _next_order_id(self, session: ClientSession) -> str:
        counter = self.database.counters.find_one_and_update(
            {"_id": "orders"},
            {"$inc": {"last": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert counter is not None, "an upsert returns its document"
        return f"order-{counter['last']}"

    def _close(self, order_id: str, status: str, at: datetime, session: ClientSession) -> Document:
        """Move an open order to another status, and return it as it was."""
        orders = self.database.orders
        order = orders.find_one_and_update(
            {"_id": order_id, "status": "open"},
            {"$set": {"status": status}, "$push": {"history": {"status": status, "at": at}}},
            session=session,
        )
        if order is None:
            order = orders.find_one({"_id": order_id}, session=session)
            if order is None:
                raise UnknownOrderError(f"there is no order {order_id}")
            raise OrderNotOpenError(f"{order_id} is {order['status']}")
        return order


def total_of(lines: list[Document]) -> Decimal128:
    prices = (line["unit_price"].to_decimal() * line["quantity"] for line in lines)
    return Decimal128(sum(prices, Decimal(0)))
