"""Which databases are mongoshot's to overwrite: those that it created, or that were given to it.

All decisions are taken on the live connection: on which hosts the servers are (`hosts`), and what
the ledger remembers (`ledger`), which counts on the server that it was written on.

Who made a database is not written in it, so that one which somebody dropped and filled anew is told
by the UUIDs of its collections: where mongoshot knows none of them, it is not mongoshot's any more.
Nor is one that somebody else has written to since the last run has left it (`left`), or captured
from: somebody uses it. What was adopted may be overwritten whoever writes to it.

While a run or a restore is under way, anything that is there may be its own. Of one that was
killed, that is so until its lease was over; where there is no oplog to be read, which would tell
what came later, until the next one has ended in order.
"""

from __future__ import annotations

from collections.abc import Collection as Hosts
from collections.abc import Mapping

from mongoshot.errors import (
    DatabaseChangedError,
    DatabaseInUseError,
    DatabaseRefusedError,
    OwnershipError,
)
from mongoshot.server.catalog import list_uuids
from mongoshot.server.collections import count_by_collection
from mongoshot.server.connection import Database, describe, translated
from mongoshot.server.hosts import check_host
from mongoshot.server.identity import Deployment, ask_deployment
from mongoshot.server.lease import Leases, in_use
from mongoshot.server.ledger import (
    LEDGER_DATABASE,
    begin_use,
    find_home,
    read_entry,
    record_ownership,
    strike,
)
from mongoshot.server.ledger_entry import LedgerEntry
from mongoshot.server.left import enumerate_some, left_by_killed, written_since

SERVER_DATABASES = frozenset({"admin", "config", "local"})


def check_writable(database: Database, allowed_hosts: Hosts[str]) -> bool:
    """Raise unless mongoshot may overwrite the database; writes nothing.

    Returns whether it is in the ledger. Raises HostRefusedError, DatabaseInUseError for one that
    another process has, DatabaseRefusedError for a database that holds anything and that mongoshot
    neither created nor was given, with what it holds, or DatabaseChangedError for one that somebody
    else uses, too.
    """
    _check_name(database)
    deployment = ask_deployment(database.client)
    check_host(database.client, allowed_hosts, deployment)
    entry = read_entry(database)
    if entry is not None and _is_of(deployment, entry, database):
        _check_entry(entry, database)
        return True
    if counts := count_by_collection(database):
        copied = (
            "was entered as mongoshot's on another server, or when this one was in a replica set,"
            if entry is not None
            else "was not made by mongoshot"
        )
        raise DatabaseRefusedError(_not_ours(database, copied, counts))
    with translated(f"list the databases beside {describe(database)}"):
        names = database.client.list_database_names()
    for name in names:
        if name != database.name and name.lower() == database.name.lower():
            raise DatabaseRefusedError(
                f"{describe(database)} cannot be made: the server has {name!r}, and takes no two"
                " names that differ in case alone; name another with --db-name"
            )
    return False


def _is_of(deployment: Deployment, entry: LedgerEntry, database: Database) -> bool:
    home = find_home(database.client, deployment)
    return entry.home is not None and home is not None and entry.home.is_same(home)


def _check_entry(entry: LedgerEntry, database: Database) -> None:
    """Raise unless a database may be overwritten as far as its entry tells."""
    lease = entry.lease
    if lease and lease.is_held:
        if not (lease.is_of_this_process or lease.process.is_gone):
            raise DatabaseInUseError(in_use(database, str(lease)))
        return  # whatever is there was put there by that run
    if counts := _held_by_others(database, entry):
        raise DatabaseRefusedError(
            f"{describe(database)} was dropped since mongoshot made it, as far as its ledger tells,"
            f" and holds {_enumerate_counts(counts)} now, which would be lost;"
            f" {_otherwise(database)}"
        )
    what = None
    if entry.captured is not None:
        what = (
            f"was captured from at {entry.captured:%Y-%m-%d %H:%M:%S} UTC, so that it is of use to"
            " somebody"
        )
    elif entry.ownership == "created":
        what = _written_by_others(database, entry)
    if what and (counts := count_by_collection(database)):
        raise DatabaseChangedError(
            f"{describe(database)} {what}; it holds {_enumerate_counts(counts)}, which would be"
            f" lost; {_otherwise(database)}"
        )


def _written_by_others(database: Database, entry: LedgerEntry) -> str | None:
    """Say what somebody else has written to a database since mongoshot has left it."""
    left, which = entry.left, "mongoshot has left it"
    incomplete = entry.baseline is not None and not entry.baseline.complete
    if entry.in_use or incomplete:
        left = left_by_killed(entry.lease) if entry.lease else None
        which = f"a {'restore' if incomplete else 'run'} that was killed had it"
    if left is None or (written := written_since(database, left)) is None:
        return None
    return (
        f"is used by somebody else, too, who wrote to {written} since {which}, at"
        f" {left.at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _held_by_others(database: Database, entry: LedgerEntry) -> dict[str, int]:
    """Count what a database holds that was dropped and is somebody else's now; {} while it is ours.

    One collection that is known is enough: whoever tests on a database may write to it.
    """
    baseline = entry.baseline
    if entry.ownership != "created" or entry.in_use or (baseline and not baseline.complete):
        return {}
    ours = {*(baseline.collections.values() if baseline else ()), *entry.made_by_tests}
    there = list_uuids(database)
    return count_by_collection(database) if there and ours.isdisjoint(there) else {}


def claim(
    database: Database,
    allowed_hosts: Hosts[str],
    *,
    for_a_run: bool = False,
    leases: Leases | None = None,
) -> None:
    """Enter an empty database in the ledger as created by mongoshot; raise as `check_writable`.

    `for_a_run` says that tests will use it, until `ledger.advance_baseline`: whatever they leave
    in it, killed or not, is mongoshot's to overwrite. With `leases`, no other run has it from then
    on.
    """
    is_known = check_writable(database, allowed_hosts)
    if not is_known:
        record_ownership(database, "created", only_if_new=True)
    if leases is not None:
        leases.take(database, for_a_run=for_a_run)
    elif for_a_run:
        begin_use(database)
    if not is_known:
        _check_still_empty(database, leases)


def _check_still_empty(database: Database, leases: Leases | None) -> None:
    """Raise, and strike it, where somebody has filled a database while it was entered."""
    entry = read_entry(database)
    if entry is None or entry.baseline or entry.left or entry.made_by_tests:
        return  # another run of mongoshot's was faster, and is done
    if counts := count_by_collection(database):
        if leases is not None:
            leases.forget(database)
        strike(database)
        raise DatabaseRefusedError(_not_ours(database, "was not made by mongoshot", counts))


def abandon(database: Database) -> None:
    """Drop a database that mongoshot created, and strike it from the ledger; others stay.

    So does one that is, or is used by, somebody else by now.
    """
    entry = read_entry(database)
    if entry is None or entry.ownership != "created":
        return
    try:
        _check_entry(entry, database)
    except OwnershipError:
        return
    with translated(f"drop {describe(database)}"):
        database.client.drop_database(database)
    strike(database)


def adopt(database: Database, allowed_hosts: Hosts[str]) -> dict[str, int]:
    """Let mongoshot overwrite a database that it did not create, from now on.

    Returns and raises what `check_adoptable` does.
    """
    counts = check_adoptable(database, allowed_hosts)
    record_ownership(database, "adopted", only_if_new=False)
    return counts


def check_adoptable(database: Database, allowed_hosts: Hosts[str]) -> dict[str, int]:
    """Raise unless mongoshot may be given the database; writes nothing.

    Returns what it holds: collection → number of documents. Raises HostRefusedError, or
    DatabaseRefusedError for a database of the server's or mongoshot's own.
    """
    _check_name(database)
    check_host(database.client, allowed_hosts)
    return count_by_collection(database)


def disown(database: Database) -> bool:
    """Strike a database from the ledger, whatever it holds; return whether it was in it."""
    return strike(database)


def _check_name(database: Database) -> None:
    if database.name in SERVER_DATABASES or database.name == LEDGER_DATABASE:
        whose = "mongoshot's own" if database.name == LEDGER_DATABASE else "the server's own"
        raise DatabaseRefusedError(
            f"{database.name!r} is {whose} database and never overwritten;"
            " name another with --db-name"
        )


def _not_ours(database: Database, why: str, counts: Mapping[str, int]) -> str:
    return (
        f"{describe(database)} {why} and holds {_enumerate_counts(counts)}, which would be lost;"
        " name another database with --db-name, or, if this one may be overwritten from now on,"
        f" type: {_adopt(database)}"
    )


def _adopt(database: Database) -> str:
    return f"mongoshot adopt {database.name} --db-url URL"


def _otherwise(database: Database) -> str:
    return (
        "name another database with --db-name, or, if this one may be overwritten whoever writes to"
        f" it, type: {_adopt(database)}"
    )


def _enumerate_counts(counts: Mapping[str, int]) -> str:
    return enumerate_some(f"{name} ({count})" for name, count in counts.items())
