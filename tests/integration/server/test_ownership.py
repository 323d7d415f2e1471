"""mongoshot overwrites what it made or was given, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot import Snapshot, capture, restore
from mongoshot.errors import DatabaseRefusedError, HostRefusedError
from mongoshot.server.connection import Client, Database
from mongoshot.server.ledger import Baseline, write_baseline
from mongoshot.server.ownership import (
    adopt,
    check_host,
    check_writable,
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
