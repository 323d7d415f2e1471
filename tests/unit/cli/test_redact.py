"""A URL is printed without what is secret in it, also where it is written wrong."""

from __future__ import annotations

import pytest

from mongoshot.server.urls import redact, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://host:27017/shop", "mongodb://host:27017/shop"),
        ("mongodb://[::1]:27017,other:1/shop?w=1", "mongodb://[::1]:27017,other:1/shop?w=1"),
        ("mongodb://%2Ftmp%2Fx.sock/shop", "mongodb://%2Ftmp%2Fx.sock/shop"),
        ("mongodb://user@host/shop", "mongodb://user@host/shop"),
        ("mongodb://user:pass@host:1/shop", "mongodb://user:***@host:1/shop"),
        ("mongodb+srv://user:pa:ss@host/shop", "mongodb+srv://user:***@host/shop"),
        ("mongodb://user:p@s/s?@host:1/shop", "mongodb://user:***@***"),
        ("mongodb://user:pass", "mongodb://user:***"),
        ("mongodb://user:pass/shop", "mongodb://user:***"),
        ("mongodb://user:?pass", "mongodb://user:***"),
        ("mongodb://user:pa?ss/x@y", "mongodb://user:***@***"),
        ("mongodb://host/?a=b&pass&tls=true", "mongodb://host/?***"),
        ("mongodb://host/?w=1&pa%20ss", "mongodb://host/?***"),
        ("mongodb://host/?authMechanismProperties=TOKEN:pa@ss", "mongodb://host@***"),
        ("mongodb://user:pa\nss", "mongodb://user:***"),
        ("mongodb://user:pass@host/db;pa#ss", "mongodb://user:***@host/***"),
        ("user:pass@host", "***"),
        ("user:pa://ss@host", "***"),
        ("mongodb:/user:pass@host/?appName=http://x", "***"),
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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mongodb://user:pa55@host", "no pa55 here"),
        ("mongodb://user:p%4055@host", "no p%4055 and no p@55 here"),
        ("mongodb://user:a+b55@host", "no a b55 here"),
        ("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:pa%3A55", "not pa:55"),
        ("mongodb://user:pa/ss55?x@host", "bad database name ss55"),
        ("mongodb://user:pa/ss55", "bad database name ss55"),
        ("mongodb://h/?w=1;authMechanismProperties=TOKEN:pa55", "pa55 is not supported"),
        ("user:p55://host", "no scheme p55"),
    ],
)
def test_secrets_are_taken_out_of_what_the_driver_says(url: str, said: str) -> None:
    assert "55" not in without_secrets(said, url)
