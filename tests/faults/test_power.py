"""What a failure of the system leaves: none of it is believed wrong, and what was said stays.

The files that a process writes, and the order that it waits for them in, are taken down; then the
disk is made as it may be after each step.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.disk import Event, crashes
from tests.faults.nursery import Nursery, Outcome
from tests.faults.test_files import EXPECTATION, PROPOSED, form
from tests.reliability import Evidence

from mongoshot import Snapshot, capture
from mongoshot.errors import SnapshotNotFoundError
from mongoshot.review.store import Store
from mongoshot.server.connection import Database
from mongoshot.snapshot.elements import document_id
from mongoshot.snapshot.lookup import DocumentIndex

pytestmark = [pytest.mark.long, pytest.mark.reliability]

Trace = Callable[..., tuple[Event, ...]]
AfterACrash = Callable[[tuple[Event, ...]], Iterator[tuple[Path, str, Event]]]


@pytest.fixture
def trace(project: Path) -> Trace:
    """Run something in the project, with all that it writes taken down; keep it as it was."""

    def trace(run: Callable[..., Outcome], *words: object) -> tuple[Event, ...]:
        shutil.copytree(project, project.with_name("begun"))
        done = run(*words, cwd=project, tracing=True)
        assert done.status == 0, done.stderr
        assert not done.escaped
        return done.points

    return trace


@pytest.fixture
def after_a_crash(project: Path) -> AfterACrash:
    """Give each state that a crash may leave of the project, after each event of a trace."""

    def after_a_crash(points: tuple[Event, ...]) -> Iterator[tuple[Path, str, Event]]:
        return crashes(project, project.with_name("begun"), points, project.with_name("left"))

    return after_a_crash


def assert_synced(points: tuple[Event, ...], published: Path) -> None:
    """Assert that each file was on the disk before its name was, and its name before the end."""
    written: dict[str, bool] = {}
    unnamed: set[str] = set()
    for what, *names in points:
        if what in ("create", "write", "empty"):
            written[names[0]] = False
        elif what == "fsync":
            written[names[0]] = True
            unnamed = {name for name in unnamed if str(Path(name).parent) != names[0]}
        elif what == "rename" and names[1] == str(published):
            inside = [name for name in written if Path(name).is_relative_to(names[0])]
            assert inside
            assert [name for name in inside if not written[name]] == []
            unnamed.add(names[1])
        elif what == "mkdir" and published.is_relative_to(names[0]):
            unnamed.add(names[0])
    assert unnamed == set()


@pytest.mark.parametrize("what", ["new", "replacing", "packed", "convert", "import"])
def test_a_snapshot(
    what: str,
    nursery: Nursery,
    trace: Trace,
    source: Database,
    server_url: str,
    project: Path,
    after_a_crash: AfterACrash,
    evidence: Evidence,
) -> None:
    where = ["--db-url", server_url, "--db-name", source.name]
    words: list[object] = ["capture", "orders", "--replace", "--yes", *where]
    path, old = project / "snapshots" / "orders", None
    if what != "new":
        capture(source, path)
        (path / "README").write_text("Somebody's notes.")
        (path / "notes").mkdir()
        (path / "notes" / "more").write_text("More of them.")
        old = form(Snapshot.load(path))
        source["orders"].insert_one({"_id": "new"})
    if what == "packed":
        words += ["--gzip", "--format", "bson"]
    if what == "convert":
        words = ["convert", "orders", "--format", "bson"]
    if what == "import":
        done = nursery.mongoshot("export", "orders", "a.archive", "--archive", cwd=project)
        assert done.status == 0
        words = ["import", "a.archive", "orders", "--gzip", "--replace"]
    points = trace(nursery.mongoshot, *words)
    new = form(Snapshot.load(path))
    assert_synced(points, path)

    made, found_new = 0, False
    for left, state, event in after_a_crash(points):
        made += 1
        try:
            found = Snapshot.load(left / "snapshots" / "orders")
        except SnapshotNotFoundError:
            assert old is None, (state, event)
            continue
        found.verify()
        assert form(found) in (old, new)
        found_new = form(found) == new
        notes = left / "snapshots" / "orders" / "notes" / "more"
        assert old is None or notes.read_text() == "More of them."
    assert found_new, "what was said to be safe is not there"
    seen = "the old snapshot or the new one, whole; the new one once that was said"
    evidence("faults", f"power lost in a capture or the like ({what})", f"{made} states", seen)


def test_a_recording(
    nursery: Nursery,
    trace: Trace,
    after_a_crash: AfterACrash,
    source: Database,
    server_url: str,
    project: Path,
    evidence: Evidence,
) -> None:
    path = project / "snapshots" / "orders"
    arguments = ("tests.faults.operations:record", server_url, source.name, str(path))
    points = trace(nursery.run, *arguments)
    new = form(Snapshot.load(path))
    made, found_new = 0, False
    for left, _state, _event in after_a_crash(points):
        made += 1
        try:
            found = Snapshot.load(left / "snapshots" / "orders")
        except SnapshotNotFoundError:
            continue
        found.verify()
        assert found.manifest.recording is not None
        found_new = form(found) == new
    assert found_new
    evidence("faults", "power lost in a recording", f"{made} states", "none, or whole")


@pytest.mark.parametrize("there", [False, True])
def test_an_expectation(
    there: bool,
    nursery: Nursery,
    trace: Trace,
    after_a_crash: AfterACrash,
    project: Path,
    evidence: Evidence,
) -> None:
    path = project / "__expectations__" / "test_it" / "test_it.json"
    path.parent.mkdir(parents=True)
    old, new = EXPECTATION.format("old" * 5000), EXPECTATION.format("new" * 6000)
    if there:
        path.write_text(old)
    points = trace(nursery.run, "tests.faults.operations:update_expectation", str(path), new)
    assert_synced(points, path)
    made, text = 0, None
    for left, _state, _event in after_a_crash(points):
        made += 1
        found = left / path.relative_to(project)
        text = found.read_text() if found.exists() else None
        assert text in (old if there else None, new)
    assert text == new
    what = f"power lost in recording an expectation ({'over another' if there else 'new'})"
    evidence("faults", what, f"{made} states", "old or new, whole")


def test_accepting(
    nursery: Nursery,
    trace: Trace,
    after_a_crash: AfterACrash,
    project: Path,
    evidence: Evidence,
) -> None:
    """Whatever is lost, what was accepted is written or still proposed."""
    (project / "test_it.py").touch()
    test, text = "test_it.py::test_it", PROPOSED
    propose = ("tests.faults.operations:propose", str(project), test, [text])
    assert (done := nursery.run(*propose, cwd=project)).status == 0, done.stderr
    proposals, errors = Store(project).read()
    assert (len(proposals), errors) == (1, [])
    points = trace(nursery.mongoshot, "accept", "--all")
    made = 0
    for left, state, event in after_a_crash(points):
        made += 1
        path = left / proposals[0].file
        assert not path.exists() or path.read_text() == text, (state, event)
        pending, errors = Store(left).read()
        assert errors == []
        assert path.exists() or len(pending) == 1, (state, event)
    evidence("faults", "power lost in `mongoshot accept`", f"{made} states", "accepted or proposed")


def test_the_cache(
    nursery: Nursery,
    trace: Trace,
    after_a_crash: AfterACrash,
    source: Database,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    evidence: Evidence,
) -> None:
    """Which waits for no disk: what is left of it is not believed."""
    capture(source, project / "snapshots" / "orders")
    cache = project / "cache"
    cache.mkdir(mode=0o700)
    monkeypatch.setenv("MONGOSHOT_CACHE", str(cache))
    points = trace(nursery.run, "tests.faults.operations:index", "snapshots/orders")
    assert any(name.endswith(".index") for _what, *names in points for name in names)
    made = 0
    for left, state, event in after_a_crash(points):
        made += 1
        (left / "cache").chmod(0o700)
        monkeypatch.setenv("MONGOSHOT_CACHE", str(left / "cache"))
        snapshot = Snapshot.load(left / "snapshots" / "orders")
        snapshot.verify(unchanged_is_enough=True)
        for collection in snapshot.collections.values():
            if collection.definition.data_name:
                documents = list(collection.documents())
                index = DocumentIndex(collection)
                found = index.find(map(document_id, documents))
                assert sorted(found.values()) == sorted(documents), (state, event)
    evidence(
        "faults", "power lost in writing to the cache", f"{made} states", "not believed, or right"
    )
