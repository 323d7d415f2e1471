"""Which deployment a client is connected to: by what the servers say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mongoshot.errors import ServerError, UsageError
from mongoshot.server.connection import Client, connect, translated
from mongoshot.server.urls import redact


def is_same_deployment(one: Client, other: Client) -> bool:
    """Tell whether two clients talk to the same server, replica set or sharded cluster.

    By the process that answers, which has an id of its own from MongoDB 4.4 on; by the id of the
    replica set or cluster where both may be asked for it; else by the addresses of all members,
    which may call two servers the same that are not, and never the other way round.
    https://www.mongodb.com/docs/manual/reference/command/hello/
    """
    told, others = _hello(one), _hello(other)
    process = _process(told)
    if process is not None and process == _process(others):
        return True
    identity = _identity(one)
    if identity is not None and (other_identity := _identity(other)) is not None:
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


def _process(told: Mapping[str, Any]) -> Any:
    return told.get("topologyVersion", {}).get("processId")


def _identity(client: Client) -> Any:
    """Return the id of a replica set, or of a sharded cluster; None where it cannot be asked."""
    try:
        with translated("ask for the id of the replica set"):
            config = client.admin.command("replSetGetConfig")["config"]
        return config.get("settings", {}).get("replicaSetId")
    except ServerError:
        pass  # no replica set, or not for this user
    try:
        with translated("ask for the id of the cluster"):
            version = client["config"]["version"].find_one()
        return (version or {}).get("clusterId")
    except ServerError:
        return None


def _addresses(client: Client, told: Mapping[str, Any]) -> set[str]:
    reached = {f"{host}:{port}" for host, port in client.nodes}
    listed = (told.get(key, []) for key in ("hosts", "passives", "arbiters"))
    return reached.union(*listed)
