"""The same service without a process and a port of its own, on the event loop of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from notes_api import create_app

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def http(async_db: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(async_db))
    async with httpx.AsyncClient(transport=transport, base_url="http://notes") as client:
        yield client


@pytest.mark.scenario("notebook")
async def test_a_new_note(
    http: httpx.AsyncClient, async_db: Any, db_changes: Any, db_snapshot: Any
) -> None:
    answer = await http.post("/notes", json={"author": "ada", "title": "Gate", "tags": ["home"]})

    assert await async_db.notes.count_documents({"title": "Gate"}) == 1
    assert answer.json()["revision"] == 1
    assert db_changes == db_snapshot


async def test_an_empty_notebook(http: httpx.AsyncClient) -> None:
    assert (await http.get("/notes")).json() == []
