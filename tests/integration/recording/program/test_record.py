"""Programs that were recorded: each step is a state that the database was in, to the byte."""

from __future__ import annotations

import contextlib
import datetime
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.binary import UuidRepresentation
from pymongo.errors import PyMongoError

from mongoshot import compare, restore
from mongoshot.config import Project
from mongoshot.errors import CaptureError, SnapshotExistsError, UnmaskedError
from mongoshot.recording.capture import Conduct, Recorded
from mongoshot.recording.program.record import Performance, record_program
from mongoshot.recording.request import Request
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Client, Database, connect
from mongoshot.snapshot.model import Collection, MemoryState
from mongoshot.snapshot.steps.state import at_step, read_writes

_UUIDS = UuidRepresentation.STANDARD

Program = Callable[[Database], None]
MakeDatabase = Callable[[], Database]
Record = Callable[..., Performance]


@pytest.fixture(scope="module")
def standalone(start_mongod: Callable[..., str]) -> Iterator[Client]:
    """Give a server that keeps no oplog."""
    client = connect(f"mongodb://{start_mongod()}")
    yield client
    client.close()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Record a program as the scenario `import`."""

    def record(
        database: Database, program: Program, *, replace_it: bool = False, **asked: Any
    ) -> Performance:
        def run(_: Recorded) -> None:
            program(database)

        path, conduct = tmp_path / "snapshots" / "import", Conduct(project=Project(tmp_path))
        return record_program(database, path, Request(**asked), conduct, run, replace_it=replace_it)

    return record


def frozen(database: Database) -> MemoryState:
    """Return the state that a database is in, whatever becomes of it."""
    live = live_state(database)
    collections = {}
    for name, collection in live.collections.items():
        chunks = list(collection.chunks())
        collections[name] = Collection(collection.definition, lambda chunks=chunks: iter(chunks))  # type: ignore[misc]
    return MemoryState("then", collections)


def steps_of(performance: Performance) -> int:
    recording = performance.snapshot.manifest.recording
    assert recording is not None
    return recording.steps


class Writer:
    """Write to a database whatever comes to mind, seeded, and remember each state on the way."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database, self.random = database, random.Random(seed)
        self.states: list[MemoryState] = []

    def value(self, depth: int = 0) -> Any:
        simple: list[Any] = [
            *(None, True, 1, 1.0, "text", "", bson.Int64(7), bson.Decimal128("1.10")),
            bson.ObjectId(),
            datetime.datetime(2026, 1, 1),
            bson.Binary.from_uuid(uuid.UUID(int=self.random.getrandbits(128)), _UUIDS),
            bson.Regex("^a", "i"),
            bson.MinKey(),
        ]
        kind = self.random.random()
        if depth < 3 and kind < 0.25:
            return {self.random.choice("abcdsui"): self.value(depth + 1) for _ in range(3)}
        if depth < 3 and kind < 0.5:
            return [self.value(depth + 1) for _ in range(self.random.randrange(5))]
        return self.random.choice(simple)

    def document(self) -> dict[str, Any]:
        fields = self.random.sample("abcdsuil", 4)
        return {"_id": self.random.randrange(30), **{field: self.value() for field in fields}}

    def path(self) -> str:
        names = [self.random.choice("abcdsuil") for _ in range(self.random.choice((1, 1, 2, 3)))]
        return ".".join(
            self.random.choice((name, name, "0", "2")) if at else name
            for at, name in enumerate(names)
        )

    def update(self) -> Any:
        path, value = self.path(), self.value()
        return self.random.choice(
            [
                {"$set": {path: value}},
                {"$set": {path: value, f"{path[0]}x": 1}},
                {"$unset": {path: ""}},
                {"$push": {path: value}},
                {"$push": {path: {"$each": [value, 1], "$position": 0, "$slice": 3}}},
                {"$pop": {path: self.random.choice((1, -1))}},
                {"$rename": {path[0]: "z"}},
                {"$inc": {path: 1}},
                [{"$set": {path[0]: value}}, {"$unset": "b"}],
                [{"$replaceWith": {"$mergeObjects": [{"first": 1}, "$$ROOT"]}}],
            ]
        )

    def write(self) -> None:
        name = self.random.choice(("orders", "orders", "carts", "made"))
        collection = self.database[name]
        match self.random.randrange(11):
            case 0 | 1:
                collection.update_one(
                    {"_id": self.random.randrange(30)}, self.update(), upsert=True
                )
            case 2 | 3:
                collection.update_many({"_id": {"$gt": self.random.randrange(30)}}, self.update())
            case 4:
                collection.insert_many([self.document() | {"_id": bson.ObjectId()} for _ in "abc"])
            case 5:
                collection.delete_many({"_id": {"$lt": self.random.randrange(8)}})
            case 6:
                document = self.document()
                collection.replace_one({"_id": document["_id"]}, document, upsert=True)
            case 7:
                with self.database.client.start_session() as session, session.start_transaction():
                    for _ in range(3):
                        document = self.document()
                        key = {"_id": document["_id"]}
                        collection.replace_one(key, document, upsert=True, session=session)
                    self.database["orders"].delete_one({}, session=session)
            case 8:
                options: list[dict[str, Any]] = [{}, {"sparse": True}, {"hidden": True}]
                collection.create_index(
                    self.random.choice("ab"),
                    name=f"i{len(self.states)}",
                    **self.random.choice(options),
                )
            case 9:
                collection.aggregate([{"$match": {"_id": {"$gt": 5}}}, {"$out": "summary"}])
            case 10:
                self.database["made"].drop()

    def run(self, writes: int) -> None:
        for _ in range(writes):
            # The server takes no path through a number, and no two indexes alike.
            with contextlib.suppress(PyMongoError):
                self.write()
            # The oplog does not tell two updateMany apart, but for what is between them.
            self.database["borders"].insert_one({})
            self.states.append(frozen(self.database))


@pytest.mark.parametrize("seed", range(3))
def test_random_writes_are_told_to_the_byte(
    make_database: MakeDatabase, record: Record, seed: int
) -> None:
    check_random_writes(make_database(), record, seed, 60)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_random_writes_are_told_to_the_byte(
    make_database: MakeDatabase, record: Record, seed: int
) -> None:
    check_random_writes(make_database(), record, seed, 150)


def check_random_writes(database: Database, record: Record, seed: int, writes: int) -> None:
    writer = Writer(database, seed)
    database["orders"].insert_many([{"_id": n, "a": [n], "u": {"d": n}} for n in range(30)])
    database.create_collection("borders")
    performance = record(database, lambda _: writer.run(writes))
    assert performance.untold == ""
    # How many steps are between two is not sure: where another test writes to the same server in
    # between, each document of an updateMany is a step of its own.
    borders = [
        write.step
        for write in read_writes(performance.snapshot)
        if write.collection == "borders" and write.kind == "insert"
    ]
    for step, state in zip(borders, writer.states, strict=True):
        difference = compare(at_step(performance.snapshot, step), state)
        assert not difference, f"step {step}: {difference}"


@pytest.fixture
def orders(make_database: MakeDatabase) -> Database:
    """Give three orders, and a customer whose address nobody should see."""
    database = make_database()
    database["orders"].insert_many([{"_id": n, "status": "open"} for n in range(3)])
    database["customers"].insert_one({"_id": "ann", "email": "ann@private.example", "orders": 0})
    return database


def test_one_command_is_one_step_and_so_is_a_transaction(orders: Database, record: Record) -> None:
    def program(database: Database) -> None:
        database["orders"].insert_many([{"_id": n} for n in range(10, 20)])
        database["orders"].update_many({}, {"$set": {"seen": True}})
        database["orders"].delete_many({"_id": {"$gte": 15}})
        with database.client.start_session() as session, session.start_transaction():
            database["orders"].delete_one({"_id": 10}, session=session)
            database["customers"].update_one({}, {"$inc": {"orders": 1}}, session=session)
        database["orders"].update_one({"_id": 0}, {"$set": {"status": "paid"}})
        database["orders"].update_one({"_id": 0}, {"$set": {"status": "sent"}})

    performance = record(orders, program)
    by_step: dict[int, list[str]] = {}
    for write in read_writes(performance.snapshot):
        by_step.setdefault(write.step, []).append(f"{write.kind} {write.collection}")
    assert by_step == {
        1: ["insert orders"] * 10,
        2: ["update orders"] * 13,
        3: ["delete orders"] * 5,
        4: ["delete orders", "update customers"],
        5: ["update orders"],
        6: ["update orders"],
    }


def test_a_step_is_restored_and_reset_as_any_scenario(
    orders: Database, record: Record, make_database: MakeDatabase
) -> None:
    def program(database: Database) -> None:
        database["orders"].update_one({"_id": 1}, {"$set": {"status": "paid"}})
        database["log"].insert_one({"_id": "a"})
        database["log"].create_index("order", unique=True)
        database["customers"].rename("people")
        database["orders"].drop()

    performance = record(orders, program)
    target = make_database()
    for step in range(steps_of(performance) + 1):
        scenario = at_step(performance.snapshot, step)
        staged = restore(scenario, target)
        assert not compare(scenario, live_state(target))
        target["orders"].delete_many({})
        target["people"].insert_one({"_id": "bob"})
        staged.reset()
        assert not compare(scenario, live_state(target))


def test_the_changes_are_those_of_the_program(orders: Database, record: Record) -> None:
    def program(database: Database) -> None:
        database["orders"].update_one({"_id": 1}, {"$set": {"status": "paid"}})
        database["orders"].update_one({"_id": 2}, {"$set": {"status": "paid"}})
        database["orders"].update_one({"_id": 2}, {"$set": {"status": "open"}})
        database["orders"].insert_one({"_id": 7})

    changes = record(orders, program).changes
    assert changes.inserted == {"orders": [{"_id": 7}]}
    assert changes.updated == {
        "orders": [({"_id": 1, "status": "open"}, {"_id": 1, "status": "paid"})]
    }
    assert not changes.deleted
    assert changes.scenario == "import"


def test_ids_and_dates_that_the_program_made_are_known_as_such(
    orders: Database, record: Record
) -> None:
    made = bson.ObjectId()

    def program(database: Database) -> None:
        now = datetime.datetime.now(datetime.UTC)
        old = bson.ObjectId("5f0000000000000000000000")
        database["orders"].insert_one({"_id": made, "at": now, "from": old})

    provenance = record(orders, program).changes.provenance
    assert provenance is not None
    assert provenance().made("ObjectId", made.binary)
    assert not provenance().made("ObjectId", bytes.fromhex("5f0000000000000000000000"))


def test_a_program_that_changes_nothing(orders: Database, record: Record) -> None:
    performance = record(orders, lambda database: list(database["orders"].find()) and None)
    assert steps_of(performance) == 0
    assert performance.untold == ""
    assert not performance.changes


def test_a_database_that_is_not_there_yet(make_database: MakeDatabase, record: Record) -> None:
    performance = record(
        make_database(), lambda database: database["a"].insert_one({"_id": 1}) and None
    )
    assert performance.untold == ""
    assert dict(performance.snapshot.collections) == {}
    assert performance.changes.inserted == {"a": [{"_id": 1}]}


def test_what_is_left_out_is_in_no_step(orders: Database, record: Record) -> None:
    def program(database: Database) -> None:
        database["customers"].update_one({}, {"$set": {"email": "new@private.example"}})
        database["noise"].insert_one({})
        database["orders"].delete_one({"_id": 0})

    performance = record(orders, program, collections=("orders",))
    assert [write.kind for write in read_writes(performance.snapshot)] == ["delete"]
    performance = record(orders, program, exclude=("customers", "noise"), replace_it=True)
    assert [write.collection for write in read_writes(performance.snapshot)] == []


def test_masks_hold_before_and_after(orders: Database, record: Record, tmp_path: Path) -> None:
    def program(database: Database) -> None:
        database["customers"].update_one({"_id": "ann"}, {"$inc": {"orders": 1}})
        database["customers"].update_one({"_id": "ann"}, {"$set": {"email": "new@private.example"}})
        database["customers"].insert_one({"_id": "bob", "email": "bob@private.example"})
        database["customers"].delete_one({"_id": "ann"})

    masks = ("customers.email=email", "customers._id=text")
    performance = record(orders, program, masks=masks)
    assert performance.untold == ""
    files = b"".join(path.read_bytes() for path in (tmp_path / "snapshots").rglob("*.*"))
    for secret in (b"private.example", b'"ann"', b'"bob"'):
        assert secret not in files
    [ann] = [bson.decode(d) for d in performance.snapshot.collections["customers"].documents()]
    writes = [bson.decode(write.document) for write in read_writes(performance.snapshot)]
    # The same value has the same mask, whenever it is written; the delete finds the document.
    assert writes[0] == ann | {"orders": 1}
    assert writes[1]["email"] != ann["email"]
    assert [write["_id"] == ann["_id"] for write in writes] == [True, True, False, True]
    assert [len(content) for content in _customers(performance)] == [1, 1, 1, 2, 1]


def _customers(performance: Performance) -> list[list[bytes]]:
    steps = range(steps_of(performance) + 1)
    states = [at_step(performance.snapshot, step) for step in steps]
    return [list(state.collections["customers"].documents()) for state in states]


def test_a_secret_that_the_program_writes_stops_the_recording(
    orders: Database, record: Record, tmp_path: Path
) -> None:
    def program(database: Database) -> None:
        database["users"].insert_one({"_id": 1, "password": "correct horse battery"})

    with pytest.raises(UnmaskedError, match=r"users\.password"):
        record(orders, program)
    assert not list((tmp_path / "snapshots").iterdir())


@pytest.mark.parametrize("where", ["index", "validator"])
def test_a_secret_in_what_a_collection_becomes_stops_it_too(
    orders: Database, record: Record, tmp_path: Path, where: str
) -> None:
    condition = {"token": {"$eq": "AKIA" + "IOSFODNN7EXAMPLE"}}

    def program(database: Database) -> None:
        if where == "index":
            database["orders"].create_index("status", partialFilterExpression=condition)
        else:
            database.command("collMod", "orders", validator=condition)

    with pytest.raises(UnmaskedError, match="AWS access key in its options or indexes"):
        record(orders, program)
    assert not list((tmp_path / "snapshots").iterdir())


def test_a_program_that_fails_leaves_nothing(
    orders: Database, record: Record, tmp_path: Path
) -> None:
    def program(_: Database) -> None:
        raise CaptureError("it ended with status 1")

    with pytest.raises(CaptureError, match="status 1"):
        record(orders, program)
    assert not list((tmp_path / "snapshots").iterdir())


def test_what_is_there_is_replaced_in_the_end_alone(orders: Database, record: Record) -> None:
    def drops(database: Database) -> None:
        database["orders"].drop()

    first = record(orders, drops)
    with pytest.raises(SnapshotExistsError, match="add --replace"):
        record(orders, drops)

    def fails(_: Database) -> None:
        raise CaptureError("no")

    with pytest.raises(CaptureError, match="no"):
        record(orders, fails, replace_it=True)
    assert first.snapshot.manifest == type(first.snapshot).load(first.snapshot.path).manifest
    second = record(orders, lambda database: database["x"].insert_one({}) and None, replace_it=True)
    assert second.snapshot.manifest.revision == 2
    assert steps_of(second) == 2


def test_what_cannot_be_told_is_one_step_and_says_why(orders: Database, record: Record) -> None:
    def program(database: Database) -> None:
        database["orders"].delete_one({"_id": 0})
        database.command("collMod", "orders", validator={"status": {"$ne": "x"}})
        database["orders"].insert_one({"_id": 9, "status": "new"})

    performance = record(orders, program)
    assert "collMod" in performance.untold
    assert steps_of(performance) == 1
    assert performance.changes.inserted == {"orders": [{"_id": 9, "status": "new"}]}
    assert not compare(at_step(performance.snapshot, 1), live_state(orders))


@pytest.mark.parametrize("masks", [(), ("customers.email=email",)], ids=["plain", "masked"])
def test_a_standalone_server_tells_before_and_after(
    standalone: Client, record: Record, masks: tuple[str, ...]
) -> None:
    standalone.drop_database("recorded")
    database = standalone["recorded"]
    database["orders"].insert_many([{"_id": n} for n in range(3)])
    database["customers"].insert_one({"_id": "ann", "email": "ann@private.example"})

    def program(database: Database) -> None:
        database["orders"].delete_one({"_id": 1})
        database["orders"].update_one({"_id": 2}, {"$set": {"paid": True}})
        database["log"].insert_one({"_id": "a"})

    performance = record(database, program, masks=masks)
    assert performance.untold == "the server keeps no oplog that this user may read"
    assert steps_of(performance) == 1
    assert performance.changes.inserted == {"log": [{"_id": "a"}]}
    assert performance.changes.deleted == {"orders": [{"_id": 1}]}
    assert "customers" not in performance.changes.collections


def test_time_series_that_are_written_to_and_made(orders: Database, record: Record) -> None:
    orders.create_collection("weather", timeseries={"timeField": "at", "metaField": "sensor"})
    day = datetime.datetime(2026, 1, 1)
    orders["weather"].insert_one({"at": day, "sensor": 1, "t": 1.5})

    def program(database: Database) -> None:
        database["weather"].insert_one({"at": day, "sensor": 1, "t": 2.5})
        database["weather"].insert_one({"at": day, "sensor": 2, "t": 3.5})
        database.create_collection("tides", timeseries={"timeField": "at"})
        database["tides"].insert_one({"at": day, "height": 1})

    performance = record(orders, program)
    assert not compare(at_step(performance.snapshot, -1), live_state(orders))


def test_what_is_made_and_gone_again_is_as_the_server_lists_it(
    orders: Database, record: Record
) -> None:
    states: list[MemoryState] = []

    def program(database: Database) -> None:
        collation = {"locale": "fr"}
        database.create_collection(
            "tides",
            timeseries={"timeField": "at"},
            expireAfterSeconds=10**7,
            collation=collation,
        )
        for name in ("orders", "made"):
            search = [("words", "text")]
            database[name].create_index(search, default_language="german", weights={"words": 3})
            database[name].create_index([("place", "2d")], bits=20, min=-10, max=10)
            database[name].create_index("u", collation=collation, unique=True, sparse=True)
        states.append(frozen(database))
        database["borders"].insert_one({})
        for name in ("tides", "made", "orders"):
            database[name].drop()

    performance = record(orders, program)
    assert performance.untold == ""
    [border] = [w.step for w in read_writes(performance.snapshot) if w.collection == "borders"][:1]
    difference = compare(at_step(performance.snapshot, border - 1), states[0])
    assert not difference, difference


def test_a_capped_collection_makes_room_within_the_step(orders: Database, record: Record) -> None:
    orders.create_collection("log", capped=True, size=4096, max=3)
    orders["log"].insert_many([{"_id": n} for n in range(3)])

    def program(database: Database) -> None:
        database["log"].insert_one({"_id": 10})
        database["log"].insert_many([{"_id": 11}, {"_id": 12}])

    performance = record(orders, program)
    steps = range(steps_of(performance) + 1)
    states = [at_step(performance.snapshot, step).collections["log"] for step in steps]
    kept = [[bson.decode(d)["_id"] for d in state.documents()] for state in states]
    assert kept == [[0, 1, 2], [1, 2, 10], [10, 11, 12]]


def test_somebody_who_writes_to_a_capped_collection_meanwhile(
    orders: Database, tmp_path: Path
) -> None:
    orders.create_collection("log", capped=True, size=4096)
    orders["log"].insert_one({"_id": 0})

    def other(_: object) -> None:
        orders["log"].insert_one({"_id": 1})

    def program(_: object) -> None:
        orders["log"].insert_one({"_id": 2})

    conduct = Conduct(project=Project(tmp_path), weighed=other)
    performance = record_program(
        orders, tmp_path / "snapshots" / "import", Request(), conduct, program, replace_it=False
    )
    last = at_step(performance.snapshot, -1).collections["log"]
    assert [bson.decode(each)["_id"] for each in last.documents()] == [0, 1, 2]
    assert "log" in performance.untold
    assert steps_of(performance) == 1
