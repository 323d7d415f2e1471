"""What the plugin knows of event loops: which one `async_db` works on."""

from __future__ import annotations

import pytest


def check_backend(request: pytest.FixtureRequest) -> None:
    """Fail a test that anyio runs on another event loop than asyncio's."""
    if "anyio_backend" not in request.fixturenames:
        return
    given = request.getfixturevalue("anyio_backend")
    backend = given if isinstance(given, str) else given[0]
    if backend != "asyncio":
        pytest.fail(
            f"async_db cannot be used under {backend}: PyMongo's asynchronous client runs on"
            ' asyncio alone; let the fixture anyio_backend return "asyncio", or take db',
            pytrace=False,
        )
