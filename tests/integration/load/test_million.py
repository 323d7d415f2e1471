"""A scenario of a million documents: right, and in no more memory than 200 MB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import MakeDatabase
from tests.integration.load.conftest import Measured
from tests.integration.load.data import MILLION, make_many_documents
from tests.reliability import Evidence

from mongoshot.server.collections import hash_collections
from mongoshot.server.connection import Client, Database

pytestmark = [pytest.mark.long, pytest.mark.reliability]

DOCUMENTS = 1_000_000
#: MB that any command may take, interpreter and driver included.
LIMIT = 200


@pytest.fixture(scope="module")
def source(mongo_client: Client) -> Iterator[Database]:
    database = mongo_client["a_million"]
    mongo_client.drop_database(database)
    assert make_many_documents(database, DOCUMENTS) == DOCUMENTS
    yield database
    mongo_client.drop_database(database)


def test_commands_on_a_million_documents_take_bounded_memory(
    source: Database,
    make_database: MakeDatabase,
    server_url: str,
    measured: Measured,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    target = make_database()
    whence = ("--db-url", server_url, "--db-name", source.name)
    where = ("--db-url", server_url, "--db-name", target.name)
    peaks: dict[str, int] = {}

    def run(command: str, *arguments: object, status: int = 0) -> str:
        ran = measured("mongoshot", command, *arguments, status=status)
        peaks[command] = max(ran.megabytes, peaks.get(command, 0))
        return ran.output

    run("capture", "million", *whence, "--format", "bson", "--large")
    assert "all whole" in run("verify", "million")
    assert "1,000,000 documents" in run("restore", "million", *where)
    assert hash_collections(target) == hash_collections(source)
    for name in MILLION:
        assert target[name].index_information() == source[name].index_information()
    assert "are equal" in run("diff", "million", f"{server_url}/{target.name}")
    assert "still looks like" in run("check", "million", *where)
    assert "333334" in run("show", "million")
    assert "1000000" in run("list")
    run("export", "million", "dump", "--gzip")
    run("import", f"dump/{source.name}", "again")
    assert "are equal" in run("diff", "million", "again")

    # What is not the same is found, also where it is much: memory goes by what differs.
    [nearly_last] = target["events"].find().sort("_id", -1).skip(1000).limit(1)
    target["events"].delete_one({"_id": nearly_last["_id"]})
    target["orders"].update_many({"customer": {"$lt": 1000}}, {"$set": {"state": "lost"}})
    changed = target["orders"].count_documents({"state": "lost"})
    output = run("diff", "million", f"{server_url}/{target.name}", status=1)
    assert re.search(r"events +1 deleted", output)
    assert re.search(rf"orders +{changed} updated", output.replace(",", ""))

    too_much = {command: peak for command, peak in peaks.items() if peak > LIMIT}
    assert not too_much
    most = max(peaks, key=lambda command: peaks[command])
    evidence(
        "load",
        f"{', '.join(peaks)} of 0.5 kB documents in three collections with two indexes each",
        f"{DOCUMENTS:,} documents",
        f"equal by dbHash, every difference found; at most {peaks[most]} MB of memory ({most})",
    )


def test_a_million_documents_as_extended_json_take_bounded_memory(
    source: Database,
    make_database: MakeDatabase,
    server_url: str,
    measured: Measured,
    evidence: Evidence,
) -> None:
    target = make_database()
    one = ("--collection", "orders", "--large")
    captured = measured(
        "mongoshot", "capture", "json", "--db-url", server_url, "--db-name", source.name, *one,
        "--format", "json", "--gzip",
    )  # fmt: skip
    verified = measured("mongoshot", "verify", "json")
    restored = measured(
        "mongoshot", "restore", "json", "--db-url", server_url, "--db-name", target.name
    )
    assert hash_collections(target) == hash_collections(source, ["orders"])
    peak = max(captured.megabytes, verified.megabytes, restored.megabytes)
    assert peak <= LIMIT
    evidence(
        "load",
        "capture, verify, restore of 0.5 kB documents as packed Extended JSON",
        f"{target['orders'].count_documents({}):,} documents",
        f"equal by dbHash; at most {peak} MB of memory",
    )


PROGRAM = """
    import re
    import sys
    from pathlib import Path

    import pymongo

    from mongoshot import Snapshot, capture, compare, restore
    from mongoshot.server.collections import hash_collections


    def peak():
        status = Path("/proc/self/status").read_text("utf-8")
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024 // 10**6


    url, source, target = sys.argv[1:]
    client = pymongo.MongoClient(url)
    database = client[target]
    snapshot = capture(client[source], "snapshots/million", format="bson")
    staged = restore(snapshot, database)
    hashes = hash_collections(database)
    assert hashes == hash_collections(client[source])
    print("restore", peak())

    report = staged.reset()
    assert (report.documents, report.reloads) == (0, {}), report
    print("empty reset", peak())

    some = [each["_id"] for each in database["orders"].find({}, {"_id": 1}).limit(5000)]
    database["orders"].update_many({"_id": {"$in": some}}, {"$set": {"state": "seen"}})
    database["events"].delete_many({"_id": database["events"].find_one()["_id"]})
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
    database["events"].drop()
    report = staged.reset()
    assert set(report.reloads) == {"orders", "events"}, report
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
    source: Database,
    make_database: MakeDatabase,
    server_url: str,
    measured: Measured,
    write_module: Callable[[str, str], str],
    evidence: Evidence,
) -> None:
    module = write_module("program", PROGRAM)
    ran = measured(module, server_url, source.name, make_database().name)
    peaks = dict(re.findall(r"^(.+) (\d+)$", ran.output, re.MULTILINE))
    assert len(peaks) == 7
    assert ran.megabytes <= LIMIT
    evidence(
        "load",
        f"in one program: capture, {', '.join(peaks)}",
        f"{DOCUMENTS:,} documents",
        f"equal by dbHash after each; at most {ran.megabytes} MB of memory",
    )


SUITE = """
    import pytest

    pytestmark = pytest.mark.scenario("million")


    def test_reads(db, db_state, db_snapshot):
        assert db["orders"].estimated_document_count() == 333_333
        assert db_state == db_snapshot


    def test_writes(db, db_changes, db_state, db_snapshot):
        db["orders"].update_many({"customer": {"$lt": 3}}, {"$set": {"state": "lost"}})
        assert db_changes == db_snapshot
        assert db_state == db_snapshot


    def test_writes_much(db):
        db["orders"].delete_many({})
        db["events"].drop_indexes()


    def test_reads_again(db, db_state, db_snapshot):
        assert len(list(db["events"].list_indexes())) == 3
        assert db_state == db_snapshot
"""


def test_a_suite_on_a_million_documents_takes_bounded_memory(
    source: Database,
    make_database: MakeDatabase,
    server_url: str,
    measured: Measured,
    write_module: Callable[[str, str], str],
    evidence: Evidence,
) -> None:
    write_module("test_million", SUITE)
    measured(
        "mongoshot", "capture", "million", "--db-url", server_url, "--db-name", source.name,
        "--large",
    )  # fmt: skip
    database = ("--db-url", server_url, "--db-name", make_database().name, "-p", "no:cacheprovider")
    peaks = []
    for options in (("--snapshot-update",), (), ("-p", "xdist", "-n", "0")):
        ran = measured("pytest", *database, *options, "test_million.py")
        assert "4 passed" in ran.output
        peaks.append(ran.megabytes)
    assert max(peaks) <= LIMIT
    evidence(
        "load",
        "runs of pytest with db_state and db_changes of all of it",
        f"{DOCUMENTS:,} documents, {len(peaks)} runs of 4 tests",
        f"each test began with the scenario; at most {max(peaks)} MB of memory",
    )
