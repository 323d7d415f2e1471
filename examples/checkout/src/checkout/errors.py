"""Why the checkout refuses something. Whatever is refused has changed nothing.

CheckoutError
├── InvalidOrderError
├── UnknownCustomerError
├── CustomerSuspendedError
├── UnknownProductError
├── OutOfStockError
├── UnknownOrderError
├── OrderNotOpenError
└── UnknownPaymentMethodError
"""


class CheckoutError(Exception):
    """The checkout refused."""


class InvalidOrderError(CheckoutError):
    """The order has no lines, or a line with a quantity below one."""


class UnknownCustomerError(CheckoutError):
    """No customer has this id."""


class CustomerSuspendedError(CheckoutError):
    """The customer may not place orders."""


class UnknownProductError(CheckoutError):
    """The shop does not sell a product with this SKU."""


class OutOfStockError(CheckoutError):
    """Fewer are left than were ordered."""


class UnknownOrderError(CheckoutError):
    """No order has this id."""


class OrderNotOpenError(CheckoutError):
    """The order was paid or cancelled before."""


class UnknownPaymentMethodError(CheckoutError):
    """The shop does not take this kind of payment."""
