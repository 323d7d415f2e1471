"""Databases at the server's limits: documents of 16 MiB, 100 levels, 64 indexes, longest names.

They go through everything that mongoshot does with a scenario, and stay what they are.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bson.raw_bson import RawBSONDocument
from tests.integration.load import data
from tests.integration.load.conftest import Project
from tests.integration.load.data import (
    DEEPEST,
    LARGEST,
    LONGEST_NAMESPACE,
    MOST_INDEXES,
    RESERVED,
    document_of,
    hard_names,
    make_hard_names,
    make_large_documents,
    make_most_indexes,
    make_reserved_keys,
)
from tests.reliability import Evidence

from mongoshot import Snapshot, compare, restore
from mongoshot.server.collections import hash_collections, live_state
from mongoshot.server.connection import Client, Database

pytestmark = [pytest.mark.long, pytest.mark.reliability]

#: MB that a process may take: a document of 16 MiB is there as bytes several times over, before
#: and after, and decoded by the driver. As Extended JSON it is up to twelve times as long.
LIMIT, LIMIT_OF_JSON = 400, 800
#: All as long, so that names which are as long as can be in one are so in the others.
SOURCE, TARGET, SUITE_NAME = "limits_a", "limits_b", "limits_c"


@pytest.fixture(scope="module")
def source(client: Client) -> Database:
    database = client[SOURCE]
    make_large_documents(database)
    make_most_indexes(database)
    make_reserved_keys(database)
    make_hard_names(database)
    return database


@pytest.fixture(autouse=True)
def _peaks_of_the_test(project: Project) -> None:
    project.peaks.clear()


def peak_of(project: Project, limit: int = LIMIT) -> int:
    assert max(project.peaks.values()) <= limit, project.peaks
    return max(project.peaks.values())


@pytest.mark.parametrize("options", [("bson",), ("json",), ("bson", "--gzip")], ids=" ".join)
def test_all_that_a_server_holds_goes_through_files_and_back(
    options: tuple[str, ...],
    source: Database,
    client: Client,
    project: Project,
    evidence: Evidence,
) -> None:
    done: list[str] = []

    def run(command: str, *words: object) -> str:
        done.append(command)
        return project.run("mongoshot", command, *words).output

    name = "-".join(option.strip("-") for option in options)
    capture = (name, "--db-name", SOURCE, "--large", "--format", *options)
    names = set(source.list_collection_names())
    if "json" in options:
        capture += ("--exclude", RESERVED)
        names.remove(RESERVED)
    run("capture", *capture)
    snapshot = Snapshot.load(project.directory / "snapshots" / name)
    assert not compare(snapshot, live_state(source, names))
    assert set(hard_names(SOURCE)) < set(snapshot.collections)
    assert "all whole" in run("verify", name)
    client.drop_database(TARGET)
    run("restore", name, "--db-name", TARGET)
    assert hash_collections(client[TARGET]) == hash_collections(source, names)
    assert len(list(client[TARGET]["indexed"].list_indexes())) == MOST_INDEXES
    assert "are equal" in run("diff", name, f"{project.url}/{TARGET}")
    assert "indexed" in run("show", name)
    assert name in run("list")
    if name == "bson":
        run("export", name, "dump")
        run("import", f"dump/{SOURCE}", "again")
        assert not compare(snapshot, Snapshot.load(project.directory / "snapshots" / "again"))
    evidence(
        "load",
        f"{', '.join(done)}, as {' '.join(options)}: documents of up to {LARGEST:,} bytes and"
        f" {DEEPEST} levels, {MOST_INDEXES} indexes, odd keys, names of {LONGEST_NAMESPACE} bytes"
        " in six scripts and such as are confused",
        f"{len(snapshot.collections)} collections",
        f"equal by dbHash and by bytes; at most"
        f" {peak_of(project, LIMIT_OF_JSON if 'json' in options else LIMIT)} MB of memory",
    )


def test_what_is_large_deep_or_oddly_named_is_told_and_put_back(
    source: Database, client: Client, project: Project, evidence: Evidence
) -> None:
    project.run("mongoshot", "capture", "limits", "--db-name", SOURCE, "--large")
    snapshot = Snapshot.load(project.directory / "snapshots" / "limits")
    client.drop_database(TARGET)
    database = client[TARGET]
    staged = restore(snapshot, database)
    hashes = hash_collections(database)
    names = hard_names(TARGET)

    # 48 MiB in one test, each as large as can be: more than the server takes in one message.
    for identity, kind in ((1, "string"), (2, "string"), (3, "binary")):
        document = RawBSONDocument(document_of(LARGEST, identity, kind))
        database["large"].replace_one({"_id": identity}, document)
    database["deep"].update_one({"_id": "arrays"}, {"$set": {"seen": 1}})
    database["deep"].delete_one({"_id": "documents"})
    database["keys"].delete_many({})
    database["indexed"].update_many({}, {"$inc": {"field0": 1}})
    for name in names:
        database.command({"delete": name, "deletes": [{"q": {"_id": 1}, "limit": 1}]})
    changes = staged.changes()
    assert set(changes.collections) == {"large", "deep", "keys", "indexed", *names}
    assert len(changes.updated["large"]) == 3
    assert str(changes)
    report = staged.reset()
    assert report.reloads == {}
    assert hash_collections(database) == hashes

    # All of it, which is not held in memory.
    database["large"].update_many({}, {"$set": {"kind": "k"}})
    report = staged.reset()
    assert report.reloads == {"large": "more than 64 MiB of its documents were touched"}
    assert hash_collections(database) == hashes

    # Definitions, under names that are easily taken for each other.
    for name in ("Orders", "Caf\u00e9", "\ufb01le", "a."):
        database.command({"drop": name})
    database["indexed"].drop_indexes()
    staged.reset()
    assert hash_collections(database) == hashes
    assert not compare(snapshot, staged.state())
    evidence(
        "load",
        "changes and resets of documents of 16 MiB and of 100 levels, odd keys, and collections"
        " with names of 255 bytes or alike but for case or Unicode normalisation",
        f"{3} writes of {LARGEST:,} bytes at once, {len(names)} names",
        "all told; equal by dbHash after each reset",
    )


SUITE = """
    import pytest
    from bson.raw_bson import RawBSONDocument
    from data import LARGEST, document_of, hard_names

    pytestmark = pytest.mark.scenario("limits")


    def test_large(db, db_changes, db_state, db_snapshot):
        db["large"].update_one({"_id": 2}, {"$set": {"kind": "k"}})
        assert db_changes == db_snapshot
        assert db_state == db_snapshot


    def test_inserts_the_largest(db, db_changes, db_snapshot):
        document = RawBSONDocument(document_of(LARGEST, "new", "string"))
        db.command({"insert": "large", "documents": [document]})
        assert db_changes == db_snapshot


    def test_deep(db, db_changes, db_state, db_snapshot):
        db["deep"].update_many({}, {"$set": {"seen": 1}})
        assert db_changes == db_snapshot
        assert db_state["deep"] == db_snapshot


    def test_odd_keys(db, db_changes, db_state, db_snapshot):
        db["keys"].update_many({}, [{"$set": {"seen": 1}}])
        assert db_changes == db_snapshot
        assert db_state["keys"] == db_snapshot


    def test_names(db, db_changes, db_snapshot):
        for name in hard_names(db.name):
            db.command({"insert": name, "documents": [{"_id": 3}]})
        assert db_changes == db_snapshot


    def test_starts_anew(db, db_state, db_snapshot):
        assert len(list(db["indexed"].list_indexes())) == 64
        assert db_state["indexed"] == db_snapshot
"""


def test_a_suite_expects_what_is_large_deep_or_oddly_named(
    source: Database, client: Client, project: Project, evidence: Evidence
) -> None:
    if not (project.directory / "snapshots" / "limits").exists():
        project.run("mongoshot", "capture", "limits", "--db-name", SOURCE, "--large")
    project.write("data.py", Path(data.__file__).read_text("utf-8"))
    project.write("test_limits.py", SUITE)
    options = ("-p", "no:cacheprovider", "--db-name", SUITE_NAME, "test_limits.py")
    assert "6 passed" in project.run("pytest", "--snapshot-update", *options).output
    assert "6 passed" in project.run("pytest", *options).output
    evidence(
        "load",
        "pytest with db_changes and db_state of documents of 16 MiB, 100 levels, odd keys and"
        " names",
        "2 runs of 6 tests",
        f"recorded, and the same in the next run; at most {peak_of(project)} MB of memory",
    )


def test_a_page_shows_what_is_large_and_deep(
    source: Database, client: Client, project: Project, evidence: Evidence
) -> None:
    if not (project.directory / "snapshots" / "limits").exists():
        project.run("mongoshot", "capture", "limits", "--db-name", SOURCE, "--large")
    client.drop_database(TARGET)
    project.run("mongoshot", "restore", "limits", "--db-name", TARGET)
    database = client[TARGET]
    database["large"].update_one({"_id": 0}, {"$set": {"kind": "k"}})
    database["large"].delete_one({"_id": 1})
    database["deep"].update_many({}, {"$set": {"seen": 1}})
    for name in hard_names(TARGET):
        database.command({"delete": name, "deletes": [{"q": {"_id": 1}, "limit": 1}]})
    where = f"{project.url}/{TARGET}"
    ran = project.run("mongoshot", "diff", "limits", where, "--html", "page.html", status=1)
    assert "1 updated" in ran.output
    size = (project.directory / "page.html").stat().st_size
    assert size < 20_000_000
    evidence(
        "load",
        "diff --html of documents of 16 MiB and 100 levels, and of hard names",
        f"{2 + len(hard_names(TARGET))} collections that differ",
        f"a page of {size / 10**6:.1f} MB; at most {peak_of(project)} MB of memory",
    )
