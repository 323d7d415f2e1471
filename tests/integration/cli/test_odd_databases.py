"""Databases that are unusual, or that change while they are captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import bson
import pymongo
import pytest
from pymongo import monitoring

from mongoshot import Snapshot, capture, compare, restore
from mongoshot.errors import CaptureError, DatabaseNotFoundError, MongoshotError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import hash_collections, live_state
from mongoshot.server.connection import Client, Database

from .conftest import Run

MakeDatabase = Callable[[], Database]
Disturbed = Callable[[str, Callable[[int], object]], AbstractContextManager[Database]]

NAMES = [
    *("日本語", "имя", "اسم", "😀" * 40, "é", "e\u0301", "ß", "İ", "i\u0307", "\u202ertl"),
    *("a b", " lead", "trail ", "tab\there", "line\nend", "\x1b[31mred", "bell\x07"),
    *('a"b', "a'b", "a%b", "a%2Fb", "%", "a+b", "a/b", "a\\b", "~", "-x", "a:b", "a*b?", "<>|"),
    *("A", "a", "CON", "con", "aux.x", "manifest", "manifest.json", "x.bson", "x.metadata.json"),
    *("x" * 200, "é" * 100, "dotted.name.here", "system.js"),
]


@pytest.mark.parametrize("format", ["bson", "json"])
def test_names_of_every_kind(
    format: str, run: Run, make_database: MakeDatabase, server_url: str, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    for name in NAMES:
        source[name].insert_one({"_id": name})
    url = f"{server_url}/{source.name}"

    captured = run("capture", "odd", "--db-url", url, "--format", format)
    assert (captured.returncode, captured.stderr) == (0, "")
    to = ["--db-url", server_url, "--db-name", target.name]
    for _ in range(2):  # over nothing, and over itself
        restored = run("restore", "odd", *to)
        assert (restored.returncode, restored.stderr) == (0, "")
    assert set(target.list_collection_names()) == set(NAMES)
    assert hash_collections(target) == hash_collections(source)
    assert run("diff", "odd", f"{server_url}/{target.name}").returncode == 0
    assert run("show", "odd").returncode == 0


@pytest.mark.long
def test_three_hundred_collections(run: Run, make_database: MakeDatabase, server_url: str) -> None:
    source, target = make_database(), make_database()
    for number in range(300):
        source.create_collection(f"c{number}")
    source["c7"].insert_one({"_id": 7})
    url = f"{server_url}/{source.name}"

    captured = run("capture", "many", "--db-url", url)
    assert captured.returncode == 0
    assert "300 collections, 1 document," in captured.stdout
    assert run("restore", "many", "--db-url", f"{server_url}/{target.name}").returncode == 0
    assert list_definitions(target) == list_definitions(source)


def test_views_that_do_not_work(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source["numbers"].insert_many([{"_id": 1, "x": "text"}, {"_id": 2, "x": 0}])
    divide = [{"$project": {"y": {"$divide": [1, "$x"]}}}]
    source.create_collection("failing", viewOn="numbers", pipeline=divide)
    source.create_collection("dangling", viewOn="nothing", pipeline=[])
    union = [{"$unionWith": "missing"}]
    source.create_collection("above", viewOn="dangling", pipeline=union)

    snapshot = capture(source, tmp_path / "views")
    for _ in range(2):
        restore(snapshot, target)
        assert list_definitions(target) == list_definitions(source)
    assert not compare(snapshot, live_state(target))


def test_data_that_validators_and_indexes_would_refuse_now(
    mongo_client: Client, make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source["strict"].insert_one({"_id": 1})
    source.command(
        {"collMod": "strict", "validator": {"z": {"$exists": True}}, "validationLevel": "strict"}
    )
    source["twice"].insert_many([{"_id": 1, "x": 1}, {"_id": 2, "x": 1}])
    source["twice"].create_index("x")
    if tuple(map(int, mongo_client.server_info()["version"].split(".")[:1])) >= (6,):
        source.command(
            {"collMod": "twice", "index": {"keyPattern": {"x": 1}, "prepareUnique": True}}
        )

    snapshot = capture(source, tmp_path / "refused")
    staged = restore(snapshot, target)

    assert hash_collections(target) == hash_collections(source)
    assert list_definitions(target) == list_definitions(source)
    target["twice"].delete_one({"_id": 1})
    staged.reset()
    assert not compare(snapshot, live_state(target))


def test_stored_functions_come_and_go(make_database: MakeDatabase, tmp_path: Path) -> None:
    """The server does not drop the collection that holds them."""
    source, target = make_database(), make_database()
    source["orders"].insert_one({"_id": 1})
    without = capture(source, tmp_path / "without")
    source["system.js"].insert_one({"_id": "f", "value": "function () {}"})
    having = capture(source, tmp_path / "having")

    for snapshot in (having, without, having, having, without):
        staged = restore(snapshot, target)
        assert not compare(snapshot, live_state(target))
        target["system.js"].insert_one({"_id": "g"})
        target["system.js"].create_index("x")
        assert staged.changes()
        staged.reset()
        assert not staged.changes()
        assert not compare(snapshot, live_state(target))


class After(monitoring.CommandListener):
    """Do something each time that a command of some name has been answered."""

    def __init__(self, command: str, action: Callable[[int], object]) -> None:
        self.command, self.action, self.times = command, action, 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.command_name == self.command:
            self.times += 1
            self.action(self.times)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
def disturbed(server_url: str) -> Disturbed:
    """Connect to a database in which something else happens after each reading of a collection."""

    @contextmanager
    def disturbed(name: str, action: Callable[[int], object]) -> Iterator[Database]:
        client: Client = pymongo.MongoClient(server_url, event_listeners=[After("find", action)])
        with client:
            yield client[name]

    return disturbed


CHANGES: dict[str, Callable[[Database], object]] = {
    "created": lambda database: database.create_collection("new"),
    "dropped": lambda database: database.drop_collection("second"),
    "renamed": lambda database: database["second"].rename("third"),
    "indexed": lambda database: database["first"].create_index("x"),
    "validated": lambda database: database.command(
        {"collMod": "first", "validator": {"x": {"$gt": 1}}}
    ),
    "viewed": lambda database: database.create_collection("view", viewOn="first", pipeline=[]),
}


@pytest.fixture
def two(make_database: MakeDatabase) -> Database:
    database = make_database()
    for name in ("first", "second"):
        database[name].insert_one({"_id": 1})
    return database


@pytest.mark.parametrize("change", CHANGES)
def test_a_collection_that_changes_during_a_capture(
    change: str, two: Database, disturbed: Disturbed, tmp_path: Path
) -> None:
    """The capture is done again, and is what the database is then."""

    def once(times: int) -> None:
        if times == 1:
            CHANGES[change](two)

    with disturbed(two.name, once) as database:
        snapshot = capture(database, tmp_path / "two")

    assert not compare(snapshot, live_state(two))
    assert [entry.name for entry in tmp_path.iterdir()] == ["two"]
    assert list(Snapshot.load(tmp_path / "two").problems()) == []


def test_a_collection_that_is_made_anew_during_a_capture(
    two: Database, disturbed: Disturbed, tmp_path: Path
) -> None:
    """Servers before 7.0 cannot read the old one any more."""

    def once(times: int) -> None:
        if times == 1:
            two.drop_collection("second")
            two["second"].insert_one({"_id": "again"})

    with disturbed(two.name, once) as database:
        snapshot = capture(database, tmp_path / "two")

    (document,) = snapshot.collections["second"].documents()
    assert bson.decode(document)["_id"] in {1, "again"}


def test_a_database_that_never_rests_during_a_capture(
    two: Database, disturbed: Disturbed, tmp_path: Path
) -> None:
    before = capture(two, tmp_path / "two")

    def always(times: int) -> None:
        two.create_collection(f"new{times}")

    with (
        disturbed(two.name, always) as database,
        pytest.raises(CaptureError, match="changed during each of 3 captures; capture it when no"),
    ):
        capture(database, tmp_path / "two", replace=True)

    assert Snapshot.load(tmp_path / "two").manifest == before.manifest
    assert [entry.name for entry in tmp_path.iterdir()] == ["two"]


def test_a_database_that_goes_during_a_capture(
    two: Database, disturbed: Disturbed, tmp_path: Path
) -> None:
    def drop(_times: int) -> None:
        two.client.drop_database(two.name)

    with (
        disturbed(two.name, drop) as database,
        pytest.raises(DatabaseNotFoundError, match=two.name),
    ):
        capture(database, tmp_path / "two")
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_of_nothing(make_database: MakeDatabase, tmp_path: Path) -> None:
    source = make_database()
    with pytest.raises(MongoshotError, match="no database"):
        capture(source, tmp_path / "nothing")
    source.create_collection("empty")
    snapshot = capture(source, tmp_path / "empty")
    target = make_database()
    restore(snapshot, target)
    assert not compare(snapshot, live_state(target))
