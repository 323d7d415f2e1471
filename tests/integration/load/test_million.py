"""A scenario of a million documents: right, and in no more memory than 200 MB."""

from __future__ import annotations

import re

import pytest
from tests.integration.load.conftest import Project
from tests.integration.load.data import MILLION, make_many_documents
from tests.reliability import Evidence

from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Client, Database

pytestmark = [pytest.mark.long, pytest.mark.reliability]

DOCUMENTS = 1_000_000
#: MB that any process may take, interpreter and driver included.
LIMIT = 200
#: Documents of those that go through Extended JSON, which takes several times as long.
AS_JSON = 100_000


@pytest.fixture(scope="module")
def source(client: Client) -> Database:
    database = client["a_million"]
    assert make_many_documents(database, DOCUMENTS) == DOCUMENTS
    return database


@pytest.fixture(scope="module")
def captured(source: Database, project: Project) -> Project:
    """Capture all of it as the scenario `million`."""
    project.run("mongoshot", "capture", "million", "--db-name", source.name, "--large")
    return project


def test_commands_on_a_million_documents_take_bounded_memory(
    source: Database, captured: Project, evidence: Evidence
) -> None:
    project, target = captured, source.client["target"]

    def run(*words: object, status: int = 0) -> str:
        return project.run("mongoshot", *words, status=status).output

    assert "all whole" in run("verify", "million")
    assert "1,000,000 documents" in run("restore", "million", "--db-name", target.name)
    assert hash_collections(target) == hash_collections(source)
    for name in MILLION:
        assert target[name].index_information() == source[name].index_information()
    assert "still looks like" in run("check", "million", "--db-name", target.name)
    assert "333334" in run("show", "million")
    assert "1000000" in run("list")
    run("export", "million", "dump")
    run("import", f"dump/{source.name}", "again")
    assert "are equal" in run("diff", "million", "again")

    # What is not the same is found, also where it is much: memory goes by what differs.
    [nearly_last] = target["events"].find().sort("_id", -1).skip(1000).limit(1)
    target["events"].delete_one({"_id": nearly_last["_id"]})
    target["orders"].update_many({"customer": {"$lt": 1000}}, {"$set": {"state": "lost"}})
    changed = target["orders"].count_documents({"state": "lost"})
    output = run("diff", "million", f"{project.url}/{target.name}", status=1)
    assert re.search(r"events +1 deleted", output)
    assert re.search(rf"orders +{changed} updated", output.replace(",", ""))

    run("capture", "few", "--db-name", source.name, "--format", "json", "--gzip", "--large",
        "--limit", f"orders={AS_JSON}", "--collection", "orders", "--no-infer")  # fmt: skip
    again = source.client["again"]
    run("restore", "few", "--db-name", again.name)
    assert again["orders"].count_documents({}) == AS_JSON
    assert f"{AS_JSON}" in run("show", "few")

    too_much = {command: peak for command, peak in project.peaks.items() if peak > LIMIT}
    assert not too_much
    most = max(project.peaks, key=lambda command: project.peaks[command])
    evidence(
        "load",
        f"{', '.join(project.peaks)}: 0.5 kB documents in three collections, two indexes each",
        f"{DOCUMENTS:,} documents",
        "equal by dbHash, every difference found; at most"
        f" {project.peaks[most]} MB of memory ({most})",
    )


PROGRAM = """
    import re
    import sys
    from pathlib import Path

    import pymongo

    from mongoshot import Snapshot, compare, restore
    from mongoshot.server.collections import hash_collections


    def peak():
        status = Path("/proc/self/status").read_text("utf-8")
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024 // 10**6


    url, target = sys.argv[1:]
    database = pymongo.MongoClient(url)[target]
    snapshot = Snapshot.load("snapshots/million")
    staged = restore(snapshot, database)
    hashes = hash_collections(database)
    print("restore", peak())

    report = staged.reset()
    assert (report.documents, report.reloads) == (0, {}), report
    print("empty reset", peak())

    some = [each["_id"] for each in database["orders"].find({}, {"_id": 1}).limit(5000)]
    database["orders"].update_many({"_id": {"$in": some}}, {"$set": {"state": "seen"}})
    database["events"].delete_one({"_id": database["events"].find_one()["_id"]})
    database["customers"].insert_one({"_id": "new"})
    changes = staged.changes()
    assert len(changes.updated["orders"]) == 5000
    assert len(changes.deleted["events"]) == len(changes.inserted["customers"]) == 1
    del changes
    print("changes", peak())
    report = staged.reset()
    assert (report.documents, report.reloads) == (5001, {}), report
    assert hash_collections(database) == hashes
    print("reset by document", peak())

    database["orders"].update_many({"customer": {"$lt": 6000}}, {"$set": {"state": "lost"}})
    report = staged.reset()
    assert set(report.reloads) == {"orders"}, report
    assert hash_collections(database) == hashes
    print("reset by loading", peak())

    database["orders"].update_many({"customer": {"$lt": 6000}}, {"$set": {"state": "lost"}})
    staged.mark()
    assert not staged.changes()
    print("mark", peak())
    assert len(compare(snapshot, staged.state()).updated["orders"]) > 10_000
    print("compare", peak())
"""


def test_resets_and_changes_of_a_million_documents_take_bounded_memory(
    captured: Project, evidence: Evidence
) -> None:
    captured.write("program.py", PROGRAM)
    ran = captured.run("program", captured.url, "target_of_program")
    peaks = dict(re.findall(r"^(.+) (\d+)$", ran.output, re.MULTILINE))
    assert len(peaks) == 7
    assert ran.megabytes <= LIMIT
    evidence(
        "load",
        f"in one program: {', '.join(peaks)}",
        f"{DOCUMENTS:,} documents",
        f"equal by dbHash after each reset; at most {ran.megabytes} MB of memory",
    )


SUITE = """
    import pytest

    pytestmark = pytest.mark.scenario("million")


    def test_reads(db, db_state, db_snapshot):
        assert db["orders"].estimated_document_count() == 333_333
        assert db_state == db_snapshot


    def test_writes(db, db_changes, db_snapshot):
        db["orders"].update_many({"customer": {"$lt": 1000}}, {"$set": {"state": "lost"}})
        assert db_changes == db_snapshot


    def test_writes_much(db):
        db["orders"].delete_many({"customer": {"$lt": 10_000}})
        db["orders"].drop_indexes()


    def test_reads_again(db, db_state, db_snapshot):
        assert len(list(db["orders"].list_indexes())) == 3
        assert db_state["orders"] == db_snapshot
"""


def test_a_suite_on_a_million_documents_takes_bounded_memory(
    captured: Project, evidence: Evidence
) -> None:
    captured.write("test_million.py", SUITE)
    options = ("-p", "no:cacheprovider", "--db-name", "target_of_suite", "test_million.py")
    recording = captured.run("pytest", "--snapshot-update", *options)
    comparing = captured.run("pytest", *options)
    assert "4 passed" in recording.output
    assert "4 passed" in comparing.output
    peak = max(recording.megabytes, comparing.megabytes)
    assert peak <= LIMIT
    evidence(
        "load",
        "pytest, with db_changes and with db_state of all of it: recorded, and compared",
        f"{DOCUMENTS:,} documents, 2 runs of 4 tests",
        f"each test began with the scenario; at most {peak} MB of memory",
    )
