"""Every way a connection can fail ends in one line that says what to do, without the password."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import capture
from mongoshot.errors import (
    AuthenticationError,
    DatabaseNotFoundError,
    UnreachableError,
    UsageError,
)
from mongoshot.server.connection import Client, Database, connect, default_database


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and does not listen
        port = reserved.getsockname()[1]
        with pytest.raises(UnreachableError, match="does not answer") as raised:
            connect(f"mongodb://someone:s3cret@127.0.0.1:{port}/admin")
    assert "s3cret" not in str(raised.value)
    assert "someone:***@127.0.0.1" in str(raised.value)


def test_a_silent_server_is_given_up_after_three_seconds(server_url: str) -> None:
    with connect(server_url) as client:
        assert client.options.server_selection_timeout == 3
    with connect(f"{server_url}/?serverSelectionTimeoutMS=9000") as patient:
        assert patient.options.server_selection_timeout == 9


def test_a_wrong_password(server_url: str) -> None:
    with pytest.raises(AuthenticationError, match="user name and password") as raised:
        connect(server_url.replace("://", "://someone:s3cret@"))
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://a:b:c@host", "http://localhost:27017"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="a URL looks like"):
        connect(url)


def test_a_database_that_is_not_there(
    mongo_client: Client, make_database: Callable[[], Database], tmp_path: Path
) -> None:
    present = make_database()
    present["orders"].insert_one({})
    with pytest.raises(DatabaseNotFoundError, match=rf"no database 'shopp' .*{present.name}"):
        capture(mongo_client["shopp"], tmp_path / "shopp")
    assert not (tmp_path / "shopp").exists()


def test_the_database_that_a_url_names(server_url: str) -> None:
    with connect(f"{server_url}/shop") as client:
        database = default_database(client)
        assert database is not None
        assert database.name == "shop"
    with connect(server_url) as client:
        assert default_database(client) is None
