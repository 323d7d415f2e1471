"""The way to track is the best that the server and the user's rights allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mongoshot.errors import CommandError
from mongoshot.server.catalog import list_catalog
from mongoshot.server.connection import Database, connect
from mongoshot.server.tracking.change_stream import ChangeStreamTracker
from mongoshot.server.tracking.choice import open_tracker

from ...conftest import StartMongod

As = Callable[..., Database]

PASSWORD = "s3cret"
#: What a user needs to restore and to hash, and no more: the role read has changeStream, too.
WITHOUT_CHANGE_STREAMS = [
    *("find", "insert", "update", "remove", "createCollection", "dropCollection"),
    *("listCollections", "listIndexes", "createIndex", "dbHash", "dbStats"),
]
LEDGER = {"role": "readWrite", "db": "mongoshot"}
ROLES = {
    "reader_of_local": [{"role": "readWrite", "db": "shop"}, {"role": "read", "db": "local"}],
    "of_a_hosted_cluster": [{"role": "readWrite", "db": "shop"}, LEDGER],
    "without_change_streams": ["without_change_streams", LEDGER],
}


@pytest.fixture(scope="module")
def guarded(start_guarded_mongod: StartMongod) -> str:
    """Give the address of a replica set that wants a login."""
    address = start_guarded_mongod(PASSWORD)
    with connect(f"mongodb://root:{PASSWORD}@{address}/?directConnection=true") as client:
        privilege = {"resource": {"db": "shop", "collection": ""}}
        client.admin.command(
            "createRole",
            "without_change_streams",
            privileges=[privilege | {"actions": WITHOUT_CHANGE_STREAMS}],
            roles=[],
        )
        for user, roles in ROLES.items():
            client.admin.command("createUser", user, pwd=PASSWORD, roles=roles)
        client["shop"]["orders"].insert_many([{"_id": 1}, {"_id": 2}])
    return address


@pytest.fixture
def as_user(guarded: str) -> Iterator[As]:
    """Open the database `shop` as one of the users."""
    with ExitStack() as stack:

        def open_as(user: str, options: str = "") -> Database:
            url = f"mongodb://{user}:{PASSWORD}@{guarded}/?directConnection=true{options}"
            return stack.enter_context(connect(url))["shop"]

        yield open_as


@pytest.mark.parametrize(
    ("user", "tier"),
    [
        ("root", "oplog"),
        ("reader_of_local", "oplog"),
        ("of_a_hosted_cluster", "change stream"),
        ("without_change_streams", "fingerprints"),
    ],
)
def test_what_a_user_may_do_decides(as_user: As, user: str, tier: str) -> None:
    database = as_user(user)
    tracker = open_tracker(database)
    assert tracker.tier == tier

    catalog, since = list_catalog(database), tracker.now()
    assert not tracker.touched_since(since, catalog).collections
    database["orders"].update_one({"_id": 1}, {"$inc": {"x": 1}})
    window = tracker.touched_since(since, catalog)
    assert {*window.documents, *window.collections} == {"orders"}


def test_a_time_limit_on_every_command_would_be_the_time_of_every_look(as_user: As) -> None:
    database = as_user("of_a_hosted_cluster", "&timeoutMS=5000")
    with pytest.raises(CommandError, match="leave it out of the URL"):
        ChangeStreamTracker(database)
    assert open_tracker(database).tier == "fingerprints"


def test_a_right_that_is_missing_is_named(as_user: As) -> None:
    with pytest.raises(CommandError, match="this user is not allowed to"):
        ChangeStreamTracker(as_user("without_change_streams"))


def test_a_standalone_server_has_fingerprints(
    start_mongod: StartMongod,
) -> None:
    with connect(f"mongodb://{start_mongod()}") as client:
        assert open_tracker(client["shop"]).tier == "fingerprints"


def test_the_run_s_own_server_has_an_oplog(make_database: Callable[[], Database]) -> None:
    assert open_tracker(make_database()).tier == "oplog"
