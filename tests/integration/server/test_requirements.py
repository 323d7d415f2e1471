"""What features need of a server, on servers with no more than that, and on some that lack it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pymongo
import pytest
from pymongo.server_api import ServerApi
from tests.conftest import MakeState
from tests.integration.conftest import StartMongod

from mongoshot import Snapshot, capture, compare, restore
from mongoshot.errors import CommandError, RestoreError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import read_chunks
from mongoshot.server.connection import Client, Database, ask_server, connect
from mongoshot.server.history.live import watch_changes
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.writer import write_snapshot
from mongoshot.staging.staged import restore as restore_state

PASSWORD = "only-for-tests"


@pytest.fixture(scope="module")
def guarded(start_guarded_mongod: StartMongod) -> str:
    return start_guarded_mongod(PASSWORD)


@pytest.fixture(scope="module")
def root(guarded: str) -> Iterator[Client]:
    with connect(f"mongodb://root:{PASSWORD}@{guarded}/?authSource=admin") as client:
        source = client["source"]
        source["orders"].insert_many([{"_id": 1, "total": 5}, {"_id": 2}])
        source["orders"].create_index("total")
        source.create_collection("rules", validator={"total": {"$gt": 0}})
        source.create_collection("seen", viewOn="orders", pipeline=[])
        yield client


@pytest.fixture
def be(guarded: str, root: Client) -> Iterator[Callable[..., Client]]:
    """Make a user with these roles, and connect as that one."""
    clients: list[Client] = []

    def be(*roles: str | tuple[str, str]) -> Client:
        given: list[Any] = [
            role if isinstance(role, str) else {"role": role[0], "db": role[1]} for role in roles
        ]
        root.admin.command("createUser", "somebody", pwd=PASSWORD, roles=given)
        clients.append(connect(f"mongodb://somebody:{PASSWORD}@{guarded}/?authSource=admin"))
        return clients[-1]

    yield be
    for client in clients:
        client.close()
    root.admin.command("dropUser", "somebody")
    root.drop_database("target")
    root["mongoshot"]["databases"].delete_one({"_id": "target"})


def test_a_reader_may_capture(be: Callable[..., Client], tmp_path: Path) -> None:
    snapshot = capture(be(("read", "source"))["source"], tmp_path / "shop")
    assert set(snapshot.collections) == {"orders", "rules", "seen"}
    assert snapshot.manifest.origin.consistency == "snapshot"


@pytest.mark.parametrize(
    ("more", "tier"),
    [((("read", "local"),), "oplog"), ((), "change stream")],
    ids=["oplog", "change stream"],
)
def test_the_user_of_the_page_may_do_all_that_tests_do(
    more: tuple[tuple[str, str], ...], tier: str, be: Callable[..., Client], tmp_path: Path
) -> None:
    client = be("readWriteAnyDatabase", "dbAdminAnyDatabase", *more)
    if client.server_info()["versionArray"] < [6] and tier == "change stream":
        tier = "fingerprints"
    snapshot = capture(client["source"], tmp_path / "shop")
    database = client["target"]
    staged = restore_state(snapshot, database, verifiable=True)
    assert staged.tier == tier
    database["orders"].update_one({"_id": 1}, {"$set": {"total": 6}})
    database["more"].insert_one({})
    assert set(staged.changes().collections) == {"more", "orders"}
    staged.reset()
    staged.verify()
    assert not compare(snapshot, staged.state())


def test_what_a_user_may_not_write_is_named(be: Callable[..., Client], tmp_path: Path) -> None:
    client = be(("read", "source"), ("readWrite", "target"))
    snapshot = capture(client["source"], tmp_path / "shop")
    with pytest.raises(CommandError, match=r"mongoshot.*this user is not allowed to"):
        restore(snapshot, client["target"])
    assert client["target"].list_collection_names() == []


@pytest.fixture(scope="module")
def behind(start_mongod: StartMongod) -> Iterator[Client]:
    """Give a server that works as an older release."""
    client: Client = pymongo.MongoClient(start_mongod(), directConnection=True)
    with client:
        if ask_server(client).version != (6, 0):
            pytest.skip("one version back has another name on another release")
        client.admin.command("setFeatureCompatibilityVersion", "5.0")
        yield client


def test_what_a_server_cannot_make_stops_a_restore_before_it_writes(
    behind: Client, make_state: MakeState, make_collection: Any, origin: Origin, tmp_path: Path
) -> None:
    clustered = make_collection(
        "journal",
        options={"clusteredIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True}},
        indexes=[{"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True, "clustered": True}],
    )
    first = write_snapshot(make_state(orders=[{"_id": 1}]), tmp_path / "first", origin=origin)
    second = write_snapshot(make_state(journal=clustered), tmp_path / "second", origin=origin)
    database = behind["kinds"]
    staged = restore(first, database)
    with pytest.raises(RestoreError, match=r"as MongoDB 5\.0, and journal has a clustered index,"):
        restore(second, database)
    assert not compare(first, staged.state())
    # A release back, all else is there.
    database["orders"].insert_one({})
    assert staged.changes()
    staged.reset()
    assert not compare(first, staged.state())


def test_a_server_one_version_back_tells_of_definitions(start_mongod: StartMongod) -> None:
    client = _start_replica_set(start_mongod)
    with client:
        if ask_server(client).version != (6, 0):
            pytest.skip("one version back has another name on another release")
        client.admin.command("setFeatureCompatibilityVersion", "5.0")
        tracker = ChangeStreamTracker(client["shop"])
        since = tracker.now()
        client["shop"].create_collection("orders")
        assert tracker.touched_since(since, {}).collections == {"orders": "it was created"}


def test_a_standalone_server_has_nothing_to_watch(behind: Client) -> None:
    wanted = r"^cannot watch shop .*takes a replica set or a sharded cluster.* mongoshot server$"
    with pytest.raises(CommandError, match=wanted):
        next(watch_changes(behind["shop"]))


@pytest.fixture(scope="module")
def replica_set(start_mongod: StartMongod) -> Iterator[Client]:
    with _start_replica_set(start_mongod, "--noscripting") as client:
        yield client


def _start_replica_set(start_mongod: StartMongod, *options: str) -> Client:
    address = start_mongod("--replSet", "small", *options)
    local: Client = pymongo.MongoClient(f"mongodb://{address}", directConnection=True)
    with local:
        members = [{"_id": 0, "host": address}]
        local.admin.command("replSetInitiate", {"_id": "small", "members": members})
    client = connect(f"mongodb://{address}/?replicaSet=small")
    client.admin.command("ping")  # waits for a primary
    return client


def _use(database: Database, directory: Path) -> Snapshot:
    database["orders"].insert_one({"_id": 1})
    snapshot = capture(database, directory / "shop")
    target = database.client[f"{database.name}_target"]
    staged = restore(snapshot, target)
    target["orders"].insert_one({"_id": 2})
    assert staged.changes()
    staged.reset()
    assert not compare(snapshot, staged.state())
    return snapshot


def test_no_script_is_needed(replica_set: Client, tmp_path: Path) -> None:
    _use(replica_set["plain"], tmp_path)


def test_a_client_that_names_its_api_will_do_and_a_strict_one_is_told(
    replica_set: Client, tmp_path: Path
) -> None:
    [(host, port)] = replica_set.nodes
    options: dict[str, Any] = {"host": host, "port": port, "replicaSet": "small"}
    named: Client = pymongo.MongoClient(**options, server_api=ServerApi("1"))
    strict: Client = pymongo.MongoClient(**options, server_api=ServerApi("1", strict=True))
    with named, strict:
        snapshot = _use(named["named"], tmp_path)
        with pytest.raises(CommandError, match=r"held to the Stable API .*command buildInfo"):
            capture(strict["named"], tmp_path / "strict")
        with pytest.raises(CommandError, match=r"held to the Stable API"):
            restore_state(snapshot, strict["named_target"], verifiable=True)


def test_a_server_that_wants_the_api_named_says_so_at_the_connection(
    start_mongod: StartMongod, tmp_path: Path
) -> None:
    address = start_mongod()
    client: Client = pymongo.MongoClient(address, directConnection=True)
    named: Client = pymongo.MongoClient(address, directConnection=True, server_api=ServerApi("1"))
    with client, named:
        client.admin.command("setParameter", 1, requireApiVersion=True)
        wanted = r"^cannot connect to mongodb://.* name a version of its API.*requireApiVersion"
        with pytest.raises(CommandError, match=wanted):
            connect(f"mongodb://{address}/?serverSelectionTimeoutMS=500")
        _use(named["named"], tmp_path)


def test_what_a_client_has_encrypted_comes_back_as_it_is(
    replica_set: Client, tmp_path: Path
) -> None:
    if ask_server(replica_set).version < (6, 0):
        pytest.skip("Queryable Encryption came with MongoDB 6.0")
    database = replica_set["secret"]
    parts = ["esc", "ecoc"] if ask_server(replica_set).version >= (7, 0) else ["esc", "ecc", "ecoc"]
    states = {part: f"enxcol_.people.{part}" for part in parts}
    for name in states.values():
        database.create_collection(name, clusteredIndex={"key": {"_id": 1}, "unique": True})
    field = {"path": "number", "bsonType": "string", "keyId": bson.Binary(b"k" * 16, 4)}
    fields = [field | {"queries": {"queryType": "equality"}}]
    collections = {f"{part}Collection": name for part, name in states.items()}
    encrypted = {"fields": fields} | collections
    database.command({"create": "people", "encryptedFields": encrypted})
    person = {
        "_id": 1,
        "number": bson.Binary(b"\x07" + b"e" * 60, 6),
        "__safeContent__": [bson.Binary(b"t" * 32)],
    }
    database.command({"insert": "people", "documents": [person], "bypassDocumentValidation": True})
    snapshot = capture(database, tmp_path / "secret")
    staged = restore(snapshot, replica_set["secret_target"])
    staged.database["people"].delete_one({"_id": 1})
    assert staged.changes().deleted["people"] == [person]
    assert staged.reset().reloads == {}
    assert not compare(snapshot, staged.state())


def test_a_time_series_without_buckets_is_not_taken_for_an_empty_one(replica_set: Client) -> None:
    database = replica_set["series"]
    database.create_collection("there", timeseries={"timeField": "at"})
    definition = list_definitions(database)["there"]
    assert list(read_chunks(database, definition)) == []
    with pytest.raises(CommandError, match=r"this time series has no .* --exclude gone$"):
        list(read_chunks(database, replace(definition, name="gone")))
