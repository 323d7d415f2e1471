"""Which deployment a client is connected to: by what the servers say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mongoshot.errors import ServerError, UsageError
from mongoshot.server.connection import Client, connect, translated
from mongoshot.server.urls import redact


@dataclass(frozen=True, slots=True)
class Deployment:
    """Hold what the server says of itself, and of its replica set where that may be asked for.

    `hello` and `config` are replies, the latter None on anything but a replica set, or where this
    user may not ask.
    https://www.mongodb.com/docs/manual/reference/command/hello/
    https://www.mongodb.com/docs/manual/reference/command/replSetGetConfig/
    """

    hello: Mapping[str, Any]
    config: Mapping[str, Any] | None = None

    @property
    def set_name(self) -> str | None:
        """Name the replica set."""
        return self.hello.get("setName")

    @property
    def set_id(self) -> Any:
        """Return the id of the replica set, None where it is not known."""
        return (self.config or {}).get("settings", {}).get("replicaSetId")

    @property
    def data_members(self) -> set[str]:
        """Return the addresses of the replica set's members that hold data, also hidden ones."""
        members = {*self.hello.get("hosts", []), *self.hello.get("passives", [])}
        listed = (self.config or {}).get("members", [])
        return members | {each["host"] for each in listed if not each.get("arbiterOnly")}


def ask_deployment(client: Client) -> Deployment:
    """Ask the server who it is. Raises ServerError."""
    hello = _hello(client)
    if "setName" not in hello:
        return Deployment(hello)
    try:
        with translated("ask for the members of the replica set"):
            return Deployment(hello, client.admin.command("replSetGetConfig")["config"])
    except ServerError:
        return Deployment(hello)  # not for this user


def is_same_deployment(one: Client, other: Client) -> bool:
    """Tell whether two clients talk to the same server, replica set or sharded cluster.

    By the process that answers, which has an id of its own from MongoDB 4.4 on; by the id of the
    replica set or cluster where both may be asked for it; else by the addresses of all members,
    which may call two servers the same that are not, and never the other way round.
    https://www.mongodb.com/docs/manual/reference/command/hello/
    """
    told, others = ask_deployment(one), ask_deployment(other)
    process = _process(told)
    if process is not None and process == _process(others):
        return True
    identity = _identity(one, told)
    if identity is not None and (other_identity := _identity(other, others)) is not None:
        return bool(identity == other_identity)
    return not _addresses(one, told).isdisjoint(_addresses(other, others))


def check_same_server(client: Client, url: str) -> None:
    """Raise UsageError where a client that somebody else made is connected to another server."""
    with connect(url) as other:
        if is_same_deployment(client, other):
            return
    raise UsageError(
        "the client of the fixture mongo_client is not connected to the server of the fixture"
        f" db_url, {redact(url)}: let mongo_client take its URL from db_url, and let db_url return"
        " that of another server than --db-url names, if that is meant"
    )


def _hello(client: Client) -> dict[str, Any]:
    with translated("ask the server who it is"):
        return client.admin.command("hello")


def _process(deployment: Deployment) -> Any:
    return deployment.hello.get("topologyVersion", {}).get("processId")


def _identity(client: Client, deployment: Deployment) -> Any:
    """Return the id of a replica set, or of a sharded cluster; None where it cannot be asked."""
    if deployment.set_id is not None:
        return deployment.set_id
    try:
        with translated("ask for the id of the cluster"):
            version = client["config"]["version"].find_one()
        return (version or {}).get("clusterId")
    except ServerError:
        return None


def _addresses(client: Client, deployment: Deployment) -> set[str]:
    reached = {f"{host}:{port}" for host, port in client.nodes}
    return reached | deployment.data_members | {*deployment.hello.get("arbiters", [])}
