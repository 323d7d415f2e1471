"""Dump directories of all versions of mongodump, and what is wrong with others."""

from __future__ import annotations

import os
from pathlib import Path

import bson
import pytest

from mongoshot.errors import DumpError
from mongoshot.snapshot.dump import directories
from mongoshot.snapshot.dump.reading import Dump, open_dump
from mongoshot.snapshot.model import Definition

from .by_hand import stem, write

ID = '{"v":2,"key":{"_id":1},"name":"_id_"}'
PLAIN = f'{{"options":{{}},"indexes":[{ID}]}}'
DOCUMENTS = [bson.encode({"_id": number}) for number in range(3)]
CONTENT = b"".join(DOCUMENTS)
FULL_FRENCH = {"locale": "fr", "strength": 1, "version": "57.1"}


def read(path: Path, database: str | None = None) -> tuple[Dump, dict[str, list[bytes]]]:
    with open_dump(path, scratch=path, database=database) as dump:
        return dump, {n: list(c.documents()) for n, c in dump.state.collections.items()}


def define(directory: Path, metadata: str, name: str = "x") -> Definition:
    write(directory, f"{name}.metadata.json", metadata)
    write(directory, f"{name}.bson", CONTENT)
    return read(directory)[0].state.collections[name].definition


@pytest.mark.parametrize("packed", [False, True])
def test_names_are_unescaped(packed: bool, tmp_path: Path) -> None:
    names = ["a/b c", "é" * 60, "x.metadata", "x.bson", "%24", "long " * 50, "Case", "case"]
    for name in names:
        metadata = PLAIN.replace("{", f'{{"collectionName":"{name}",', 1)
        write(tmp_path / "shop", stem(name) + ".metadata.json", metadata, packed=packed)
        write(tmp_path / "shop", stem(name) + ".bson", CONTENT, packed=packed)
    write(tmp_path / "shop", "prelude.json", '{"ServerVersion":"7.0.1"}', packed=packed)
    for path in (tmp_path, tmp_path / "shop"):
        dump, contents = read(path)
        assert (dump.database, dump.kind, dump.server_version) == ("shop", "directory", "7.0.1")
        assert contents == dict.fromkeys(sorted(names), DOCUMENTS)
        assert dump.notes == ()


def test_one_of_several_databases_is_named(tmp_path: Path) -> None:
    for database in ("shop", "blog", "admin"):
        write(tmp_path / database, "x.bson", CONTENT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DumpError, match=r"name one with --db: it has blog, shop$"):
        read(tmp_path)
    with pytest.raises(DumpError, match="no database 'shpo': did you mean shop"):
        read(tmp_path, "shpo")
    assert read(tmp_path, "admin")[0].database == "admin"
    (tmp_path / "blog" / "x.bson").unlink()
    assert read(tmp_path)[0].database == "shop"


def test_old_metadata_becomes_what_servers_list_today(tmp_path: Path) -> None:
    old = (
        '{"options":{"create":"x","autoIndexId":true,"capped":true,"size":4096},"indexes":['
        '{"v":1,"key":{"_id":1},"name":"_id_","ns":"shop.x"},'
        '{"v":1,"unique":true,"key":{"a":{"$numberLong":"1"}},"name":"a_1","ns":"shop.x"}]}'
    )
    definition = define(tmp_path, old)
    assert definition.decoded_options() == {"capped": True, "size": 4096}
    assert definition.decoded_indexes() == [
        {"v": 1, "key": {"_id": 1}, "name": "_id_"},
        {"v": 1, "unique": True, "key": {"a": 1}, "name": "a_1"},
    ]
    assert define(tmp_path, "").decoded_indexes() == [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]


def test_an_index_of_the_simple_collation_is_one_without(tmp_path: Path) -> None:
    text = (
        '{"options":{"collation":{"locale":"fr","strength":1,"version":"57.1"}},"indexes":['
        '{"v":2,"key":{"a":1},"name":"a_1","collation":{"locale":"simple"}},'
        '{"v":2,"key":{"b":1},"name":"b_1","collation":{"locale":"de"}}]}'
    )
    indexes = define(tmp_path, text).decoded_indexes()
    assert indexes == [
        {"v": 2, "key": {"_id": 1}, "name": "_id_", "collation": FULL_FRENCH},
        {"v": 2, "key": {"a": 1}, "name": "a_1"},
        {"v": 2, "key": {"b": 1}, "name": "b_1", "collation": {"locale": "de"}},
    ]


def test_a_view_that_was_dumped_as_a_collection_is_one(tmp_path: Path) -> None:
    assert define(tmp_path, '{"indexes":[],"type":"view"}').type == "collection"
    definition = define(tmp_path, '{"options":{"viewOn":"y","pipeline":[]},"indexes":[]}')
    assert (definition.type, definition.indexes) == ("view", ())


def test_indexes_may_be_in_a_collection_of_their_own(tmp_path: Path) -> None:
    index = {"v": 1, "key": {"a": 1}, "name": "a_1"}
    write(tmp_path, "x.bson", CONTENT)
    write(tmp_path, "system.indexes.bson", bson.encode(index | {"ns": "shop.x"}))
    dump, _ = read(tmp_path)
    assert list(dump.state.collections) == ["x"]
    assert dump.state.collections["x"].definition.decoded_indexes()[1:] == [index]
    assert dump.notes == ("system.indexes: of the server itself, left out",)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    write(tmp_path / "shop", "x.bson", CONTENT)
    write(tmp_path / "shop", "x.metadata.json", '{"options":{"autoIndexId":false}}')
    for name in ("%24admin.system.users", "system.profile", "system.js"):
        write(tmp_path / "shop", f"{name}.bson", CONTENT)
    write(tmp_path / "shop", "README", "hello")
    write(tmp_path, "oplog.bson", CONTENT)
    dump, contents = read(tmp_path)
    assert list(contents) == ["system.js", "x"]
    subjects = [note.partition(":")[0].removeprefix(f"{tmp_path}") for note in dump.notes]
    assert subjects == [
        "/shop/README",
        " was made with --oplog, and what its oplog holds is left out",
        "$admin.system.users",
        "system.profile",
        "x",
    ]
    assert dump.notes[1] == read(tmp_path / "shop")[0].notes[1]


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "x.bson", CONTENT)
    write(tmp_path, "x.bson", CONTENT, packed=True)
    with pytest.raises(DumpError, match="are both of 'x'"):
        read(tmp_path)
    (tmp_path / "x.bson").unlink()
    write(tmp_path / "shop", "x.bson", CONTENT)
    with pytest.raises(DumpError, match="name the directory of one database"):
        read(tmp_path)


def test_nothing_outside_of_a_dump_is_read(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", "secret.bson", CONTENT)
    inside = write(tmp_path / "shop", "y.bson", CONTENT).with_name("x.bson")
    inside.symlink_to(outside)
    with pytest.raises(DumpError, match="is a link, and mongodump writes files"):
        read(tmp_path / "shop")
    inside.unlink()
    os.mkfifo(inside)
    with pytest.raises(DumpError, match="is no file"):
        read(tmp_path / "shop")
    inside.unlink()
    write(tmp_path / "shop", "..%2F..%2Fetc%2Fpasswd.bson", CONTENT)
    assert list(read(tmp_path / "shop")[1]) == ["../../etc/passwd", "y"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (CONTENT[:-1], "ends before the document does that begins at byte 28"),
        (CONTENT + b"\5\0\0\0\1", "does not end with NUL"),
        (CONTENT + b"\xff\xff\xff\x7f", "ends before the document does that begins at byte 42"),
        (bson.encode({"a": 1}), "the document at byte 0 has no _id"),
        (CONTENT + bson.encode({"_id": 2}), "two documents with the _id 2:"),
        (CONTENT + bson.encode({"_id": 2.0}), "two documents with the _id 2.0:"),
        # The length of a string, changed: the document itself still has its own.
        (
            bson.encode({"_id": 9, "s": "abc"}).replace(b"\4\0\0\0abc", b"\5\0\0\0abc"),
            "at byte 0: ",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_documents_are_found(
    content: bytes, problem: str, packed: bool, tmp_path: Path
) -> None:
    path = write(tmp_path, "x.bson", content, packed=packed)
    with pytest.raises(DumpError) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", ["{", "[]", "1", '{"indexes":[1]}', '{"options":[]}', "\xff"])
def test_damaged_metadata_is_found(metadata: str, tmp_path: Path) -> None:
    with pytest.raises(DumpError, match=r"x\.metadata\.json is not the metadata of a collection"):
        define(tmp_path, metadata)


def test_metadata_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "LARGEST_DUMPED_METADATA", 1000)
    for name in "xyz":
        write(tmp_path, f"{name}.metadata.json", PLAIN + " " * 300, packed=True)
    with pytest.raises(DumpError, match=r"z\.metadata\.json\.gz has more than \d+ bytes"):
        read(tmp_path)


def test_a_time_series_needs_its_metadata(tmp_path: Path) -> None:
    write(tmp_path, "system.buckets.x.bson", CONTENT)
    with pytest.raises(DumpError, match="holds a time series whose metadata is missing"):
        read(tmp_path)


def test_damaged_gzip_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "x.bson", CONTENT, packed=True)
    packed = path.read_bytes()
    for damaged in (packed[:-1], packed[:12] + b"\xff\xff" + packed[14:], b"text", packed + b"x"):
        path.write_bytes(damaged)
        with pytest.raises(DumpError, match=r"x\.bson\.gz cannot be unpacked with gzip"):
            read(tmp_path)


def test_a_place_without_a_dump_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match=r"holds no dump: there is no \.bson"):
        read(tmp_path)
    with pytest.raises(DumpError, match=r"there is no .*missing; name a dump directory"):
        read(tmp_path / "missing")
    one = write(tmp_path / "shop", "x.bson", CONTENT)
    with pytest.raises(DumpError, match="is one collection: name the directory"):
        read(one)
