"""The embedded mongod: a one-node replica set that lives as long as its run, and no longer.

`start_mongod` gives a process a server of its own, `join_or_start` gives all processes of a run the
same one. Either way a process of its own, the supervisor, runs mongod, watches the process that the
server lives for, and removes everything when that is gone, however it ended. What a killed
supervisor leaves behind is swept by the next start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mongoshot.errors import MongodFailedError
from mongoshot.server.embedded.launch import REPLICA_SET, launch, make_directory, no_directory
from mongoshot.server.embedded.leftovers import (
    JOIN_LOCK,
    Owner,
    identify_owner,
    meeting_directory,
    sweep,
)
from mongoshot.server.embedded.readiness import (
    READY_WITHIN,
    PortTakenError,
    await_primary,
    check_running,
)
from mongoshot.server.embedded.supervisor import ORDER, POINTER, Order, end_server, read_json

if TYPE_CHECKING:
    from typing import Self

_ATTEMPTS = 5  # ports, before it is no longer bad luck


@dataclass(frozen=True)
class EmbeddedMongod:
    """A running mongod that belongs to this run.

    As a context manager it stops the server at the end of the block.
    """

    url: str
    """`mongodb://127.0.0.1:PORT/?replicaSet=mongoshot`; the node is the primary."""
    pid: int
    """Of mongod."""
    port: int
    """On 127.0.0.1, the only address listened at."""
    directory: Path
    """Data and log; removed with the server."""
    _stopped_by: int = field(default_factory=os.getpid, repr=False, compare=False)

    def stop(self) -> None:
        """End the server and remove its directory; it may be gone already.

        Does something only in the process that the server belongs to: the one that called
        `start_mongod`, or the owner of a run. In a forked child, or in one of several processes
        that joined, it does nothing. Returns when all is gone, usually within 0.2 seconds.
        """
        if os.getpid() != self._stopped_by:
            return
        order: Order | None = read_json(self.directory / ORDER)
        end_server(self.directory)
        if order is not None and order["meeting"] is not None:
            shutil.rmtree(order["meeting"], ignore_errors=True)

    def check(self) -> None:
        """Raise MongodFailedError, with what its log says, where the server has ended."""
        check_running(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_mongod(binary: Path, *, owner_pid: int | None = None) -> EmbeddedMongod:
    """Start a mongod, and return when it is a primary.

    It ends, and its directory goes, with `stop`, or when the process `owner_pid` (this one, unless
    given) is gone. `binary` comes from `find_mongod`. Takes about 0.5 seconds.

    Raises MongodFailedError, with the line of mongod's log that tells why.
    """
    owner = identify_owner(os.getpid() if owner_pid is None else owner_pid)
    return _start(binary, owner, stopped_by=os.getpid(), meeting=None)


def join_or_start(binary: Path, *, run: str, owner_pid: int) -> EmbeddedMongod:
    """Return the server of a run, started by whichever process asks first.

    All processes of this user that give the same `run` (an id of any form, that no other run has)
    get the same server. It ends when the process `owner_pid` is gone, not with the process that
    started it; a server that died is replaced by the next call.

    Raises MongodFailedError, with the line of mongod's log that tells why.
    """
    from filelock import FileLock, Timeout

    owner = identify_owner(owner_pid)
    try:
        meeting = meeting_directory(run, owner)
        # The lock covers the whole start: who comes second waits for a primary, not for a process.
        with FileLock(meeting / JOIN_LOCK).acquire(timeout=2 * READY_WITHIN, poll_interval=0.02):
            server = _join(meeting / POINTER, owner_pid)
            if server is None:
                server = _start(binary, owner, stopped_by=owner_pid, meeting=meeting)
            return server
    except Timeout as error:
        raise MongodFailedError(
            f"another process of this run has been starting mongod for {2 * READY_WITHIN:.0f}"
            f" seconds (it holds {error.lock_file}); end that process and try again"
        ) from error
    except OSError as error:
        raise no_directory(error) from error


def _join(pointer: Path, owner: int) -> EmbeddedMongod | None:
    """Return the run's server if it is well; end what is left of one that is not."""
    try:
        directory = Path(os.fsdecode(pointer.read_bytes()))
    except FileNotFoundError:
        return None
    with contextlib.suppress(MongodFailedError, PortTakenError):
        # Who started it may have died before it was a primary; then it is made one here.
        return _server(directory, stopped_by=owner)
    end_server(directory)
    return None


def _start(binary: Path, owner: Owner, *, stopped_by: int, meeting: Path | None) -> EmbeddedMongod:
    sweep()
    for _ in range(_ATTEMPTS):
        directory = make_directory(binary, owner, meeting)
        try:
            launch(directory)
            return _server(directory, stopped_by=stopped_by)
        except PortTakenError:
            end_server(directory)
        except BaseException:  # also Ctrl-C: the server would live as long as the owner
            end_server(directory)
            raise
    raise MongodFailedError(
        f"mongod did not start: {_ATTEMPTS} times another process took the free port of 127.0.0.1"
        " before mongod could listen; try again, or name a running server with --db-url"
    )


def _server(directory: Path, *, stopped_by: int) -> EmbeddedMongod:
    pid, port = await_primary(directory)
    return EmbeddedMongod(
        url=f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}",
        pid=pid,
        port=port,
        directory=directory,
        _stopped_by=stopped_by,
    )
