"""Whether two clients talk to the same deployment."""

from __future__ import annotations

import time
from collections.abc import Callable

import pymongo

from mongoshot.server.connection import Client, connect
from mongoshot.server.identity import is_same_deployment


def test_another_name_of_the_same_server(mongo_client: Client, server_url: str) -> None:
    url = server_url.replace("127.0.0.1", "localhost") + "/?directConnection=true"
    with connect(url) as other:
        assert set(other.nodes).isdisjoint(mongo_client.nodes)
        assert is_same_deployment(mongo_client, other)
        assert is_same_deployment(other, mongo_client)


def test_members_of_one_replica_set_are_one_deployment(start_mongod: Callable[..., str]) -> None:
    first, second = (start_mongod("--replSet", "two") for _ in range(2))
    members = [{"_id": at, "host": host} for at, host in enumerate((first, second))]
    one: Client = pymongo.MongoClient(f"mongodb://{first}", directConnection=True)
    other: Client = pymongo.MongoClient(f"mongodb://{second}", directConnection=True)
    with one, other:
        assert not is_same_deployment(one, other)
        one.admin.command("replSetInitiate", {"_id": "two", "members": members})
        deadline = time.monotonic() + 30
        while not other.admin.command("hello").get("secondary"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert is_same_deployment(one, other)


def test_other_servers_are_others(
    mongo_client: Client, start_guarded_mongod: Callable[[str], str]
) -> None:
    address = start_guarded_mongod("secret")
    with connect(f"mongodb://root:secret@{address}") as other:
        assert not is_same_deployment(mongo_client, other)
        other.admin.command("createUser", "guest", pwd="x", roles=[])
    with connect(f"mongodb://guest:x@{address}") as guest:  # who may ask for nothing
        assert not is_same_deployment(mongo_client, guest)
