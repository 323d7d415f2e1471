"""The ledger is read with nothing taken for granted, where it was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.timestamp import Timestamp
from pymongo import MongoClient, monitoring

from mongoshot import Snapshot, restore
from mongoshot.errors import DatabaseRefusedError
from mongoshot.server.catalog import list_uuids
from mongoshot.server.connection import Client, Database
from mongoshot.server.ledger import (
    advance_baseline,
    begin_use,
    read_baseline,
    read_entry,
    record_ownership,
    write_baseline,
)
from mongoshot.server.ledger_entry import Baseline
from mongoshot.server.ownership import claim
from mongoshot.snapshot.overlay import overlay
from mongoshot.staging.staged import resume

MakeDatabase = Callable[[], Database]

WHOLE: dict[str, Any] = {
    "digest": "sha256:1",
    "label": "shop",
    "complete": True,
    "point": Timestamp(1, 1),
    "collections": [{"name": "orders", "uuid": bson.Binary(b"u" * 16, 4)}],
}


def tamper(database: Database, **fields: object) -> None:
    if read_entry(database) is None:
        record_ownership(database, "created", only_if_new=True)
    database.client["mongoshot"]["databases"].update_one(
        {"_id": database.name}, {"$set": fields}, upsert=True
    )


def entry_of(database: Database) -> dict[str, Any]:
    found = database.client["mongoshot"]["databases"].find_one({"_id": database.name})
    assert found is not None
    return found


def test_what_is_written_is_read(make_database: MakeDatabase) -> None:
    database = make_database()
    assert read_entry(database) is None
    record_ownership(database, "created", only_if_new=True)
    baseline = Baseline("sha256:1", "shop", True, {"$a.b": b"u" * 16}, Timestamp(1, 1))
    write_baseline(database, baseline)
    begin_use(database)

    entry = read_entry(database)
    assert entry is not None
    assert (entry.ownership, entry.baseline, entry.in_use) == ("created", baseline, True)

    for made in ({b"1" * 16, b"2" * 16}, {b"3" * 16}):
        advance_baseline(database, Timestamp(2, 1), made)
        entry = read_entry(database)
        assert entry is not None
        assert entry.made_by_tests == made  # and not all that ever were
        assert not entry.in_use


def test_an_entry_that_says_whose_it_is_stays(make_database: MakeDatabase) -> None:
    database = make_database()
    record_ownership(database, "adopted", only_if_new=True)
    record_ownership(database, "created", only_if_new=True)
    entry = read_entry(database)
    assert entry is not None
    assert entry.ownership == "adopted"


@pytest.mark.parametrize(
    "baseline",
    [
        3,
        None,
        [],
        {},
        *({key: value for key, value in WHOLE.items() if key != gone} for gone in WHOLE),
        {**WHOLE, "point": 5},
        {**WHOLE, "complete": "yes"},
        {**WHOLE, "collections": {"orders": 1}},
        {**WHOLE, "collections": ["orders"]},
        {**WHOLE, "collections": [{"name": "orders", "uuid": "u"}]},
    ],
)
def test_a_baseline_of_another_shape_is_none(
    make_database: MakeDatabase, every_kind: Snapshot, baseline: object
) -> None:
    database = make_database()
    tamper(database, ownership="created", baseline=baseline, made_by_tests=7, in_use_since=1)

    assert read_baseline(database) is None
    assert resume(every_kind, database) is None
    advance_baseline(database, None, [])

    database["orders"].insert_one({})
    with pytest.raises(DatabaseRefusedError, match=r"holds orders \(1\)"):
        claim(database, frozenset())
    database.drop_collection("orders")
    restore(overlay([]), database)
    assert read_baseline(database) is not None


def test_an_entry_of_another_format_tells_whose_it_is_and_no_more(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    database["orders"].insert_one({})
    uuids = [bson.Binary(uuid, 4) for uuid in list_uuids(database)]
    tamper(database, format=2, ownership="created", baseline=WHOLE, made_by_tests=uuids)
    assert read_baseline(database) is None
    with pytest.raises(DatabaseRefusedError):
        claim(database, frozenset())

    tamper(database, ownership="adopted")
    restore(overlay([]), database)

    assert entry_of(database)["format"] == 1
    assert read_baseline(database) is not None


@pytest.mark.parametrize("ownership", ["borrowed", 3, None, {"by": "us"}])
def test_an_ownership_that_is_unknown_counts_as_none(
    make_database: MakeDatabase, ownership: object
) -> None:
    database = make_database()
    tamper(database, ownership=ownership, baseline=WHOLE, in_use_since=3)
    assert read_entry(database) is None

    database["orders"].insert_one({})
    with pytest.raises(DatabaseRefusedError, match="was not made by mongoshot"):
        claim(database, frozenset())
    database.drop_collection("orders")
    claim(database, frozenset())

    entry = read_entry(database)
    assert entry is not None
    assert (entry.ownership, entry.baseline, entry.in_use) == ("created", None, False)


class Listener(monitoring.CommandListener):
    """Remember what a client has sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append((event.command_name, event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is remembered of it."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing is remembered of it."""


def test_it_is_read_from_the_primary_as_it_was_written_whatever_the_url_says(
    make_database: MakeDatabase, server_url: str
) -> None:
    database = make_database()
    record_ownership(database, "created", only_if_new=True)
    baseline = Baseline("sha256:1", "shop", True, {"orders": b"u" * 16})
    write_baseline(database, baseline)
    options = "readConcernLevel=majority&readPreference=secondary&uuidRepresentation=standard"
    listener = Listener()

    client: Client = MongoClient(f"{server_url}/?{options}", event_listeners=[listener])
    with client:
        assert read_baseline(client[database.name]) == baseline

    [command] = [command for name, command in listener.sent if name == "find"]
    assert command["readConcern"] == {"level": "local"}
    assert command.get("$readPreference", {"mode": "primary"})["mode"] == "primary"


def test_a_warm_claim_is_cheap(
    make_database: MakeDatabase, server_url: str, every_kind: Snapshot
) -> None:
    database = make_database()
    restore(every_kind, database)
    listener = Listener()

    client: Client = MongoClient(server_url, event_listeners=[listener])
    with client:
        claim(client[database.name], frozenset(), for_a_run=True)

    names = [name for name, _ in listener.sent if name not in {"hello", "endSessions"}]
    asked = ["replSetGetConfig", "find", "listCollections", "listCollections"]
    assert names == [*asked, "update"]
