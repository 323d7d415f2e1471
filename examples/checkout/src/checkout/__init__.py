"""The checkout of a small shop: orders are placed, paid and cancelled."""

from checkout.errors import (
    CheckoutError,
    CustomerSuspendedError,
    InvalidOrderError,
    OrderNotOpenError,
    OutOfStockError,
    UnknownCustomerError,
    UnknownOrderError,
    UnknownPaymentMethodError,
    UnknownProductError,
)
from checkout.service import Checkout

__all__ = [
    "Checkout",
    "CheckoutError",
    "CustomerSuspendedError",
    "InvalidOrderError",
    "OrderNotOpenError",
    "OutOfStockError",
    "UnknownCustomerError",
    "UnknownOrderError",
    "UnknownPaymentMethodError",
    "UnknownProductError",
]
