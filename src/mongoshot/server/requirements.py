"""What mongoshot needs of a server: its version, its kind, and the rights of its user.

The one table of that. The checks read it, and docs/servers.md shows it to people; a test holds the
page against it. Decisions are made on replies of `hello` and `buildInfo`, which need no right:
https://www.mongodb.com/docs/manual/reference/command/hello/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from mongoshot.errors import CommandError, RestoreError, UnsupportedServerError
from mongoshot.snapshot.model import Definition

Version: TypeAlias = tuple[int, int]
Topology = Literal["standalone server", "replica set", "sharded cluster"]

#: The oldest release that mongoshot works with.
OLDEST: Version = (5, 0)

#: Releases by `maxWireVersion`, which a server raises whatever its feature compatibility version.
#: https://github.com/mongodb/mongo/blob/master/src/mongo/db/wire_version.h
_WIRE_VERSIONS: dict[int, Version] = {
    6: (3, 6),
    7: (4, 0),
    8: (4, 2),
    9: (4, 4),
    13: (5, 0),
    14: (5, 1),
    15: (5, 2),
    16: (5, 3),
    17: (6, 0),
    18: (6, 1),
    19: (6, 2),
    20: (6, 3),
    21: (7, 0),
    22: (7, 1),
    23: (7, 2),
    24: (7, 3),
    25: (8, 0),
    26: (8, 1),
    27: (8, 2),
    28: (8, 3),
    29: (9, 0),
}

_REPLICA_SET: frozenset[Topology] = frozenset({"replica set"})
_CLUSTERED: frozenset[Topology] = _REPLICA_SET | {"sharded cluster"}
_UNSHARDED: frozenset[Topology] = _REPLICA_SET | {"standalone server"}
_ANY: frozenset[Topology] = _CLUSTERED | _UNSHARDED


@dataclass(frozen=True, slots=True)
class Server:
    """Hold what a server says of itself; `version` is its release, the smallest that it can be."""

    topology: Topology
    version: Version

    @property
    def is_sharded(self) -> bool:
        """Tell whether it is a mongos, which answers for all shards."""
        return self.topology == "sharded cluster"

    def __str__(self) -> str:
        """Name it: `a standalone server of MongoDB 5.0`."""
        return f"a {self.topology} of MongoDB {spelled(self.version)}"


@dataclass(frozen=True, slots=True)
class Feature:
    """Say what one feature needs, and what happens without.

    `rights` are actions, and a built-in role that has them.
    https://www.mongodb.com/docs/manual/reference/built-in-roles/
    """

    name: str
    since: Version
    topologies: frozenset[Topology]
    rights: str
    without: str

    def lacking(self, server: Server) -> str | None:
        """Say what a server lacks for it; None where it may have all but the rights."""
        if server.topology not in self.topologies:
            kinds = " or ".join(f"a {kind}" for kind in sorted(self.topologies))
            return f"that takes {kinds}, and this is {server}"
        if server.version < self.since:
            return f"that takes MongoDB {spelled(self.since)} or newer, and this is {server}"
        return None


CAPTURE = Feature(
    "capture, `diff` with a database, `check`",
    OLDEST,
    _ANY,
    "`find`, `listCollections`, `listIndexes` (role `read`); for the buckets of a time series, role"
    " `backup`",
    "an error that names the collections and the options to leave them out",
)
ONE_POINT_IN_TIME = Feature(
    "a capture as of one point in time",
    (5, 0),
    _CLUSTERED,
    "those of a capture",
    "all is read twice and compared; the manifest says `unchanged` or `none`",
)
RESTORE = Feature(
    "restore, and the tests' database",
    OLDEST,
    _ANY,
    "role `readWrite` on it and on the database `mongoshot`, and `listDatabases`; with validators"
    " `bypassDocumentValidation` (role `dbAdmin`)",
    "an error that names what was refused; the database is marked incomplete",
)
RESET_BY_OPLOG = Feature(
    "reset and changes, by the oplog",
    OLDEST,
    _REPLICA_SET,
    "`find` on `local.oplog.rs` (role `read` on `local`)",
    "a change stream is read instead",
)
RESET_BY_CHANGE_STREAM = Feature(
    "reset and changes, by a change stream",
    (6, 0),
    _CLUSTERED,
    "`changeStream`, `find` (role `read`), and no `timeoutMS` in the URL",
    "fingerprints are compared instead; an error on a sharded cluster",
)
RESET_BY_FINGERPRINTS = Feature(
    "reset and changes, by fingerprints",
    OLDEST,
    _UNSHARDED,
    "`dbHash` (role `read`)",
    "an error",
)
VERIFY = Feature(
    "`--mongoshot-verify`",
    OLDEST,
    _UNSHARDED,
    "`dbHash` (role `read`)",
    "an error",
)
RECORD_STEPS = Feature(
    "the steps of `record`",
    OLDEST,
    _REPLICA_SET,
    "`find` on `local.oplog.rs` (role `read` on `local`)",
    "all that the program did is one step, and `show` says why",
)
WATCH = Feature(
    "`watch`",
    OLDEST,
    _CLUSTERED,
    "`changeStream`, `find` (role `read`)",
    "an error",
)
WATCH_COMMANDS = Feature(
    "indexes and collections in `watch`",
    (6, 0),
    _CLUSTERED,
    "those of `watch`",
    "documents are told, commands are not",
)

#: In the order of the page.
FEATURES = (
    CAPTURE,
    ONE_POINT_IN_TIME,
    RESTORE,
    RESET_BY_OPLOG,
    RESET_BY_CHANGE_STREAM,
    RESET_BY_FINGERPRINTS,
    VERIFY,
    RECORD_STEPS,
    WATCH,
    WATCH_COMMANDS,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Say from and until which releases a kind of collection, an option or an index can be made."""

    name: str
    since: Version
    is_in: Callable[[Definition], bool]
    until: Version | None = None

    @property
    def needs(self) -> str:
        """Say the releases: `MongoDB 5.3 or newer`."""
        if self.until is not None:
            return f"MongoDB {spelled(self.until)} or older"
        return f"MongoDB {spelled(self.since)} or newer"

    def is_known_to(self, version: Version) -> bool:
        """Tell whether a server of a release can make it."""
        return self.since <= version and (self.until is None or version <= self.until)


def _has(*path: str) -> Callable[[Definition], bool]:
    def has(definition: Definition) -> bool:
        found: Any = definition.decoded_options()
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return found is not False

    return has


def _has_index(check: Callable[[Mapping[str, Any]], bool]) -> Callable[[Definition], bool]:
    return lambda definition: any(check(index) for index in definition.decoded_indexes())


def _is_compound_wildcard(index: Mapping[str, Any]) -> bool:
    keys = index.get("key", {})
    return len(keys) > 1 and any(key.endswith("$**") for key in keys)


#: What not every release can make. In the order of the page.
KINDS = (
    # From 9.0 on, it keeps its buckets under no name of their own.
    Kind("a time series", (5, 0), lambda definition: definition.type == "timeseries", (8, 3)),
    Kind("`recordPreImages`", OLDEST, _has("recordPreImages"), until=(5, 3)),
    Kind("a clustered index", (5, 3), _has("clusteredIndex")),
    Kind("`changeStreamPreAndPostImages`", (6, 0), _has("changeStreamPreAndPostImages", "enabled")),
    Kind(
        "an index with `prepareUnique`", (6, 0), _has_index(lambda i: bool(i.get("prepareUnique")))
    ),
    Kind("`bucketRoundingSeconds`", (6, 3), _has("timeseries", "bucketRoundingSeconds")),
    Kind("a compound wildcard index", (7, 0), _has_index(_is_compound_wildcard)),
    Kind("Queryable Encryption", (6, 0), _has("encryptedFields")),
)


def spelled(version: Version) -> str:
    """Write a release as people do."""
    return ".".join(map(str, version))


def read_hello(told: Mapping[str, Any]) -> Server:
    """Tell what a server is by its reply to `hello`."""
    if told.get("msg") == "isdbgrid":
        topology: Topology = "sharded cluster"
    else:
        topology = "replica set" if "setName" in told else "standalone server"
    wire_version = int(told.get("maxWireVersion", 0))
    known = [version for wire, version in _WIRE_VERSIONS.items() if wire <= wire_version]
    return Server(topology, max(known, default=(3, 4)))


def name_stranger(hosts: Iterable[str], build: Mapping[str, Any]) -> str | None:
    """Name what speaks MongoDB's protocol and is something else; None for MongoDB.

    By the reply to `buildInfo`, which is empty where it was refused, and the addresses of hosted
    services. One that hides both shows by what it cannot do.
    """
    if "ferretdb" in build or "ferretdbVersion" in build:
        return "FerretDB"
    if "_t" in build:
        return "Azure Cosmos DB"
    for host in hosts:
        for pattern, name in _STRANGERS.items():
            if re.search(pattern, host.lower().rstrip(".")):
                return name
    return None


_STRANGERS = {
    r"\.docdb(-elastic)?\.amazonaws\.com(\.cn)?$": "Amazon DocumentDB",
    r"\.(cosmos|cosmosdb)\.azure\.(com|cn|us)$": "Azure Cosmos DB",
    r"\.firestore\.goog$": "Google Firestore",
}


def check_server(server: Server, stranger: str | None, where: str) -> None:
    """Raise UnsupportedServerError for a server that is too old, or no MongoDB at all."""
    if stranger is not None:
        raise UnsupportedServerError(
            f"{where} is {stranger}, which keeps neither an oplog nor hashes as MongoDB does, so"
            " that mongoshot could not be exact; name a MongoDB with --db-url (docs/servers.md)"
        )
    if server.version < OLDEST:
        raise too_old(where, f"MongoDB {spelled(server.version)}")


def too_old(where: str, version: str) -> UnsupportedServerError:
    """Return the error for a server before the oldest that there are tests for."""
    return UnsupportedServerError(
        f"{where} runs {version}, and mongoshot needs {spelled(OLDEST)} or newer; upgrade it, or"
        " name another server with --db-url"
    )


def require(feature: Feature, server: Server, doing: str, instead: str) -> None:
    """Raise CommandError where a server lacks what a feature needs.

    `doing` completes "cannot …", `instead` says what to do.
    """
    if lacking := feature.lacking(server):
        raise CommandError(f"cannot {doing}: {lacking}; {instead}")


def find_kinds(definitions: Iterable[Definition]) -> list[tuple[str, Kind]]:
    """Find what not every release can make: the name of each such collection, and its kind."""
    return [
        (definition.name, kind)
        for definition in definitions
        for kind in KINDS
        if kind.is_in(definition)
    ]


def check_kinds(kinds: Iterable[tuple[str, Kind]], version: Version, doing: str) -> None:
    """Raise RestoreError for kinds of collections that a server cannot make.

    `version` is the release that it works as: its feature compatibility version.
    """
    said = [
        f"{name} has {kind.name.replace('`', '')}, which takes {kind.needs}"
        for name, kind in kinds
        if not kind.is_known_to(version)
    ]
    if said:
        more = f", and {len(said) - 3} more" if len(said) > 3 else ""
        raise RestoreError(
            f"cannot {doing}: it works as MongoDB {spelled(version)}, and {'; '.join(said[:3])}"
            f"{more}; name a server that knows that with --db-url, raise its"
            " featureCompatibilityVersion, or capture the scenario without it (--exclude)"
        )
