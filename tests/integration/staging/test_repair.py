"""Documents come back as they were, where they were, whatever stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest

from mongoshot import Staged
from mongoshot.config import NaturalOrder
from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Database
from mongoshot.server.tracking.window import Tracker
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import MemoryState
from mongoshot.snapshot.writer import write_snapshot
from mongoshot.staging import repair
from mongoshot.staging.load import load

Stage = Callable[..., Staged]


@pytest.fixture
def stage(
    make_database: Callable[[], Database],
    make_collection: Callable[..., Any],
    make_state: Callable[..., MemoryState],
    origin: Origin,
    tmp_path: Path,
    open_each_tracker: Callable[[Database], Tracker],
) -> Stage:
    """Stage a collection `orders` of the documents given, with the indexes given."""

    def stage(
        documents: list[Any],
        *indexes: dict[str, Any],
        natural_order: NaturalOrder = "small",
    ) -> Staged:
        every = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}, *({"v": 2, **i} for i in indexes)]
        orders = make_collection("orders", documents, indexes=every)
        snapshot = write_snapshot(make_state(orders=orders), tmp_path / "orders", origin=origin)
        database = make_database()
        catalog = load(snapshot, database)
        tracker = open_each_tracker(database)
        return Staged(snapshot, database, tracker, catalog, natural_order=natural_order)

    return stage


def in_natural_order(database: Database) -> list[Any]:
    return [document["_id"] for document in database["orders"].find({})]


def test_an_update_leaves_a_document_in_its_place(stage: Stage) -> None:
    staged = stage([{"_id": n} for n in range(200)])
    staged.database["orders"].update_many({"_id": {"$gt": 190}}, {"$set": {"x": 1}})
    staged.database["orders"].insert_one({"_id": -1})

    report = staged.reset()

    assert report.documents == 9
    assert in_natural_order(staged.database) == list(range(200))


def test_a_deleted_document_comes_back_to_its_place_in_a_small_collection(stage: Stage) -> None:
    staged = stage([{"_id": n} for n in range(100)])
    staged.database["orders"].delete_many({"_id": {"$in": [70, 80, 99]}})

    report = staged.reset()

    assert dict(report.reloads) == {}
    assert in_natural_order(staged.database) == list(range(100))
    assert not staged.changes()


def test_a_deleted_document_comes_last_in_a_large_collection(stage: Stage) -> None:
    staged = stage([{"_id": n} for n in range(101)])
    staged.database["orders"].delete_many({"_id": {"$in": [70, 7]}})

    assert staged.reset().documents == 2

    others = [n for n in range(101) if n not in (7, 70)]
    assert in_natural_order(staged.database) == [*others, 7, 70]


def test_natural_order_is_exact_where_it_is_asked_for(stage: Stage) -> None:
    staged = stage([{"_id": n} for n in range(2000)], natural_order="exact")
    for deleted in ([1000], [1999, 3], [1999]):
        staged.database["orders"].delete_many({"_id": {"$in": deleted}})
        report = staged.reset()
        assert dict(report.reloads) == {}
        assert in_natural_order(staged.database) == list(range(2000))
        assert not staged.changes()


def test_natural_order_of_more_than_can_be_written_again_is_a_reload(stage: Stage) -> None:
    staged = stage([{"_id": n} for n in range(10_100)], natural_order="exact")
    staged.database["orders"].delete_one({"_id": 5})

    report = staged.reset()

    why = "the natural order of many of its documents was changed"
    assert dict(report.reloads) == {"orders": why}
    assert in_natural_order(staged.database) == list(range(10_100))


def test_documents_that_swapped_a_unique_value(stage: Stage) -> None:
    unique = {"key": {"u": 1}, "name": "u_1", "unique": True}
    staged = stage([{"_id": n, "u": n} for n in range(5)], unique)
    restored = hash_collections(staged.database)
    orders = staged.database["orders"]
    orders.update_one({"_id": 1}, {"$set": {"u": 99}})
    orders.update_one({"_id": 2}, {"$set": {"u": 1}})
    orders.update_one({"_id": 1}, {"$set": {"u": 2}})
    orders.delete_one({"_id": 3})
    orders.insert_one({"_id": 7, "u": 3})

    staged.reset()

    assert hash_collections(staged.database) == restored
    assert in_natural_order(staged.database) == list(range(5))


def test_documents_that_no_replacement_may_be(stage: Stage) -> None:
    documents = [
        {"_id": 1, "$set": {"a": 1}},
        {"_id": 2, "at": bson.Timestamp(0, 0)},
        {"_id": 3, "late": bson.DatetimeMS(2**62)},
        bson.encode({"a": 1, "_id": 4}),
        {"_id": 5, "": {"$x": 1}},
    ]
    staged = stage(documents)
    restored = hash_collections(staged.database)
    staged.database["orders"].update_many({}, [{"$set": {"x": 1}}])

    staged.reset()

    assert hash_collections(staged.database) == restored
    assert not staged.changes()


def test_ids_that_are_equal_and_not_the_same(stage: Stage) -> None:
    staged = stage([{"_id": 1, "int": True}, {"_id": 2.0, "double": True}])
    restored = hash_collections(staged.database)
    orders = staged.database["orders"]
    orders.delete_many({})
    orders.insert_many([{"_id": bson.Int64(2)}, {"_id": 1.0}])

    staged.reset()

    assert hash_collections(staged.database) == restored


def test_a_document_that_was_deleted_and_made_again_comes_back_to_its_place(
    stage: Stage, request: pytest.FixtureRequest
) -> None:
    staged = stage([{"_id": n} for n in range(20)])
    if staged.tier != "oplog":
        pytest.skip("only the oplog tells that it was away")
    staged.database["orders"].delete_one({"_id": 3})
    staged.database["orders"].insert_one({"_id": 3})

    staged.reset()

    assert in_natural_order(staged.database) == list(range(20))


@pytest.mark.long
def test_more_bytes_than_one_command_takes(stage: Stage) -> None:
    staged = stage([{"_id": f"{n:020000}", "x": "x" * 25_000} for n in range(1_400)])
    restored = hash_collections(staged.database)
    staged.database["orders"].delete_many({})

    staged.mark()
    staged.reset()

    assert hash_collections(staged.database) == restored


def test_more_bytes_than_are_held_in_memory_are_loaded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_MOST_BYTES", 2 << 20)
    staged = stage([{"_id": n, "text": "x" * (1 << 20)} for n in range(3)])
    before = hash_collections(staged.database)
    staged.database["orders"].update_one({"_id": 1}, {"$set": {"seen": 1}})
    assert staged.reset().reloads == {}
    staged.database["orders"].update_many({}, {"$set": {"seen": 1}})
    why = "more than 2 MiB of its documents were touched"
    assert staged.reset().reloads == {"orders": why}
    assert hash_collections(staged.database) == before


def test_a_collection_that_the_driver_cannot_name_is_put_right(stage: Stage) -> None:
    staged = stage([{"_id": 1}])
    names = ["a.", "a..b", "a..b."]
    for name in names:
        staged.database.command({"insert": name, "documents": [{"_id": 1}, {"_id": 2}]})
    changes = staged.changes()
    assert {name: len(changes.inserted[name]) for name in names} == dict.fromkeys(names, 2)
    staged.mark()
    for name in names:
        staged.database.command({"delete": name, "deletes": [{"q": {"_id": 1}, "limit": 1}]})
    changes = staged.changes()
    assert all(changes.deleted[name] == [{"_id": 1}] for name in names)
    staged.reset()
    assert staged.database.list_collection_names() == ["orders"]


def test_a_repair_that_failed_half_way_owes_what_it_removed(stage: Stage) -> None:
    """The neighbours of a document are written again, too: another program takes one's value."""
    unique = {"key": {"u": 1}, "name": "u_1", "unique": True}
    staged = stage([{"_id": n, "u": n} for n in range(20)], unique)
    restored = hash_collections(staged.database)
    writer: Any = staged._repair._writer
    insert = writer.insert

    def interrupted(*arguments: Any) -> int:
        staged.database["orders"].insert_one({"_id": "intruder", "u": 17})
        writer.insert = insert
        inserted: int = insert(*arguments)
        return inserted

    writer.insert = interrupted
    staged.database["orders"].delete_one({"_id": 12})
    staged.reset()
    staged.reset()

    assert hash_collections(staged.database) == restored


@pytest.mark.parametrize(("pristine", "equal"), [(5, 5.0), (bson.Int64(5), 5)])
def test_an_equal_id_of_another_type_is_not_taken_for_it(
    stage: Stage, pristine: Any, equal: Any
) -> None:
    staged = stage([{"_id": pristine}])
    orders = staged.database["orders"]
    definition = staged._repair.catalog["orders"].definition
    alike = bson.encode({"": equal})[4:-1].replace(b"\0", b"", 1)

    staged._repair._writer.put_back(definition, [alike], {})

    assert orders.count_documents({}) == 1
