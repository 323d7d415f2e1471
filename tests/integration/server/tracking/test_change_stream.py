"""A change stream tells what was touched, as the oplog does, to whom may not read the oplog."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import bson
import pymongo
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import WriteConcern

from mongoshot.server.catalog import list_catalog
from mongoshot.server.connection import Client, Database, connect
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.server.tracking.window import Catalog, Window

from ...conftest import StartMongod

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def identity(value: Any) -> bytes:
    """Give an id as windows have it."""
    return bson.encode({"": value})[4:-1].replace(b"\0", b"", 1)


ONE, TWO = identity(1), identity(2)


@pytest.fixture(autouse=True)
def _a_server_that_tells_of_definitions(mongo_client: Client) -> None:
    if mongo_client.server_info()["versionArray"] < [6]:
        pytest.skip("change streams tell of definitions from MongoDB 6.0 on")


@pytest.fixture
def database(make_database: Callable[[], Database]) -> Database:
    database = make_database()
    database["orders"].insert_many([{"_id": 1}, {"_id": 2}])
    return database


@pytest.fixture
def tracker(database: Database) -> ChangeStreamTracker:
    return ChangeStreamTracker(database)


class Windows:
    """Ask a tracker for window after window."""

    def __init__(self, database: Database, tracker: ChangeStreamTracker) -> None:
        self._database, self._tracker = database, tracker
        self._catalog: Catalog = list_catalog(database)
        self._since = tracker.now()

    def next(self) -> Window:
        window = self._tracker.touched_since(self._since, self._catalog)
        self._since = self._tracker.resume(self._since, window)
        self._catalog = window.catalog
        return window


@pytest.fixture
def windows(database: Database, tracker: ChangeStreamTracker) -> Windows:
    return Windows(database, tracker)


def test_an_identity_is_type_and_value() -> None:
    assert identity(1) == b"\x10\x01\x00\x00\x00"


def test_documents_are_named_by_collection(database: Database, windows: Windows) -> None:
    orders = database["orders"]
    orders.insert_one({"_id": "inserted"})
    orders.update_one({"_id": 1}, {"$set": {"x": 1}})
    orders.replace_one({"_id": 2}, {"y": 1})
    orders.delete_one({"_id": "inserted"})
    orders.insert_one({"_id": RawBSONDocument(bson.encode({"b": 1, "a": 2}))})

    window = windows.next()

    ids = {ONE, TWO, identity("inserted"), identity({"b": 1, "a": 2})}
    assert window.documents == {"orders": ids}
    assert window.collections == {}
    assert windows.next().documents == {}


def test_what_stays_as_it_is_and_what_others_hold_does_not_count(
    mongo_client: Client, database: Database, windows: Windows
) -> None:
    other = mongo_client[f"{database.name}2"]
    other["orders"].insert_one({"_id": 1})
    mongo_client.drop_database(other)
    database["orders"].update_one({"_id": 1}, {"$unset": {"nothing": 1}})

    window = windows.next()

    assert (window.documents, window.collections) == ({}, {})


def test_a_document_that_had_another_collections_name_for_a_while(
    database: Database, windows: Windows
) -> None:
    database["orders"].rename("aside")
    database["aside"].update_one({"_id": 1}, {"$set": {"x": 1}})
    database["aside"].rename("orders")

    window = windows.next()

    assert (window.documents, window.collections) == ({"orders": {ONE}}, {})


def _drop_database(database: Database) -> None:
    database.client.drop_database(database.name)
    database["later"].insert_one({"_id": 1})


def _rename_across(database: Database) -> None:
    other = database.client[f"{database.name}_elsewhere"]
    other["from"].insert_one({"_id": 1})
    database.client.admin.command(
        "renameCollection", f"{other.name}.from", to=f"{database.name}.new"
    )
    database.client.drop_database(other)


CHANGED = "its options or indexes were changed"


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda db: db.create_collection("new"), {"new": "it was created"}),
        (lambda db: db["new"].insert_one({}), {"new": "it was created"}),
        (lambda db: db["system.js"].insert_one({"_id": "f"}), {"system.js": "it was created"}),
        (
            lambda db: db.create_collection("new", viewOn="orders", pipeline=[]),
            {"new": "it was created"},
        ),
        (
            lambda db: db.create_collection("new", timeseries={"timeField": "at"}),
            {"new": "it was created"},
        ),
        (_rename_across, {"new": "it was created"}),
        (
            lambda db: list(db["orders"].aggregate([{"$out": "new"}])),
            {"new": "it was created"},
        ),
        (
            lambda db: list(db["orders"].aggregate([{"$out": "orders"}])),
            {"orders": "it was made anew"},
        ),
        (
            lambda db: db.command("cloneCollectionAsCapped", "orders", toCollection="new", size=1),
            {"new": "it was created"},
        ),
        (
            lambda db: db.command("convertToCapped", "orders", size=1),
            {"orders": "it was made anew"},
        ),
        (lambda db: db["orders"].drop(), {"orders": "it was dropped or renamed"}),
        (lambda db: db["view"].drop(), {"view": "it was dropped or renamed"}),
        (lambda db: db["weather"].drop(), {"weather": "it was dropped or renamed"}),
        (
            lambda db: db["orders"].rename("new"),
            {"orders": "it was dropped or renamed", "new": "it was created"},
        ),
        (lambda db: db["orders"].create_index("a"), {"orders": CHANGED}),
        (lambda db: db["weather"].create_index("at"), {"weather": CHANGED}),
        (lambda db: db["capped"].drop_index("a_1"), {"capped": CHANGED}),
        (lambda db: db.command("collMod", "orders", validator={"a": 1}), {"orders": CHANGED}),
        (
            lambda db: db.command("collMod", "capped", index={"name": "a_1", "hidden": True}),
            {"capped": CHANGED},
        ),
        (
            lambda db: db.command("collMod", "view", viewOn="capped", pipeline=[]),
            {"view": CHANGED},
        ),
        (
            lambda db: db.command("collMod", "weather", timeseries={"granularity": "hours"}),
            {"weather": CHANGED},
        ),
        (
            lambda db: db["weather"].insert_one({"at": NOW}),
            {"weather": "it is a time series"},
        ),
        (
            lambda db: db["capped"].insert_one({}),
            {"capped": "it is capped: the order of its documents counts"},
        ),
        (
            _drop_database,
            dict.fromkeys(["orders", "capped", "view", "weather"], "it was dropped or renamed")
            | {"later": "it was created"},
        ),
    ],
)
def test_what_changes_collections_has_its_reason(
    database: Database, change: Callable[[Database], Any], reasons: dict[str, str]
) -> None:
    database.create_collection("capped", capped=True, size=4096)
    database["capped"].create_index("a")
    database.create_collection("view", viewOn="orders", pipeline=[])
    database.create_collection("weather", timeseries={"timeField": "at"})
    windows = Windows(database, ChangeStreamTracker(database))

    change(database)

    assert windows.next().collections == reasons
    window = windows.next()
    assert (window.documents, window.collections) == ({}, {})
    database["again"].insert_one({})
    assert windows.next().collections == {"again": "it was created"}


def test_views_that_went_with_their_collection(database: Database) -> None:
    database.create_collection("view", viewOn="orders", pipeline=[])
    windows = Windows(database, ChangeStreamTracker(database))
    database["system.views"].drop()
    assert windows.next().collections == {"view": "it was dropped or renamed"}


def test_a_database_that_is_dropped_again_and_again(database: Database, windows: Windows) -> None:
    for number in range(3):
        database.client.drop_database(database.name)
        database["orders"].insert_one({"_id": number})
    assert windows.next().collections == {"orders": "it was made anew"}
    database["orders"].delete_one({"_id": 2})
    assert windows.next().documents == {"orders": {TWO}}


def test_a_database_that_is_not_there_yet(make_database: Callable[[], Database]) -> None:
    database = make_database()
    windows = Windows(database, ChangeStreamTracker(database))
    assert windows.next() == Window(windows._since, {})
    database["orders"].insert_one({"_id": 1})
    assert windows.next().collections == {"orders": "it was created"}


@pytest.mark.parametrize("size", [10, 6_000_000])  # the larger is several entries of the oplog
def test_transactions_are_whole(database: Database, windows: Windows, size: int) -> None:
    with database.client.start_session() as session:
        for commit in (False, True):
            session.start_transaction()
            for number in range(4):
                document = {"_id": 10 * commit + number, "x": "x" * size}
                database["orders"].replace_one(
                    {"_id": document["_id"]}, document, upsert=True, session=session
                )
            session.commit_transaction() if commit else session.abort_transaction()

    assert windows.next().documents == {"orders": {identity(number) for number in range(10, 14)}}


def test_a_transaction_of_more_events_than_a_batch_holds(
    database: Database, windows: Windows
) -> None:
    """Ids are in resume tokens, too: the server makes a reply of these that it cannot send."""
    long = "x" * 20_000
    with database.client.start_session() as session, session.start_transaction():
        documents = [{"_id": f"{long}{number}"} for number in range(700)]
        database["orders"].insert_many(documents, session=session)
    window = windows.next()
    assert (len(window.documents["orders"]), window.collections) == (700, {})


def test_large_documents(database: Database, windows: Windows) -> None:
    database["orders"].insert_one({"_id": 3, "x": "x" * 9_000_000})
    database["orders"].update_one({"_id": 3}, {"$set": {"y": "y" * 7_000_000}})
    database["orders"].replace_one({"_id": 1}, {"z": "z" * 16_000_000})
    assert windows.next().documents == {"orders": {identity(3), ONE}}


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (8_000_000, "an event of the change stream was too large to be read"),
        (5_000_000, "the change stream broke off"),
    ],
)
def test_an_event_that_is_too_large_means_everything(
    database: Database, windows: Windows, size: int, reason: str
) -> None:
    """An id is in its event as it is, in hexadecimal, and once more in the reply's token."""
    database["orders"].insert_one({"_id": "x" * size})
    window = windows.next()
    # The server may send the event, and its token with an empty reply of its own.
    known = {"orders": {identity("x" * size)}}
    assert window.collections == {"orders": reason} or window.documents == known
    database["orders"].delete_one({"_id": 1})
    assert windows.next().documents == {"orders": {ONE}}


def test_many_events(database: Database, windows: Windows) -> None:
    database["orders"].insert_many([{"_id": number} for number in range(10, 30_010)])
    database["orders"].update_many({}, {"$set": {"x": 1}})
    assert len(windows.next().documents["orders"]) == 30_002
    assert windows.next().documents == {}


@pytest.mark.parametrize("acknowledged", [0, 1, "majority"])
def test_writes_of_every_concern_are_seen(
    database: Database, windows: Windows, acknowledged: Any
) -> None:
    orders = database.get_collection("orders", write_concern=WriteConcern(w=acknowledged))
    for _ in range(20):
        orders.update_one({"_id": 1}, {"$inc": {"x": 1}})
        if not acknowledged:
            wait_until(lambda: bool(orders.find_one({"x": {"$gt": 0}})))
        assert windows.next().documents == {"orders": {ONE}}
        orders.replace_one({"_id": 1}, {})
        if not acknowledged:
            wait_until(lambda: not orders.find_one({"x": {"$gt": 0}}))
        windows.next()


def test_no_acknowledged_write_is_missed_while_others_write(
    database: Database, windows: Windows
) -> None:
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        number = 10
        while not stop.is_set():
            database["orders"].insert_one({"_id": number})
            acknowledged.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: len(acknowledged) > 10)
        seen: set[bytes] = set()
        for _ in range(50):
            before = len(acknowledged)
            seen |= windows.next().documents.get("orders", set())
            assert {identity(number) for number in acknowledged[:before]} <= seen
    finally:
        stop.set()
        writer.join()
    seen |= windows.next().documents.get("orders", set())
    assert seen == {identity(number) for number in acknowledged}


def test_the_points_of_a_mark_and_of_a_reset_by_turns(
    database: Database, tracker: ChangeStreamTracker
) -> None:
    catalog, reset = list_catalog(database), tracker.now()
    for number in range(10, 20):
        database["orders"].update_one({"_id": 1}, {"$inc": {"x": 1}})
        mark = tracker.touched_since(reset, catalog).until
        assert tracker.touched_since(mark, catalog).documents == {}
        database["orders"].insert_one({"_id": number})
        for _ in range(2):
            window = tracker.touched_since(mark, catalog)
            assert window.documents == {"orders": {identity(number)}}
        window = tracker.touched_since(reset, catalog)
        assert window.documents == {"orders": {ONE, identity(number)}}
        reset = tracker.resume(reset, window)


def test_a_point_before_the_tracker_was_made(database: Database) -> None:
    since, catalog = ChangeStreamTracker(database).now(), list_catalog(database)
    database["orders"].delete_one({"_id": 1})
    tracker = ChangeStreamTracker(database)
    database["orders"].delete_one({"_id": 2})
    tracker.resume(since, tracker.touched_since(tracker.now(), catalog))

    for _ in range(2):
        assert tracker.touched_since(since, catalog).documents == {"orders": {ONE, TWO}}


def test_a_point_that_the_server_has_not_come_to(
    database: Database, tracker: ChangeStreamTracker
) -> None:
    since = tracker.now()
    window = tracker.touched_since(Timestamp(since.time + 1000, 1), list_catalog(database))
    reason = "the server has lost writes that were there at the last reset"
    assert window.collections == {"orders": reason}


def test_writes_behind_a_moment_are_counted(
    database: Database, tracker: ChangeStreamTracker
) -> None:
    catalog, since = list_catalog(database), tracker.now()
    database["orders"].insert_one({"_id": 3})
    tracker.touched_since(since, catalog)
    database["orders"].insert_one({"_id": 4})
    ended = tracker.moment()
    time.sleep(0.02)
    database["orders"].insert_one({"_id": 5})
    tracker.touched_since(since, catalog)
    database["orders"].update_one({"_id": 5}, {"$set": {"x": 1}})
    database["new"].insert_one({})

    late = {one.namespace: one for one in tracker.touched_since(since, catalog, ended).late}

    assert sorted(late) == [f"{database.name}.new", f"{database.name}.orders"]
    assert late[f"{database.name}.orders"].writes == 2
    assert 0.02 <= late[f"{database.name}.orders"].seconds < 60
    assert tracker.touched_since(since, catalog).late == ()


def test_a_cursor_that_the_server_has_closed(
    database: Database, tracker: ChangeStreamTracker, windows: Windows
) -> None:
    for number in range(10, 13):
        database["orders"].insert_one({"_id": number})
        database.command("killCursors", "$cmd.aggregate", cursors=[tracker._stream._cursor])
        database["orders"].insert_one({"_id": -number})
        assert windows.next().documents == {"orders": {identity(number), identity(-number)}}


def test_an_interrupted_reading(
    database: Database, tracker: ChangeStreamTracker, windows: Windows
) -> None:
    database["orders"].insert_many([{"_id": number} for number in range(10, 20)])
    seen: list[RawBSONDocument] = []

    def interrupt(event: RawBSONDocument) -> None:
        seen.append(event)
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        while not seen:
            tracker._stream.read(interrupt, 1)

    assert len(windows.next().documents["orders"]) == 10


def test_an_event_that_is_not_understood_means_everything(
    database: Database, tracker: ChangeStreamTracker
) -> None:
    """Fed with an event that this server does not have."""
    catalog, since = list_catalog(database), tracker.now()
    later = Timestamp(since.time, since.inc + 1)
    event = {"operationType": "boil", "clusterTime": later, "ns": {"db": database.name}}
    tracker._notes.note(RawBSONDocument(bson.encode(event)))
    reason = "an event 'boil' of the change stream is not understood"
    assert tracker.touched_since(since, catalog).collections == {"orders": reason}


@pytest.fixture
def forgetful(start_mongod: StartMongod) -> Iterator[Client]:
    """Give a client of a server that forgets early what was written."""
    # What a checkpoint does not have yet, a server does not forget.
    address = start_mongod("--replSet", "forgetful", "--oplogSize", "1", "--syncdelay", "1")
    url = f"mongodb://{address}/?directConnection=true"
    with pymongo.MongoClient[Any](url) as client:
        members = [{"_id": 0, "host": address}]
        client.admin.command("replSetInitiate", {"_id": "forgetful", "members": members})
        wait_until(lambda: client.admin.command("hello")["isWritablePrimary"])
    # Another client: that one takes the server for what it was when it connected.
    with connect(url) as client:
        yield client


def test_history_that_the_server_has_forgotten_means_everything(forgetful: Client) -> None:
    database = forgetful["shop"]
    database["orders"].insert_one({"_id": 1})
    catalog, tracker = list_catalog(database), ChangeStreamTracker(database)
    since = tracker.now()
    database["orders"].insert_one({"_id": 2})
    oplog = forgetful["local"]["oplog.rs"]

    def push_out() -> bool:
        forgetful["other"]["filler"].insert_many([{"x": "x" * 10_000} for _ in range(300)])
        return oplog.find_one({"ts": {"$lte": since}}) is None

    wait_until(push_out)

    reason = "the change stream no longer reaches back to the last reset"
    for one in (tracker, ChangeStreamTracker(database)):
        window = one.touched_since(since, catalog)
        assert window.collections == {"orders": reason}
        database["orders"].delete_one({"_id": 1})
        assert one.touched_since(window.until, catalog).documents == {"orders": {ONE}}
        database["orders"].insert_one({"_id": 1})


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
