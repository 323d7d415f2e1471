"""The server that a run of tests, or the demo, works on: the one named, or one of our own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mongoshot.config import DEFAULT_URL
from mongoshot.errors import MongodNotFoundError, UnreachableError
from mongoshot.server.connection import Client, connect
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.embedded.mongod import join_or_start, start_mongod


@contextlib.contextmanager
def provide(
    url: str | None, mongod: Path | None = None, run: tuple[str, int] | None = None
) -> Iterator[Client]:
    """Open a client of the server at `url`, or of an embedded mongod, for the length of a block.

    Takes and raises what `serve` does, and what `connect` raises.
    """
    with serve(url, mongod, run) as served, connect(served) as client:
        yield client


@contextlib.contextmanager
def serve(
    url: str | None, mongod: Path | None = None, run: tuple[str, int] | None = None
) -> Iterator[str]:
    """Give the URL of a server for the length of a block: `url`, or that of an embedded mongod.

    Without a URL the embedded server is started from `mongod` or wherever one is found; where there
    is none, the server that may run at its default address is taken. Processes that give the same
    `run`, an id and the process that the server shall live as long as, share one server.

    Raises MongodNotFoundError with every place looked at. Whether `url` answers is not asked.
    """
    if url is not None:
        yield url
        return
    try:
        binary = find_mongod(mongod)
    except MongodNotFoundError as not_found:
        if mongod is not None:
            raise
        _check_default(not_found)
        yield DEFAULT_URL
        return
    server = join_or_start(binary, run=run[0], owner_pid=run[1]) if run else start_mongod(binary)
    try:
        yield server.url
    finally:
        server.stop()


def _check_default(not_found: MongodNotFoundError) -> None:
    try:
        connect(DEFAULT_URL).close()
    except UnreachableError:
        raise MongodNotFoundError(
            f"{not_found}; and no server answers at {DEFAULT_URL} either"
        ) from None
