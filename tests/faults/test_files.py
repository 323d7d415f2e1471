"""Commands on files alone, with a fault at each change that they make to the file system."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.nursery import Nursery, Outcome
from tests.faults.points import Fault, Kind
from tests.faults.sweeping import Sweep, assert_clear, files_below, sweep
from tests.reliability import Evidence

from mongoshot import Snapshot, capture
from mongoshot.review.store import Store
from mongoshot.server.connection import Database
from mongoshot.snapshot.cache import Cache

KINDS: tuple[Kind, ...] = ("SIGKILL", "ENOSPC", "EIO")

pytestmark = [pytest.mark.long, pytest.mark.reliability]


@pytest.fixture
def captured(project: Path, source: Database) -> Snapshot:
    return capture(source, project / "snapshots" / "orders")


def put_back(project: Path, kept: Path) -> None:
    """Make a project what it was."""
    shutil.rmtree(project)
    shutil.copytree(kept, project)


@pytest.fixture
def keep(project: Path) -> Callable[[], Callable[[], None]]:
    """Keep the project as it is now; gives what puts it back."""

    def keep() -> Callable[[], None]:
        kept = project.with_name("kept")
        shutil.copytree(project, kept)
        return lambda: put_back(project, kept)

    return keep


#: Commands that write a snapshot from files: their words, and where it comes to lie.
WRITING_SNAPSHOTS = {
    "convert": (["convert", "orders", "--format", "bson"], "orders"),
    "import": (["import", "shop.archive", "imported", "--gzip"], "imported"),
    "import --replace": (["import", "dump/shop", "orders", "--replace"], "orders"),
}


@pytest.mark.parametrize("command", WRITING_SNAPSHOTS)
def test_a_command_that_writes_a_snapshot(
    command: str,
    nursery: Nursery,
    captured: Snapshot,
    project: Path,
    keep: Callable[[], Callable[[], None]],
    evidence: Evidence,
) -> None:
    words, name = WRITING_SNAPSHOTS[command]
    for export in (["export", "orders", "dump"], ["export", "orders", "shop.archive", "--archive"]):
        done = nursery.mongoshot(*export, "--db", "shop", cwd=project)
        assert done.status == 0, done.stderr
    path, before = project / "snapshots" / name, captured.digest
    restore = keep()
    done = nursery.mongoshot(*words, cwd=project)
    assert done.status == 0, done.stderr
    after, names = Snapshot.load(path).digest, sorted(p.name for p in path.parent.iterdir())
    old, new = form(captured), form(Snapshot.load(path))

    def operate(fault: Fault | None) -> Outcome:
        return nursery.mongoshot(*words, cwd=project, fault=fault)

    swept = Sweep()
    for kind in KINDS:
        for outcome in sweep(kind, restore_first(restore, path), operate):
            swept.points[kind] += 1
            assert_clear(outcome)
            if path.exists() or name == "orders":
                found = Snapshot.load(path)
                found.verify()
                assert form(found) in (old, new)
                assert outcome.status != 0 or form(found) == new
            if kind != "SIGKILL" and not was_tidying(outcome):
                assert {p.name for p in path.parent.iterdir()} <= {*names, "orders"}
            again = [*words, "--replace"] if words[0] == "import" else words
            done = nursery.mongoshot(*again, cwd=project)
            assert done.status == 0, done.stderr
            Snapshot.load(path).verify()
            assert (Snapshot.load(path).digest, form(Snapshot.load(path))) == (after, new)
            assert sorted(p.name for p in path.parent.iterdir()) == names
    assert before
    evidence("faults", f"`{command}`", str(swept), "old or new, whole; the next one right")


def restore_first(restore: Callable[[], None], path: Path) -> Callable[[], None]:
    def prepare() -> None:
        restore()
        if path.name == "imported":
            shutil.rmtree(path, ignore_errors=True)

    return prepare


def was_tidying(outcome: Outcome) -> bool:
    """Tell whether what failed was to take away what is done with: the next writer does it."""
    what, *names = outcome.fired.split()
    return what in ("unlink", "rmdir") or (what == "rename" and names[0].endswith(".replaced"))


def form(snapshot: Snapshot) -> tuple[object, ...]:
    """Say what a snapshot holds, and how; not when it was written."""
    return (snapshot.digest, tuple(file.sha256 for file in snapshot.manifest.files))


@pytest.mark.parametrize(
    ("words", "there"),
    [(["dump"], False), (["dump", "--gzip"], True), (["shop.archive", "--archive"], True)],
    ids=["directory", "packed directory", "archive"],
)
def test_an_export(
    words: list[str],
    there: bool,
    nursery: Nursery,
    captured: Snapshot,
    project: Path,
    keep: Callable[[], Callable[[], None]],
    evidence: Evidence,
) -> None:
    typed = ["export", "orders", *words, "--db", "shop", "--replace"]
    place = project / words[0]

    def files() -> dict[str, bytes]:
        return files_below(place) if place.is_dir() else {"": place.read_bytes()}

    old: dict[str, bytes] | None = None
    if there:
        assert nursery.mongoshot(*typed, cwd=project).status == 0
        first = min(p for p in (place.rglob("*") if place.is_dir() else [place]) if p.is_file())
        first.write_bytes(b"another dump")
        old = files()
    restore = keep()
    assert nursery.mongoshot(*typed, cwd=project).status == 0
    new = files()

    def operate(fault: Fault | None) -> Outcome:
        return nursery.mongoshot(*typed, cwd=project, fault=fault)

    swept = Sweep()
    for kind in KINDS:
        for outcome in sweep(kind, restore, operate):
            swept.points[kind] += 1
            assert_clear(outcome)
            found = files() if place.exists() else {}
            shown = {name: data for name, data in found.items() if not name.startswith(".")}
            if kind == "SIGKILL" and place.is_dir() and not (place / "shop").exists():
                shown = old or {}  # between two renames: what was there lies beside it
                kept = [p for p in place.iterdir() if p.name.endswith(".replaced")]
                assert not there or files_below(kept[0])
            assert shown in (old or {}, new), outcome.fired
            done = nursery.mongoshot(*typed, cwd=project)
            assert done.status == 0, done.stderr
            assert files() == new
            assert not [p for p in project.iterdir() if p.name.endswith((".partial", ".replaced"))]
    what = f"`export {' '.join(words)}`{' over another' if there else ''}"
    evidence("faults", what, str(swept), "old or new, whole; the next one right")


PROPOSED = """\
{
  "format_version": 1,
  "kind": "changes",
  "scenario": "orders",
  "digest": "sha256:0",
  "collections": {}
}
"""
EXPECTATION = '{{"format_version": 1, "changes": {{}}, "note": "{}"}}\n'


def test_an_expectation_that_is_recorded(
    nursery: Nursery,
    project: Path,
    keep: Callable[[], Callable[[], None]],
    evidence: Evidence,
) -> None:
    path = project / "__expectations__" / "test_it" / "test_it.json"
    path.parent.mkdir(parents=True)
    swept = Sweep()
    old, new = EXPECTATION.format("old" * 5000), EXPECTATION.format("new" * 6000)
    for before in (None, old):
        if before is not None:
            path.write_text(before)

        def prepare(before: str | None = before) -> None:
            for each in path.parent.iterdir():
                each.unlink()
            if before is not None:
                path.write_text(before)

        def operate(fault: Fault | None) -> Outcome:
            function = "tests.faults.operations:update_expectation"
            return nursery.run(function, str(path), new, cwd=project, fault=fault)

        for kind in KINDS:
            for outcome in sweep(kind, prepare, operate):
                swept.points[kind] += 1
                assert (path.read_text() if path.exists() else None) in (before, new)
                if kind != "SIGKILL":
                    assert {p.name for p in path.parent.iterdir()} <= {path.name}, outcome.fired
                assert operate(None).status == 0
                assert path.read_text() == new
                if before is None and outcome.was_killed:
                    # What killed writers leave does not grow without bound.
                    assert len(list(path.parent.iterdir())) <= 1
    evidence(
        "faults", "`pytest --snapshot-update`, an expectation", str(swept), "old or new, whole"
    )


def test_proposals(
    nursery: Nursery,
    project: Path,
    keep: Callable[[], Callable[[], None]],
    evidence: Evidence,
) -> None:
    """Left for review by a failing test in the place of earlier ones, and accepted."""
    (project / "test_it.py").touch()
    texts = {name: PROPOSED.replace("sha256:0", f"sha256:{name}") for name in ("old", "new")}
    swept = Sweep()

    def propose(name: str, fault: Fault | None = None) -> Outcome:
        arguments = (str(project), "test_it.py::test_it", [texts[name]] * 2)
        function = "tests.faults.operations:propose"
        return nursery.run(function, *arguments, cwd=project, fault=fault)

    def accept(fault: Fault | None = None) -> Outcome:
        return nursery.mongoshot("accept", "--all", cwd=project, fault=fault)

    def proposed() -> set[str]:
        found, errors = Store(project).read()
        assert errors == []
        return {each.proposed for each in found}

    assert propose("old").status == 0
    restore = keep()
    for kind in KINDS:
        for outcome in sweep(kind, restore, lambda fault: propose("new", fault)):
            swept.points[kind] += 1
            assert proposed() <= set(texts.values())
            assert outcome.status in (0, -9) or "ProposalError" in outcome.stderr, outcome
            assert propose("new").status == 0
            assert proposed() == {texts["new"]}
        for outcome in sweep(kind, restore, accept):
            swept.points[kind] += 1
            assert outcome.status in (0, 2, -9)  # one line for each of the two
            assert "not foreseen" not in outcome.stderr
            accepted = [p.read_text() for p in project.rglob("test_it*.json")]
            assert set(accepted) <= {texts["old"]}
            assert len(accepted) + len(Store(project).read()[0]) >= 2
            accept()
            assert [p.read_text() for p in project.rglob("test_it*.json")] == [texts["old"]] * 2
            assert proposed() == set()
    evidence(
        "faults", "proposals left, and accepted", str(swept), "each proposed or accepted, whole"
    )


def test_the_cache(
    nursery: Nursery, project: Path, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    cache, name = project / "cache", f"{'0' * 64}.index"
    monkeypatch.setenv("MONGOSHOT_CACHE", str(cache))
    old, new = "old" * 5000, "new" * 6000

    def write(text: str, fault: Fault | None = None) -> Outcome:
        function = "tests.faults.operations:keep_in_cache"
        return nursery.run(function, name, text, cwd=project, fault=fault)

    def read() -> str | None:
        file = Cache().open(name)
        if file is None:
            return None
        with file:
            return file.read().decode()

    def prepare() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        write(old)

    swept = Sweep()
    for kind in KINDS:
        for outcome in sweep(kind, prepare, lambda fault: write(new, fault)):
            swept.points[kind] += 1
            assert outcome.was_killed or outcome.status == 0, outcome
            assert read() in (old, new)
            if not outcome.was_killed and not was_tidying(outcome):
                assert len(list(cache.iterdir())) == 1
            assert write(new).status == 0
            assert read() == new
    evidence("faults", "an entry of the cache", str(swept), "old or new, whole; never an error")
