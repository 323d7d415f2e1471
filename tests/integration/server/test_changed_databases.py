"""A database that somebody else uses, too, is not overwritten: what they did is said instead."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pymongo
import pytest
from bson.timestamp import Timestamp
from tests.reliability import Evidence

from mongoshot import capture, restore
from mongoshot.cli.main import cli
from mongoshot.errors import DatabaseChangedError, DatabaseRefusedError
from mongoshot.server.connection import Client, Database
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import forgive, read_entry
from mongoshot.server.ownership import abandon, adopt, check_writable, claim
from mongoshot.snapshot.model import Scenario
from mongoshot.snapshot.overlay import overlay
from mongoshot.staging.staged import Staged

MakeDatabase = Callable[[], Database]
NOBODY: frozenset[str] = frozenset()


@pytest.fixture(params=["oplog", "hashes"])
def database(
    request: pytest.FixtureRequest, make_database: MakeDatabase, standalone: Client
) -> Iterator[Database]:
    """Give a database on a replica set, and one on a standalone server."""
    if request.param == "oplog":
        yield make_database()
    else:
        yield standalone["shop_test"]
        standalone.drop_database("shop_test")
        standalone["mongoshot"]["databases"].delete_many({})


@pytest.fixture(scope="module")
def standalone(start_mongod: Callable[..., str]) -> Iterator[Client]:
    """Give a server without an oplog."""
    client: Client = pymongo.MongoClient(f"mongodb://{start_mongod()}", directConnection=True)
    with client:
        yield client


@pytest.fixture
def scenario(make_database: MakeDatabase, tmp_path: Path) -> Scenario:
    """Give a small scenario with an index by which the server removes documents."""
    source = make_database()
    source["orders"].insert_many([{"_id": number} for number in range(3)])
    source["users"].insert_one({"_id": 1})
    source["sessions"].insert_one({"_id": 1, "at": datetime.datetime(2999, 1, 1)})
    source["sessions"].create_index("at", expireAfterSeconds=60)
    return capture(source, tmp_path / "shop")


def leave(database: Database, scenario: Scenario, settling: float = 0.0) -> Staged:
    """Restore a scenario, and say that nobody uses it any more."""
    staged = restore(scenario, database)
    staged.remember(settling)
    return staged


def refused(database: Database) -> str:
    """Return why a database is not overwritten, whoever asks."""
    with pytest.raises(DatabaseChangedError) as first:
        check_writable(database, NOBODY)
    with pytest.raises(DatabaseChangedError) as second:
        restore(overlay([]), database)
    assert str(first.value) == str(second.value)
    return str(first.value)


@pytest.mark.reliability
def test_what_somebody_wrote_since_it_was_left_is_named(
    database: Database, scenario: Scenario, evidence: Evidence
) -> None:
    deeds: dict[str, Callable[[], Any]] = {
        "an insert": lambda: database["orders"].insert_one({"_id": 9}),
        "an update": lambda: database["orders"].update_one({"_id": 1}, {"$set": {"paid": True}}),
        "a delete": lambda: database["orders"].delete_one({"_id": 2}),
        "a new collection": lambda: database["orders_new"].insert_one({}),
        "a dropped collection": lambda: database["orders"].drop(),
        "a rename": lambda: database["orders"].rename("orders_old"),
        "an index": lambda: database["orders"].create_index("paid"),
        "a view": lambda: database.create_collection("orders_open", viewOn="orders"),
    }
    for what, deed in deeds.items():
        adopt(database, NOBODY)
        database.client["mongoshot"]["databases"].update_one(
            {"_id": database.name}, {"$set": {"ownership": "created"}}
        )
        leave(database, scenario)
        check_writable(database, NOBODY)

        deed()

        said = refused(database)
        assert re.search(r"who wrote to (orders|system\.views)", said), (what, said)
        assert "since mongoshot has left it, at 20" in said
        assert "users (1)" in said
        assert "which would be lost" in said
        assert f"mongoshot adopt {database.name}" in said
        assert database["users"].count_documents({}) == 1
    evidence(
        "guard",
        "a database that mongoshot made, written to by somebody else since",
        f"{len(deeds)} ways",
        "refused, with what was written, since when, and what would be lost",
    )


def test_of_many_collections_some_are_named(database: Database, scenario: Scenario) -> None:
    leave(database, scenario)
    for number in range(9):
        database[f"orders_{number}"].insert_one({})
    database["a_late_one"].insert_one({})

    said = refused(database)

    assert re.search(r"wrote to a_late_one\b.* orders_6\b[^,]* and 2 more since", said)


def test_a_time_series_goes_by_its_own_name(database: Database, scenario: Scenario) -> None:
    leave(database, scenario)
    database.create_collection("weather", timeseries={"timeField": "at"})
    database["weather"].insert_one({"at": datetime.datetime(2999, 1, 1)})

    said = refused(database)

    assert "weather" in said
    assert "system.buckets" not in said


def test_what_the_server_removes_itself_is_nobodys(database: Database, scenario: Scenario) -> None:
    leave(database, scenario)
    database["sessions"].delete_one({"_id": 1})
    check_writable(database, NOBODY)

    database["sessions"].insert_one({"_id": 2})
    if read_entry(database).left.point:  # type: ignore[union-attr]
        assert "sessions (2 writes)" in refused(database)


def test_writes_to_other_databases_do_not_count(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database, other = make_database(), make_database()
    leave(database, scenario)
    other["orders"].insert_one({})
    database.client["mongoshot_else"]["orders"].insert_one({})
    with database.client.start_session() as session, session.start_transaction():
        other["orders"].insert_one({}, session=session)
    other.client.drop_database("mongoshot_else")

    check_writable(database, NOBODY)

    with database.client.start_session() as session, session.start_transaction():
        other["orders"].insert_one({}, session=session)
        database["orders"].insert_one({}, session=session)
    assert "wrote to orders (1 write) since" in refused(database)


def test_processes_of_a_run_take_a_moment_to_end(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database = make_database()
    leave(database, scenario, settling=5.0)
    database["orders"].insert_one({})
    check_writable(database, NOBODY)

    left = read_entry(database).left  # type: ignore[union-attr]
    assert left is not None
    assert left.point is not None
    database.client["mongoshot"]["databases"].update_one(
        {"_id": database.name}, {"$set": {"left.settled": left.point}}
    )
    assert "orders (1 write)" in refused(database)


def test_a_database_that_is_empty_by_now_has_nothing_to_lose(
    database: Database, scenario: Scenario
) -> None:
    leave(database, scenario)
    database.client.drop_database(database)

    restore(scenario, database)


def test_one_that_was_adopted_is_overwritten_whoever_writes_to_it(
    database: Database, scenario: Scenario
) -> None:
    leave(database, scenario)
    database["orders"].insert_one({})
    refused(database)

    adopt(database, NOBODY)

    leave(database, scenario)
    database["orders"].insert_one({})
    leave(database, scenario)
    assert database["orders"].count_documents({}) == 3


def test_where_the_oplog_does_not_reach_back_the_size_tells(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database = make_database()
    restore(scenario, database)
    database["sessions"].drop()  # or the server may have removed any number of documents itself
    with_sizes(database)
    check_writable(database, NOBODY)

    database["orders"].insert_one({"_id": 9})

    assert re.search(
        r"wrote to it \(4 documents of \d+ bytes then, 5 of \d+ now\)", refused(database)
    )


@pytest.mark.parametrize("on_standalone", [True, False])
def test_what_the_server_may_have_removed_is_not_more_than_there_was(
    make_database: MakeDatabase, standalone: Client, scenario: Scenario, *, on_standalone: bool
) -> None:
    database = standalone["shop_expiring"] if on_standalone else make_database()
    leave(database, scenario)
    if not on_standalone:
        with_sizes(database)
    database["sessions"].delete_many({})
    check_writable(database, NOBODY)

    database["sessions"].insert_many([{"_id": number} for number in range(2)])

    assert re.search(
        r"wrote to it \(5 documents of \d+ bytes then, 6 of \d+ now\)", refused(database)
    )


def with_sizes(database: Database) -> None:
    """Leave a database, and let the oplog begin after that."""
    stats = database.command("dbStats")
    left = {
        "at": datetime.datetime.now(datetime.UTC),
        "point": Timestamp(1, 1),
        "settled": Timestamp(1, 1),
        "hashes": None,
        "documents": int(stats["objects"]),
        "bytes": int(stats["dataSize"]),
    }
    database.client["mongoshot"]["databases"].update_one(
        {"_id": database.name}, {"$set": {"left": left}}
    )


def test_what_a_killed_run_wrote_is_its_own_and_what_came_after_its_lease_is_not(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database = make_database()
    claim(database, NOBODY, for_a_run=True)
    restore(scenario, database, claimed=True)
    database["orders"].insert_one({"_id": 8})
    ended = datetime.datetime.now(datetime.UTC)
    lease = {"holder": "gone", "what": "pytest in shop", "expires": ended}
    database.client["mongoshot"]["databases"].update_one(
        {"_id": database.name}, {"$set": {"lease": lease}}
    )
    check_writable(database, NOBODY)

    time.sleep(2.1)  # whole seconds are what the oplog counts
    database["orders"].insert_one({"_id": 9})

    said = refused(database)
    assert "wrote to orders (1 write) since a run that was killed had it, at" in said
    abandon(database)
    assert database["orders"].count_documents({}) == 5
    assert_forgiven(database, scenario)


def assert_forgiven(database: Database, scenario: Scenario) -> None:
    """Overwrite a database that somebody uses, as who was asked has said yes."""
    forgive(database)
    leave(database, scenario)
    check_writable(database, NOBODY)
    assert read_entry(database).in_use is False  # type: ignore[union-attr]


def test_what_came_after_a_restore_that_was_killed_is_somebodys(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database = make_database()
    cut_short(database, scenario, expires=datetime.datetime.now(datetime.UTC))
    check_writable(database, NOBODY)

    time.sleep(2.1)
    database.client.drop_database(database)
    database["precious"].insert_one({})

    said = refused(database)
    assert "precious (2 writes)" in said  # the collection is made, too
    assert "since a restore that was killed had it, at" in said
    assert_forgiven(database, scenario)


def test_what_came_after_a_restore_that_was_cut_short_is_somebodys(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database = make_database()
    ended = datetime.datetime.now(datetime.UTC)
    cut_short(database, scenario, expires=None, ended=ended)
    database["orders"].insert_one({"_id": 9})
    check_writable(database, NOBODY)

    earlier = ended - datetime.timedelta(seconds=12)
    cut_short(database, scenario, expires=None, ended=earlier)

    assert "orders (" in refused(database)


def cut_short(database: Database, scenario: Scenario, **lease: datetime.datetime | None) -> None:
    """Leave a database as a restore does that does not come to its end."""
    restore(scenario, database)
    said = {"holder": "gone", "what": "a restore of shop", **lease}
    database.client["mongoshot"]["databases"].update_one(
        {"_id": database.name}, {"$set": {"lease": said, "baseline.complete": False}}
    )


def test_a_restore_says_when_it_gave_its_lease_back(
    make_database: MakeDatabase, scenario: Scenario
) -> None:
    database = make_database()
    began = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    restore(scenario, database)

    lease = read_entry(database).lease  # type: ignore[union-attr]
    assert lease is not None
    assert lease.expires is None
    assert lease.ended is not None
    assert abs(lease.ended - began) < datetime.timedelta(minutes=1)


def test_forgiving_takes_no_lease_from_a_run_that_has_begun_meanwhile(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    with Leases("pytest in shop") as leases:
        claim(database, NOBODY, for_a_run=True, leases=leases)
        forgive(database)
        lease = read_entry(database).lease  # type: ignore[union-attr]
        assert lease is not None
        assert lease.is_held


@pytest.mark.reliability
def test_a_ledger_that_came_with_a_copy_says_nothing(
    make_database: MakeDatabase, standalone: Client, scenario: Scenario, evidence: Evidence
) -> None:
    """As a dump of everything takes the ledger along to the server that it is restored on."""
    database = make_database()
    leave(database, scenario)
    entry = database.client["mongoshot"]["databases"].find_one({"_id": database.name})
    assert entry is not None
    theirs = standalone[database.name]
    standalone["mongoshot"]["databases"].insert_one(entry)
    theirs["orders"].insert_one({"_id": "precious"})

    with pytest.raises(
        DatabaseRefusedError, match=r"was entered as mongoshot's on another server, .*orders \(1\)"
    ):
        restore(scenario, theirs)
    theirs.drop_collection("orders")
    leave(theirs, scenario)
    assert theirs["orders"].count_documents({}) == 3
    standalone.drop_database(theirs)
    standalone.drop_database("mongoshot")
    evidence(
        "guard",
        "a ledger copied to another server with everything else",
        1,
        "not believed there: refused, with what would be lost",
    )


@pytest.mark.parametrize("ownership", ["created", "adopted"])
def test_a_database_that_somebody_captured_from_is_not_overwritten(
    make_database: MakeDatabase, scenario: Scenario, tmp_path: Path, ownership: str
) -> None:
    database = make_database()
    if ownership == "adopted":
        adopt(database, NOBODY)
    leave(database, scenario)

    with pytest.warns(UserWarning, match="was mongoshot's to overwrite, and is no more"):
        capture(database, tmp_path / "again")

    assert re.search(
        r"was captured from at 20.*it holds orders \(3\), sessions \(1\), users \(1\), which",
        refused(database),
    )
    adopt(database, NOBODY)
    leave(database, scenario)
    capture(database, tmp_path / "once more")  # that it is a source was known
    leave(database, scenario)


def test_capturing_what_a_run_has_changes_nothing(
    make_database: MakeDatabase, scenario: Scenario, tmp_path: Path
) -> None:
    database = make_database()
    claim(database, NOBODY, for_a_run=True)
    restore(scenario, database, claimed=True)

    capture(database, tmp_path / "again")

    check_writable(database, NOBODY)


def test_what_the_environment_says_lifts_nothing(
    make_database: MakeDatabase, tmp_path: Path, server_url: str
) -> None:
    """Each variable that any option of the command line may be taken from, and some guesses."""
    database = make_database()
    database["orders"].insert_one({})
    variables = {
        f"MONGOSHOT_{word}"
        for word in ("YES", "ADOPT_YES", "RESTORE_YES", "ALLOWED_HOSTS", "FORCE")
    }
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            given = parameter.envvar
            variables |= {given} if isinstance(given, str) else set(given or ())
    told = dict.fromkeys(variables, "1") | {"DB_URL": server_url, "DB_NAME": database.name}
    environment = {**os.environ, **told}
    for words in (["adopt", database.name], ["restore", "shop"]):
        done = subprocess.run(
            [sys.executable, "-m", "mongoshot", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 2
    assert read_entry(database) is None
    assert database["orders"].count_documents({}) == 1
