"""A capture with a fault at each change that it makes, and at each command that it sends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.faults.nursery import Nursery, Outcome
from tests.faults.points import Fault, Kind
from tests.faults.sweeping import Sweep, assert_clear, sweep
from tests.faults.test_files import form, was_tidying
from tests.reliability import Evidence

from mongoshot import Snapshot, compare
from mongoshot.server.collections import live_state
from mongoshot.server.connection import Database

pytestmark = pytest.mark.reliability

#: What a capture is asked for, and whether there is one to be replaced.
FORMS = {
    "new": ([], False),
    "replacing": ([], True),
    "replacing, packed BSON": (["--format", "bson", "--gzip"], True),
    "masked": (["--mask", "orders.email=email"], False),
}
LONG = pytest.mark.long
CASES = [
    ("replacing", "SIGKILL"),
    pytest.param("replacing", "ENOSPC", marks=LONG),
    pytest.param("replacing", "EIO", marks=LONG),
    pytest.param("new", "SIGKILL", marks=LONG),
    pytest.param("replacing, packed BSON", "ENOSPC", marks=LONG),
    pytest.param("masked", "SIGKILL", marks=LONG),
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_capture(
    name: str,
    kind: Kind,
    nursery: Nursery,
    source: Database,
    server_url: str,
    project: Path,
    evidence: Evidence,
) -> None:
    options, there = FORMS[name]
    where = ["--db-url", server_url, "--db-name", source.name]
    words = ["capture", "orders", "--replace", "--yes", *where, *options]
    path = project / "snapshots" / "orders"

    def operate(fault: Fault | None) -> Outcome:
        return nursery.mongoshot(*words, cwd=project, fault=fault)

    kept, old = project.with_name("kept"), None
    if there:
        assert operate(None).status == 0
        (path / "README").write_text("Somebody's notes.")
        shutil.copytree(path, kept)
        old = form(Snapshot.load(path))
        source["orders"].insert_one({"_id": "new"})
    done = operate(None)
    assert done.status == 0, done.stderr
    new = form(Snapshot.load(path))
    key = project / ".mongoshot" / "masking.key"

    def prepare() -> None:
        shutil.rmtree(project / "snapshots", ignore_errors=True)
        if there:
            shutil.copytree(kept, path)

    swept = Sweep()
    is_short = (name, kind) == CASES[0]  # one of the tests that take seconds
    for number, outcome in enumerate(sweep(kind, prepare, operate, replies=not is_short)):
        swept.points[kind] += 1
        assert_clear(outcome)
        if there or path.exists():
            found = Snapshot.load(path)
            found.verify()
            assert form(found) in (old, new), outcome
            assert outcome.was_killed or (outcome.status == 0) == (form(found) == new), outcome
        if kind != "SIGKILL" and not was_tidying(outcome) and path.parent.exists():
            assert [p.name for p in path.parent.iterdir()] in ([], ["orders"]), outcome.fired
        if is_short and number % 4:
            continue
        assert (done := operate(None)).status == 0, done.stderr
        found = Snapshot.load(path)
        found.verify()
        assert form(found) == new
        assert [p.name for p in path.parent.iterdir()] == ["orders"]
        assert not there or (path / "README").read_text() == "Somebody's notes."
        assert list(project.rglob("*.partial")) == []
    assert operate(None).status == 0
    assert "masked" in name or not compare(Snapshot.load(path), live_state(source))
    assert key.exists() == ("masked" in name)
    seen = "the old snapshot or the new one, whole; the next capture right"
    evidence("faults", f"a capture ({name}), {kind} at each point", str(swept), seen)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["SIGKILL", "ENOSPC"])
def test_a_recording(
    kind: Kind,
    nursery: Nursery,
    source: Database,
    server_url: str,
    project: Path,
    evidence: Evidence,
) -> None:
    path = project / "snapshots" / "orders"

    def operate(fault: Fault | None) -> Outcome:
        arguments = (server_url, source.name, str(path))
        return nursery.run("tests.faults.operations:record", *arguments, cwd=project, fault=fault)

    assert (done := operate(None)).status == 0, done.stderr
    old = form(Snapshot.load(path))
    source["orders"].insert_one({"_id": "new"})
    kept = project.with_name("kept")
    shutil.copytree(path, kept)
    assert operate(None).status == 0
    new = form(Snapshot.load(path))

    def prepare() -> None:
        shutil.rmtree(project / "snapshots")
        shutil.copytree(kept, path)
        source["orders"].delete_one({"_id": "made"})

    swept = Sweep()
    for outcome in sweep(kind, prepare, operate):
        swept.points[kind] += 1
        found = Snapshot.load(path)
        found.verify()
        assert form(found) in (old, new)
        assert outcome.status != 1 or "SnapshotError" in outcome.stderr, outcome
        source["orders"].delete_one({"_id": "made"})
        assert (done := operate(None)).status == 0, done.stderr
        found = Snapshot.load(path)
        found.verify()
        assert form(found) == new
        assert found.manifest.recording is not None
        assert [p.name for p in path.parent.iterdir()] == ["orders"]
    seen = "the old recording or the new one, whole; the next one right"
    evidence("faults", f"a recording, {kind} at each point", str(swept), seen)
