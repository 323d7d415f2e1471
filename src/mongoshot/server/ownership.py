"""Which databases are mongoshot's to overwrite: those that it created, or that were given to it.

All decisions are taken on the live connection: the addresses that it ended up at, those that the
server gives for itself, and what the ledger remembers (`ledger`).

Who made a database is not written in it, so that one which somebody dropped and filled anew is told
by the UUIDs of its collections: where mongoshot knows none of them, it is not mongoshot's any more.
While a run or a restore is under way, anything that is there may be its own; and where one was
killed, that cannot be told from what somebody has put there since. Until the next one has ended in
order, such a database is overwritten whatever it holds.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection as Hosts
from collections.abc import Iterable

from mongoshot.errors import DatabaseInUseError, DatabaseRefusedError, HostRefusedError
from mongoshot.server.catalog import list_uuids
from mongoshot.server.collections import count_by_collection
from mongoshot.server.connection import Client, Database, describe, translated
from mongoshot.server.lease import Leases, in_use
from mongoshot.server.ledger import (
    LEDGER_DATABASE,
    LedgerEntry,
    begin_use,
    read_entry,
    record_ownership,
    strike,
)

SERVER_DATABASES = frozenset({"admin", "config", "local"})


def check_host(client: Client, allowed_hosts: Hosts[str]) -> None:
    """Raise HostRefusedError unless every member of the deployment is this machine or allowed.

    `allowed_hosts` are exact names, `host` or `host:port`.
    """
    with translated("ask the server who it is"):
        hello = client.admin.command("hello")
    reached = {f"{host}:{port}" if port else host for host, port in client.nodes}
    claimed = [*hello.get("hosts", []), *hello.get("passives", []), *hello.get("arbiters", [])]
    for address in sorted(reached | set(claimed)):
        host = address.rpartition(":")[0] or address
        if address in allowed_hosts or host in allowed_hosts or _is_this_machine(host):
            continue
        raise HostRefusedError(
            f"{address} is not this machine, and mongoshot writes nowhere else unless the host is"
            f' allowed by name: put allowed-hosts = ["{host}"] under [tool.mongoshot] in'
            " pyproject.toml if every database that it adopts there may be overwritten"
        )


def _is_this_machine(host: str) -> bool:
    if host.startswith("/"):
        return True  # a Unix socket
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses)


def check_writable(database: Database, allowed_hosts: Hosts[str]) -> bool:
    """Raise unless mongoshot may overwrite the database; writes nothing.

    Returns whether it is in the ledger. Raises HostRefusedError, DatabaseInUseError for one that
    another process has, or DatabaseRefusedError for a database that holds anything and that
    mongoshot neither created nor was given, with what it holds.
    """
    _check_name(database)
    check_host(database.client, allowed_hosts)
    entry = read_entry(database)
    if entry is not None:
        lease = entry.lease
        if lease and lease.is_held and not (lease.is_of_this_process or lease.process.is_gone):
            raise DatabaseInUseError(in_use(database, str(lease)))
        if counts := _held_by_others(database, entry):
            held = _enumerate(f"{name} ({count})" for name, count in counts.items())
            raise DatabaseRefusedError(
                f"{describe(database)} was dropped since mongoshot made it, as far as its ledger"
                f" tells, and holds {held} now, which would be lost; name another database with"
                " --db-name, or, if this one may be overwritten, type:"
                f" mongoshot adopt {database.name} --db-url URL"
            )
        return True
    if counts := count_by_collection(database):
        held = _enumerate(f"{name} ({count})" for name, count in counts.items())
        raise DatabaseRefusedError(
            f"{describe(database)} was not made by mongoshot and holds {held}, which would be lost;"
            " name another database with --db-name, or, if this one may be overwritten from now on,"
            f" type: mongoshot adopt {database.name} --db-url URL"
        )
    with translated(f"list the databases beside {describe(database)}"):
        names = database.client.list_database_names()
    for name in names:
        if name != database.name and name.lower() == database.name.lower():
            raise DatabaseRefusedError(
                f"{describe(database)} cannot be made: the server has {name!r}, and takes no two"
                " names that differ in case alone; name another with --db-name"
            )
    return False


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
    if not check_writable(database, allowed_hosts):
        record_ownership(database, "created", only_if_new=True)
    if leases is not None:
        leases.take(database, for_a_run=for_a_run)
    elif for_a_run:
        begin_use(database)


def abandon(database: Database) -> None:
    """Drop a database that mongoshot created, and strike it from the ledger; others stay.

    So does one that is somebody else's by now.
    """
    entry = read_entry(database)
    if entry is None or entry.ownership != "created" or _held_by_others(database, entry):
        return
    with translated(f"drop {describe(database)}"):
        database.client.drop_database(database)
    strike(database)


def adopt(database: Database, allowed_hosts: Hosts[str]) -> dict[str, int]:
    """Let mongoshot overwrite a database that it did not create, from now on.

    Returns what the database holds: collection → number of documents. Raises HostRefusedError, or
    DatabaseRefusedError for a database of the server's or mongoshot's own.
    """
    _check_name(database)
    check_host(database.client, allowed_hosts)
    counts = count_by_collection(database)
    record_ownership(database, "adopted", only_if_new=False)
    return counts


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


def _enumerate(items: Iterable[str], most: int = 8) -> str:
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
