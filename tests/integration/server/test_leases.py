"""A database is written by one run at a time, whatever becomes of the one that has it."""

from __future__ import annotations

import contextlib
import datetime
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pymongo import MongoClient, monitoring
from tests.reliability import Evidence

from mongoshot import Snapshot, restore
from mongoshot.config import Project, Settings
from mongoshot.errors import (
    DatabaseChangedError,
    DatabaseInUseError,
    DatabaseRefusedError,
    ServerError,
    UnreachableError,
)
from mongoshot.server.connection import Client, Database
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import advance_baseline, forgive, read_entry, write_baseline
from mongoshot.server.ledger_entry import Baseline
from mongoshot.server.ownership import check_writable, claim, disown
from mongoshot.server.process import this_process
from mongoshot.snapshot.overlay import overlay
from mongoshot.staging.stage import Stage

MakeDatabase = Callable[[], Database]
Start = Callable[..., subprocess.Popen[str]]

NOBODY: frozenset[str] = frozenset()
SHORT = 0.4  # seconds that a lease lasts where a test waits for its end

#: What other processes do in these tests: they say when they have done it, and wait for a line.
PROLOGUE = """
import sys
from pathlib import Path
from mongoshot.config import Project, Settings
from mongoshot.errors import DatabaseInUseError, MongoshotError
from mongoshot.server.connection import connect
from mongoshot.server.lease import Leases
from mongoshot.server.ledger import write_baseline
from mongoshot.server.ledger_entry import Baseline
from mongoshot.server.ownership import claim
from mongoshot.staging.stage import Stage

database = connect(sys.argv[1])[sys.argv[2]]
duration = float(sys.argv[3])

def say(line):
    print(line, flush=True)
"""

HOLD = """
leases = Leases("pytest in shop", duration=duration)
claim(database, frozenset(), leases=leases, for_a_run=True)
say("taken")
sys.stdin.readline()
"""


@pytest.fixture
def start(server_url: str) -> Iterator[Start]:
    """Start another process that does something to a database, and says `taken` when it has it."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        code: str, database: Database, duration: float = 60, within: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        own = (sys.executable, "-c", PROLOGUE + code, server_url, database.name, str(duration))
        process = subprocess.Popen(
            [*within, *own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def go_on(process: subprocess.Popen[str]) -> str:
    """Send the line that a process waits for, and return what it says then."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def take(database: Database, duration: float = 60) -> Leases:
    leases = Leases("another run", duration=duration)
    claim(database, NOBODY, leases=leases, for_a_run=True)
    return leases


def await_that(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_held(database: Database) -> bool:
    entry = read_entry(database)
    return bool(entry and entry.lease and entry.lease.is_held)


def tamper(database: Database, **fields: object) -> None:
    database.client["mongoshot"]["databases"].update_one({"_id": database.name}, {"$set": fields})


def test_who_has_it_is_named_to_whoever_wants_it(make_database: MakeDatabase, start: Start) -> None:
    database = make_database()
    holder = start(HOLD, database)

    host = this_process().host
    line = (
        rf"^{database.name} on 127\.0\.0\.1:\d+ is in use by pytest in shop \(process {holder.pid}"
        rf" on {host}, since \d+-\d+-\d+ \d+:\d+:\d+ UTC\); wait until that has ended, or take"
        r" another database: --db-name NAME$"
    )
    for ask in (
        lambda: check_writable(database, NOBODY),
        lambda: claim(database, NOBODY),
        lambda: take(database),
        lambda: restore(overlay([]), database),
    ):
        with pytest.raises(DatabaseInUseError, match=line):
            ask()
    database["orders"].insert_one({})
    with pytest.raises(DatabaseInUseError):
        restore(overlay([]), database)
    assert database["orders"].count_documents({}) == 1

    go_on(holder)
    holder.wait()
    take(database).release()


def test_what_is_given_back_is_free_at_once(make_database: MakeDatabase, start: Start) -> None:
    database = make_database()
    holder = start(HOLD + 'leases.release(); say("released"); sys.stdin.readline()', database)
    assert go_on(holder) == "released"

    with take(database):
        assert is_held(database)
    assert not is_held(database)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_dead_holder_is_taken_over_at_once(
    make_database: MakeDatabase, start: Start, reaped: bool
) -> None:
    database = make_database()
    holder = start(HOLD, database)
    holder.send_signal(signal.SIGKILL)
    if reaped:
        holder.wait()
    else:
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert is_held(database)  # as far as the clock tells

    take(database).release()


def test_another_process_with_the_same_number_is_not_the_holder(
    make_database: MakeDatabase, start: Start
) -> None:
    database = make_database()
    start(HOLD, database)
    tamper(database, **{"lease.started": 1})
    take(database).release()


def test_on_another_machine_only_time_tells_that_a_holder_is_dead(
    make_database: MakeDatabase, start: Start
) -> None:
    database = make_database()
    holder = start(HOLD, database, SHORT)
    tamper(database, **{"lease.machine": "elsewhere", "lease.host": "build-7"})
    with pytest.raises(DatabaseInUseError, match="on build-7"):
        take(database)
    holder.kill()
    holder.wait()

    def taken() -> bool:
        with contextlib.suppress(DatabaseInUseError):
            take(database).release()
            return True
        return False

    await_that(taken)


#: A machine of its own, as far as processes and its name tell, on the same network.
ANOTHER_MACHINE = (
    *("unshare", "--user", "--map-root-user", "--uts", "--pid", "--fork", "--kill-child"),
    *("--mount-proc", "sh", "-c", 'hostname build-7; exec "$0" "$@"'),
)


@pytest.mark.long
@pytest.mark.reliability
def test_two_machines(make_database: MakeDatabase, start: Start, evidence: Evidence) -> None:
    """Each in kernel namespaces of its own, where a process cannot see that the other has died."""
    if subprocess.run([*ANOTHER_MACHINE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel, or this user, makes no namespaces")
    database = make_database()
    for _ in range(2):
        holder = start(HOLD, database, 4.0, ANOTHER_MACHINE)
        time.sleep(5.0)  # it is renewed
        with pytest.raises(DatabaseInUseError, match=r"in shop \(process 1 on build-7, since"):
            take(database)
        holder.kill()
        holder.wait()
        with pytest.raises(DatabaseInUseError, match="on build-7"):
            take(database)  # it is dead, and nobody here can know

        await_that(lambda: not is_held(database))
        take(database).release()
    evidence(
        "guard",
        "a run on another machine (in namespaces of its own) has the database, and is killed",
        2,
        "refused while its lease lasts, taken over afterwards",
    )


def test_a_lease_whose_end_did_not_reach_the_server_is_no_obstacle_to_its_process(
    make_database: MakeDatabase,
) -> None:
    database = make_database()
    forgotten = take(database)
    with pytest.raises(DatabaseInUseError):
        take(database)

    del forgotten
    gc.collect()

    assert is_held(database)
    take(database).release()


def test_a_holder_that_lives_keeps_it_past_its_time(
    make_database: MakeDatabase, start: Start
) -> None:
    database = make_database()
    start(HOLD, database, SHORT)
    time.sleep(1.5 * SHORT)
    assert is_held(database)
    with pytest.raises(DatabaseInUseError):
        take(database)


def test_of_twenty_processes_that_race_one_wins(
    make_database: MakeDatabase, server_url: str
) -> None:
    """Where nobody had it, where its holder is dead, and where its time is over."""
    code = r"""
    import os, signal, sys
    from mongoshot.errors import DatabaseInUseError
    from mongoshot.server.connection import connect
    from mongoshot.server.lease import Leases
    from mongoshot.server.ownership import claim

    ready, started = os.pipe(), os.pipe()
    children = []
    for number in range(20):
        if pid := os.fork():
            children.append(pid)
            continue
        database = connect(sys.argv[1])[sys.argv[2]]
        leases = Leases(f"racer {number}")
        os.write(ready[1], b".")
        os.close(started[1])
        os.read(started[0], 1)
        try:
            claim(database, frozenset(), leases=leases, for_a_run=True)
        except DatabaseInUseError:
            os.write(1, b"lost\n")
        else:
            os.write(1, b"won\n")
        signal.pause()
    for _ in range(20):
        os.read(ready[0], 1)
    os.close(started[1])
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    """
    lines = [line.removeprefix("    ") for line in code.splitlines()]
    database = make_database()
    for holder in ("nobody", "dead", "late"):
        if holder == "late":
            past = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
            tamper(database, **{"lease.machine": "elsewhere", "lease.expires": past})
        race = subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines), server_url, database.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert race.stdout is not None
        outcomes = [race.stdout.readline().strip() for _ in range(20)]
        race.communicate()
        assert sorted(outcomes) == ["lost"] * 19 + ["won"]


STAGE = """
import mongoshot.server.lease
mongoshot.server.lease.DURATION = duration

settings = Settings(None, database.name, Path(), Project(Path("shop").absolute()))
stage = Stage(database.client, database.name, settings)
staged = stage.prepare(())
database["orders"].insert_one({"_id": "by its test"})
say("taken")
sys.stdin.readline()
try:
    staged.reset()
    say("reset")
except DatabaseInUseError as error:
    say(error)
try:
    stage.prepare(())
    say("prepared")
except DatabaseInUseError as error:
    say(error)
try:
    write_baseline(database, Baseline("sha256:1", "stale", True))
    say("believed")
except DatabaseInUseError as error:
    say(error)
stage.close()
say("closed")
"""


def test_a_run_that_stood_still_while_another_took_its_database_writes_no_more(
    make_database: MakeDatabase, start: Start
) -> None:
    database = make_database()
    stopped = start(STAGE, database, SHORT)
    stopped.send_signal(signal.SIGSTOP)
    await_that(lambda: not is_held(database))
    with take(database):
        database["orders"].insert_one({"_id": "of the other run"})
        stopped.send_signal(signal.SIGCONT)

        said = go_on(stopped)

        assert said.startswith(f"{database.name} on 127.0.0.1:")
        assert "is not this run's any more, and is not written to: this process stood still" in said
        assert f"for over 0.4 s, and another run (process {os.getpid()} on " in said
        assert said.endswith("has taken it; start this run again")
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == f"{said}\n"  # the next test
        assert "the ledger does not say that it is: another run (" in stopped.stdout.readline()
        assert stopped.stdout.readline() == "closed\n"
        assert database["orders"].count_documents({}) == 2
        entry = read_entry(database)
        assert entry is not None
        assert entry.in_use  # the other run has not ended
        assert entry.baseline is not None
        assert entry.baseline.label != "stale"
        assert is_held(database)


def test_what_a_run_enters_that_stood_still_is_not_believed_after_the_other_has_ended(
    make_database: MakeDatabase, start: Start
) -> None:
    database = make_database()
    stopped = start(STAGE, database, SHORT)
    stopped.send_signal(signal.SIGSTOP)
    await_that(lambda: not is_held(database))
    with take(database):
        restore(overlay([]), database)
    stopped.send_signal(signal.SIGCONT)

    assert "has taken it" in go_on(stopped)

    assert stopped.stdout is not None
    assert "has taken it" in stopped.stdout.readline()
    assert "has had it meanwhile" in stopped.stdout.readline()
    entry = read_entry(database)
    assert entry is not None
    assert entry.baseline is not None
    assert entry.baseline.label != "stale"


def test_a_run_that_stood_still_and_lost_nothing_goes_on(
    make_database: MakeDatabase, start: Start
) -> None:
    database = make_database()
    stopped = start(STAGE, database, SHORT)
    stopped.send_signal(signal.SIGSTOP)
    await_that(lambda: not is_held(database))
    stopped.send_signal(signal.SIGCONT)

    assert go_on(stopped) == "reset"
    assert stopped.stdout is not None
    assert stopped.stdout.readline() == "prepared\n"
    assert database["orders"].count_documents({}) == 0


class Sent(monitoring.CommandListener):
    """Remember which commands a client has sent to which database."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, str]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append((event.database_name, event.command_name))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is remembered of it."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing is remembered of it."""


def settings_of(database: Database) -> Settings:
    return Settings(None, database.name, Path(), Project(Path("shop").absolute()))


def test_a_test_pays_nothing_for_it(make_database: MakeDatabase, server_url: str) -> None:
    name = make_database().name
    sent = Sent()
    client: Client = MongoClient(server_url, event_listeners=[sent])
    with client:
        stage = Stage(client, name, settings_of(client[name]))
        for _ in range(2):
            stage.prepare((), furniture=["orders"])
            client[name]["orders"].insert_one({})
            stage.finish(())
            sent.commands.clear()
        stage.prepare((), furniture=["orders"])
        assert not [command for command in sent.commands if command[0] == "mongoshot"]
        assert sent.commands  # the reset
        stage.close()


def test_a_connection_that_is_lost_for_longer_than_a_lease_is_told_as_such(
    make_database: MakeDatabase, server_url: str
) -> None:
    name = make_database().name
    client: Client = MongoClient(server_url, serverSelectionTimeoutMS=50)
    leases = take(client[name], SHORT)
    client.close()  # what it sends fails from now on
    time.sleep(SHORT)
    with pytest.raises(ServerError, match="cannot renew what mongoshot's ledger says of"):
        leases.check()
    leases.release()


def test_disowned_is_lost(make_database: MakeDatabase) -> None:
    database = make_database()
    with take(database) as leases:
        leases.check()
        disown(database)
        leases.renew()
        with pytest.raises(DatabaseInUseError, match="took it out of the ledger, by mongoshot dis"):
            leases.check()


def test_what_a_run_has_is_its_own_where_a_test_drops_the_ledger(
    start_mongod: Callable[..., str], every_kind: Snapshot
) -> None:
    """As one does that drops all databases but for the server's own."""
    client: Client = MongoClient(f"mongodb://{start_mongod()}")
    with client:
        database = client["shop_test"]
        stage = Stage(client, database.name, settings_of(database), find=lambda _: every_kind)
        stage.prepare(("every_kind",))
        stage.prepare(())
        client["somebodys"]["precious"].insert_one({})
        client.drop_database("mongoshot")
        database["of_a_test"].insert_one({})
        with pytest.raises(DatabaseRefusedError, match="was not made by mongoshot"):
            claim(database, NOBODY)

        stage.close()

        assert not is_held(database)
        database["of_somebody"].insert_one({})
        with pytest.raises(DatabaseChangedError, match="who wrote to of_somebody since"):
            claim(database, NOBODY)
        forgive(database)
        again = Stage(client, database.name, settings_of(database), find=lambda _: every_kind)
        again.prepare(("every_kind",))
        again.prepare(())
        with pytest.raises(DatabaseInUseError, match="is in use by pytest in shop"):
            Stage(client, database.name, settings_of(database))
        again.close()
        with pytest.raises(DatabaseRefusedError, match="was not made by mongoshot"):
            claim(client["somebodys"], NOBODY)


def test_a_database_that_is_disowned_stays_so_where_the_ledger_is_there(
    make_database: MakeDatabase,
) -> None:
    database, other = make_database(), make_database()
    claim(other, NOBODY)
    with take(database) as leases:
        disown(database)
        leases.renew()
        assert read_entry(database) is None


def test_the_databases_of_scenarios_have_one_each(
    make_database: MakeDatabase, mongo_client: Client
) -> None:
    database = make_database()
    stage = Stage(mongo_client, database.name, settings_of(database), main=("shop",))
    stage.prepare(())
    other = stage.database.client[stage.database.name]
    try:
        assert other.name == f"{database.name}__empty"
        for each in (database, other):
            assert is_held(each)
            with pytest.raises(DatabaseInUseError, match="is in use by pytest in shop"):
                Stage(mongo_client, each.name, settings_of(each))
    finally:
        stage.close()
        assert not is_held(database)
        assert not is_held(other)
        disown(other)


def test_spare_names_are_tried_in_turn_and_what_is_somebody_elses_is_left(
    make_database: MakeDatabase, mongo_client: Client
) -> None:
    database, theirs, free = make_database(), make_database(), make_database()
    theirs["precious"].insert_one({})
    settings = settings_of(database)
    with take(database):
        stage = Stage(mongo_client, database.name, settings, spare=[theirs.name, free.name])
        assert stage.database.name == free.name
        [note] = stage.statistics.lines()
        assert note.startswith(f"{database.name} on ")
        assert note.endswith(f" UTC): this run took {free.name}")
        with pytest.raises(DatabaseInUseError, match=f"^{database.name} on .* by another run"):
            Stage(mongo_client, database.name, settings, spare=[theirs.name, free.name])
        stage.close()
    assert theirs["precious"].count_documents({}) == 1


def test_a_process_may_restore_into_a_database_that_its_run_has(
    make_database: MakeDatabase, every_kind: Snapshot
) -> None:
    database = make_database()
    with take(database):
        restore(every_kind, database)
        assert is_held(database)  # and not given back by the restore
    restore(every_kind, database)
    assert not is_held(database)


@pytest.mark.parametrize(
    "lease", [3, None, [], {}, {"expires": 5}, {"holder": 1, "expires": "tomorrow"}, [{"pid": 1}]]
)
def test_a_lease_of_another_shape_is_none(make_database: MakeDatabase, lease: object) -> None:
    database = make_database()
    claim(database, NOBODY)
    tamper(database, lease=lease)
    with take(database):
        entry = read_entry(database)
        assert entry is not None
        assert entry.lease is not None
        assert entry.lease.is_of_this_process
        write_baseline(database, Baseline("sha256:1", "shop", True))
        advance_baseline(database, None, [])


def test_names_with_dollars_are_names(make_database: MakeDatabase) -> None:
    database = make_database()
    claim(database, NOBODY)
    with Leases("$what") as leases:
        leases.take(database)
        entry = read_entry(database)
        assert "$what (process" in str(entry and entry.lease)


def test_a_standalone_server_has_them_too(
    start_mongod: Callable[..., str],
) -> None:
    client: Client = MongoClient(f"mongodb://{start_mongod()}")
    with client, take(client["alone"]):
        with pytest.raises(DatabaseInUseError):
            take(client["alone"])
        stage = Stage(client, "other", settings_of(client["other"]))
        stage.prepare(())
        stage.close()


def test_an_unreachable_server_is_no_lost_lease(make_database: MakeDatabase) -> None:
    database = make_database()
    nowhere: Client = MongoClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=20)
    with nowhere, pytest.raises(UnreachableError):
        Leases("a run").take(nowhere[database.name])


def test_the_thread_ends_with_what_it_renews_for(make_database: MakeDatabase) -> None:
    def renewing() -> int:
        return sum(thread.name == "mongoshot-leases" for thread in threading.enumerate())

    before = renewing()
    leases = take(make_database(), SHORT)
    assert renewing() == before + 1
    leases.release()
    await_that(lambda: renewing() == before)
    leases = take(make_database(), SHORT)
    del leases  # forgotten, without a release
    await_that(lambda: renewing() == before)


def test_a_fork_does_not_give_back_what_its_parent_has(make_database: MakeDatabase) -> None:
    database = make_database()
    with take(database) as leases:
        leases._pid += 1  # as in a fork; a real one would share the sockets of this test
        leases.release()
        assert is_held(database)
        leases._pid -= 1
