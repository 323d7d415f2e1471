"""Whatever several clients did: one reset, and the state is that of a fresh full restore."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson.errors import BSONError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import DeleteMany, InsertOne, ReplaceOne, UpdateMany
from pymongo.errors import PyMongoError

from mongoshot import Snapshot
from mongoshot.server.connection import Client, Database, connect
from mongoshot.server.tracking.fingerprints import take_fingerprint
from mongoshot.server.tracking.window import Tracker
from mongoshot.staging.load import load
from mongoshot.staging.staged import Staged

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAMES = ["odd", "collated", "clustered", "validated", "capped", "case", "empty", "new", "newer"]
VIEWS = ["z_base", "matching", "new_view"]

names = st.sampled_from(NAMES)
ids = st.sampled_from([1, 2, 3, "a", "é", "B", None])
Operation = Callable[[Database], Any]


def _in_transaction(commit: bool, large: bool, name: str) -> Operation:
    def run(database: Database) -> None:
        with database.client.start_session() as session:
            session.start_transaction()
            database[name].update_many({}, {"$set": {"t": 1}}, session=session)
            database["odd"].delete_one({"_id": 1}, session=session)
            if large:  # more than one entry of the oplog: 16 MB
                for _ in range(3):
                    database[name].insert_one({"x": "x" * 6_000_000}, session=session)
            session.commit_transaction() if commit else session.abort_transaction()

    return run


def _rename_across(name: str, over: bool) -> Operation:
    def run(database: Database) -> None:
        other = f"{database.name}_elsewhere"
        database.client[other]["from"].insert_one({"_id": "elsewhere"})
        source, target = f"{other}.from", f"{database.name}.{name}"
        database.client.admin.command("renameCollection", source, to=target, dropTarget=over)
        database.client.drop_database(other)

    return run


operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(lambda n, i: lambda db: db[n].insert_one({"_id": i, "u": 1}), names, ids),
    st.builds(lambda n, i: lambda db: db[n].update_one({"_id": i}, {"$inc": {"n": 1}}), names, ids),
    st.builds(lambda n, i: lambda db: db[n].replace_one({"_id": i}, {"r": 1}), names, ids),
    st.builds(lambda n, i: lambda db: db[n].delete_one({"_id": i}), names, ids),
    st.builds(lambda n: lambda db: db[n].update_many({}, {"$set": {"many": 1}}), names),
    st.builds(lambda n: lambda db: db[n].delete_many({}), names),
    st.builds(lambda n: lambda db: db[n].find_one_and_delete({}), names),
    st.builds(
        lambda n, i: (
            lambda db: db[n].find_one_and_update({"_id": i}, {"$set": {"f": 1}}, upsert=True)
        ),
        names,
        ids,
    ),
    st.builds(
        lambda n: (
            lambda db: db[n].bulk_write(
                [
                    InsertOne({"_id": "bulk"}),
                    UpdateMany({}, {"$set": {"b": 1}}),
                    ReplaceOne({"_id": 1}, {"b": 2}, upsert=True),
                    DeleteMany({"_id": "bulk"}),
                ]
            )
        ),
        names,
    ),
    st.builds(_in_transaction, st.booleans(), st.just(value=False), names),
    st.builds(_in_transaction, st.just(value=True), st.just(value=True), st.just("odd")),
    st.builds(lambda a, b: lambda db: list(db[a].aggregate([{"$merge": b}])), names, names),
    st.builds(lambda a, b: lambda db: list(db[a].aggregate([{"$out": b}])), names, names),
    st.builds(lambda n: lambda db: db.create_collection(n), names),
    st.builds(
        lambda n: lambda db: db.create_collection(n, capped=True, size=4096),
        st.sampled_from(["new", "newer"]),
    ),
    st.builds(
        lambda n: lambda db: db.create_collection(n, timeseries={"timeField": "at"}),
        st.sampled_from(["new", "weather"]),
    ),
    st.builds(lambda n: lambda db: db.drop_collection(n), st.sampled_from([*NAMES, *VIEWS])),
    st.builds(
        lambda a, b, over: lambda db: db[a].rename(b, dropTarget=over), names, names, st.booleans()
    ),
    st.builds(_rename_across, names, st.booleans()),
    st.builds(lambda n, key: lambda db: db[n].create_index(key), names, st.sampled_from("abu")),
    st.builds(
        lambda n, key: lambda db: db.command("dropIndexes", n, index=key),
        names,
        st.sampled_from(["own_1", "u_1", "search", "*"]),
    ),
    st.builds(lambda n: lambda db: db.command("collMod", n, validator={"q": 1}), names),
    st.builds(
        lambda n, on: lambda db: db.create_collection(n, viewOn=on, pipeline=[]),
        st.sampled_from(VIEWS),
        names,
    ),
    st.builds(
        lambda on: lambda db: db.command("collMod", "matching", viewOn=on, pipeline=[]), names
    ),
    st.just(lambda db: db["weather"].insert_one({"at": NOW, "sensor": 7})),
    st.just(lambda db: db["weather"].delete_many({"sensor": 1})),
    st.just(lambda db: db["system.js"].insert_one({"_id": "f", "value": 1})),
    st.just(lambda db: db.client.drop_database(db.name)),
)


@pytest.fixture(scope="module")
def staged(
    open_each_tracker: Callable[[Database], Tracker], mongo_client: Client, every_kind: Snapshot
) -> Iterator[Staged]:
    """Give one staged database for all examples, by each way of tracking."""
    database = mongo_client[f"exact_{os.getpid()}_{open_each_tracker.__name__}"]
    catalog = load(every_kind, database)
    yield Staged(every_kind, database, open_each_tracker(database), catalog)
    mongo_client.drop_database(database)
    mongo_client["mongoshot"]["databases"].delete_one({"_id": database.name})


@pytest.fixture(scope="module")
def restored(staged: Staged) -> Any:
    """Give what the database is right after a full restore."""
    return take_fingerprint(staged.database)


@pytest.fixture(scope="module")
def clients(mongo_client: Client) -> Iterator[list[Client]]:
    """Give several clients, as several programs would be."""
    host, port = next(iter(mongo_client.nodes))
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(f"mongodb://{host}:{port}")) for _ in range(2)]


few = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(staged: Staged, restored: Any, clients: list[Client], done: list[Any]) -> None:
    for operation, client in done:
        # Some cannot be done in the state that the ones before have left, and the driver cannot
        # decode all that some give back.
        with contextlib.suppress(PyMongoError, BSONError):
            operation(clients[client][staged.database.name])
    staged.reset()
    assert take_fingerprint(staged.database) == restored
    assert [d["_id"] for d in staged.database["capped"].find()] == [3, 1, 2]  # hashes have no order
    assert not staged.changes()


sequences = st.lists(st.tuples(operations, st.integers(0, 1)), max_size=8)


@given(sequences)
@settings(few, max_examples=40)
def test_a_reset_equals_a_fresh_restore(
    staged: Staged, restored: Any, clients: list[Client], done: list[Any]
) -> None:
    check(staged, restored, clients, done)


@pytest.mark.long
@given(st.lists(st.tuples(operations, st.integers(0, 1)), max_size=20))
@settings(few, max_examples=1000)
def test_a_reset_equals_a_fresh_restore_long(
    staged: Staged, restored: Any, clients: list[Client], done: list[Any]
) -> None:
    check(staged, restored, clients, done)
