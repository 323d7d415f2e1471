"""Which databases are mongoshot's to overwrite, and the ledger that remembers it.

The ledger is the collection `databases` of the database `mongoshot` on the same server, one
document a database:

    {"_id": "shop_test", "ownership": "created", "since": date,
     "baseline": {"digest": "sha256:…", "label": "shop", "complete": true,
                  "collections": [UUID, …]}}

`baseline.complete` is false from before the first write of a restore until after its last, so that
a restore that was killed is recognised by whoever comes next. `collections` are those that it made:
where a database that mongoshot created holds others alone, it was dropped and is somebody else's
now. All decisions are taken on the live
connection: the addresses that it ended up at and those that the server gives for itself.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Collection as Hosts
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bson.binary import UUID_SUBTYPE, Binary
from pymongo import WriteConcern
from pymongo.collection import Collection

from mongoshot.errors import DatabaseRefusedError, HostRefusedError
from mongoshot.server.catalog import list_uuids
from mongoshot.server.collections import count_by_collection
from mongoshot.server.connection import Client, Database, describe, translated

LEDGER_DATABASE = "mongoshot"
SERVER_DATABASES = frozenset({"admin", "config", "local"})

Ownership = Literal["created", "adopted"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Say what a database was last restored from.

    `digest` identifies the state, `label` names it for a person; `complete` is False while a
    restore is under way, and stays so where it was cut short.
    """

    digest: str
    label: str
    complete: bool


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


def check_writable(database: Database, allowed_hosts: Hosts[str]) -> None:
    """Raise unless mongoshot may overwrite the database; writes nothing.

    Raises HostRefusedError, or DatabaseRefusedError for a database that holds anything and that
    mongoshot neither created nor was given, with what it holds.
    """
    _check_name(database)
    check_host(database.client, allowed_hosts)
    entry = _entry(database)
    if entry is not None:
        _check_still_ours(database, entry)
        return
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


def _check_still_ours(database: Database, entry: Mapping[str, Any]) -> None:
    if entry["ownership"] != "created":
        return
    ours = {bytes(uuid) for uuid in entry.get("baseline", {}).get("collections", ())}
    there = list_uuids(database) if ours else set()
    if there and not there & ours:
        counts = count_by_collection(database)
        held = _enumerate(f"{name} ({count})" for name, count in counts.items())
        raise DatabaseRefusedError(
            f"{describe(database)} was dropped since mongoshot made it, and holds {held} now, which"
            " would be lost; name another database with --db-name, or, if this one may be"
            f" overwritten, type: mongoshot adopt {database.name} --db-url URL"
        )


def claim(database: Database, allowed_hosts: Hosts[str]) -> None:
    """Enter an empty database in the ledger as created by mongoshot; raise as `check_writable`."""
    check_writable(database, allowed_hosts)
    _record(database, "created", only_if_new=True)


def adopt(database: Database, allowed_hosts: Hosts[str]) -> dict[str, int]:
    """Let mongoshot overwrite a database that it did not create, from now on.

    Returns what the database holds: collection → number of documents. Raises HostRefusedError, or
    DatabaseRefusedError for a database of the server's or mongoshot's own.
    """
    _check_name(database)
    check_host(database.client, allowed_hosts)
    counts = count_by_collection(database)
    _record(database, "adopted", only_if_new=False)
    return counts


def disown(database: Database) -> bool:
    """Strike a database from the ledger, whatever it holds; return whether it was in it."""
    with translated(f"strike {describe(database)} from mongoshot's ledger"):
        return _ledger(database).delete_one({"_id": database.name}).deleted_count > 0


def read_baseline(database: Database) -> Baseline | None:
    """Return what the database was last restored from, or None where that is not known."""
    entry = _entry(database) or {}
    if (found := entry.get("baseline")) is None:
        return None
    return Baseline(found["digest"], found["label"], found["complete"])


def write_baseline(database: Database, baseline: Baseline) -> None:
    """Remember what the database is being, or has been, restored from; durable on return."""
    entry = {
        "digest": baseline.digest,
        "label": baseline.label,
        "complete": baseline.complete,
        "collections": [Binary(uuid, UUID_SUBTYPE) for uuid in sorted(list_uuids(database))]
        if baseline.complete
        else [],
    }
    with translated(f"enter {describe(database)} in mongoshot's ledger"):
        _ledger(database).update_one({"_id": database.name}, {"$set": {"baseline": entry}})


def remember_collections(database: Database) -> None:
    """Enter what the database holds as mongoshot's: tests have put it there."""
    uuids = [Binary(uuid, UUID_SUBTYPE) for uuid in sorted(list_uuids(database))]
    with translated(f"enter {describe(database)} in mongoshot's ledger"):
        _ledger(database).update_one(
            {"_id": database.name, "baseline": {"$exists": True}},
            {"$addToSet": {"baseline.collections": {"$each": uuids}}},
        )


def _check_name(database: Database) -> None:
    if database.name in SERVER_DATABASES or database.name == LEDGER_DATABASE:
        whose = "mongoshot's own" if database.name == LEDGER_DATABASE else "the server's own"
        raise DatabaseRefusedError(
            f"{database.name!r} is {whose} database and never overwritten;"
            " name another with --db-name"
        )


def _entry(database: Database) -> dict[str, Any] | None:
    with translated(f"look {describe(database)} up in mongoshot's ledger"):
        return _ledger(database).find_one({"_id": database.name})


def _record(database: Database, ownership: Ownership, *, only_if_new: bool) -> None:
    entry = {"ownership": ownership, "since": datetime.datetime.now(datetime.UTC)}
    with translated(f"enter {describe(database)} in mongoshot's ledger"):
        _ledger(database).update_one(
            {"_id": database.name},
            {"$setOnInsert" if only_if_new else "$set": entry},
            upsert=True,
        )


def _ledger(database: Database) -> Collection[dict[str, Any]]:
    # The mark must be on disk before the first write that it speaks of.
    durable = WriteConcern(w="majority", j=True, wtimeout=10_000)
    return database.client[LEDGER_DATABASE].get_collection("databases", write_concern=durable)


def _enumerate(items: Iterable[str], most: int = 8) -> str:
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
