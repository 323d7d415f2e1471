"""restore ∘ capture is the identity, for every kind of collection and in both encodings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import bson
import pymongo
import pytest
from pymongo import monitoring

from mongoshot import Snapshot, capture, compare, restore
from mongoshot.errors import NotRepresentableError, UsageError
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import hash_collections, live_state
from mongoshot.server.connection import Client, Database, connect

MakeDatabase = Callable[[], Database]


@pytest.mark.parametrize("format", ["bson", "json", None])
def test_a_restored_database_is_equal(
    format: str | None,
    make_database: MakeDatabase,
    make_every_kind: Callable[[Database], Database],
    tmp_path: Path,
) -> None:
    source, target = make_every_kind(make_database()), make_database()

    snapshot = capture(source, tmp_path / "every", format=format)
    restore(snapshot, target)

    assert hash_collections(target) == hash_collections(source)
    assert len(hash_collections(source)) == 15
    assert list_definitions(target) == list_definitions(source)
    assert not compare(live_state(source), live_state(target))
    assert not compare(snapshot, live_state(target))
    natural = [document["_id"] for document in target["capped"].find()]
    assert natural == [3, 1, 2]
    assert target["weather"].count_documents({"sensor": 1}) == 4
    assert target["a_above"].count_documents({}) == 3
    assert {f.suffix for f in snapshot.path.iterdir() if "metadata" not in f.name} == (
        {".bson", ".json"} if format == "bson" else {".json"}
    )


@pytest.mark.parametrize("format", ["bson", "json"])
def test_an_unchanged_database_gives_the_same_bytes(
    format: str,
    make_database: MakeDatabase,
    make_every_kind: Callable[[Database], Database],
    tmp_path: Path,
) -> None:
    source, copy = make_every_kind(make_database()), make_database()
    first = capture(source, tmp_path / "first", format=format)
    again = capture(source, tmp_path / "again", format=format)
    restore(first, copy)
    of_the_copy = capture(copy, tmp_path / "copy", format=format)

    for other in (again, of_the_copy):
        assert other.digest == first.digest
        assert other.manifest.files == first.manifest.files
        for entry in first.manifest.files:
            assert (other.path / entry.name).read_bytes() == (first.path / entry.name).read_bytes()


def test_a_replaced_snapshot_of_an_unchanged_database_is_not_touched(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source = make_database()
    source["orders"].insert_one({"_id": 1})
    first = capture(source, tmp_path / "orders")
    written = (tmp_path / "orders" / "manifest.json").stat().st_mtime_ns

    assert capture(source, tmp_path / "orders", replace=True).manifest == first.manifest
    assert (tmp_path / "orders" / "manifest.json").stat().st_mtime_ns == written

    source["orders"].insert_one({"_id": 2})
    assert capture(source, tmp_path / "orders", replace=True).manifest.revision == 2


def test_documents_that_extended_json_cannot_hold_become_bson(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source["queries"].insert_one({"_id": 7, "query": {"$oid": "not an ObjectId"}})
    source["plain"].insert_one({"_id": 1})

    with pytest.raises(NotRepresentableError, match=r"queries, _id 7: .*query.*--format bson"):
        capture(source, tmp_path / "json", format="json")
    assert not (tmp_path / "json").exists()

    snapshot = capture(source, tmp_path / "mixed")
    assert sorted(entry.name for entry in snapshot.manifest.files if entry.holds_documents) == [
        "plain.json",
        "queries.bson",
    ]
    restore(snapshot, target)
    assert hash_collections(target) == hash_collections(source)


def test_a_large_collection_becomes_bson(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database(), make_database()
    source["large"].insert_many([{"_id": n, "text": "x" * 1000} for n in range(12_000)])
    source["large"].create_index("text")
    source["huge"].insert_one({"_id": 1, "bytes": b"x" * (16 * 1024 * 1024 - 100)})

    snapshot = capture(source, tmp_path / "large")
    assert {entry.name for entry in snapshot.manifest.files} == {
        "large.bson",
        "large.metadata.json",
        "huge.bson",
        "huge.metadata.json",
    }
    restore(snapshot, target)
    assert hash_collections(target) == hash_collections(source)
    assert list_definitions(target) == list_definitions(source)


def test_a_capture_reads_one_point_in_time(
    make_database: MakeDatabase, server_url: str, tmp_path: Path
) -> None:
    """A writer that gets in between two collections is not seen in the second one either."""
    source = make_database()
    source["first"].insert_one({"_id": 1})
    source["second"].insert_one({"_id": 1})

    class WriteAfterFirstRead(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None:
            pass

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            if event.command_name == "find":
                source["second"].update_one({"_id": 1}, {"$set": {"late": True}})

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            pass

    client: Client = pymongo.MongoClient(server_url, event_listeners=[WriteAfterFirstRead()])
    with client:
        snapshot = capture(client[source.name], tmp_path / "torn")

    documents = list(snapshot.collections["second"].documents())
    assert documents == [bson.encode({"_id": 1})]
    assert source["second"].find_one() == {"_id": 1, "late": True}
    assert snapshot.manifest.origin.consistency == "snapshot"


def test_only_the_collections_asked_for(make_database: MakeDatabase, tmp_path: Path) -> None:
    source = make_database()
    for name in ("orders", "payments", "audit"):
        source[name].insert_one({"_id": 1})

    assert set(capture(source, tmp_path / "a", exclude=["audit"]).collections) == {
        "orders",
        "payments",
    }
    assert set(capture(source, tmp_path / "b", collections=["audit"]).collections) == {"audit"}
    with pytest.raises(UsageError, match=r"no collection 'order' in .*did you mean orders\?"):
        capture(source, tmp_path / "c", collections=["order"])


def test_a_capture_writes_nothing_to_its_source(
    make_database: MakeDatabase, count_writes: Callable[[Database], int], tmp_path: Path
) -> None:
    source = make_database()
    source["orders"].insert_one({"_id": 1})
    before = count_writes(source)
    assert before > 0

    capture(source, tmp_path / "orders")

    assert count_writes(source) == before


@pytest.mark.skipif(shutil.which("mongorestore") is None, reason="no mongorestore on PATH")
def test_mongorestore_reads_the_bson_form(
    make_database: MakeDatabase,
    make_every_kind: Callable[[Database], Database],
    server_url: str,
    tmp_path: Path,
) -> None:
    source, target = make_every_kind(make_database()), make_database()
    snapshot = capture(source, tmp_path / "every", format="bson")

    subprocess.run(
        ["mongorestore", "--uri", server_url, "--db", target.name, str(snapshot.path)], check=True
    )

    assert hash_collections(target) == hash_collections(source)


def test_a_snapshot_is_read_back_from_its_directory(
    make_database: MakeDatabase, server_url: str, tmp_path: Path
) -> None:
    source = make_database()
    source["orders"].insert_one({"_id": 1})
    captured = capture(source, tmp_path / "orders")

    loaded = Snapshot.load(tmp_path / "orders")
    assert loaded == captured
    with connect(server_url) as client:
        target = client[make_database().name]
        restore(loaded, target)
        assert target["orders"].find_one() == {"_id": 1}


def test_python_warns_of_references_that_masks_may_break(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGOSHOT_MASKING_KEY", "of these tests alone")
    source = make_database()
    for number in range(9):
        source["customers"].insert_one({"_id": f"kim-{number}"})
        source["orders"].insert_one({"_id": number, "customer": f"kim-{number}"})

    both = {"customers._id": "text", "orders.customer": "text"}
    with pytest.warns(UserWarning, match=r"orders\.customer stays as it is, but customers\._id"):
        capture(source, tmp_path / "one", mask={"customers._id": "text"})
    snapshot = capture(source, tmp_path / "both", mask=both)

    documents = {name: list(c.documents()) for name, c in snapshot.collections.items()}
    customers = {bson.decode(each)["_id"] for each in documents["customers"]}
    assert {bson.decode(each)["customer"] for each in documents["orders"]} == customers
    assert customers.isdisjoint(f"kim-{number}" for number in range(9))
