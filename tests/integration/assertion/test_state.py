"""What a test sees of a state, on a server: exact in either form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import InsertOne

from mongoshot import Snapshot, capture, restore
from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.model import StateKind, parse_expectation
from mongoshot.server.connection import Database
from mongoshot.staging.staged import Staged

MakeDatabase = Callable[[], Database]


def observe(staged: Staged) -> ObservedState:
    return ObservedState(staged.state, staged.scenario, provenance=staged.provenance)


def collections_of(state: ObservedState, kind: StateKind | None = None) -> Any:
    return json.loads(state.write(kind)[0])["collections"]


@pytest.mark.parametrize("kind", ["state", "difference", None])
def test_of_every_kind_of_collection_a_fresh_restore_is_as_expected(
    every_kind: Snapshot, make_database: MakeDatabase, kind: StateKind | None
) -> None:
    staged, other = (restore(every_kind, make_database()) for _ in range(2))
    expected = observe(staged).write(kind)[0]
    assert observe(other).write(kind)[0] == expected
    if kind != "state":  # it has a time series
        assert json.loads(expected)["kind"] == "difference"
        assert json.loads(expected)["collections"] == {}

    other.database["capped"].insert_one({"_id": 9})
    other.database["collated"].delete_one({"_id": "é"})
    changed = parse_expectation(observe(other).write(kind)[0])
    assert find_mismatch(parse_expectation(expected), changed)
    if kind != "state":
        assert collections_of(observe(other), kind) == {
            "capped": {"inserted": [{"_id": 9}]},
            "collated": {"deleted": [{"_id": "é"}]},
        }


def test_what_differs_is_found_in_several_batches_of_the_server(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The first batch of a cursor has 101 documents, the others up to 16 MB."""
    source = make_database()
    source["orders"].bulk_write([InsertOne({"_id": n, "t": "x" * 20_000}) for n in range(2000)])
    capture(source, tmp_path / "large", format="bson")
    staged = restore(Snapshot.load(tmp_path / "large"), make_database())
    orders = staged.database["orders"]
    orders.insert_many([{"_id": -2}, {"_id": bson.Int64(-1)}, {"_id": "last"}])
    orders.delete_many({"_id": {"$in": [0, 101, 102, 900, 1999]}})
    orders.update_many({"_id": {"$in": [100, 950, 1998]}}, {"$set": {"n": 1}})
    found = collections_of(observe(staged))["orders"]
    assert [d["_id"] for d in found["inserted"]] == [-2, {"$numberLong": "-1"}, "last"]
    assert [d["_id"] for d in found["deleted"]] == [0, 101, 102, 900, 1999]
    assert [d["_id"] for d in found["updated"]] == [100, 950, 1998]
    assert found["updated"][0]["fields"] == {"n": {"after": 1}}


def test_a_capped_collection_that_has_wrapped(make_database: MakeDatabase, tmp_path: Path) -> None:
    source = make_database()
    source.create_collection("log", capped=True, size=1_000_000, max=50)
    source["log"].insert_many([{"_id": n} for n in range(50, 0, -1)])
    capture(source, tmp_path / "capped")
    staged = restore(Snapshot.load(tmp_path / "capped"), make_database())
    staged.database["log"].insert_many([{"_id": 100}, {"_id": 50}])
    found = collections_of(observe(staged)["log"], "difference")["log"]
    assert found == {"inserted": [{"_id": 100}], "deleted": [{"_id": 49}]}
