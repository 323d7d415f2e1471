"""Which servers mongoshot may write to: those of this machine, and those that are allowed by name.

Decided on the live connection: by the addresses that the client ended up at, and by those that the
servers give for themselves. A URL of 127.0.0.1 may lead through a tunnel to a replica set anywhere,
and an SRV record to whatever it says today.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection as Hosts
from collections.abc import Iterable, Mapping
from typing import Any

from mongoshot.errors import HostRefusedError, ServerError
from mongoshot.server.connection import Client, translated
from mongoshot.server.identity import Deployment, ask_deployment

#: Names of this machine wherever one is; RFC 6761 has those that end in `.localhost`.
_LOCAL_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost"}
)
_PORT = re.compile(r":\d+$")


def check_host(
    client: Client, allowed_hosts: Hosts[str], deployment: Deployment | None = None
) -> None:
    """Raise HostRefusedError unless every member of the deployment is this machine or allowed.

    `allowed_hosts` are exact names, `host` or `host:port`. Where more than one member holds data,
    that somebody wanted to be safe, this machine's own want to be allowed as well. `deployment` is
    what the server said of itself, where that was asked for.
    """
    deployment = deployment or ask_deployment(client)
    reached = {f"{host}:{port}" if port else host for host, port in client.nodes}
    bearing = deployment.data_members | _shards(client, deployment)
    claimed = {*bearing, *deployment.hello.get("arbiters", [])}
    unnamed = [
        address
        for address in sorted(reached | claimed)
        if address not in allowed_hosts and _host_of(address) not in allowed_hosts
    ]
    for address in unnamed:
        if not is_this_machine(_host_of(address)):
            raise HostRefusedError(
                f"{address} is not this machine, and mongoshot writes nowhere else unless the host"
                f" is allowed by name: {_allow([address])}"
            )
    if len(bearing) > 1 and not bearing.isdisjoint(unnamed):
        name = deployment.set_name
        which = f"the replica set {name}" if name else "the sharded cluster"
        members = ", ".join(sorted(bearing))
        raise HostRefusedError(
            f"{which} keeps its data on {len(bearing)} members ({members}), as what matters is"
            " kept, and mongoshot writes to none such unless its hosts are allowed by name:"
            f" {_allow(bearing)}"
        )


def hosts_of_shards(listed: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the addresses in the reply of listShards: `set/host:port,host:port` each.

    https://www.mongodb.com/docs/manual/reference/command/listShards/
    """
    return {address for shard in listed for address in shard["host"].rpartition("/")[2].split(",")}


def _shards(client: Client, deployment: Deployment) -> set[str]:
    if deployment.hello.get("msg") != "isdbgrid":
        return set()
    try:
        with translated("list the shards of the cluster"):
            return hosts_of_shards(client.admin.command("listShards")["shards"])
    except ServerError as error:
        raise HostRefusedError(
            "this is a sharded cluster, and mongoshot writes to none of which it does not know on"
            f" which hosts the data is: {error}"
        ) from None


def is_this_machine(host: str) -> bool:
    """Tell whether a host is this machine by its own name, and all of its addresses are loopback.

    Any other name that leads here, by a line in /etc/hosts, may be another machine's, behind a
    tunnel.
    """
    if host.startswith("/"):
        return True  # a Unix socket
    host = host.strip("[]").lower()
    if not _is_address(host) and not _is_own_name(host):
        return False
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return True


def _is_own_name(host: str) -> bool:
    if host in _LOCAL_NAMES or host.endswith(".localhost"):
        return True
    # The last asks a name server, which may take its time.
    return host == socket.gethostname().lower() or host == socket.getfqdn().lower()


def _host_of(address: str) -> str:
    return _PORT.sub("", address)


def _allow(addresses: Iterable[str]) -> str:
    names = ", ".join(f'"{host}"' for host in sorted({_host_of(each) for each in addresses}))
    return (
        f"put allowed-hosts = [{names}] under [tool.mongoshot] in pyproject.toml if every database"
        " that it adopts there may be overwritten"
    )
