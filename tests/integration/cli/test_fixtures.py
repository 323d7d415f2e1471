"""Fixtures of pytest-mongodb: imported, they are what that plugin puts into a database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bson import json_util

from mongoshot import Snapshot, capture, compare, restore
from mongoshot.server.connection import Database

from .conftest import Completed, Run

MakeDatabase = Callable[[], Database]

# The files that pytest-mongodb's own documentation and tests have.
CHAMPIONSHIPS = """[
  {"_id": {"$oid": "55d2db06f4811f83a1f27be8"}, "year": 2014, "host": "Brazil"},
  {"_id": {"$oid": "55d2db19f4811f83a1f27be9"}, "year": 2010,
   "at": {"$date": "2010-07-11T18:30:00Z"},
   "fans": {"$numberLong": "84490"}, "nested": [{"day": {"$date": 0}}]}
]"""
PLAYERS = "- name: Mario\n  surname: Götze\n\n- name: Manuel\n  surname: Neuer\n"


@pytest.fixture
def fixtures(tmp_path: Path) -> Path:
    directory = tmp_path / "tests" / "fixtures"
    directory.mkdir(parents=True)
    (directory / "championships.json").write_text(CHAMPIONSHIPS, encoding="utf-8")
    (directory / "players.yaml").write_text(PLAYERS, encoding="utf-8")
    return directory


def test_imported_they_are_what_the_plugin_inserts(
    run: Run, fixtures: Path, tmp_path: Path, make_database: MakeDatabase
) -> None:
    yaml = pytest.importorskip("yaml")
    done = run("import", "tests/fixtures", "players")
    assert done.returncode == 0
    assert done.stdout.startswith(
        "imported snapshots/players from the fixtures in tests/fixtures: 2 collections, 4 documents"
    )
    assert done.stderr == (
        "note: documents without an _id have got one, by their place in the file: players (2)\n"
    )
    snapshot = Snapshot.load(tmp_path / "snapshots" / "players")

    # As it does: https://github.com/mdomke/pytest-mongodb, load_fixture
    live = make_database()
    live["championships"].insert_many(json.loads(CHAMPIONSHIPS, object_hook=json_util.object_hook))
    listed = yaml.load(PLAYERS, Loader=yaml.FullLoader)
    ids = [json_util.loads(each)["_id"] for each in _lines(snapshot, "players")]
    live["players"].insert_many(
        [{"_id": identity, **each} for identity, each in zip(ids, listed, strict=True)]
    )
    assert capture(live, tmp_path / "live").digest == snapshot.digest

    staged = make_database()
    restore(snapshot, staged)
    assert [each["name"] for each in staged["players"].find()] == ["Mario", "Manuel"]
    assert not compare(snapshot, Snapshot.load(tmp_path / "live"))

    before = _files(snapshot.path)
    again = run("import", "tests/fixtures", "players", "--replace")
    assert "nothing has changed since revision 1" in again.stdout
    assert _files(snapshot.path) == before


def _lines(snapshot: Snapshot, name: str) -> list[str]:
    return (snapshot.path / f"{name}.json").read_text(encoding="utf-8").splitlines()


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_some_of_them(run: Run, fixtures: Path, tmp_path: Path) -> None:
    (fixtures / "package.json").write_text("{}")
    only = ("--collection", "championships")
    done = run("import", fixtures, "few", *only, "--format", "bson", "--gzip")
    assert (done.returncode, done.stderr) == (0, "")
    found = Snapshot.load(tmp_path / "snapshots" / "few")
    assert list(found.collections) == ["championships"]
    assert (found.path / "championships.bson.gz").is_file()


def test_what_cannot_be_imported_is_one_line(
    run: Run, fixtures: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    def import_(path: str | Path, *options: str) -> Completed:
        return run("import", path, "players", *options)

    refused(import_(fixtures, "--db", "x"), "--db is for dumps")
    refused(import_(fixtures, "--collection", "player"), "did you mean players?")
    refused(import_(fixtures / "players.yaml"), "is one file of documents: name the directory")
    refused(import_("tests"), "tests holds no files of documents, and tests/fixtures does")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(import_(empty), "holds no dump", "a directory of files of documents (.json, .yaml)")
    refused(import_("-", "--collection", "x"), "--collection is for directories of fixtures")
    (fixtures / "broken.json").write_text('[\n{"a": 1,}]')
    refused(import_(fixtures), "broken.json, line 2: this is not JSON")
    (fixtures / "broken.json").rename(fixtures / "broken.bson")
    refused(import_(fixtures), "holds a dump of mongodump (broken.bson) and fixtures")
    assert not (tmp_path / "snapshots").exists()
    (fixtures / "broken.bson").unlink()
    assert import_(fixtures).returncode == 0
    refused(run("import", "snapshots/players", "other"), "is a snapshot, not a dump")
    again = refused(run("capture", "players", "--db-url", "mongodb://127.0.0.1:1"), "--replace")
    assert "already there" in again
