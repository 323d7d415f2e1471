"""Dumps of a real database: imported, and exported, they restore to the very same one."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from bson.raw_bson import RawBSONDocument

from mongoshot import Snapshot, capture, restore
from mongoshot.server.catalog import list_definitions
from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Database
from mongoshot.snapshot.dump.reading import open_dump
from mongoshot.snapshot.dump.writing import Target, write_archive_file, write_directory
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.writer import write_snapshot

from ...unit.snapshot.dump import by_hand
from .conftest import Run

MakeDatabase = Callable[[], Database]
BUCKETS = "system.buckets."


def import_dump(path: Path, snapshot: Path, database: str | None = None) -> Snapshot:
    origin = Origin("6.0.5", "2026-01-02T03:04:05Z", "none")
    with ExitStack() as stack:
        dump = stack.enter_context(open_dump(path, scratch=path.parent, database=database))
        return write_snapshot(dump.state, snapshot, origin=origin)


def metadata_of(database: Database) -> dict[str, tuple[str, str]]:
    """Give type and text of the metadata that mongodump writes of each collection."""
    raw: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
    texts = {}
    for entry in database.cursor_command("listCollections", codec_options=raw):
        name, kind = entry["name"], entry["type"]
        if name.startswith("system.") and name != "system.js":
            continue
        indexes = []
        if kind != "view":
            indexes = list(database.get_collection(name, codec_options=raw).list_indexes())
        metadata = {
            "options": entry["options"],
            "indexes": indexes,
            "uuid": bytes(entry["info"].get("uuid", b"")).hex(),
            "collectionName": name,
            "type": kind,
        }
        texts[name] = kind, dumps(metadata, json_options=CANONICAL_JSON_OPTIONS)
    return texts


def documents_of(database: Database, name: str) -> list[bytes]:
    raw: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
    collection: Any = database.get_collection(name, codec_options=raw)
    return [bytes(document.raw) for document in collection.find()]


def dump_directory(database: Database, directory: Path, *, packed: bool) -> Path:
    for name, (kind, text) in metadata_of(database).items():
        by_hand.write(directory, by_hand.stem(name) + ".metadata.json", text, packed=packed)
        if kind != "view":
            data = BUCKETS + name if kind == "timeseries" else name
            content = b"".join(documents_of(database, data))
            by_hand.write(directory, by_hand.stem(data) + ".bson", content, packed=packed)
    prelude = '{"ServerVersion":"6.0.5","ToolVersion":"100.9.4"}'
    by_hand.write(directory, "prelude.json", prelude, packed=packed)
    return directory


def dump_archive(database: Database, path: Path, *, packed: bool) -> Path:
    metadata = {(database.name, n): text for n, text in metadata_of(database).items()}
    first: list[by_hand.Block] = []
    second: list[by_hand.Block] = []
    empty = []
    for of, name in metadata:
        kind = metadata[of, name][0]
        data = BUCKETS + name if kind == "timeseries" else name
        documents = [] if kind == "view" else documents_of(database, data)
        if documents:
            first.append((of, data, documents[:1]))
            second.insert(0, (of, data, documents[1:]))
        else:
            empty.append((of, name))
    content = by_hand.Archive(metadata, [*first, *second], empty=empty).to_bytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dump", [dump_directory, dump_archive])
def test_a_dump_of_every_kind_of_collection_is_imported(
    dump: Callable[..., Path],
    packed: bool,
    make_database: MakeDatabase,
    make_every_kind: Callable[[Database], Database],
    tmp_path: Path,
) -> None:
    source, target = make_every_kind(make_database()), make_database()
    source["unsorted"].insert_many([{"_id": number * 7919 % 101} for number in range(101)])
    long = "long " * 40  # whose file name is cut
    source[long].insert_one({"_id": 1})
    dumped = dump(source, tmp_path / source.name, packed=packed)

    snapshot = import_dump(dumped, tmp_path / "snapshots" / "imported")
    restore(snapshot, target)

    assert hash_collections(target) == hash_collections(source)
    assert list_definitions(target) == list_definitions(source)
    assert [d["_id"] for d in target["capped"].find()] == [3, 1, 2]

    # But for the order of strings under a collation, which the server alone knows, it is the very
    # snapshot that a capture of that database makes.
    captured = capture(source, tmp_path / "captured")
    ours, theirs = (
        {(e.collection, e.holds_documents): e.content_sha256 or e.sha256 for e in s.manifest.files}
        for s in (snapshot, captured)
    )
    del ours["collated", True], theirs["collated", True]
    assert ours == theirs


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("archive", [False, True])
def test_an_exported_scenario_comes_back(
    archive: bool, packed: bool, every_kind: Snapshot, make_database: MakeDatabase, tmp_path: Path
) -> None:
    target = Target("shop", "6.0.5", packed)
    path = tmp_path / "dump"
    if archive:
        notes = write_archive_file(every_kind, path, target)
        again = tmp_path / "again"
        write_archive_file(every_kind, again, target)
        assert again.read_bytes() == path.read_bytes()
    else:
        place, notes = write_directory(every_kind, path, target)
        assert place == path / "shop"
        suffixes = {"".join(file.suffixes[-1:]) for file in place.iterdir()}
        assert suffixes == ({".gz"} if packed else {".bson", ".json"})
    assert [note.split()[0].rstrip(":") for note in notes] == ["a_above", "validated"]

    imported = import_dump(path, tmp_path / "snapshots" / "back")
    assert imported.digest == every_kind.digest
    database = make_database()
    restore(imported, database)
    assert list_definitions(database) == every_kind.definitions


def test_the_commands_say_what_they_did(every_kind: Snapshot, run: Run, tmp_path: Path) -> None:
    snapshots = every_kind.path.parent
    out = run("export", "every_kind", "dump", "--db", "shop", "--snapshots-path", snapshots)
    assert (out.returncode, out.stdout) == (
        0,
        f"exported {every_kind.path} as the database shop to dump/shop\n",
    )
    assert out.stderr.count("warning: ") == len(out.stderr.splitlines()) == 2
    again = run("export", "every_kind", "dump", "--db", "shop", "--snapshots-path", snapshots)
    assert (again.returncode, again.stdout) == (2, "")
    assert "dump/shop is already there; add --replace" in again.stderr

    done = run("import", "dump", "checkout")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "imported snapshots/checkout from the database shop of dump: 18 collections, "
    )
    assert Snapshot.load(tmp_path / "snapshots" / "checkout").digest == every_kind.digest
    same = run("import", "dump", "checkout", "--replace")
    assert same.stdout == "snapshots/checkout: nothing has changed since revision 1\n"
    wrong = run("import", "dump", "checkout", "--db", "shpo", "--replace")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "mongoshot: dump has no database 'shpo': did you mean shop?\n"


def test_archives_go_through_pipes(
    every_kind: Snapshot, run: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    snapshots = every_kind.path.parent
    with (tmp_path / "a").open("wb") as file:
        words = ["export", "every_kind", "-", "--archive", "--gzip"]
        done = run(*words, "--snapshots-path", snapshots, stdout=file)
    assert done.returncode == 0
    assert "to standard output" in done.stderr
    with (tmp_path / "a").open("rb") as file:
        done = run("import", "-", "piped", stdin=file)
    assert done.returncode == 0, done.stderr
    assert Snapshot.load(tmp_path / "snapshots" / "piped").digest == every_kind.digest

    (tmp_path / "cut").write_bytes((tmp_path / "a").read_bytes()[:2000])
    done = run("import", "cut", "cut")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mongoshot: cut cannot be unpacked with gzip: it ends too soon;")
    assert {entry.name for entry in (tmp_path / "snapshots").iterdir()} == {"piped"}


def test_scenarios_are_packed_and_unpacked(
    every_kind: Snapshot, run: Run, make_database: MakeDatabase, tmp_path: Path
) -> None:
    path = tmp_path / "snapshots" / "every"
    shutil.copytree(every_kind.path, path)
    done = run("convert", "every", "--gzip")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("snapshots/every is packed now, ")
    shown = run("show", "every").stdout
    assert shown.count("json, gzip") == len(hash_collections(make_restored(path, make_database())))
    done = run("convert", "every", "--format", "bson", "--no-gzip")
    assert done.stdout.startswith("snapshots/every is bson and unpacked now, ")
    assert Snapshot.load(path).digest == every_kind.digest
    wrong = run("convert", "every")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "say what to convert it to" in wrong.stderr


def make_restored(path: Path, database: Database) -> Database:
    """Restore a snapshot, change the database, reset it, and return it."""
    staged = restore(Snapshot.load(path), database)
    before = hash_collections(database)
    database["odd"].delete_many({})
    database["case"].update_many({}, {"$set": {"changed": True}})
    staged.reset()
    assert hash_collections(database) == before
    return database


needs_tools = pytest.mark.skipif(
    not (shutil.which("mongodump") and shutil.which("mongorestore")),
    reason="mongodump and mongorestore are not on PATH",
)


@needs_tools
@pytest.mark.parametrize("options", [(), ("--gzip",)])
@pytest.mark.parametrize("archive", [False, True])
def test_the_real_tools_agree(
    archive: bool,
    options: tuple[str, ...],
    server_url: str,
    make_database: MakeDatabase,
    make_every_kind: Callable[[Database], Database],
    tmp_path: Path,
) -> None:
    source, target = make_every_kind(make_database()), make_database()
    dump = tmp_path / "dump"
    where = f"--archive={dump}" if archive else f"--out={dump}"
    command = ["mongodump", f"--uri={server_url}", f"--db={source.name}", where, *options]
    subprocess.run(command, check=True, capture_output=True)
    snapshot = import_dump(dump, tmp_path / "snapshots" / "imported")
    restore(snapshot, target)
    assert hash_collections(target) == hash_collections(source)
    assert list_definitions(target) == list_definitions(source)

    back = make_database()
    exported = tmp_path / "exported"
    packed = bool(options)
    if archive:
        write_archive_file(snapshot, exported, Target(back.name, "6.0.5", packed))
    else:
        write_directory(snapshot, exported, Target(back.name, "6.0.5", packed))
    where = f"--archive={exported}" if archive else str(exported)
    flags = ["--bypassDocumentValidation", "--numParallelCollections=1", *options]
    command = ["mongorestore", f"--uri={server_url}", *flags, where]
    subprocess.run(command, check=True, capture_output=True)
    assert hash_collections(back) == hash_collections(source)
