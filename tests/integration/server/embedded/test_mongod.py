from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pymongo import MongoClient

from mongoshot.errors import MongodFailedError, MongodNotFoundError
from mongoshot.server.embedded import launch, mongod
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.embedded.leftovers import identify_owner, sweep
from mongoshot.server.embedded.mongod import EmbeddedMongod, join_or_start, start_mongod
from mongoshot.server.embedded.supervisor import end_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills processes by POSIX signals")

PATIENCE = 10.0  # seconds; what the contract grants a dead run

# Starts a server, tells of it on one line, and lives until its stdin ends.
STARTER = """
import os, sys
from pathlib import Path
from mongoshot.server.embedded.mongod import join_or_start, start_mongod
binary, run, owner = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3] or os.getpid())
if run:
    server = join_or_start(binary, run=run, owner_pid=owner)
else:
    server = start_mongod(binary, owner_pid=owner)
print(server.pid, server.directory, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def binary() -> Path:
    try:
        return find_mongod()
    except MongodNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a temporary directory of its own, with a long name and spaces in it."""
    path = tmp_path / "a temporary directory" / ("with a long name " * 10).strip()
    path.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield path
    for directory in path.glob("mongoshot-????????"):
        end_server(directory)


class Starter:
    """A process that has started or joined a server."""

    def __init__(self, binary: Path, run: str = "", owner: int | str = "", **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "error", "-c", STARTER, str(binary), run, str(owner)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    def server(self) -> tuple[int, Path]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the starter failed"
        pid, directory = line.rstrip("\n").split(" ", 1)
        return int(pid), Path(directory)

    def kill(self) -> None:
        """SIGKILL it, and leave it a zombie: its parent may never wait for it."""
        self.process.kill()

    def finish(self) -> int:
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def starter(binary: Path) -> Iterator[Callable[..., Starter]]:
    started: list[Starter] = []

    def start(run: str = "", owner: int | str = "", **options: Any) -> Starter:
        started.append(Starter(binary, run, owner, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.process.communicate()


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def supervisor_of(directory: Path) -> int:
    return int(json.loads((directory / "supervisor.json").read_text())["supervisor"])


def is_primary(url: str) -> bool:
    client: MongoClient[dict[str, Any]] = MongoClient(url, serverSelectionTimeoutMS=5000)
    with client:
        client.shop.orders.insert_one({"paid": True})
        return bool(client.admin.command("hello")["isWritablePrimary"])


def left(temporary: Path) -> list[str]:
    return sorted(path.name for path in temporary.glob("mongoshot-*"))


def test_it_is_a_primary_and_stop_leaves_nothing(binary: Path, temporary: Path) -> None:
    threads = set(threading.enumerate())
    children = set(psutil.Process().children())
    server = start_mongod(binary)
    supervisor = supervisor_of(server.directory)
    assert is_primary(server.url)
    assert server.url == f"mongodb://127.0.0.1:{server.port}/?replicaSet=mongoshot"
    assert server.directory.parent == temporary
    assert server.directory.stat().st_mode & 0o777 == 0o700
    assert runs(server.pid)
    assert set(psutil.Process().children()) <= children
    server.stop()
    assert not runs(server.pid)
    assert not runs(supervisor)
    assert left(temporary) == []
    server.stop()
    assert eventually(lambda: set(threading.enumerate()) <= threads)


def test_the_settings_are_those_for_tests(binary: Path) -> None:
    with start_mongod(binary) as server:
        client: MongoClient[dict[str, Any]] = MongoClient(server.url)
        with client:
            options = client.admin.command("getCmdLineOpts")["parsed"]
            wanted = {"journalCommitInterval": 1, "ttlMonitorEnabled": 1, "enableFlowControl": 1}
            settings = client.admin.command({"getParameter": 1, **wanted})
            oplog = client.local.command("collStats", "oplog.rs")
    assert options["net"]["bindIp"] == "127.0.0.1"
    assert settings["journalCommitInterval"] == 5
    assert settings["ttlMonitorEnabled"] is False
    assert settings["enableFlowControl"] is False
    assert oplog["maxSize"] == 1024 * 1024 * 1024
    assert not server.directory.exists()


def test_it_goes_with_an_owner_that_is_killed(
    starter: Callable[..., Starter], temporary: Path
) -> None:
    owner = starter()
    pid, directory = owner.server()
    supervisor = supervisor_of(directory)
    owner.kill()
    assert eventually(lambda: not runs(pid) and not runs(supervisor) and left(temporary) == [])


def test_it_goes_with_an_owner_that_ends_without_stopping_it(binary: Path, temporary: Path) -> None:
    program = STARTER.replace("server.stop()", "")
    command = [sys.executable, "-W", "error", "-c", program, str(binary), "", ""]
    ran = subprocess.run(command, input="", capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert eventually(lambda: left(temporary) == [])


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_mongod_goes_with_its_supervisor_and_the_next_start_removes_the_directory(
    binary: Path,
) -> None:
    first = start_mongod(binary)
    os.kill(supervisor_of(first.directory), signal.SIGKILL)
    assert eventually(lambda: not runs(first.pid))
    assert first.directory.exists()
    with start_mongod(binary):
        assert not first.directory.exists()
    first.stop()


def test_owner_and_supervisor_killed_together(
    binary: Path, starter: Callable[..., Starter], temporary: Path
) -> None:
    owner = starter(run="a run")
    pid, directory = owner.server()
    supervisor = supervisor_of(directory)
    os.kill(supervisor, signal.SIGSTOP)  # so that it cannot clean up in between
    owner.kill()
    os.kill(supervisor, signal.SIGKILL)
    assert eventually(lambda: not runs(supervisor))
    with start_mongod(binary) as server:
        assert not runs(pid)
        assert left(temporary) == [server.directory.name]


def test_a_mongod_that_outlived_its_supervisor_is_ended(binary: Path) -> None:
    # As on macOS, where mongod gets no death signal.
    directory = launch.make_directory(binary, identify_owner(os.getpid()), None)
    order = json.loads((directory / "order.json").read_text())
    orphan = subprocess.Popen(order["command"], stdout=subprocess.DEVNULL)
    try:
        record = {"supervisor": 2**22 + 1, "mongod": orphan.pid, "exit": None}
        (directory / "supervisor.json").write_text(json.dumps(record))
        with start_mongod(binary):
            assert not runs(orphan.pid)
            assert not directory.exists()
    finally:
        orphan.kill()
        orphan.wait()


def test_two_runs_do_not_disturb_each_other(binary: Path) -> None:
    with start_mongod(binary) as first:
        with start_mongod(binary) as second:
            assert second.port != first.port
            assert is_primary(second.url)
        assert is_primary(first.url)


def test_processes_of_a_run_share_a_server_that_survives_the_first(
    binary: Path, starter: Callable[..., Starter], temporary: Path
) -> None:
    me = os.getpid()
    first = starter(run="gw", owner=me)
    pid, directory = first.server()
    first.kill()
    first.process.wait()
    second = starter(run="gw", owner=me)
    assert second.server() == (pid, directory)
    assert second.finish() == 0  # its stop() is none of the run's
    server = join_or_start(binary, run="gw", owner_pid=me)
    assert (server.pid, server.directory) == (pid, directory)
    assert is_primary(server.url)
    server.stop()
    assert left(temporary) == []


def test_four_processes_that_come_at_once_get_one_server(
    starter: Callable[..., Starter], temporary: Path
) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        joiners = [starter(run="gw", owner=owner.pid) for _ in range(4)]
        servers = {joiner.server() for joiner in joiners}
        assert len(servers) == 1
        assert len(left(temporary)) == 2  # the server's, and where they met
    finally:
        owner.kill()
        owner.communicate()
    assert eventually(lambda: left(temporary) == [])


@pytest.mark.parametrize("killed", ["mongod", "both"])
def test_a_dead_server_of_a_run_is_replaced(binary: Path, killed: str, temporary: Path) -> None:
    me = os.getpid()
    first = join_or_start(binary, run="gw", owner_pid=me)
    if killed == "both":
        os.kill(supervisor_of(first.directory), signal.SIGKILL)
    os.kill(first.pid, signal.SIGKILL)
    second = join_or_start(binary, run="gw", owner_pid=me)
    try:
        assert second.pid != first.pid
        assert not first.directory.exists()
        assert is_primary(second.url)
    finally:
        second.stop()
    assert left(temporary) == []


def test_a_starter_killed_before_there_was_a_primary_is_succeeded(binary: Path) -> None:
    me = os.getpid()
    first = join_or_start(binary, run="other", owner_pid=me)
    with first:
        meeting = Path(json.loads((first.directory / "order.json").read_text())["meeting"])
        directory = launch.make_directory(binary, identify_owner(me), meeting)
        launch.launch(directory)
        # The pointer names a server that runs and is no replica set yet.
        second = join_or_start(binary, run="other", owner_pid=me)
        assert second.directory == directory
        assert is_primary(second.url)
        second.stop()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"order.json": '{"directory": "/somewhere/else"}'},
        {"order.json": "SELF", "thesis.tex": "years of work"},
        {"supervisor.json": "{}", "supervisor.lock": "", "mongod.log": ""},
    ],
    ids=["empty", "of another", "with more in it", "without an order"],
)
def test_what_is_not_certainly_ours_is_not_touched(
    binary: Path, temporary: Path, content: dict[str, str]
) -> None:
    stranger = temporary / "mongoshot-abcd1234"
    stranger.mkdir(mode=0o700)
    for name, text in content.items():
        said = text.replace("SELF", json.dumps({"directory": str(stranger)}))
        (stranger / name).write_text(said)
        os.utime(stranger / name, (0, 0))
    with start_mongod(binary):
        assert {path.name for path in stranger.iterdir()} == set(content)


def test_a_link_with_our_name_is_not_followed(binary: Path, temporary: Path) -> None:
    with start_mongod(binary) as server:
        kept = temporary / "kept"
        kept.mkdir(mode=0o700)
        (kept / "order.json").write_text((server.directory / "order.json").read_text())
    (temporary / "mongoshot-abcd1234").symlink_to(kept)
    with start_mongod(binary):
        assert (kept / "order.json").exists()


def test_a_port_that_is_taken_meanwhile_is_exchanged(
    binary: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        taken = occupied.getsockname()[1]
        free = launch.free_port()
        ports = iter([taken, free])
        monkeypatch.setattr(launch, "free_port", lambda: next(ports))
        with start_mongod(binary) as server:
            assert server.port == free
            assert left(temporary) == [server.directory.name]


def test_another_mongod_at_the_port_is_left_alone(
    binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_mongod(binary) as first:
        ports = iter([first.port, launch.free_port()])
        monkeypatch.setattr(launch, "free_port", lambda: next(ports))
        with start_mongod(binary) as second:
            assert second.port != first.port
        assert is_primary(first.url)


def test_ports_that_are_always_taken_end_in_an_error(
    binary: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        monkeypatch.setattr(launch, "free_port", lambda: occupied.getsockname()[1])
        monkeypatch.setattr(mongod, "_ATTEMPTS", 2)
        with pytest.raises(MongodFailedError, match="--db-url"):
            start_mongod(binary)
    assert left(temporary) == []


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("#!/bin/sh\necho 'libcrypto.so.9: cannot open shared object file' >&2\nexit 127\n", "lib"),
        ("#!/bin/sh\nkill -ILL $$\n", "AVX"),
        ("not a program", "Exec format error"),
    ],
    ids=["loader", "illegal instruction", "not executable"],
)
def test_a_mongod_that_does_not_come_up_tells_why(
    tmp_path: Path, temporary: Path, program: str, told: str
) -> None:
    broken = tmp_path / "mongod"
    broken.write_text(program)
    broken.chmod(0o755)
    starts: list[Callable[[], EmbeddedMongod]] = [
        lambda: start_mongod(broken),
        lambda: join_or_start(broken, run="gw", owner_pid=os.getpid()),
    ]
    for start in starts:
        with pytest.raises(MongodFailedError, match=told) as caught:
            start()
        assert "\n" not in str(caught.value)
        assert not list(temporary.glob("mongoshot-????????"))


def test_an_option_that_mongod_refuses_is_told(
    binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = launch.mongod_command
    monkeypatch.setattr(
        launch, "mongod_command", lambda *arguments: [*command(*arguments), "--setParameter", "a=b"]
    )
    with pytest.raises(MongodFailedError, match="Unknown --setParameter 'a'"):
        start_mongod(binary)


def test_an_owner_that_is_gone_is_an_error(binary: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(MongodFailedError, match=str(gone.pid)):
        join_or_start(binary, run="gw", owner_pid=gone.pid)


def test_a_temporary_directory_that_cannot_be_used_is_an_error(
    binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(MongodFailedError, match="TMPDIR"):
        start_mongod(binary)
    with pytest.raises(MongodFailedError, match="TMPDIR"):
        join_or_start(binary, run="gw", owner_pid=os.getpid())


def test_a_full_disk_leaves_nothing(
    binary: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    def fail(*_: object) -> list[str]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(launch, "mongod_command", fail)
    with pytest.raises(MongodFailedError, match="No space left"):
        start_mongod(binary)
    assert left(temporary) == []


def test_a_supervisor_that_does_not_start_is_told(
    binary: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    monkeypatch.setattr(launch, "_import_paths", list)
    with pytest.raises(MongodFailedError, match="No module named"):
        start_mongod(binary)
    assert left(temporary) == []


def test_a_meeting_place_that_others_can_enter_is_refused(binary: Path, temporary: Path) -> None:
    server = join_or_start(binary, run="gw", owner_pid=os.getpid())
    (meeting,) = temporary.glob("mongoshot-run-*")
    server.stop()
    meeting.mkdir(mode=0o755)
    with pytest.raises(MongodFailedError, match="open to others"):
        join_or_start(binary, run="gw", owner_pid=os.getpid())


def test_a_forked_child_neither_stops_the_server_nor_keeps_it(
    binary: Path, temporary: Path
) -> None:
    program = (
        "import os, sys, time, warnings\n"
        "from pathlib import Path\n"
        "from mongoshot.server.embedded.mongod import start_mongod\n"
        "server = start_mongod(Path(sys.argv[1]))\n"
        "warnings.simplefilter('ignore')\n"  # fork beside the driver's threads is what is tried
        "if os.fork() == 0:\n"
        "    server.stop()\n"
        "    os.write(1, str(server.directory.exists()).encode())\n"
        "    os.close(1)\n"
        "    time.sleep(60)\n"
        "os.wait()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(binary)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.read(4) == b"True"
        owner.kill()
        assert eventually(lambda: left(temporary) == [])
    finally:
        os.killpg(owner.pid, signal.SIGKILL)
        owner.communicate()


def test_it_starts_without_a_working_directory_and_without_stdin(
    binary: Path, tmp_path: Path, temporary: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = (
        "import os, sys, pymongo\n"
        "from pathlib import Path\n"
        "from mongoshot.server.embedded.mongod import start_mongod\n"
        "os.rmdir(os.getcwd())\n"
        "os.close(0)\n"
        "with start_mongod(Path(sys.argv[1])) as server:\n"
        "    print(server.url)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(binary)],
        cwd=gone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("mongodb://127.0.0.1:")
    assert left(temporary) == []


def test_modules_of_the_working_directory_do_not_reach_the_supervisor(
    starter: Callable[..., Starter], tmp_path: Path, temporary: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("sitecustomize", "contextlib", "signal", "filelock"):
        (project / f"{name}.py").write_text("raise SystemExit('shadowed')")
    os.chmod(project, 0o500)  # noqa: PTH101 - a read-only one at that
    starting = starter(cwd=project, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    starting.server()
    assert starting.finish() == 0
    assert left(temporary) == []


def test_it_is_a_value() -> None:
    server = EmbeddedMongod("mongodb://127.0.0.1:1/", 1, 1, Path("/nowhere"))
    with pytest.raises(AttributeError):
        server.port = 2  # type: ignore[misc]
    server.stop()


@pytest.mark.parametrize(("age", "goes"), [(120, True), (0, False)])
def test_the_files_of_a_demo_that_was_killed_go(temporary: Path, age: int, goes: bool) -> None:
    left = temporary / "mongoshot-demo-999999999-abcdefgh"
    running = temporary / f"mongoshot-demo-{os.getpid()}-abcdefgh"
    for directory in (left, running):
        directory.mkdir(mode=0o700)
        (directory / "manifest.json").touch()
        os.utime(directory, (time.time() - age,) * 2)

    sweep()

    assert (left.exists(), running.exists()) == (not goes, True)
