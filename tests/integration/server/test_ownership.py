"""mongoshot overwrites what it made or was given, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mongoshot import Snapshot, capture, restore
from mongoshot.errors import DatabaseRefusedError, HostRefusedError
from mongoshot.server.catalog import list_uuids
from mongoshot.server.connection import Client, Database
from mongoshot.server.hosts import check_host
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import (
    advance_baseline,
    read_baseline,
    read_entry,
    record_ownership,
    write_baseline,
)
from mongoshot.server.ledger_entry import Baseline
from mongoshot.server.ownership import (
    abandon,
    adopt,
    check_writable,
    claim,
    disown,
)
from mongoshot.snapshot.overlay import overlay

MakeDatabase = Callable[[], Database]


def test_a_database_that_somebody_filled_is_refused(
    make_database: MakeDatabase, count_writes: Callable[[Database], int]
) -> None:
    theirs = make_database()
    theirs["orders"].insert_many([{}, {}])
    theirs["audit"].insert_one({})
    before = count_writes(theirs)

    with pytest.raises(
        DatabaseRefusedError,
        match=r"holds audit \(1\), orders \(2\), which would be lost;.*mongoshot adopt",
    ):
        restore(overlay([]), theirs)

    assert count_writes(theirs) == before
    assert theirs["orders"].count_documents({}) == 2


def test_adopt_and_disown(make_database: MakeDatabase) -> None:
    theirs = make_database()
    theirs["orders"].insert_one({})

    assert adopt(theirs, frozenset()) == {"orders": 1}
    restore(overlay([]), theirs)
    assert theirs["orders"].count_documents({}) == 0

    assert disown(theirs)
    assert not disown(theirs)
    restore(overlay([]), theirs)  # it is empty: mongoshot makes it its own again
    assert disown(theirs)
    theirs["orders"].insert_one({})
    with pytest.raises(DatabaseRefusedError):
        restore(overlay([]), theirs)


def test_a_capture_source_is_not_a_target(make_database: MakeDatabase, tmp_path: Path) -> None:
    source = make_database()
    source["orders"].insert_one({"_id": 1})
    snapshot = capture(source, tmp_path / "orders")

    with pytest.raises(DatabaseRefusedError):
        restore(snapshot, source)


@pytest.mark.parametrize("name", ["admin", "local", "config", "mongoshot"])
def test_the_servers_own_databases_are_never_written(mongo_client: Client, name: str) -> None:
    with pytest.raises(DatabaseRefusedError, match="never overwritten"):
        check_writable(mongo_client[name], frozenset())
    with pytest.raises(DatabaseRefusedError, match="never overwritten"):
        adopt(mongo_client[name], frozenset())


def test_a_name_of_this_machine_that_is_not_loopback_is_refused(
    mongo_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a name resolves to counts: one address elsewhere is enough to refuse it."""
    host = next(iter(mongo_client.nodes))[0]

    def resolve(name: str, *_: object, **__: object) -> list[object]:
        assert name == host
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 0))
            for address in ("127.0.0.1", "192.0.2.7")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(HostRefusedError, match=r'allowed-hosts = \["127\.0\.0\.1"\]'):
        check_host(mongo_client, frozenset())
    check_host(mongo_client, frozenset({host}))


def test_a_database_that_was_dropped_and_filled_by_somebody_else_is_refused(
    make_database: MakeDatabase, every_kind: Snapshot
) -> None:
    database = make_database()
    restore(every_kind, database)
    database["odd"].insert_one({})  # whoever tests on it may write to it
    restore(every_kind, database)

    database.client.drop_database(database)
    restore(every_kind, database)
    database.client.drop_database(database)
    database["precious"].insert_one({})

    with pytest.raises(
        DatabaseRefusedError, match=r"was dropped since .* holds precious \(1\) now"
    ):
        restore(every_kind, database)
    assert database["precious"].count_documents({}) == 1
    adopt(database, frozenset())
    restore(every_kind, database)


def test_what_a_killed_restore_left_is_still_ours(
    make_database: MakeDatabase, every_kind: Snapshot
) -> None:
    database = make_database()
    restore(every_kind, database)
    write_baseline(database, Baseline(every_kind.digest, "shop", complete=False))
    database.client.drop_database(database)
    database["half"].insert_one({})

    restore(every_kind, database)


NOBODY: frozenset[str] = frozenset()


def assert_refused(database: Database, name: str = "precious") -> None:
    for ask in (check_writable, claim):
        with pytest.raises(DatabaseRefusedError, match=rf"dropped since .* holds {name} \(1\) now"):
            ask(database, NOBODY)
    abandon(database)
    assert database[name].count_documents({}) == 1


def fill(database: Database, name: str = "precious") -> None:
    database.client.drop_database(database)
    database[name].insert_one({})


def run_over(scenario: Snapshot | None, database: Database) -> None:
    """Stage a scenario, or none, as a run of tests does that is killed before it ends."""
    claim(database, NOBODY, for_a_run=True)
    restore(scenario or overlay([]), database, claimed=True)


def end(database: Database) -> None:
    advance_baseline(database, None, list_uuids(database))


@pytest.mark.parametrize("claimed_alone", [True, False])
def test_a_database_that_was_made_empty_and_filled_by_somebody_else_is_refused(
    make_database: MakeDatabase, claimed_alone: bool
) -> None:
    database = make_database()
    if claimed_alone:
        claim(database, NOBODY)
    else:
        restore(overlay([]), database)

    fill(database)

    assert_refused(database)


@pytest.mark.parametrize("left_by_tests", [True, False])
def test_a_database_that_was_filled_after_an_orderly_run_is_refused(
    make_database: MakeDatabase, left_by_tests: bool
) -> None:
    database = make_database()
    run_over(None, database)
    if left_by_tests:
        database["made"].insert_one({})
    end(database)
    claim(database, NOBODY)  # what the tests left is known

    fill(database)

    assert_refused(database)


def test_a_database_of_a_scenario_that_was_filled_after_an_orderly_run_is_refused(
    make_database: MakeDatabase, every_kind: Snapshot
) -> None:
    database = make_database()
    run_over(every_kind, database)
    end(database)

    fill(database)

    assert_refused(database)


def test_what_a_killed_run_over_an_empty_scenario_left_is_ours(make_database: MakeDatabase) -> None:
    database = make_database()
    run_over(None, database)
    end(database)
    run_over(None, database)
    database["made"].insert_one({})

    run_over(None, database)

    assert database.list_collection_names() == []


def test_what_a_killed_run_left_in_a_database_that_a_test_dropped_is_ours(
    make_database: MakeDatabase, every_kind: Snapshot
) -> None:
    database = make_database()
    run_over(every_kind, database)
    fill(database, "made")

    claim(database, NOBODY)
    abandon(database)

    assert database.list_collection_names() == []
    assert not disown(database)


def test_what_a_run_left_that_was_killed_before_its_first_restore_is_ours(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    claim(database, NOBODY, for_a_run=True)
    database["of_a_fixture"].insert_one({})

    claim(database, NOBODY)


def test_what_a_first_restore_left_that_was_killed_is_ours(
    make_database: MakeDatabase, every_kind: Snapshot
) -> None:
    database = make_database()
    claim(database, NOBODY)
    write_baseline(database, Baseline(every_kind.digest, "shop", complete=False))
    database["half"].insert_one({})

    claim(database, NOBODY)


def test_what_tests_made_stays_ours_when_a_reset_loads_collections_anew(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    run_over(None, database)
    database["made"].insert_one({})
    end(database)
    baseline = read_baseline(database)
    assert baseline is not None

    write_baseline(database, baseline)

    claim(database, NOBODY)


def test_a_database_that_was_adopted_stays_so_whoever_fills_it(make_database: MakeDatabase) -> None:
    database = make_database()
    adopt(database, NOBODY)
    fill(database)

    claim(database, NOBODY)
    abandon(database)

    assert database["precious"].count_documents({}) == 1


def test_a_run_that_is_refused_does_not_make_the_database_its_own(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    restore(overlay([]), database)
    fill(database)

    with pytest.raises(DatabaseRefusedError):
        claim(database, NOBODY, for_a_run=True)

    entry = read_entry(database)
    assert entry is not None
    assert not entry.in_use
    assert_refused(database)


@pytest.mark.parametrize("leased", [True, False])
def test_a_database_that_is_filled_while_it_is_entered_is_refused(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, *, leased: bool
) -> None:
    database = make_database()

    def enter_slowly(*arguments: Any, **options: Any) -> None:
        record_ownership(*arguments, **options)
        database["precious"].insert_one({})

    monkeypatch.setattr("mongoshot.server.ownership.record_ownership", enter_slowly)
    with Leases("a run") as leases:
        for _ in range(2):
            with pytest.raises(DatabaseRefusedError, match=r"not made .* holds precious \(1\)"):
                claim(database, NOBODY, for_a_run=True, leases=leases if leased else None)
        leases.check()
    assert read_entry(database) is None
    assert database["precious"].count_documents({}) == 1
