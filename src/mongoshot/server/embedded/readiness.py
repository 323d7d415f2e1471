"""Wait until a mongod that was started is a primary, or tell why it never will be."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from mongoshot.errors import MongodFailedError
from mongoshot.server.embedded.supervisor import (
    DATA,
    LOG,
    ORDER,
    RECORD,
    Order,
    Record,
    find_process,
    read_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo import MongoClient

READY_WITHIN = 30.0  # seconds; half a second is usual, a loaded CI machine takes several
_PORT_TAKEN = 48  # mongod's exit code EXIT_NET_ERROR
_ALREADY_INITIALIZED = 23  # an error code of replSetInitiate
_LONGEST = 500  # characters of a message


class PortTakenError(Exception):
    """Report that somebody else got the port between its choice and mongod's start."""


def await_primary(directory: Path) -> tuple[int, int]:
    """Wait for the mongod of a directory to be a primary; make it one if nobody has.

    Returns its pid and port. Raises MongodFailedError, with the line of its log that tells why, and
    PortTakenError.
    """
    _living_mongod(directory)
    order: Order = read_json(directory / ORDER)
    port = order["port"]
    deadline = time.monotonic() + READY_WITHIN
    # Not left to the driver, which looks again only after half a second.
    while not _listens(port):
        _living_mongod(directory)
        if time.monotonic() > deadline:
            raise _failed(directory, None, f"it does not listen after {READY_WITHIN:.0f} seconds")
        time.sleep(0.01)
    _make_primary(directory, order, deadline)
    return _living_mongod(directory), port


def check_running(directory: Path) -> None:
    """Raise MongodFailedError where the mongod of a directory, or what watches it, has ended."""
    record: Record | None = read_json(directory / RECORD)
    if record is None:
        raise MongodFailedError(
            f"mongod was stopped from elsewhere: {directory} is gone; start it again"
        )
    if record["exit"] is not None:
        said = _telling_line(directory / LOG, record["exit"])
        raise MongodFailedError(f"mongod has ended, and its data with it: {said}; start it again")
    if find_process(record["supervisor"], str(directory)) is None:
        raise MongodFailedError("mongod has ended, as its supervisor was killed; start it again")


def _living_mongod(directory: Path) -> int:
    """Return mongod's pid.

    Raises MongodFailedError when it or its supervisor is gone, and PortTakenError when it is gone
    for that reason.
    """
    record: Record | None = read_json(directory / RECORD)
    if record is None:
        raise MongodFailedError(f"mongod was stopped from elsewhere: {directory} is gone")
    if record["exit"] == _PORT_TAKEN:
        raise PortTakenError
    if record["exit"] is not None or record["mongod"] is None:
        raise _failed(directory, record["exit"], "it ended")
    if find_process(record["supervisor"], str(directory)) is None:
        raise _failed(directory, None, "its supervisor was killed")
    return record["mongod"]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_primary(directory: Path, order: Order, deadline: float) -> None:
    from pymongo import MongoClient
    from pymongo.errors import ConnectionFailure, PyMongoError

    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1",
        order["port"],
        directConnection=True,
        serverSelectionTimeoutMS=1000,
        serverMonitoringMode="poll",  # one thread less to start and to end
    )
    with client:
        while time.monotonic() < deadline:
            _living_mongod(directory)
            try:
                _check_identity(client, directory)
                _initiate(client, order)
                while time.monotonic() < deadline:
                    if client.admin.command("hello")["isWritablePrimary"]:
                        return
                    time.sleep(0.005)
            except ConnectionFailure:
                continue  # it ended, and the record will say so, or the machine is slow
            except PyMongoError as error:
                raise _failed(directory, None, f"it refused: {error}") from error
    raise _failed(directory, None, f"it is no primary after {READY_WITHIN:.0f} seconds")


def _check_identity(client: MongoClient[dict[str, Any]], directory: Path) -> None:
    """Raise PortTakenError when another server answers at the port.

    What listens there may have got the port before our mongod, which is about to find out; and it
    may be another test run's mongod, which must not be reconfigured.
    """
    from pymongo.errors import OperationFailure

    try:
        options = client.admin.command("getCmdLineOpts")["parsed"]
    except OperationFailure as error:  # it wants a login
        raise PortTakenError from error
    if options.get("storage", {}).get("dbPath") != str(directory / DATA):
        raise PortTakenError


def _initiate(client: MongoClient[dict[str, Any]], order: Order) -> None:
    from pymongo.errors import OperationFailure

    member = {"_id": 0, "host": f"127.0.0.1:{order['port']}"}
    try:
        client.admin.command("replSetInitiate", {"_id": order["replica_set"], "members": [member]})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise


def _failed(directory: Path, exit_code: int | None, what: str) -> MongodFailedError:
    order: Order | None = read_json(directory / ORDER)
    binary = "mongod" if order is None else order["command"][0]
    return MongodFailedError(
        f"{binary} did not start: {what}; it says: {_telling_line(directory / LOG, exit_code)}; "
        f"run `{binary} --version` to see whether it runs on this machine, or name a running "
        "server with --db-url"
    )


def _telling_line(log: Path, exit_code: int | None) -> str:
    """Return, on one line, what the log and the exit code tell about the end of a mongod.

    That is the last error in the log (severity E or F of the structured format,
    https://www.mongodb.com/docs/manual/reference/log-messages/); else the first line that is not of
    that format, as the dynamic loader and the option parser write; else the exit code.
    `exit_code` is negative for a signal, and None while mongod runs.
    """
    ended = _describe_exit(exit_code)
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ended
    errors = [error for line in lines if (error := _error_in(line)) is not None]
    plain = [line.strip() for line in lines if line.strip() and not line.startswith("{")]
    told = errors[-1:] or plain[:1]
    return f"{told[0][:_LONGEST]} ({ended})" if told else ended


def _error_in(line: str) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("s") not in ("E", "F"):
        return None
    error = entry.get("attr", {}).get("error", "")
    if isinstance(error, dict):
        error = error.get("errmsg", error)
    return f"{entry.get('msg')}: {error}" if error else str(entry.get("msg"))


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is None:
        return "it still runs"
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    if name == "SIGILL":
        # https://www.mongodb.com/docs/manual/administration/production-notes/#x86_64
        return "SIGILL: MongoDB 5.0 and newer need a processor with AVX"
    return f"ended by {name}"
