"""A replica set of three whose primary steps down, or is killed, while a database is written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pymongo
import pytest
from pymongo import WriteConcern, monitoring
from pymongo.errors import PyMongoError
from tests.faults.conftest import fill
from tests.faults.replica_set import Member, ReplicaSet, replica_set
from tests.reliability import Evidence

from mongoshot import MongoshotError, Snapshot, Staged, capture, compare, restore
from mongoshot.config import resolve
from mongoshot.errors import MongodNotFoundError
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Client, Database
from mongoshot.server.embedded.binary import find_mongod
from mongoshot.server.ledger import read_baseline
from mongoshot.staging.stage import Stage
from mongoshot.staging.staged import resume

pytestmark = [pytest.mark.long, pytest.mark.reliability]

Strike = Callable[[], object]


class AtCommand(monitoring.CommandListener):
    """Strike before the n-th command of a client is sent, or the n-th of a name."""

    def __init__(self) -> None:
        self.commands = 0
        self._at, self._name = 0, ""
        self._strike: Strike | None = None

    def arm(self, at: int, strike: Strike | None) -> None:
        """Begin to count, and strike before command `at`."""
        self.commands, self._at, self._name, self._strike = 0, at, "", strike

    def await_command(self, name: str, at: int, strike: Strike) -> None:
        """Begin to count commands of this name."""
        self.arm(at, strike)
        self._name = name

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands += self._name in ("", event.command_name)
        if self.commands == self._at and self._strike is not None:
            strike, self._strike = self._strike, None
            strike()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass

    @property
    def has_struck(self) -> bool:
        return self._strike is None


def in_memory(path: Path) -> Path:
    return Path("/dev/shm") if Path("/dev/shm").is_dir() else path


@pytest.fixture(scope="module")
def mongod() -> Path:
    try:
        return find_mongod(os.environ.get("MONGOSHOT_MONGOD") or None)
    except MongodNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def three(mongod: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    with (
        tempfile.TemporaryDirectory(dir=in_memory(tmp_path_factory.mktemp("three"))) as directory,
        replica_set(mongod, Path(directory)) as running,
    ):
        yield running


@pytest.fixture
def listener() -> AtCommand:
    return AtCommand()


@pytest.fixture
def client(three: ReplicaSet, listener: AtCommand) -> Iterator[Client]:
    three.await_primary()
    with three.connect(event_listeners=[listener]) as client:
        yield client


@pytest.fixture
def scenario(mongo_client: Client, tmp_path: Path) -> Iterator[Snapshot]:
    source = mongo_client[f"failovers_{os.getpid()}"]
    yield capture(fill(source), tmp_path / "snapshots" / "orders")
    mongo_client.drop_database(source)


@pytest.fixture
def target(client: Client, request: pytest.FixtureRequest) -> Database:
    return client[f"t{abs(hash(request.node.name))}"]


def assert_not_believed_wrong(database: Database, scenario: Snapshot) -> None:
    baseline = read_baseline(database)
    if baseline is not None and baseline.complete:
        staged = resume(scenario, database)
        assert staged is not None
        assert_right(database, scenario)


def assert_right(database: Database, scenario: Snapshot) -> None:
    difference = compare(scenario, live_state(database))
    assert not difference, str(difference)


def tried(do: Callable[[], object]) -> MongoshotError | None:
    """Return the error of what was done, which is one clear line, or None."""
    try:
        do()
    except MongoshotError as caught:
        error = caught
    else:
        return None
    assert len(str(error).splitlines()) == 1
    return error


@pytest.mark.parametrize("how", ["step down", "kill"])
def test_a_restore(
    how: str,
    three: ReplicaSet,
    listener: AtCommand,
    target: Database,
    scenario: Snapshot,
    evidence: Evidence,
) -> None:
    """Before every other command of a restore, or, as it takes longer, before each sixth."""
    allowed = frozenset(three.addresses)
    gone: list[Member] = []

    def strike() -> None:
        if how == "step down":
            three.step_down()
        else:
            gone.append(three.kill_primary())

    struck = errors = 0
    for at in range(1, 1000, 2 if how == "step down" else 6):
        listener.arm(at, strike)
        error = tried(lambda: restore(scenario, target, allowed_hosts=allowed))
        happened = listener.has_struck
        listener.arm(0, None)
        for member in gone:
            member.start()
        gone.clear()
        three.await_primary()
        if error is None:
            assert_right(target, scenario)
        assert_not_believed_wrong(target, scenario)
        if error is not None:
            restore(scenario, target, allowed_hosts=allowed)
            assert_right(target, scenario)
        if not happened:
            break
        struck, errors = struck + 1, errors + (error is not None)
    seen = f"right at once, or one clear error ({errors}) and the next right; none believed wrong"
    evidence("failovers", f"{how} of the primary, in a restore", f"{struck} commands", seen)


@pytest.fixture
def staged(three: ReplicaSet, target: Database, scenario: Snapshot) -> Staged:
    return restore(scenario, target, allowed_hosts=frozenset(three.addresses))


def write_everywhere(database: Database, members: int = 3) -> None:
    """Write what a test might, and let all members have it."""
    orders = database["orders"].with_options(write_concern=WriteConcern(members))
    orders.update_one({"_id": 1}, {"$set": {"total": 0}})
    orders.delete_one({"_id": 2})
    orders.insert_one({"_id": "new"})


@pytest.fixture
def lose_a_reset(three: ReplicaSet, staged: Staged) -> Iterator[None]:
    """Reset a database, and lose what that wrote: the next primary has the test's writes alone."""
    write_everywhere(staged.database)
    with three.replication_stopped() as primary:
        staged.reset()
        assert_right(staged.database, staged.scenario)  # type: ignore[arg-type]
        primary.kill()
    three.await_primary()
    yield
    primary.start()
    three.await_primary()


def test_a_reset_that_was_rolled_back(
    lose_a_reset: None, staged: Staged, scenario: Snapshot, evidence: Evidence
) -> None:
    assert compare(scenario, live_state(staged.database))
    report = staged.reset()
    assert_right(staged.database, scenario)
    assert any("has become the primary" in reason for reason in report.reloads.values())
    evidence("failovers", "a reset rolled back, then another", 1, "loaded anew, right")


def test_a_rolled_back_reset_is_not_remembered(
    lose_a_reset: None, staged: Staged, scenario: Snapshot, evidence: Evidence
) -> None:
    staged.remember()
    assert resume(scenario, staged.database) is None
    evidence("failovers", "a reset rolled back, then the end of the run", 1, "not believed")


def test_a_rolled_back_reset_of_a_killed_run(
    lose_a_reset: None, staged: Staged, scenario: Snapshot, evidence: Evidence
) -> None:
    """Which could enter nothing: its database is as believed before it."""
    assert resume(scenario, staged.database) is not None
    assert_right(staged.database, scenario)
    evidence("failovers", "a reset rolled back, the run killed", 1, "put right by the next")


def test_changes_after_a_reset_that_was_rolled_back(
    lose_a_reset: None, staged: Staged, evidence: Evidence
) -> None:
    orders = staged.changes().collections["orders"]
    assert (len(orders.inserted), len(orders.updated), len(orders.deleted)) == (1, 1, 1)
    evidence("failovers", "a reset rolled back, then `changes`", 1, "what is there is told")


def test_a_restore_that_was_rolled_back(
    three: ReplicaSet,
    listener: AtCommand,
    target: Database,
    mongo_client: Client,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    """Its last documents are acknowledged, and lost with the primary before all is confirmed."""
    allowed = frozenset(three.addresses)
    source = mongo_client[f"rolled_back_{os.getpid()}"]
    for name in ("orders", "payments"):
        source[name].insert_many([{"_id": n} for n in range(3)])
    scenario = capture(source, tmp_path / "snapshots" / "two")
    mongo_client.drop_database(source)
    stopped = contextlib.ExitStack()
    killed: list[Member] = []

    def stop() -> None:
        killed.append(stopped.enter_context(three.replication_stopped()))
        listener.await_command("update", 1, fail)

    def fail() -> None:
        killed[0].kill()
        stopped.close()
        three.await_primary()

    listener.await_command("insert", 2, stop)
    error = tried(lambda: restore(scenario, target, allowed_hosts=allowed))

    assert target["payments"].count_documents({}) == 0  # all three were acknowledged
    assert error is not None
    assert "the next restore, or test, starts over" in str(error)
    baseline = read_baseline(target)
    assert baseline is not None
    assert not baseline.complete
    restore(scenario, target, allowed_hosts=allowed)
    assert_right(target, scenario)
    killed[0].start()
    evidence("failovers", "the last writes of a restore rolled back", 1, "not believed; one error")


@pytest.fixture
def open_stage(
    three: ReplicaSet, client: Client, scenario: Snapshot, tmp_path: Path
) -> Callable[[str], Stage]:
    """Open a stage as a run of tests does."""
    hosts = ", ".join(f'"{address}"' for address in three.addresses)
    (tmp_path / "pyproject.toml").write_text(f"[tool.mongoshot]\nallowed-hosts = [{hosts}]\n")
    settings = resolve({"db-url": three.url}, root=tmp_path)
    return lambda name: Stage(client, name, settings, url=three.url, main=("orders",))


def run_tests(stage: Stage, scenario: Snapshot) -> None:
    """Run two tests: each finds the scenario, and writes to it."""
    for _ in range(2):
        with stage.scenario("orders") as staged:
            assert_right(staged.database, scenario)
            write_everywhere(staged.database, members=1)
            assert staged.changes()
            staged.reset()
            assert_right(staged.database, scenario)


@pytest.mark.parametrize("how", ["step down", "kill"])
def test_a_run_of_tests(
    how: str,
    three: ReplicaSet,
    open_stage: Callable[[str], Stage],
    listener: AtCommand,
    target: Database,
    scenario: Snapshot,
    evidence: Evidence,
) -> None:
    """Before every seventh command of a stage, or each 25th, its leases and the ledger included."""
    gone: list[Member] = []

    def strike() -> None:
        if how == "step down":
            three.step_down()
        else:
            gone.append(three.kill_primary())

    def run() -> None:
        stage = open_stage(target.name)
        try:
            run_tests(stage, scenario)
        finally:
            stage.close()

    run()
    struck = errors = 0
    for at in range(1, 1000, 7 if how == "step down" else 25):
        listener.arm(at, strike)
        try:
            error: Exception | None = tried(run)
        except PyMongoError as own:  # of the test itself, as those of any application
            error = own
        happened = listener.has_struck
        listener.arm(0, None)
        for member in gone:
            member.start()
        gone.clear()
        three.await_primary()
        # The next run is another process, which sees at once that the one before is gone.
        target.client["mongoshot"]["databases"].update_many({}, {"$set": {"lease.expires": None}})
        run()
        if not happened:
            break
        struck, errors = struck + 1, errors + (error is not None)
    seen = f"each test found its scenario, or one clear error ({errors}) and the next run right"
    evidence("failovers", f"{how} of the primary, in a run of tests", f"{struck} commands", seen)


def test_a_capture(
    three: ReplicaSet,
    listener: AtCommand,
    client: Client,
    target: Database,
    scenario: Snapshot,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    restore(scenario, target, allowed_hosts=frozenset(three.addresses))
    client.admin.command("ping")
    path = tmp_path / "captured" / "orders"
    struck = errors = 0
    for at in range(1, 1000, 2):
        listener.arm(at, three.step_down)
        error = tried(lambda: capture(target, path, replace=path.exists()))
        happened = listener.has_struck
        listener.arm(0, None)
        if error is None:
            Snapshot.load(path).verify()
            assert Snapshot.load(path).digest == scenario.digest
        else:
            assert capture(target, path, replace=path.exists()).digest == scenario.digest
        assert [each.name for each in path.parent.iterdir()] == ["orders"]
        if not happened:
            break
        struck, errors = struck + 1, errors + (error is not None)
    seen = f"exact at once, or one clear error ({errors}) and the next exact"
    evidence("failovers", "step down of the primary, in a capture", f"{struck} commands", seen)


@pytest.mark.parametrize("kind", ["standalone", "single-node set"])
def test_a_server_that_crashes_and_comes_back(
    kind: str,
    mongod: Path,
    scenario: Snapshot,
    listener: AtCommand,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    """Killed before every fourth command of a restore, and started again on the same files."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=in_memory(tmp_path))))
        if kind == "standalone":
            member = Member(mongod, directory / "alone")
            stack.callback(member.kill)
            member.start()
            url = f"mongodb://{member.address}"
        else:
            one = stack.enter_context(replica_set(mongod, directory, members=1))
            [member] = one.members
            url = one.url
        client: Client = stack.enter_context(
            pymongo.MongoClient(url, event_listeners=[listener], serverSelectionTimeoutMS=30_000)
        )
        target = client["crashing"]

        def strike() -> None:
            member.kill()
            member.start()

        struck = errors = 0
        for at in range(1, 1000, 4):
            listener.arm(at, strike)
            error = tried(lambda: restore(scenario, target))
            happened = listener.has_struck
            listener.arm(0, None)
            if error is None:
                assert_right(target, scenario)
            baseline = read_baseline(target)
            if baseline is not None and baseline.complete:
                assert_right(target, scenario)
            restore(scenario, target)
            assert_right(target, scenario)
            if not happened:
                break
            struck, errors = struck + 1, errors + (error is not None)
    seen = f"right at once, or one clear error ({errors}) and the next restore right"
    evidence(
        "failovers", f"a crash of the server ({kind}), in a restore", f"{struck} commands", seen
    )
