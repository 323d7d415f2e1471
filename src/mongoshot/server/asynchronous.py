"""A client of the driver's asynchronous kind, which goes with the event loop that it was used on.

Its sockets and tasks belong to that loop, and can be closed nowhere else, and not after it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from mongoshot.errors import EventLoopError, UsageError
from mongoshot.server.connection import TIMEOUT, Database, make_client

try:
    from pymongo import AsyncMongoClient
except ImportError as error:  # before 4.9
    raise UsageError(
        "PyMongo has no AsyncMongoClient before version 4.9, and it is no beta from 4.13 on; type:"
        " pip install --upgrade pymongo"
    ) from error

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase as PymongoAsyncDatabase
    from pymongo.asynchronous.topology import Topology

    AsyncDatabase: TypeAlias = PymongoAsyncDatabase[dict[str, Any]]


class LoopClient(AsyncMongoClient[dict[str, Any]]):
    """Be the driver's client, for one event loop: the first that it is used on.

    Any public attribute of its own would hide a database of that name.
    """

    _home: asyncio.AbstractEventLoop | None = None

    async def _get_topology(self) -> Topology:
        """Return what all that goes to the server asks for first, or raise EventLoopError."""
        _settle(self)
        return await super()._get_topology()


@contextlib.contextmanager
def open_async(database: Database, url: str) -> Iterator[AsyncDatabase]:
    """Give a database of a client for `url` to coroutines, for the length of a block.

    It has the name and the codec options of `database`, and nothing is sent before it is used.
    Raises UsageError for a malformed URL. The database raises EventLoopError where it is used on
    another event loop than the first, or on one that is not asyncio's.
    """
    client = make_client(LoopClient, url)
    try:
        yield client.get_database(database.name, codec_options=database.codec_options)
    finally:
        _close(client)


class _End:
    """Be the end of an event loop: close what was opened on it, and then the loop.

    Stands for the loop's two methods of that, the first of which is called by all that runs loops
    as asyncio does; until then, the driver can make what it needs for its farewell.
    """

    _METHODS = ("close", "shutdown_asyncgens")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clients: set[LoopClient] = set()
        self._loop = loop
        self._originals = loop.close, loop.shutdown_asyncgens
        for name in self._METHODS:
            setattr(loop, name, getattr(self, name))

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> _End | None:
        """Return that of a loop; None where nothing of ours is open on it."""
        found = getattr(loop.close, "__self__", None)
        return found if isinstance(found, cls) else None

    async def shutdown_asyncgens(self) -> None:
        await self._close_clients()
        await self._originals[1]()

    def close(self) -> None:
        try:
            # Another loop that runs in this thread keeps them from it.
            with contextlib.suppress(RuntimeError):
                if self.clients and not self._loop.is_closed():
                    self._loop.run_until_complete(self._close_clients())
        finally:
            self._originals[0]()

    async def _close_clients(self) -> None:
        while self.clients:
            await self.clients.pop().close()

    def forget(self, client: LoopClient) -> None:
        """Leave a client alone that is closed, and the loop as it was after the last one."""
        self.clients.discard(client)
        if not self.clients:
            for name in self._METHODS:
                vars(self._loop).pop(name, None)


def _settle(client: LoopClient) -> None:
    """Bind a client to the running loop; raise EventLoopError where it has another one."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise EventLoopError(
            "PyMongo's asynchronous client runs on asyncio alone, and no event loop of asyncio runs"
            " here; use async_db under asyncio (anyio: a fixture anyio_backend that returns"
            ' "asyncio"), or take db'
        ) from None
    home = client._home  # noqa: SLF001 - a method would hide a database
    if home is None:
        client._home = loop  # noqa: SLF001 - see above
        (_End.of(loop) or _End(loop)).clients.add(client)
    elif home is not loop:
        which = "is closed by now" if home.is_closed() else "is not this one"
        raise EventLoopError(
            f"async_db belongs to the event loop that it was first used on, which {which}; let all"
            " coroutines of a test and of its fixtures run on one loop (pytest-asyncio: the same"
            " loop_scope; asyncio.run: once; TestClient: with TestClient(app) as client)"
        )


def _close(client: LoopClient) -> None:
    """Close a client wherever its loop is: it may rest, be closed, or run in another thread."""
    home = client._home  # noqa: SLF001 - see above
    if home is None or home.is_closed():
        return  # never used, or closed with its loop
    if end := _End.of(home):
        end.forget(client)
    if home.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), home).result(TIMEOUT)
    else:
        home.run_until_complete(client.close())
