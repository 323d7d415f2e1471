"""Fixtures for tests against a real mongod: databases of their own on the server of the run."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import bson
import pymongo
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from mongoshot import Snapshot, capture
from mongoshot.errors import MongodNotFoundError
from mongoshot.server.connection import Client, Database
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.server.tracking.fingerprints import FingerprintTracker
from mongoshot.server.tracking.oplog import OplogTracker
from mongoshot.server.tracking.window import Tracker

MakeDatabase = Callable[[], Database]
StartMongod = Callable[..., str]

TRACKERS: dict[str, Callable[[Database], Tracker]] = {
    "oplog": OplogTracker,
    "change stream": ChangeStreamTracker,
    "fingerprints": FingerprintTracker,
}


@pytest.fixture
def server_url(mongo_client: Client) -> str:
    """Give the URL of the run's server."""
    host, port = next(iter(mongo_client.nodes))
    return f"mongodb://{host}:{port}"


@pytest.fixture
def make_database(mongo_client: Client) -> Iterator[MakeDatabase]:
    """Make names of databases that nobody else uses; they go, with their place in the ledger."""
    names: list[str] = []
    numbers = itertools.count()

    def make() -> Database:
        names.append(f"t_{os.getpid()}_{next(numbers)}")
        return mongo_client[names[-1]]

    yield make
    for name in names:
        mongo_client.drop_database(name)
        mongo_client["mongoshot"]["databases"].delete_one({"_id": name})


@pytest.fixture
def count_writes(mongo_client: Client) -> Callable[[Database], int]:
    """Count the entries of the oplog that concern a database."""

    def count(database: Database) -> int:
        of_the_database = {"ns": {"$regex": rf"^{re.escape(database.name)}\."}}
        return mongo_client["local"]["oplog.rs"].count_documents(of_the_database)

    return count


@pytest.fixture(scope="module", params=TRACKERS)
def open_each_tracker(
    request: pytest.FixtureRequest, mongo_client: Client
) -> Callable[[Database], Tracker]:
    """Give each way to track what was touched, whatever would be chosen on this server."""
    if request.param == "change stream" and mongo_client.server_info()["versionArray"] < [6]:
        pytest.skip("change streams tell of definitions from MongoDB 6.0 on")
    if request.param != "fingerprints" and "setName" not in mongo_client.admin.command("hello"):
        pytest.skip("a standalone server keeps no trace of writes")
    return TRACKERS[request.param]


@pytest.fixture(scope="session")
def every_kind(
    mongo_client: Client,
    make_every_kind: Callable[[Database], Database],
    tmp_path_factory: pytest.TempPathFactory,
) -> Snapshot:
    """Give a snapshot of a database with every kind of collection."""
    database = make_every_kind(mongo_client[f"every_kind_{os.getpid()}"])
    snapshot = capture(database, tmp_path_factory.mktemp("snapshots") / "every_kind")
    mongo_client.drop_database(database)
    return snapshot


@pytest.fixture(scope="session")
def make_every_kind() -> Callable[[Database], Database]:
    """Fill a database with every kind of collection, index and option that the server has."""

    def make(database: Database) -> Database:
        _make_collections(database)
        _make_indexes(database)
        _make_views(database)
        return database

    return make


def _make_collections(database: Database) -> None:
    database.create_collection("capped", capped=True, size=100_000, max=50)
    database["capped"].insert_many([{"_id": number} for number in (3, 1, 2)])
    clustered: dict[str, Any] = {"clusteredIndex": {"key": {"_id": 1}, "unique": True}}
    if database.client.server_info()["versionArray"] < [5, 3]:
        clustered = {}  # this server does not know them
    database.create_collection("clustered", **clustered)
    database["clustered"].insert_many([{"_id": 2}, {"_id": 1}])
    database.create_collection("collated", collation={"locale": "fr", "strength": 1})
    database["collated"].insert_many([{"_id": "é"}, {"_id": "B"}, {"_id": "a"}])
    database.create_collection(
        "validated", validator={"$jsonSchema": {"required": ["total"]}}, validationLevel="moderate"
    )
    # What was there before a validator stays there: a restore must not refuse it.
    database.command(
        {"insert": "validated", "documents": [{"_id": 1}], "bypassDocumentValidation": True}
    )
    database.create_collection(
        "weather", timeseries={"timeField": "at", "metaField": "sensor", "granularity": "minutes"}
    )
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    database["weather"].insert_many(
        [{"at": at + datetime.timedelta(minutes=m), "sensor": m % 2, "c": m / 2} for m in range(9)]
    )
    database.create_collection("empty")
    for name in ("a/b c", "Case", "case", "manifest", "x", "x.metadata", "é" * 60, "system.js"):
        database[name].insert_one({"_id": name, "value": bson.Code("function () {}")})
    database["odd"].insert_many(
        [
            {"_id": 1, "empty": bson.Timestamp(0, 0), "": {"": 1}, "a.b": {"$c": 1}},
            {"_id": bson.Int64(2), "undefined": None, "min": bson.MinKey(), "max": bson.MaxKey()},
            {"_id": bson.Decimal128("3.00"), "nan": float("nan"), "minus": -0.0},
            {"_id": RawBSONDocument(bson.encode({"b": 1, "a": 2}))},
            {"_id": bson.Binary(b"five", 5), "late": bson.DatetimeMS(2**62)},
        ]
    )


def _make_indexes(database: Database) -> None:
    odd = database["odd"]
    odd.create_index([("b", 1), ("a", -1)], name="compound")
    odd.create_index("u", unique=True, sparse=True)
    odd.create_index("p", partialFilterExpression={"p": {"$gt": 5}})
    odd.create_index([("words", "text"), ("more", "text")], weights={"words": 3}, name="search")
    odd.create_index([("place", "2dsphere")])
    odd.create_index([("hash", "hashed")])
    odd.create_index([("wild.$**", 1)])
    odd.create_index("ttl", expireAfterSeconds=10**8, hidden=True)
    database["collated"].create_index("own")
    database["collated"].create_index("simple", collation={"locale": "simple"})
    database["collated"].create_index("german", collation={"locale": "de"})
    database["weather"].create_index([("sensor", 1), ("at", -1)])


def _make_views(database: Database) -> None:
    # Named so that the alphabet is the wrong order to create them in.
    collation = {"locale": "fr", "strength": 1}
    database.create_collection("z_base", viewOn="collated", pipeline=[], collation=collation)
    database.create_collection(
        "a_above",
        viewOn="z_base",
        pipeline=[{"$lookup": {"from": "z_base", "pipeline": [], "as": "all"}}],
        collation=collation,
    )
    database.create_collection(
        "matching", viewOn="odd", pipeline=[{"$match": {"a": {"$regex": "^a", "$options": "i"}}}]
    )


@pytest.fixture(scope="session")
def start_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartMongod]:
    """Start a mongod with options of its own; returns its `host:port` when it answers."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> str:
        try:
            binary = find_mongod(os.environ.get("MONGOSHOT_MONGOD") or None)
        except MongodNotFoundError as error:
            pytest.skip(str(error))
        directory = tmp_path_factory.mktemp("mongod")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listens = ("--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket")
        stores = ("--dbpath", str(directory), "--logpath", str(directory / "log"))
        command = [str(binary), *listens, *stores, "--wiredTigerCacheSizeGB", "0.25", *options]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        _await(f"127.0.0.1:{port}", started[-1])
        return f"127.0.0.1:{port}"

    yield start
    for mongod in started:
        mongod.kill()
        mongod.wait()


@pytest.fixture(scope="session")
def start_guarded_mongod(
    start_mongod: StartMongod, tmp_path_factory: pytest.TempPathFactory
) -> StartMongod:
    """Start a replica set of one that wants a login; takes the password of its user root."""

    def start(password: str) -> str:
        key = tmp_path_factory.mktemp("key") / "key"
        key.write_text("mongoshot")
        key.chmod(0o400)
        address = start_mongod("--auth", "--keyFile", str(key), "--replSet", "guarded")
        local: Client = pymongo.MongoClient(f"mongodb://{address}", directConnection=True)
        with local:
            members = [{"_id": 0, "host": address}]
            local.admin.command("replSetInitiate", {"_id": "guarded", "members": members})
            deadline = time.monotonic() + 30
            while not local.admin.command("hello")["isWritablePrimary"]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            local.admin.command("createUser", "root", pwd=password, roles=["root"])
        return address

    return start


def _await(address: str, mongod: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        client: Client = pymongo.MongoClient(
            f"mongodb://{address}", directConnection=True, serverSelectionTimeoutMS=200
        )
        with client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                assert mongod.poll() is None
                assert time.monotonic() < deadline
            else:
                return
