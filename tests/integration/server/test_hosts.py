"""Which servers are written to: this machine's, and those that are allowed by name."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pymongo
import pytest
from tests.reliability import Evidence

from mongoshot.errors import HostRefusedError
from mongoshot.server.connection import Client
from mongoshot.server.hosts import check_host, is_this_machine
from mongoshot.server.identity import Deployment


@pytest.fixture(scope="module")
def replica_set(start_mongod: Callable[..., str]) -> Iterator[Client]:
    """Give a replica set that calls itself by a name, and may be told to have more members."""
    address = start_mongod("--replSet", "theirs")
    client: Client = pymongo.MongoClient(f"mongodb://{address}", directConnection=True)
    with client:
        members = [{"_id": 0, "host": address}]
        client.admin.command("replSetInitiate", {"_id": "theirs", "members": members})
        while not client.admin.command("hello")["isWritablePrimary"]:
            pass
        yield client


@pytest.fixture
def add_member(replica_set: Client) -> Iterator[Callable[..., None]]:
    """Add a member that nobody can reach; it goes in the end."""

    def reconfigure(*others: dict[str, object]) -> None:
        config = replica_set.admin.command("replSetGetConfig")["config"]
        config["members"] = [config["members"][0], *others]
        config["version"] += 1
        replica_set.admin.command("replSetReconfig", config, force=True)

    def add(host: str, **options: object) -> None:
        reconfigure({"_id": 1, "host": host, "votes": 0, "priority": 0, **options})

    yield add
    reconfigure()


@pytest.mark.reliability
def test_a_set_that_keeps_its_data_twice_is_refused(
    replica_set: Client, add_member: Callable[..., None], evidence: Evidence
) -> None:
    """Also where all of it is on this machine, and where a member is hidden from clients."""
    own = "{}:{}".format(*next(iter(replica_set.nodes)))
    check_host(replica_set, frozenset())
    for options in ({}, {"hidden": True}):
        add_member("127.0.0.1:1", **options)
        with pytest.raises(HostRefusedError, match=r"set theirs keeps its data on 2 members \(12"):
            check_host(replica_set, frozenset())
        with pytest.raises(HostRefusedError):
            check_host(replica_set, frozenset({own}))
        check_host(replica_set, frozenset({own, "127.0.0.1:1"}))
        check_host(replica_set, frozenset({"127.0.0.1"}))
    evidence("guard", "a replica set of two members with data, one of them hidden", 2, "refused")


@pytest.mark.reliability
def test_a_member_elsewhere_is_refused_however_the_client_came_here(
    replica_set: Client, evidence: Evidence
) -> None:
    """As through a tunnel: the URL says 127.0.0.1, and what the servers say is something else."""
    own = "{}:{}".format(*next(iter(replica_set.nodes)))
    hosts = ("192.0.2.7:27017", "shard-00-01.abcde.mongodb.net:27017", "db.example.com:27017")
    for host in hosts:
        for where in ("hosts", "passives", "arbiters"):
            said = Deployment({"setName": "theirs", "hosts": [own], where: [host], "me": host})
            with pytest.raises(HostRefusedError, match=f"{host} is not this machine"):
                check_host(replica_set, frozenset(), said)
            if where != "hosts":
                check_host(replica_set, frozenset({own, host}), said)
    evidence(
        "guard",
        "a replica set behind 127.0.0.1 that says it has a member elsewhere",
        3 * len(hosts),
        "refused",
    )


def test_an_arbiter_holds_no_data(replica_set: Client, add_member: Callable[..., None]) -> None:
    replica_set.admin.command("setDefaultRWConcern", defaultWriteConcern={"w": 1})
    add_member("127.0.0.1:1", arbiterOnly=True, votes=1)
    check_host(replica_set, frozenset())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "/tmp/mongodb.sock"],
)
def test_names_of_this_machine(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ["192.0.2.7", "db.example.com", "", "0.0.0.0", "2001:db8::1"])
def test_names_of_other_machines(host: str) -> None:
    assert not is_this_machine(host)


def test_a_name_of_another_machine_that_leads_here_is_not_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line in /etc/hosts makes a tunnel look like the machine at its other end."""
    loopback = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: loopback)
    monkeypatch.setattr(socket, "gethostname", lambda: "Laptop")

    assert is_this_machine("laptop")
    assert is_this_machine("db.localhost")
    assert not is_this_machine("cluster0.abcde.mongodb.net")
    assert not is_this_machine("localhost.example.com")


def test_the_own_name_counts_only_where_it_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", (each, 0)) for each in ("127.0.1.1", "10.0.0.7")
    ]
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    assert not is_this_machine("laptop")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses[:1])
    assert is_this_machine("laptop")
