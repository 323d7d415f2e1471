"""A restore is exact or an error, and one that was cut short is recognised."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bson
import pytest

from mongoshot import capture, restore
from mongoshot.errors import CommandError, RestoreError, SnapshotDamagedError
from mongoshot.server.collections import create_indexes
from mongoshot.server.connection import Database
from mongoshot.server.ledger import read_baseline
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Definition, MemoryState
from mongoshot.snapshot.overlay import overlay
from mongoshot.snapshot.writer import write_snapshot
from mongoshot.staging.load import load

MakeDatabase = Callable[[], Database]


def test_a_damaged_snapshot_is_refused_before_the_first_write(
    make_database: MakeDatabase, count_writes: Callable[[Database], int], tmp_path: Path
) -> None:
    source, target = make_database(), make_database()
    source["orders"].insert_one({"_id": 1, "total": 5})
    good = capture(source, tmp_path / "orders", format="bson")
    restore(good, target)
    before = count_writes(target)

    file = tmp_path / "orders" / "orders.bson"
    file.write_bytes(file.read_bytes().replace(b"\x05\x00\x00\x00\x00", b"\x06\x00\x00\x00\x00"))
    with pytest.raises(SnapshotDamagedError, match=r"orders\.bson was changed"):
        restore(Snapshot.load(good.path), target)

    assert count_writes(target) == before
    assert target["orders"].find_one() == {"_id": 1, "total": 5}


def test_a_document_that_the_server_refuses_is_named(
    make_database: MakeDatabase,
    make_state: Callable[..., MemoryState],
    origin: Origin,
    tmp_path: Path,
) -> None:
    twice = make_state(orders=[{"_id": "a"}, {"_id": "b"}, {"_id": "b"}])
    snapshot = write_snapshot(twice, tmp_path / "twice", origin=origin)
    target = make_database()

    with pytest.raises(RestoreError, match=r'\.orders, _id "b": .*there twice.*incomplete'):
        restore(snapshot, target)

    baseline = read_baseline(target)
    assert baseline is not None
    assert not baseline.complete


def test_a_killed_restore_is_done_again(
    make_database: MakeDatabase,
    make_state: Callable[..., MemoryState],
    origin: Origin,
    server_url: str,
    tmp_path: Path,
) -> None:
    large = make_state(orders=[{"_id": n, "text": "x" * 10_000} for n in range(3000)])
    snapshot = write_snapshot(large, tmp_path / "large", origin=origin)
    target = make_database()

    where = ["--snapshots-path", str(tmp_path), "--db-url", server_url, "--db-name", target.name]
    program = subprocess.Popen([sys.executable, "-m", "mongoshot", "restore", "large", *where])
    while target["orders"].estimated_document_count() == 0:
        assert program.poll() is None
    os.kill(program.pid, signal.SIGKILL)
    program.wait()

    baseline = read_baseline(target)
    assert baseline is not None
    assert not baseline.complete
    restore(snapshot, target)
    assert target["orders"].count_documents({}) == 3000
    baseline = read_baseline(target)
    assert baseline is not None
    assert (baseline.complete, baseline.digest) == (True, snapshot.digest)


def test_scenarios_are_laid_over_each_other(
    make_database: MakeDatabase,
    make_state: Callable[..., MemoryState],
    origin: Origin,
    tmp_path: Path,
) -> None:
    below = make_state(orders=[{"_id": 1, "from": "below"}, {"_id": 2}], only=[{"_id": 1}])
    above = make_state(orders=[{"_id": 1, "from": "above"}, {"_id": 3}])
    layers = [
        write_snapshot(state, tmp_path / name, origin=origin)
        for name, state in (("below", below), ("above", above))
    ]
    target = make_database()

    load(overlay(layers), target)

    assert list(target["orders"].find(sort=[("_id", 1)])) == [
        {"_id": 1, "from": "above"},
        {"_id": 2},
        {"_id": 3},
    ]
    assert target["only"].count_documents({}) == 1


def test_what_was_there_before_is_gone(make_database: MakeDatabase) -> None:
    target = make_database()
    load(overlay([]), target)
    target["left"].insert_one({"_id": 1})
    target.create_collection("view", viewOn="left", pipeline=[])

    load(overlay([]), target)

    assert set(target.list_collection_names()) <= {"system.views"}


def test_documents_keep_their_bytes(
    make_database: MakeDatabase,
    make_collection: Callable[..., object],
    make_state: Callable[..., MemoryState],
    origin: Origin,
    tmp_path: Path,
) -> None:
    """Bytes that no driver writes, yet a server holds: twice the same key, no valid UTF-8."""
    document = bson.encode({"_id": 1, "a": 1, "b": 2, "text": "??", "at": bson.Timestamp(0, 0)})
    odd = document.replace(b"\x10b\x00", b"\x10a\x00").replace(b"??", b"\xff\xfe")
    snapshot = write_snapshot(make_state(odd=[odd]), tmp_path / "odd", origin=origin)
    assert snapshot.manifest.files[0].name == "odd.bson"
    target = make_database()

    restore(snapshot, target)
    again = capture(target, tmp_path / "again")

    assert list(again.collections["odd"].documents()) == [odd]
    assert again.manifest.files[0] == snapshot.manifest.files[0]


def test_an_index_with_a_date_that_python_has_not_is_refused_in_one_line(
    make_database: MakeDatabase,
) -> None:
    index = {"v": 2, "key": {"a": 1}, "name": "a_1", "sparse": bson.DatetimeMS(2**62)}
    definition = Definition("orders", indexes=(bson.encode(index),))
    with pytest.raises(CommandError, match=r"cannot create the indexes of .*\.orders"):
        create_indexes(make_database(), definition)
