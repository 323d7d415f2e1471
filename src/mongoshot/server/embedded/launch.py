"""Start the supervisor of a new mongod in a directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from mongoshot.errors import MongodFailedError
from mongoshot.server.embedded import supervisor
from mongoshot.server.embedded.leftovers import PREFIX, Owner
from mongoshot.server.embedded.supervisor import (
    DATA,
    DETACHED,
    LOG,
    ORDER,
    POINTER,
    PYTHON_OPTIONS,
    Order,
)

REPLICA_SET = "mongoshot"
_LAUNCHED_WITHIN = 30.0  # seconds; 0.1 is usual


def make_directory(binary: Path, owner: Owner, meeting: Path | None) -> Path:
    """Make the directory of a new server, with the order that its supervisor will carry out.

    Raises MongodFailedError where there is no room or no right to.
    """
    try:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            _fill(directory, binary, owner, meeting)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)  # without an order no sweep would
            raise
    except OSError as error:
        raise no_directory(error) from error
    return directory


def _fill(directory: Path, binary: Path, owner: Owner, meeting: Path | None) -> None:
    port = free_port()
    order: Order = {
        "directory": str(directory),
        "command": mongod_command(binary, directory, port),
        "owner": owner.pid,
        "owner_started": owner.started,
        "port": port,
        "replica_set": REPLICA_SET,
        "meeting": None if meeting is None else str(meeting),
        "import_paths": _import_paths(),
    }
    (directory / DATA).mkdir()
    # The order last: it is what makes the directory one that a sweep may remove.
    (directory / ORDER).write_text(json.dumps(order), encoding="utf-8")
    if meeting is not None:
        # Before there is a server: who comes after a killed starter finds what it began.
        (meeting / POINTER).write_bytes(os.fsencode(directory))


def no_directory(error: OSError) -> MongodFailedError:
    """Tell in our words that the temporary directory cannot be used."""
    return MongodFailedError(
        f"cannot make a directory for mongod under {tempfile.gettempdir()}: {error}; "
        "set TMPDIR to a directory with room that you can write to"
    )


def _import_paths() -> list[str]:
    """List where the supervisor, which starts without site-packages, imports its two packages."""
    import filelock
    import psutil

    packages = (psutil.__file__, filelock.__file__)
    return sorted({str(Path(package).absolute().parent.parent) for package in packages})


def free_port() -> int:
    """Choose a port of 127.0.0.1 that nobody listens at now; who is quicker may take it yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def mongod_command(binary: Path, directory: Path, port: int) -> list[str]:
    """Write mongod's command line; every option is one that MongoDB 5.0 to 8.0 accept.

    https://www.mongodb.com/docs/manual/reference/program/mongod/ and .../reference/parameters/
    """
    command = [
        str(binary),
        *("--replSet", REPLICA_SET),  # an oplog, transactions, change streams, snapshot reads
        *("--bind_ip", "127.0.0.1", "--port", str(port)),
        *("--dbpath", str(directory / DATA)),
        *("--logpath", str(directory / LOG), "--logappend"),  # after what the loader wrote there
        # In MB, allocated as it fills; the default is 5% of the disk. Restoring a million documents
        # of 0.5 kB writes about 0.7 GB, and what was touched since must still be readable.
        *("--oplogSize", "1024"),
        # The default is half of the memory, for each of several runs on a developer's machine.
        *("--wiredTigerCacheSizeGB", "1"),
        # In milliseconds, instead of 100: createIndexes and majority writes wait for a commit. As
        # an option: the parameter of that name can be set at the start in newer versions only.
        *("--journalCommitInterval", "5"),
        # A document that expires in the middle of a test is a change that the test did not make.
        *("--setParameter", "ttlMonitorEnabled=false"),
        # No metrics written every second.
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # In seconds, instead of 300: for so long the files of dropped collections stay open, and a
        # suite that makes and drops thousands would run out of them. A capture needs the history
        # for as long as it reads.
        *("--setParameter", "minSnapshotHistoryWindowInSeconds=60"),
        # There is no secondary to wait for.
        *("--setParameter", "enableFlowControl=false"),
    ]
    if sys.platform != "win32":  # which has no such option
        command.append("--nounixsocket")  # nothing in /tmp besides the directory
    return command


def launch(directory: Path) -> None:
    """Run the supervisor of a directory; return when mongod's process is there.

    It does not answer yet: `await_primary` waits for that. Raises MongodFailedError.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            launched = subprocess.run(  # noqa: S603 - this interpreter, a file of this package
                [sys.executable, *PYTHON_OPTIONS, supervisor.__file__, "launch", str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=directory.anchor,  # the working directory may be gone, or go
                check=False,
                timeout=_LAUNCHED_WITHIN,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests
                creationflags=DETACHED,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise _not_launched(str(error)) from error
        if launched.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise _not_launched(said[-1])


def _not_launched(why: str) -> MongodFailedError:
    return MongodFailedError(
        f"mongod did not start: its supervisor, run by {sys.executable}, failed: {why}; "
        "name a running server with --db-url"
    )
