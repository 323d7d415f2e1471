"""Directories of documents as pytest-mongodb reads them."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions

from mongoshot.errors import FixturesError
from mongoshot.snapshot.fixture_files import is_fixture_directory, read_fixtures

AT = datetime.datetime(2014, 7, 13, 19, 0)


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def documents(directory: Path, name: str) -> list[dict[str, Any]]:
    collection = read_fixtures(directory).state.collections[name]
    return [bson.decode(each, CodecOptions()) for each in collection.documents()]


def test_documents_are_what_the_driver_makes_of_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "all.json": """[{
                "_id": {"$oid": "55d2db06f4811f83a1f27be8"},
                "at": {"$date": "2014-07-13T19:00:00Z"},
                "old": {"$date": 1405278000000},
                "long": {"$numberLong": "5"},
                "int": 5, "double": 5.0, "large": 3000000000,
                "decimal": {"$numberDecimal": "1.50"},
                "binary": {"$binary": "aGk=", "$type": "00"},
                "within": [{"ref": {"$oid": "55d2db06f4811f83a1f27be8"}}],
                "nothing": null
            }]"""
        },
    )
    oid = bson.ObjectId("55d2db06f4811f83a1f27be8")
    [found] = documents(tmp_path, "all")
    assert found == {
        "_id": oid,
        "at": AT,
        "old": AT,
        "long": 5,
        "int": 5,
        "double": 5.0,
        "large": 3_000_000_000,
        "decimal": bson.Decimal128("1.50"),
        "binary": b"hi",
        "within": [{"ref": oid}],
        "nothing": None,
    }
    types = {key: type(value) for key, value in found.items()}
    assert types["long"] is types["large"] is bson.Int64
    assert (types["int"], types["double"]) == (int, float)


def test_yaml_has_dates_and_binary_values(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    text = "- {_id: 1, name: Götze, at: 2014-07-13 19:00:00, raw: !!binary aGk=, n: 1.5}\n"
    write(tmp_path, **{"a.yaml": text, "b.yml": text + "- {_id: 2, ref: {$oid: x}}"})

    found = read_fixtures(tmp_path)

    one = {"_id": 1, "name": "Götze", "at": AT, "raw": b"hi", "n": 1.5}
    assert documents(tmp_path, "a") == [one]
    assert documents(tmp_path, "b") == [one, {"_id": 2, "ref": {"$oid": "x"}}]
    assert found.notes == [
        f"{tmp_path / 'b.yml'}: {{$oid: …}} stays a document there, as for pytest-mongodb; wrappers"
        " of Extended JSON count in .json files"
    ]


def test_missing_ids_are_made_the_same_each_time_and_keep_the_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "a.json": '[{"n": 1}, {"n": 2, "_id": 5}, {"n": 3}]',
            "b.json": '[{"n": 1}]',
        },
    )
    found = read_fixtures(tmp_path)
    listed = documents(tmp_path, "a")
    assert [each["n"] for each in listed] == [2, 1, 3]  # a number sorts before an ObjectId
    assert listed == documents(tmp_path, "a")
    assert found.made_ids == {"a": 2, "b": 1}
    ids = [each["_id"] for each in (*listed[1:], *documents(tmp_path, "b"))]
    assert len(set(ids)) == 3
    assert {each.generation_time.year for each in ids} == {2000}


def test_files_that_are_none_are_told_and_of_two_both_are_read(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    write(
        tmp_path,
        **{
            "audit.log.json": "[]",
            "audit.log.yaml": "- {_id: 1}",
            "README.md": "",
            ".hidden.json": "{",
            "other.JSON": "{",
        },
    )
    (tmp_path / "sub.json").mkdir()
    found = read_fixtures(tmp_path)
    assert list(found.state.collections) == ["audit.log"]
    assert documents(tmp_path, "audit.log") == [{"_id": 1}]
    assert [note.removeprefix(f"{tmp_path}/") for note in found.notes] == [
        "README.md: no file of documents, left out",
        "other.JSON: no file of documents, left out",
        "sub.json: no file of documents, left out",
        "audit.log: has the documents of audit.log.json and audit.log.yaml",
    ]


def test_only_what_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path, **{"players.json": "[]", "package.json": "{}"})
    assert list(read_fixtures(tmp_path, ["players"]).state.collections) == ["players"]
    with pytest.raises(FixturesError, match=r"^no file of a collection 'player' .* mean players\?"):
        read_fixtures(tmp_path, ["player"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '[\n{"a": 1},\n{"a": }]', r"a\.json, line 3: this is not JSON: Expecting value"),
        ("a.json", "", r"a\.json, line 1: this is not JSON"),
        ("a.json", '{"a": 1}\n{"a": 2}', "line 2: this is not JSON: Extra data: .*--jsonArray"),
        ("a.json", '{"a": 1}', "a.json should hold a list of documents, and holds a dict"),
        ("a.json", "[{}, 5]", "document 2 is no document: 5"),
        ("a.json", '[{"$oid": "55d2db06f4811f83a1f27be8"}]', "document 1 is no document: ObjectId"),
        ("a.json", '[{"a": [{"b": {"$oid": "x"}}]}]', r"1\.a\[0\]\.b: this is not Extended JSON"),
        ("a.json", '[{"a": {"$date": "soon"}}]', r"document 1\.a: this is not Extended JSON"),
        ("a.json", '[{"a": 1, "b": 2, "a": 3}]', "the key 'a' is there twice; keep one"),
        ("a.json", '[{"a": 9223372036854775808}]', r"document 1\.a: .*8-byte ints"),
        (
            "a.json",
            '[{"_id": 1}, {}, {"_id": 1.0}]',
            "the documents 1 and 3 have the same _id, 1.0",
        ),
        ("a.json", '[{"_id": [1]}]', "a, document 1: an _id can be neither an array nor"),
        ("a.json", "[" * 100_000, "values lie too deep within each other"),
        ("a$b.json", "[]", "'a\\$b' cannot be the name of a collection"),
        ("system.users.json", "[]", r"'system\.users' cannot be the name of a collection"),
        ("a.yaml", "- a: 1\n- b: [", r"a\.yaml, line 2: this is not YAML"),
        ("a.yaml", "", "should hold a list of documents, and holds nothing: write \\[\\]"),
        ("a.yaml", "- {a: 1}\n- {b: 1,\n   b: 2}", "a.yaml, line 3: the key 'b' is there twice"),
        ("a.yaml", "- at: 2020-01-01", r"document 1\.at: .*datetime\.date.*; a date takes a time"),
        ("a.yaml", "- at: 2020-13-41 00:00:00", r"a\.yaml: this is not YAML: month must be"),
        ("a.yaml", "- {a: {1: x}}", r"document 1\.a\.1: .* key"),
        ("a.yaml", "- a: !!python/name:os.system", "line 1: this is not YAML: could not determine"),
        ("a.yaml", "- a: !!set {x}", r"document 1\.a: .*set"),
    ],
)
def test_bad_files_are_one_line_with_the_place(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    if name.endswith(".yaml"):
        pytest.importorskip("yaml")
    with pytest.raises(FixturesError, match=message) as caught:
        read_fixtures(write(tmp_path, **{name: text}))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(b"[\xff]")
    with pytest.raises(FixturesError, match=r"a\.json: this is not UTF-8"):
        read_fixtures(tmp_path)
    (tmp_path / "a.json").rename(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("[]")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(FixturesError, match=r"a\.yaml: YAML takes the package pyyaml: pip install"):
        read_fixtures(tmp_path)


def test_which_directories_hold_fixtures(tmp_path: Path) -> None:
    assert not is_fixture_directory(tmp_path)
    assert not is_fixture_directory(tmp_path / "nothing")
    below = tmp_path / "unit" / "fixtures"
    below.mkdir(parents=True)
    write(below, **{"a.json": "[]"})
    assert is_fixture_directory(below)
    with pytest.raises(FixturesError, match=r"and .*fixtures does \(a\.json\): name that"):
        is_fixture_directory(below.parent)
    with pytest.raises(FixturesError, match=r"a\.json is one file .* with --collection a it alone"):
        is_fixture_directory(below / "a.json")
    write(below, **{"b.metadata.json": "{}"})
    with pytest.raises(FixturesError, match=r"a dump of mongodump \(b\..*and fixtures \(a\.json\)"):
        is_fixture_directory(below)
    (below / "a.json").unlink()
    write(below, **{"prelude.json": "{}"})
    assert not is_fixture_directory(below)
    assert not is_fixture_directory(below.parent)
