"""What is exported is what mongodump writes, byte for byte, and nothing that is there is lost."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.errors import DumpError, UsageError
from mongoshot.snapshot.dump.reading import open_dump
from mongoshot.snapshot.dump.writing import (
    Target,
    write_archive,
    write_archive_file,
    write_directory,
)
from mongoshot.snapshot.metadata import metadata_to_json
from mongoshot.snapshot.model import Collection, Definition, MemoryState

from ....conftest import MakeCollection, MakeState
from .by_hand import Archive

SHOP = Target("shop", "6.0.5")


@pytest.fixture
def state(make_state: MakeState, make_collection: MakeCollection) -> MemoryState:
    return make_state(
        orders=[{"_id": 1}, {"_id": 2}],
        a_view=make_collection(
            "a_view", options={"viewOn": "orders", "pipeline": []}, indexes=[], type="view"
        ),
        weather=make_collection(
            "weather",
            [{"_id": bson.ObjectId(bytes(12))}],
            options={"timeseries": {"timeField": "at"}},
            type="timeseries",
        ),
    )


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_is_the_one_made_by_hand(packed: bool, state: MemoryState) -> None:
    documents = {name: list(c.documents()) for name, c in state.collections.items()}
    expected = Archive(
        {
            ("shop", name): (c.definition.type, metadata_to_json(c.definition))
            for name, c in state.collections.items()
        },
        server_version="6.0.5",
        tool_version=f"{version('mongoshot')}-mongoshot",
        concurrent=1,
    ).prelude()
    for name, data in (
        ("orders", "orders"),
        ("weather", "system.buckets.weather"),
        ("a_view", "a_view"),
    ):
        one = Archive({}, [("shop", data, documents[name])])
        expected += one.to_bytes()[len(one.prelude()) :]
    stream = io.BytesIO()
    assert write_archive(state, stream, Target("shop", "6.0.5", packed)) == []
    written = stream.getvalue()
    if packed:
        assert written[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time
        written = gzip.decompress(written)
    assert written == expected


def test_a_directory_has_the_files_of_mongodump(state: MemoryState, tmp_path: Path) -> None:
    place, notes = write_directory(state, tmp_path / "dump", SHOP)
    assert notes == []
    assert sorted(file.name for file in place.iterdir()) == [
        "a_view.metadata.json",
        "orders.bson",
        "orders.metadata.json",
        "prelude.json",
        "system.buckets.weather.bson",
        "weather.metadata.json",
    ]
    assert (place / "orders.bson").read_bytes() == bson.encode({"_id": 1}) + bson.encode({"_id": 2})
    assert json.loads((place / "prelude.json").read_bytes())["ServerVersion"] == "6.0.5"
    assert [entry.name for entry in place.parent.iterdir()] == ["shop"]


def test_what_mongorestore_changes_is_said(
    make_state: MakeState, make_collection: MakeCollection, tmp_path: Path
) -> None:
    french = {"collation": {"locale": "fr"}}
    own = {"v": 2, "key": {"b": 1}, "name": "b_1"} | french
    simple = {"v": 2, "key": {"a": 1}, "name": "a_1"}
    zero = bson.Timestamp(0, 0)
    state = make_state(
        checked=make_collection("checked", options={"validator": {"a": 1}}),
        french=make_collection("french", options=french, indexes=[own, simple]),
        old=make_collection("old", indexes=[{"v": 1, "key": {"_id": 1}, "name": "_id_"}]),
        zeros=[{"_id": zero, "in": {"ts": zero}}, {"_id": 1, "ts": zero}, {"_id": 2, "ts": 0}],
    )
    place, notes = write_directory(state, tmp_path, SHOP)
    assert [note.partition(":")[0] for note in notes] == [
        "checked has a validator",
        "old",
        "zeros",
    ]
    assert notes[-1].startswith("zeros: 1 documents have a field that is Timestamp(0, 0)")
    indexes = json.loads((place / "french.metadata.json").read_text())["indexes"]
    assert indexes[1]["collation"] == {"locale": "simple"}
    with open_dump(tmp_path, scratch=tmp_path) as dump:
        read = dump.state.collections["french"].definition.decoded_indexes()
    assert read[1:] == [own, simple]


def test_nothing_is_written_over_unasked(state: MemoryState, tmp_path: Path) -> None:
    write_directory(state, tmp_path, SHOP)
    write_archive_file(state, tmp_path / "a", SHOP)
    with pytest.raises(DumpError, match="shop is already there; add --replace"):
        write_directory(state, tmp_path, SHOP)
    with pytest.raises(DumpError, match="a is already there; add --replace"):
        write_archive_file(state, tmp_path / "a", SHOP)

    smaller = MemoryState("x", {"orders": state.collections["orders"]})
    place, _ = write_directory(smaller, tmp_path, SHOP, replace=True)
    assert len(list(place.iterdir())) == 3
    write_archive_file(smaller, tmp_path / "a", SHOP, replace=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "shop"]

    (place / "notes.txt").write_text("mine")
    with pytest.raises(DumpError, match=r"'notes\.txt' in it is not of a dump"):
        write_directory(smaller, tmp_path, SHOP, replace=True)
    with pytest.raises(DumpError, match="is a file: name a directory, or add --archive"):
        write_directory(smaller, tmp_path / "a", SHOP, replace=True)
    with pytest.raises(DumpError, match="is there and is no file"):
        write_archive_file(smaller, place, SHOP, replace=True)


def test_a_dump_is_whole_or_absent(
    state: MemoryState, make_collection: MakeCollection, tmp_path: Path
) -> None:
    def failing() -> Iterator[bytes]:
        raise OSError(28, "No space left on device")

    broken = replace(make_collection("z"), chunks=failing)
    full = MemoryState("x", {**state.collections, "z": broken})
    write_archive_file(state, tmp_path / "a", SHOP)
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(DumpError, match=r"cannot write .*shop: No space left.* is as it was"):
        write_directory(full, tmp_path, SHOP)
    with pytest.raises(DumpError, match=r"cannot write .*a: No space left"):
        write_archive_file(full, tmp_path / "a", SHOP, replace=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_a_replacement_that_was_killed_is_mended_first(state: MemoryState, tmp_path: Path) -> None:
    place, _ = write_directory(state, tmp_path, SHOP)
    place.rename(tmp_path / ".shop.999999999.replaced")
    (tmp_path / ".shop.999999999.partial").mkdir()
    with pytest.raises(DumpError, match="shop is already there"):
        write_directory(state, tmp_path, SHOP)
    write_directory(state, tmp_path, SHOP, replace=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop"]


names = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: not name.startswith(("$", "system.")))


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(names, st.sets(st.integers(-(2**31), 2**31 - 1)), min_size=1), st.booleans())
def test_whatever_is_written_is_read(held: dict[str, set[int]], packed: bool) -> None:
    documents = {name: [bson.encode({"_id": n}) for n in sorted(ids)] for name, ids in held.items()}
    index = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})
    state = MemoryState(
        "x",
        {
            name: Collection(Definition(name, indexes=(index,)), partial(iter, each))
            for name, each in sorted(documents.items())
        },
    )
    target = Target("d", "6.0.5", packed)
    with tempfile.TemporaryDirectory() as scratch:
        write_directory(state, Path(scratch, "dump"), target)
        write_archive_file(state, Path(scratch, "archive"), target)
        for path in (Path(scratch, "dump"), Path(scratch, "archive")):
            with open_dump(path, scratch=Path(scratch)) as dump:
                assert dump.notes == ()
                assert dump.state.collections == state.collections
                read = {n: list(c.documents()) for n, c in dump.state.collections.items()}
                assert read == documents


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "..", "$a", "x" * 64, "é" * 32])
def test_names_that_no_database_has_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a database"):
        Target(name, "6.0.5")
