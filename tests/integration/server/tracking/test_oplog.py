"""The oplog tells what was touched, by whom it may be, and when it does not know."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import bson
import pytest
from bson.timestamp import Timestamp

from mongoshot.errors import MongodNotFoundError
from mongoshot.server.catalog import list_catalog
from mongoshot.server.connection import Client, Database, connect
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.embedded.mongod import start_mongod
from mongoshot.server.tracking.choice import open_tracker
from mongoshot.server.tracking.fingerprints import FingerprintTracker
from mongoshot.server.tracking.oplog import OplogTracker
from mongoshot.server.tracking.window import Touched

ONE = b"\x10\x01\x00\x00\x00"


@pytest.fixture
def database(make_database: Callable[[], Database]) -> Database:
    database = make_database()
    database["orders"].insert_many([{"_id": 1}, {"_id": 2}])
    return database


@pytest.fixture
def tracker(database: Database) -> OplogTracker:
    tracker = open_tracker(database)
    assert isinstance(tracker, OplogTracker)
    return tracker


def test_documents_are_named_by_collection(database: Database, tracker: OplogTracker) -> None:
    catalog, since = list_catalog(database), tracker.now()
    database["orders"].update_one({"_id": 1}, {"$set": {"x": 1}})

    window = tracker.touched_since(since, catalog)

    assert window.documents == {"orders": {ONE}}
    assert window.collections == {}
    assert tracker.touched_since(window.until, catalog).documents == {}


def test_own_writes_do_not_count(database: Database, tracker: OplogTracker) -> None:
    catalog, since = list_catalog(database), tracker.now()
    assert tracker.writer is not None
    orders = catalog["orders"].definition
    tracker.writer.remove(orders, [ONE])
    tracker.writer.insert(orders, bson.encode({"_id": 1}))

    assert not tracker.touched_since(since, catalog).documents


def test_a_database_whose_name_begins_alike_does_not_count(
    mongo_client: Client, database: Database, tracker: OplogTracker
) -> None:
    catalog, since = list_catalog(database), tracker.now()
    other = mongo_client[f"{database.name}2"]
    other["orders"].insert_one({"_id": 1})
    mongo_client.drop_database(other)

    window = tracker.touched_since(since, catalog)

    assert (window.documents, window.collections) == ({}, {})


def test_a_document_that_had_another_collections_name_for_a_while(
    database: Database, tracker: OplogTracker
) -> None:
    catalog, since = list_catalog(database), tracker.now()
    database["orders"].rename("aside")
    database["aside"].update_one({"_id": 1}, {"$set": {"x": 1}})
    database["aside"].rename("orders")

    window = tracker.touched_since(since, catalog)

    assert window.documents == {"orders": {ONE}}
    assert window.collections == {}


def test_a_point_that_the_oplog_has_forgotten_means_everything(
    database: Database, tracker: OplogTracker
) -> None:
    catalog = list_catalog(database)

    window = tracker.touched_since(Timestamp(1, 1), catalog)

    assert window.collections == {"orders": "the oplog no longer reaches back to the last reset"}


def test_an_entry_that_is_not_understood_means_everything(
    database: Database, tracker: OplogTracker
) -> None:
    """Fed with the shape of an entry that this server does not write."""
    touched = Touched(until=tracker.now())
    tracker._note({"op": "x", "ns": f"{database.name}.orders"}, touched)
    assert touched.unknown == "an entry 'x' of the oplog is not understood"


def test_fingerprints_name_collections(database: Database) -> None:
    tracker = FingerprintTracker(database)
    since = tracker.now()
    database["orders"].insert_one({"_id": 3})
    database["new"].insert_one({"_id": 3})

    window = tracker.touched_since(since, {})

    assert sorted(window.collections) == ["new", "orders"]
    assert window.documents == {}


def test_a_point_that_the_server_has_not_come_to_means_everything(
    database: Database, tracker: OplogTracker
) -> None:
    """After a crash or a rollback, the newest writes are gone."""
    catalog, now = list_catalog(database), tracker.now()

    window = tracker.touched_since(Timestamp(now.time + 100, 1), catalog)

    reason = "the server has lost writes that were there at the last reset"
    assert window.collections == {"orders": reason}


def test_a_point_whose_entry_is_gone_means_everything(
    database: Database, tracker: OplogTracker
) -> None:
    """After a rollback, other entries are in the place of those that were there."""
    catalog, now = list_catalog(database), tracker.now()
    between = Timestamp(now.time, now.inc + 1_000_000)
    while tracker.now() < between:  # until the next second
        database["orders"].insert_one({})
        time.sleep(0.02)

    window = tracker.touched_since(between, catalog)

    assert window.collections == {
        "orders": "the server has lost writes that were there at the last reset"
    }
    assert tracker.lost_since(between) == window.collections["orders"]
    assert tracker.lost_since(tracker.now()) is None


def test_an_election_means_everything() -> None:
    """Who has written nothing before it has lost nothing by it."""
    try:
        binary = find_mongod(os.environ.get("MONGOSHOT_MONGOD") or None)
    except MongodNotFoundError as error:
        pytest.skip(str(error))
    with start_mongod(binary) as server, connect(server.url) as client:
        database, admin = client["shop"], client.admin
        database["orders"].insert_one({"_id": 1})
        tracker = OplogTracker(database)
        catalog, since = list_catalog(database), tracker.now()
        term = admin.command("hello")["electionId"]
        admin.command("replSetStepDown", 1, force=True)
        told = admin.command("hello")
        while not told["isWritablePrimary"] or told["electionId"] == term:
            time.sleep(0.02)
            told = admin.command("hello")

        window = tracker.touched_since(since, catalog)

        assert list(window.collections) == ["orders"]
        assert "has become the primary" in window.collections["orders"]
        assert tracker.lost_since(since) == window.collections["orders"]
        assert tracker.lost_since(window.until) is None
        assert OplogTracker(database).touched_since(since, catalog).collections == {}
