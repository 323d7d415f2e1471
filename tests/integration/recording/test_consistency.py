"""A capture shows one point in time, while others write: or says what is not of that time."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pymongo
import pytest
from pymongo import ReadPreference, monitoring
from pymongo.errors import OperationFailure

from mongoshot import Snapshot, capture, compare
from mongoshot.errors import CaptureError
from mongoshot.recording.capture import Conduct, record
from mongoshot.recording.request import Request
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Client, Database
from mongoshot.server.reading import Pace

MakeDatabase = Callable[[], Database]
StartMongod = Callable[..., str]
ACCOUNTS, EACH = 400, 1000


class Listener(monitoring.CommandListener):
    """Do something after each command of a name; remember the servers that were asked."""

    def __init__(self, name: str, after: Callable[[], None] = lambda: None) -> None:
        self.name, self.after = name, after
        self.asked: set[tuple[str, int | None]] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.command_name == self.name:
            self.asked.add(event.connection_id)
            self.after()

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture(scope="module")
def standalone(start_mongod: StartMongod) -> Iterator[Client]:
    client: Client = pymongo.MongoClient(f"mongodb://{start_mongod()}", directConnection=True)
    with client:
        yield client


@pytest.mark.parametrize(
    ("times", "consistency", "written"),
    [(0, "unchanged", ()), (1, "unchanged", ()), (1000, "none", ("second",))],
)
def test_a_standalone_server_is_read_until_it_stands_still(
    times: int, consistency: str, written: tuple[str, ...], standalone: Client, tmp_path: Path
) -> None:
    source = standalone[f"shop_{times}"]
    for name in ("first", "second", "third"):
        source[name].insert_many([{"_id": number} for number in range(3)])
    left = iter(range(times))

    def write() -> None:
        if next(left, None) is not None:
            source["second"].update_one({"_id": 1}, {"$inc": {"n": 1}})

    host, port = next(iter(standalone.nodes))
    watched: Client = pymongo.MongoClient(host, port, event_listeners=[Listener("find", write)])
    with watched:
        snapshot = capture(watched[source.name], tmp_path / "shop")
    origin = snapshot.manifest.origin
    assert (origin.consistency, origin.outside_consistency) == (consistency, written)
    if times < 1000:
        assert not compare(snapshot, live_state(source))


def test_a_part_is_read_as_gently_as_the_whole(standalone: Client, tmp_path: Path) -> None:
    source = standalone["gently"]
    source["orders"].insert_many([{"_id": number} for number in range(9)])
    listener = Listener("getMore")
    host, port = next(iter(standalone.nodes))
    watched: Client = pymongo.MongoClient(host, port, event_listeners=[listener])
    with watched:
        for name, request in (("all", Request()), ("part", Request(limits=("orders=7",)))):
            listener.asked.clear()
            conduct = Conduct(pace=Pace(batch_size=2))
            record(watched[source.name], tmp_path / name, request, conduct, replace=False)
            assert listener.asked


@pytest.mark.parametrize("gone", [False, True])
def test_a_part_of_a_standalone_server_is_whole_when_it_stands_still(
    gone: bool, standalone: Client, tmp_path: Path
) -> None:
    source = standalone[f"part_{gone}"]
    source["customers"].insert_many([{"_id": name} for name in ("ada", "bo")])
    source["orders"].insert_one({"_id": 1, "customer": "ada"})
    left = iter(range(1))

    def write(collection: str, _: int) -> None:
        # What was chosen is known by now, and the customers are read.
        if collection == "customers" and next(left, None) is not None:
            if gone:
                source["orders"].delete_one({"_id": 1})
            source["orders"].replace_one({"_id": 2 if gone else 1}, {"customer": "bo"}, upsert=gone)

    request = Request(limits=("orders=1",), follow=("orders.customer=customers._id",))
    conduct = Conduct(progress=write)
    snapshot = record(source, tmp_path / "part", request, conduct, replace=False).snapshot
    customers = [bson.decode(each) for each in snapshot.collections["customers"].documents()]
    assert (snapshot.manifest.origin.consistency, customers) == ("unchanged", [{"_id": "bo"}])


def transfers(database: Database, stop: threading.Event) -> None:
    """Move money from account to account, each time in a transaction."""
    choice = random.Random(7)
    with database.client.start_session() as session:
        while not stop.is_set():
            one, other = choice.sample(range(ACCOUNTS), 2)
            with contextlib.suppress(OperationFailure), session.start_transaction():
                for name, account, amount in (("here", one, -1), ("there", other, 1)):
                    database[name].update_one(
                        {"_id": account}, {"$inc": {"balance": amount}}, session=session
                    )


@pytest.mark.parametrize("captures", [3, pytest.param(20, marks=pytest.mark.long)])
def test_the_total_is_exact_while_money_moves(
    captures: int, make_database: MakeDatabase, tmp_path: Path
) -> None:
    source = make_database()
    for name in ("here", "there"):
        source[name].insert_many([{"_id": n, "balance": EACH} for n in range(ACCOUNTS)])
    stop = threading.Event()
    writers = [threading.Thread(target=transfers, args=(source, stop)) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        snapshots = [capture(source, tmp_path / f"bank{number}") for number in range(captures)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    balances = [_balances(snapshot) for snapshot in snapshots]
    assert [sum(each) for each in balances] == [2 * ACCOUNTS * EACH] * captures
    assert len(set(map(tuple, balances))) == captures  # they were written to meanwhile


def _balances(snapshot: Snapshot) -> list[int]:
    documents = (c.documents() for c in snapshot.collections.values())
    return [bson.decode(each)["balance"] for each in itertools.chain.from_iterable(documents)]


@pytest.fixture(scope="module")
def three(start_mongod: StartMongod) -> Iterator[Client]:
    """Give a replica set of three members, which keeps what was for one second."""
    options = ("--replSet", "three", "--setParameter", "minSnapshotHistoryWindowInSeconds=1")
    addresses = [start_mongod(*options) for _ in range(3)]
    first: Client = pymongo.MongoClient(f"mongodb://{addresses[0]}", directConnection=True)
    members = [{"_id": at, "host": each} for at, each in enumerate(addresses)]
    with first:
        first.admin.command("replSetInitiate", {"_id": "three", "members": members})
    url = f"mongodb://{','.join(addresses)}/?replicaSet=three"
    client: Client = pymongo.MongoClient(url, serverSelectionTimeoutMS=30_000)
    with client:
        deadline = time.monotonic() + 30
        while len(client.secondaries) < 2 or not client.primary:
            assert time.monotonic() < deadline
            client.admin.command("ping")
            time.sleep(0.1)
        yield client


@pytest.mark.long
def test_a_secondary_is_read_and_shows_what_was_just_written(three: Client, tmp_path: Path) -> None:
    source = three["shop"]
    for number in range(5):
        source["orders"].insert_one({"_id": number})
        source[f"made_{number}"].insert_one({"_id": number})
        listener = Listener("find")
        seeds = ",".join(f"{host}:{port}" for host, port in three.nodes)
        url = f"mongodb://{seeds}/?replicaSet=three"
        watched: Client = pymongo.MongoClient(url, event_listeners=[listener])
        with watched:
            snapshot = capture(watched["shop"], tmp_path / f"shop{number}")
        assert len(list(snapshot.collections["orders"].documents())) == number + 1
        assert not compare(snapshot, live_state(source))
        assert listener.asked <= three.secondaries
    primary: Any = three.get_database("shop", read_preference=ReadPreference.PRIMARY)
    assert primary["orders"].count_documents({}) == 5


@pytest.mark.long
def test_a_capture_that_outlasts_the_history_says_what_to_do(three: Client, tmp_path: Path) -> None:
    source = three["slow"]
    for name in ("a", "b"):
        source[name].insert_many([{"_id": number} for number in range(300)])
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stop.wait(0.05):
                return
            source["b"].update_one({"_id": number % 300}, {"$set": {"n": number}})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        conduct = Conduct(pace=Pace(batch_size=20, pause=0.6))
        with pytest.raises(CaptureError, match=r"longer than slow .* \(1 s\).*--limit.*3600"):
            record(source, tmp_path / "slow", Request(), conduct, replace=False)
    finally:
        stop.set()
        writer.join()
    assert list(tmp_path.iterdir()) == []
