"""A replica set on this machine: its members killed, started again, and made to step down."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from mongoshot.server.connection import Client
from mongoshot.server.embedded.launch import free_port

_PATIENCE = 60.0  # seconds for an election on a loaded machine


@dataclass
class Member:
    """Run one mongod on a directory of its own, which outlives the process."""

    binary: Path
    directory: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self.directory.mkdir(exist_ok=True)
        listens = ("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket")
        stores = ("--dbpath", str(self.directory), "--logpath", f"{self.directory}.log")
        small = ("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64")
        command = [str(self.binary), *listens, *stores, "--logappend", *small, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(PyMongoError), self.connect() as client:
                client.admin.command("ping")
                return
        raise AssertionError(f"{self.address} does not answer")

    def connect(self) -> Client:
        """Open a client of this member alone."""
        return pymongo.MongoClient(
            f"mongodb://{self.address}", directConnection=True, serverSelectionTimeoutMS=500
        )

    def kill(self) -> None:
        """End it at once, as a power failure would, but for what the kernel has by then."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class ReplicaSet:
    """Run members as a set that elects a new primary after a second."""

    members: list[Member]
    name: str = "three"

    @property
    def addresses(self) -> list[str]:
        return [member.address for member in self.members]

    @property
    def url(self) -> str:
        return f"mongodb://{','.join(self.addresses)}/?replicaSet={self.name}"

    def start(self) -> None:
        for member in self.members:
            member.options = (*member.options, "--replSet", self.name)
            member.start()
        members = [{"_id": n, "host": each.address} for n, each in enumerate(self.members)]
        settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200}
        config = {"_id": self.name, "members": members, "settings": settings}
        with self.members[0].connect() as client:
            client.admin.command("replSetInitiate", config)
        self.await_primary()
        with self.connect() as client:
            # What does not say otherwise is acknowledged by one, as before MongoDB 5.0.
            client["warm"]["up"].with_options(
                write_concern=pymongo.WriteConcern(len(self.members))
            ).insert_one({})
            client.drop_database("warm")

    def stop(self) -> None:
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.kill()

    def connect(self, **options: Any) -> Client:
        return pymongo.MongoClient(self.url, serverSelectionTimeoutMS=30_000, **options)

    def primary(self) -> Member | None:
        """Return the member that says to be the primary, the newest where two do."""
        found: list[tuple[Any, Member]] = []
        for member in self.members:
            if member.process is None or member.process.poll() is not None:
                continue
            with contextlib.suppress(PyMongoError), member.connect() as client:
                told = client.admin.command("hello")
                if told["isWritablePrimary"]:
                    found.append((told["electionId"], member))
        return max(found, key=lambda each: each[0])[1] if found else None

    def await_primary(self) -> Member:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if (primary := self.primary()) is not None:
                return primary
            time.sleep(0.02)
        raise AssertionError("nobody was elected")

    def step_down(self) -> None:
        """Let another member become the primary, and wait for it."""
        primary = self.await_primary()
        with primary.connect() as client, contextlib.suppress(PyMongoError):
            client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=2, force=True)
        self.await_primary()

    def kill_primary(self) -> Member:
        """Kill the primary with what it has not sent on, and wait for the next one."""
        primary = self.await_primary()
        primary.kill()
        self.await_primary()
        return primary

    @contextlib.contextmanager
    def replication_stopped(self) -> Iterator[Member]:
        """Let secondaries get nothing, so that the primary is alone with what it acknowledges."""
        primary = self.await_primary()
        others = [member for member in self.members if member is not primary]
        _fail(others, "alwaysOn")
        try:
            yield primary
        finally:
            _fail(others, "off")


def _fail(members: list[Member], mode: str) -> None:
    for member in members:
        with member.connect() as client:
            client.admin.command("configureFailPoint", "stopReplProducer", mode=mode)


@contextlib.contextmanager
def replica_set(binary: Path, directory: Path, members: int = 3) -> Iterator[ReplicaSet]:
    """Run a replica set for the length of a block."""
    options = ("--setParameter", "enableTestCommands=1")
    made = [Member(binary, directory / f"member{n}", options) for n in range(members)]
    running = ReplicaSet(made)
    try:
        running.start()
        yield running
    finally:
        running.stop()
