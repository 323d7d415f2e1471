from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.errors import (
    CaptureError,
    NotRepresentableError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotExistsError,
    UsageError,
)
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.model import Collection
from mongoshot.snapshot.placing import aside_of, check_target
from mongoshot.snapshot.profile import Profile
from mongoshot.snapshot.writer import JSON_LIMIT, check_format, write_snapshot

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState

    from mongoshot.snapshot.manifest import Origin

Tree = dict[str, bytes | None]
DEAD = 99_999_999


def tree(directory: Path) -> Tree:
    """Read all of a directory, the hidden included; directories are None."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def contents(snapshot: Snapshot) -> dict[str, list[bytes]]:
    return {name: list(c.documents()) for name, c in snapshot.collections.items()}


def raising(documents: list[bytes], error: BaseException) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        yield from documents
        raise error

    return chunks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def before(make_state: MakeState, origin: Origin, path: Path) -> Snapshot:
    return write_snapshot(make_state(orders=[{"_id": 1}]), path, origin=origin)


def test_a_small_collection_becomes_json_and_a_large_one_bson(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    state = make_state(small=[{"_id": 1}], large=[{"_id": 1, "x": "y" * JSON_LIMIT}], none=[])
    write_snapshot(state, path, origin=origin)
    assert [name for name in names(path) if "metadata" not in name] == [
        *("large.bson", "manifest.json", "none.json", "small.json")
    ]


def test_the_limit_counts_all_chunks_of_a_collection(
    make_state: MakeState, make_collection: MakeCollection, origin: Origin, path: Path
) -> None:
    half = {"x": "y" * (JSON_LIMIT // 2)}
    documents: list[dict[str, Any] | bytes] = [{"_id": 1, **half}, {"_id": 2, **half}, {"_id": 3}]
    state = make_state(orders=make_collection("orders", documents))
    snapshot = write_snapshot(state, path, origin=origin)
    assert "orders.bson" in names(path)
    assert len(contents(snapshot)["orders"]) == 3


@pytest.mark.parametrize("format", ["bson", "json"])
def test_the_format_asked_for_is_taken(
    make_state: MakeState, origin: Origin, path: Path, format: Any
) -> None:
    write_snapshot(make_state(a=[{"_id": 1}]), path, origin=origin, format=format)
    assert f"a.{format}" in names(path)


def test_bson_files_hold_the_documents_and_nothing_else(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    write_snapshot(make_state(a=[{"_id": 1}, {"_id": 2}]), path, origin=origin, format="bson")
    assert (path / "a.bson").read_bytes() == bson.encode({"_id": 1}) + bson.encode({"_id": 2})


def test_json_files_hold_one_canonical_document_a_line(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    write_snapshot(make_state(a=[{"_id": 1}, {"_id": "ü"}]), path, origin=origin, format="json")
    text = '{"_id":{"$numberInt":"1"}}\n{"_id":"ü"}\n'
    assert (path / "a.json").read_bytes() == text.encode()


def test_a_document_that_json_cannot_hold_takes_its_collection_to_bson(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    documents: list[dict[str, Any]] = [{"_id": 1}, {"_id": 2, "x": {"$date": 1}}]
    snapshot = write_snapshot(make_state(a=documents, b=[{"_id": 1}]), path, origin=origin)
    assert names(path) == [
        *("a.bson", "a.metadata.json", "b.json", "b.metadata.json", "manifest.json")
    ]
    assert contents(snapshot)["a"] == [bson.encode(document) for document in documents]


def test_progress_counts_each_document_once(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    seen: list[tuple[str, int]] = []
    state = make_state(a=[{"_id": 1}, {"_id": 2, "x": {"$date": 1}}])
    write_snapshot(state, path, origin=origin, progress=lambda *step: seen.append(step))
    assert seen == [("a", 1), ("a", 1)]


def test_a_document_that_json_cannot_hold_is_named_where_json_was_asked_for(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    state = make_state(a=[{"_id": "x", "y": {"$date": 1}}])
    with pytest.raises(NotRepresentableError, match=r'^a, _id "x": .*--format bson$'):
        write_snapshot(state, path, origin=origin, format="json")
    assert names(path.parent) == []


def test_writing_twice_gives_the_same_bytes(
    make_state: MakeState, origin: Origin, tmp_path: Path
) -> None:
    state = make_state(a=[{"_id": 1}], b=[{"_id": 1.5}])
    for place in ("one", "two"):
        write_snapshot(state, tmp_path / place / "shop", origin=origin)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_collections_that_differ_in_case_have_a_file_each(
    make_state: MakeState, origin: Origin, path: Path
) -> None:
    snapshot = write_snapshot(make_state(A=[{"_id": 1}], a=[{"_id": 2}]), path, origin=origin)
    assert contents(snapshot) == {"A": [bson.encode({"_id": 1})], "a": [bson.encode({"_id": 2})]}
    assert len({name.lower() for name in names(path)}) == 5


@pytest.mark.parametrize("name", ["manifest", "a/b", "a.metadata", ".x", "ü" * 100, "..", "con"])
def test_a_collection_of_any_name_can_be_written(
    make_state: MakeState, make_collection: MakeCollection, origin: Origin, path: Path, name: str
) -> None:
    state = make_state(**{name: make_collection(name, [{"_id": 1}])})
    snapshot = write_snapshot(state, path, origin=origin)
    assert contents(snapshot) == {name: [bson.encode({"_id": 1})]}


def test_a_time_series_keeps_its_buckets_where_mongodump_does(
    make_state: MakeState, make_collection: MakeCollection, origin: Origin, path: Path
) -> None:
    series = make_collection("weather", [{"_id": 1}], indexes=[], type="timeseries")
    snapshot = write_snapshot(make_state(weather=series), path, origin=origin)
    assert "system.buckets.weather.json" in names(path)
    assert contents(snapshot) == {"weather": [bson.encode({"_id": 1})]}


def test_the_first_snapshot_has_revision_1(before: Snapshot) -> None:
    assert before.manifest.revision == 1


def test_a_snapshot_that_is_there_is_not_replaced_unless_asked(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    was = tree(path.parent)
    with pytest.raises(SnapshotExistsError, match=r"revision 1, captured 2026.*--replace"):
        write_snapshot(make_state(), path, origin=origin)
    assert tree(path.parent) == was


def test_a_replacement_counts_the_revision_up(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    after = write_snapshot(make_state(carts=[]), path, origin=origin, replace=True)
    assert after.manifest.revision == 2
    assert names(path) == ["carts.json", "carts.metadata.json", "manifest.json"]
    assert names(path.parent) == ["shop"]


def test_a_replacement_by_the_same_touches_nothing(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    was = tree(path.parent)
    later = replace(origin, captured_at="2027-01-01T00:00:00Z")
    write_snapshot(make_state(orders=[{"_id": 1}]), path, origin=later, replace=True)
    assert tree(path.parent) == was


def test_another_encoding_of_the_same_is_no_new_revision(
    before: Snapshot, origin: Origin, path: Path
) -> None:
    after = write_snapshot(before, path, origin=origin, format="bson", replace=True)
    assert (after.manifest.revision, after.digest) == (1, before.digest)
    assert names(path) == ["manifest.json", "orders.bson", "orders.metadata.json"]


def test_a_replacement_by_the_same_mends_what_was_damaged(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    (path / "orders.json").write_bytes(b"{}")
    write_snapshot(make_state(orders=[{"_id": 1}]), path, origin=origin, replace=True).verify()


def test_a_replacement_keeps_the_files_of_others(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    (path / "README.md").write_text("why", encoding="utf-8")
    (path / "notes").mkdir()
    (path / "notes" / "link").symlink_to("nowhere")
    (path / "link").symlink_to("../other")
    write_snapshot(make_state(), path, origin=origin, replace=True)
    assert names(path) == ["README.md", "link", "manifest.json", "notes"]
    assert (path / "README.md").read_text(encoding="utf-8") == "why"
    assert (path / "notes" / "link").readlink() == Path("nowhere")
    assert (path / "link").readlink() == Path("../other")


def test_a_damaged_snapshot_is_replaced_and_keeps_the_files_of_others(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    manifest = path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-100] + b"<<<<<<< HEAD")
    (path / "README.md").write_text("why", encoding="utf-8")
    write_snapshot(make_state(carts=[]), path, origin=origin, replace=True).verify()
    assert names(path) == ["README.md", "carts.json", "carts.metadata.json", "manifest.json"]


def test_a_damaged_snapshot_is_not_replaced_unless_asked(before: Snapshot, path: Path) -> None:
    manifest = path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-100])
    with pytest.raises(SnapshotExistsError, match="add --replace to capture it anew"):
        check_target(path, replace=False)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    "foreign",
    [
        {"index.html": "<p>"},
        {"manifest.json": '{"manifest_version": 3}', "background.js": "x"},
        {"manifest.json": ""},
        {"manifest.json": '{\n  "format_version": 2,\n  "header": {}\n}', "pack.json": "{}"},
    ],
)
def test_a_directory_that_is_no_snapshot_is_never_replaced(
    make_state: MakeState, origin: Origin, path: Path, foreign: dict[str, str], replace: bool
) -> None:
    path.mkdir()
    for name, text in foreign.items():
        (path / name).write_text(text, encoding="utf-8")
    was = tree(path.parent)
    with pytest.raises(SnapshotExistsError, match="choose another name, or remove it"):
        write_snapshot(make_state(), path, origin=origin, replace=replace)
    assert tree(path.parent) == was


def test_a_file_is_never_replaced(make_state: MakeState, origin: Origin, path: Path) -> None:
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(SnapshotExistsError):
        write_snapshot(make_state(), path, origin=origin, replace=True)
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_empty_directory_is_taken(make_state: MakeState, origin: Origin, path: Path) -> None:
    path.mkdir()
    write_snapshot(make_state(), path, origin=origin)
    assert names(path) == ["manifest.json"]


def test_the_directories_above_are_made(
    make_state: MakeState, origin: Origin, tmp_path: Path
) -> None:
    assert write_snapshot(make_state(), tmp_path / "a" / "b" / "shop", origin=origin).path.is_dir()


@pytest.mark.parametrize("name", ["..", "x/..", "", "a\nb"])
def test_a_path_that_names_no_scenario_is_refused(
    make_state: MakeState, origin: Origin, tmp_path: Path, name: str
) -> None:
    directory = tmp_path / "snapshots"
    directory.mkdir()
    with pytest.raises(SnapshotError):
        write_snapshot(make_state(), Path(f"{directory}/{name}") if name else Path(), origin=origin)
    assert names(tmp_path) == ["snapshots"]
    assert names(directory) == []


def test_a_name_that_is_too_long_is_one_line(
    make_state: MakeState, origin: Origin, tmp_path: Path
) -> None:
    with pytest.raises(SnapshotError, match="name too long") as caught:
        write_snapshot(make_state(), tmp_path / ("x" * 300), origin=origin)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["partial", "replaced"])
@pytest.mark.parametrize("name", ["shop", "[sh]op"])
def test_what_killed_writers_left_is_removed(
    make_state: MakeState, origin: Origin, tmp_path: Path, name: str, kind: str
) -> None:
    write_snapshot(make_state(), tmp_path / name, origin=origin)
    for pid in (DEAD, os.getpid()):
        (tmp_path / f".{name}.{pid}.{kind}").mkdir()
    write_snapshot(make_state(a=[]), tmp_path / name, origin=origin, replace=True)
    assert names(tmp_path) == [name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_what_is_being_written_is_read_by_those_who_read_it_before(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "shop"
    path.mkdir()
    path.chmod(mode)
    umask = os.umask(0o022)
    try:
        with aside_of(path) as aside:
            assert aside.stat().st_mode & 0o777 == mode
    finally:
        os.umask(umask)


@pytest.mark.parametrize("kind", ["partial", "replaced"])
def test_what_living_writers_have_is_left_alone(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path, kind: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        theirs = path.with_name(f".shop.{living.pid}.{kind}")
        theirs.mkdir()
        write_snapshot(make_state(), path, origin=origin, replace=True)
        assert theirs.is_dir()
        living.communicate(b"\n")


@pytest.mark.parametrize(
    "name",
    [f".shop.eu.{DEAD}.replaced", f".shop.eu.{DEAD}.partial", ".shop.x.partial", ".shop.notes"],
)
def test_what_is_of_no_writer_of_this_name_is_left_alone(
    make_state: MakeState, origin: Origin, path: Path, name: str
) -> None:
    path.with_name(name).mkdir()
    write_snapshot(make_state(), path, origin=origin)
    assert names(path.parent) == sorted([name, "shop"])


def test_the_only_copy_of_another_scenario_survives(
    make_state: MakeState, origin: Origin, tmp_path: Path
) -> None:
    other = write_snapshot(make_state(x=[{"_id": 1}]), tmp_path / "shop.eu", origin=origin)
    other.path.rename(tmp_path / f".shop.eu.{DEAD}.replaced")
    write_snapshot(make_state(), tmp_path / "shop", origin=origin)
    assert Snapshot.load(tmp_path / "shop.eu").digest == other.digest


def test_a_replacement_after_one_that_was_killed_starts_from_the_snapshot_before(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    path.rename(path.with_name(f".shop.{DEAD}.replaced"))
    after = write_snapshot(make_state(), path, origin=origin, replace=True)
    assert after.manifest.revision == 2
    assert names(path.parent) == ["shop"]


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), CaptureError("x"), SystemExit(1), MemoryError()]
)
@pytest.mark.parametrize("format", [None, "bson", "json"])
def test_an_end_in_the_middle_of_the_reading_leaves_all_as_it_was(
    make_state: MakeState,
    make_collection: MakeCollection,
    origin: Origin,
    path: Path,
    format: Any,
    error: BaseException,
    there: bool,
) -> None:
    if there:
        write_snapshot(make_state(orders=[{"_id": 1}]), path, origin=origin)
    was = tree(path.parent)
    whole = make_collection("orders")
    broken = Collection(whole.definition, raising([bson.encode({"_id": 2})] * 3, error))
    with pytest.raises(type(error)):
        write_snapshot(
            make_state(a=[{"_id": 1}], orders=broken),
            path,
            origin=origin,
            format=format,
            replace=True,
        )
    assert tree(path.parent) == was


def test_a_commit_that_is_given_up_leaves_all_as_it_was(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    seen: list[tuple[int | None, list[str]]] = []

    def give_up(existing: Snapshot | None, new: Snapshot) -> None:
        seen.append((existing.manifest.revision if existing else None, list(new.collections)))
        raise CaptureError("somebody says no")

    def migrated() -> Origin:
        raise CaptureError("a migration")

    was = tree(path.parent)
    with pytest.raises(CaptureError, match="says no"):
        write_snapshot(make_state(a=[]), path, origin=origin, replace=True, before_commit=give_up)
    with pytest.raises(CaptureError, match="migration"):
        write_snapshot(make_state(a=[]), path, origin=migrated, replace=True)
    assert tree(path.parent) == was
    assert seen == [(before.manifest.revision, ["a"])]
    write_snapshot(before, path, origin=lambda: origin, replace=True, before_commit=give_up)
    assert tree(path.parent) == was


def test_a_profile_of_another_shape_is_written_though_the_files_are_the_same(
    before: Snapshot, origin: Origin, path: Path
) -> None:
    def written(**fields: dict[str, int]) -> Snapshot:
        profile = {"orders": Profile(3, fields)}
        return write_snapshot(before, path, origin=replace(origin, profile=profile), replace=True)

    first = written(a={"int32": 3})
    assert written(a={"int32": 2}).manifest == first.manifest
    other = written(a={"int32": 2, "string": 1}).manifest
    assert other.origin.profile["orders"].fields == {"a": {"int32": 2, "string": 1}}
    assert other.revision == first.manifest.revision


def test_a_source_that_is_damaged_is_not_copied(
    before: Snapshot, make_state: MakeState, origin: Origin, path: Path
) -> None:
    (path / "orders.json").write_bytes(b'{"_id":{"$numberInt":"2"}}\n')
    with pytest.raises(SnapshotDamagedError):
        write_snapshot(before, path.with_name("copy"), origin=origin)
    assert names(path.parent) == ["shop"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import bson
from mongoshot.errors import SnapshotError
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Collection, Definition, MemoryState
from mongoshot.snapshot.writer import write_snapshot

path, limit, size, format = Path(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4]
document = bson.encode({"_id": 1, "x": "y" * size})
state = MemoryState("m", {"orders": Collection(Definition("orders"), lambda: iter([document]))})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_snapshot(state, path, origin=Origin("6", "now", "none"), format=format, replace=True)
except SnapshotError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
@pytest.mark.parametrize(
    ("limit", "size", "format"),
    [
        pytest.param(50_000, 100_000, "bson", id="BSON"),
        pytest.param(50_000, 100_000, "json", id="JSON"),
        pytest.param(100, 10, "bson", id="metadata"),
        pytest.param(400, 10, "bson", id="manifest"),
        pytest.param(0, 10, "json", id="nothing"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_is_one_line_and_leaves_all_as_it_was(
    make_state: MakeState,
    origin: Origin,
    path: Path,
    limit: int,
    size: int,
    format: str,
    there: bool,
) -> None:
    if there:
        write_snapshot(make_state(orders=[{"_id": 1}]), path, origin=origin)
    was = tree(path.parent)
    arguments = [str(path), str(limit), str(size), format]
    command = [sys.executable, "-c", FULL_DISK, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    assert done.stdout == (
        f"cannot write the snapshot {path}: {os.strerror(errno.EFBIG)}; what was there before is"
        " as it was; make room, or name another place with --snapshots-path\n"
    )
    assert tree(path.parent) == was


@pytest.mark.parametrize("format", ["bson", "json", None])
def test_a_known_format_is_taken(format: str | None) -> None:
    assert check_format(format) == format


@pytest.mark.parametrize("format", ["BSON", "yaml", ""])
def test_an_unknown_format_lists_the_known(format: str) -> None:
    with pytest.raises(UsageError, match="take one of bson, json"):
        check_format(format)


def test_the_manifest_says_where_it_comes_from(before: Snapshot, path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["captured_at"] == "2026-01-02T03:04:05Z"
    assert manifest["recipe"] == {"database": "shop"}


def test_a_directory_that_cannot_be_synced_stays_as_it_was(
    before: Snapshot,
    make_state: MakeState,
    origin: Origin,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its files have been swapped by then."""
    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        if os.path.samestat(os.fstat(handle), path.parent.stat()):
            raise OSError(errno.EIO, "Input/output error")
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(SnapshotError, match="what was there before is as it was"):
        write_snapshot(make_state(other=[]), path, origin=origin, replace=True)

    assert Snapshot.load(path).digest == before.digest
    assert names(path.parent) == [path.name]


def test_what_is_kept_beside_the_files_is_on_the_disk(
    before: Snapshot,
    make_state: MakeState,
    origin: Origin,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (path / "notes").mkdir()
    (path / "notes" / "more").write_text("of them")
    synced: list[int] = []
    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_snapshot(make_state(other=[]), path, origin=origin, replace=True)

    for each in (path, path / "notes", path / "notes" / "more", path.parent):
        assert each.stat().st_ino in synced
