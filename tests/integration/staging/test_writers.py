"""Clients that keep writing while a database is reset: what they write is seen by the next one."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from pymongo.errors import PyMongoError

from mongoshot import Snapshot, Staged, capture
from mongoshot.errors import MongoshotError
from mongoshot.server.connection import Client, Database, connect
from mongoshot.server.tracking.fingerprints import take_fingerprint
from mongoshot.server.tracking.window import Tracker
from mongoshot.staging.load import load

MakeDatabase = Callable[[], Database]
Write = Callable[[], object]
OpenTracker = Callable[[Database], Tracker]


@pytest.fixture
def snapshot(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    source = make_database()
    for name in ("orders", "items", "people"):
        source[name].insert_many({"_id": n, "unique": n, "state": "new"} for n in range(300))
        source[name].create_index("unique", unique=True)
    return capture(source, tmp_path_factory.mktemp("snapshots") / "written")


@pytest.fixture
def staged(
    snapshot: Snapshot, make_database: MakeDatabase, open_each_tracker: OpenTracker
) -> Staged:
    database = make_database()
    catalog = load(snapshot, database)
    return Staged(snapshot, database, open_each_tracker(database), catalog)


@contextlib.contextmanager
def writing(
    client: Client, name: str, write: Callable[[Database, random.Random], object]
) -> Iterator[None]:
    """Let three clients write for the length of a block; at its end all is acknowledged."""
    stopped = threading.Event()
    begun = threading.Barrier(4)
    host, port = next(iter(client.nodes))

    def run(seed: int) -> None:
        chance = random.Random(seed)
        with connect(f"mongodb://{host}:{port}") as own:
            begun.wait()
            while not stopped.is_set():
                with contextlib.suppress(PyMongoError):  # a unique value, a collection that is gone
                    write(own[name], chance)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def write_documents(database: Database, chance: random.Random) -> None:
    collection = database[chance.choice(["orders", "items", "people"])]
    n = chance.randrange(320)
    writes: list[Write] = [
        lambda: collection.update_one({"_id": n}, {"$set": {"state": chance.random()}}),
        lambda: collection.delete_one({"_id": n}),
        lambda: collection.replace_one({"_id": n}, {"unique": n}, upsert=True),
        lambda: collection.update_many({"_id": {"$gt": n}}, {"$set": {"many": n}}),
        lambda: collection.update_one({"_id": n}, {"$set": {"unique": -n}}),
    ]
    chance.choice(writes)()


def write_definitions(database: Database, chance: random.Random) -> None:
    if chance.random() < 0.7:
        write_documents(database, chance)
        return
    name = chance.choice(["orders", "items", "people", "new"])
    writes: list[Write] = [
        lambda: database.drop_collection(name),
        lambda: database[name].rename("renamed", dropTarget=True),
        lambda: database[name].create_index("state"),
        lambda: list(database[name].aggregate([{"$limit": 5}, {"$out": name}])),
    ]
    chance.choice(writes)()


def test_twenty_resets_with_writers_and_one_without(staged: Staged, mongo_client: Client) -> None:
    restored = take_fingerprint(staged.database)

    with writing(mongo_client, staged.database.name, write_documents):
        reports = [staged.reset() for _ in range(20)]
    staged.reset()

    assert any(report.documents for report in reports)
    assert take_fingerprint(staged.database) == restored
    assert not staged.changes()


@pytest.mark.parametrize("times", [3, pytest.param(40, marks=pytest.mark.long)])
def test_writers_that_change_what_there_is(
    staged: Staged, mongo_client: Client, times: int
) -> None:
    restored = take_fingerprint(staged.database)

    with writing(mongo_client, staged.database.name, write_definitions):
        for _ in range(times):
            # One that they make impossible is an error, and never a wrong state.
            with contextlib.suppress(MongoshotError):
                staged.reset()
    staged.reset()

    assert take_fingerprint(staged.database) == restored
    assert not staged.changes()
