"""A URL is printed without what is secret in it, also where it is written wrong."""

from __future__ import annotations

import pytest

from mongoshot.server.connection import redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://host:27017/shop", "mongodb://host:27017/shop"),
        ("mongodb://[::1]:27017,other:1/shop?w=1", "mongodb://[::1]:27017,other:1/shop?w=1"),
        ("mongodb://%2Ftmp%2Fx.sock/shop", "mongodb://%2Ftmp%2Fx.sock/shop"),
        ("mongodb://user@host/shop", "mongodb://user@host/shop"),
        ("mongodb://user:pass@host:1/shop", "mongodb://user:***@host:1/shop"),
        ("mongodb+srv://user:pa:ss@host/shop", "mongodb+srv://user:***@host/shop"),
        ("mongodb://user:p@s/s?@host:1/shop", "mongodb://user:***@host:1/shop"),
        ("mongodb://user:pass", "mongodb://user:***"),
        ("mongodb://user:pass/shop", "mongodb://user:***/shop"),
        ("user:pass@host", "***"),
        ("host", "host"),
        (
            "mongodb://host/?tlsCertificateKeyFilePassword=pass&w=1",
            "mongodb://host/?tlsCertificateKeyFilePassword=***&w=1",
        ),
        (
            "mongodb://host/?w=1&authMechanismProperties=AWS_SESSION_TOKEN:pass",
            "mongodb://host/?w=1&authMechanismProperties=***",
        ),
    ],
)
def test_secrets_are_hidden(url: str, shown: str) -> None:
    assert redact(url) == shown
