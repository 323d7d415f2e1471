"""A snapshot whose files are packed with gzip holds the same, and is used the same."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import bson
import pytest

from mongoshot.errors import SnapshotDamagedError
from mongoshot.snapshot import cache
from mongoshot.snapshot.cache import Cache
from mongoshot.snapshot.directory import Snapshot, read_chunks
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import MemoryState
from mongoshot.snapshot.writer import Format, write_snapshot

from ...conftest import MakeState

FORMATS: list[Format | None] = ["bson", "json", None]


@pytest.fixture
def state(make_state: MakeState) -> MemoryState:
    return make_state(
        orders=[{"_id": number, "text": "again and again " * 9} for number in range(2000)],
        large=[{"_id": number, "text": "x" * 1000} for number in range(1500)],
        empty=[],
    )


@pytest.mark.parametrize("format", FORMATS)
def test_it_holds_the_same(
    format: Format | None, state: MemoryState, origin: Origin, tmp_path: Path
) -> None:
    plain = write_snapshot(state, tmp_path / "plain", origin=origin, format=format)
    packed = write_snapshot(state, tmp_path / "packed", origin=origin, format=format, gzip=True)
    again = write_snapshot(state, tmp_path / "again", origin=origin, format=format, gzip=True)
    assert packed.digest == plain.digest
    assert packed.manifest.files == again.manifest.files
    pairs = zip(plain.manifest.files, packed.manifest.files, strict=True)
    for entry, other in pairs:
        if not entry.holds_documents:
            assert other == entry
            continue
        assert other.name == f"{entry.name}.gz"
        assert other.content_sha256 == entry.content_sha256
        content = (packed.path / other.name).read_bytes()
        assert gzip.decompress(content) == (plain.path / entry.name).read_bytes()
        assert other.bytes == len(content)
        assert packed.collections[entry.collection].file is None
    assert list(packed.problems()) == []
    for name, collection in state.collections.items():
        assert b"".join(packed.collections[name].chunks()) == b"".join(collection.chunks())
    assert sum(e.bytes for e in packed.manifest.files) * 5 < sum(
        e.bytes for e in plain.manifest.files
    )


def test_documents_are_found_by_id(
    state: MemoryState, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGOSHOT_CACHE", str(tmp_path / "cache"))
    snapshot = write_snapshot(state, tmp_path / "packed", origin=origin, gzip=True)
    wanted = b"\x10" + (1234).to_bytes(4, "little")
    for _ in range(2):
        found = DocumentIndex(snapshot.collections["large"]).find([wanted])
        assert bson.decode(found[wanted]) == {"_id": 1234, "text": "x" * 1000}
        # From now on where it was unpacked to.
        (snapshot.path / "large.bson.gz").unlink(missing_ok=True)
    kept = tmp_path / "cache" / f"{snapshot.collections['large'].digest}.bson"
    assert kept.stat().st_size > 1_500_000


def test_a_replacement_packs_and_unpacks(
    state: MemoryState, origin: Origin, tmp_path: Path
) -> None:
    path = tmp_path / "shop"
    before = write_snapshot(state, path, origin=origin, gzip=True)
    after = write_snapshot(before, path, origin=origin, replace=True)
    assert not [file for file in path.iterdir() if file.suffix == ".gz"]
    assert (after.digest, after.manifest.revision) == (before.digest, 1)
    write_snapshot(after, path, origin=origin, gzip=True, replace=True)
    assert len([file for file in path.iterdir() if file.suffix == ".gz"]) == 3


def test_damage_is_found(state: MemoryState, origin: Origin, tmp_path: Path) -> None:
    snapshot = write_snapshot(state, tmp_path / "packed", origin=origin, gzip=True)
    path = snapshot.path / "orders.json.gz"
    packed = path.read_bytes()
    for damaged, problem in (
        (packed[:-9], "cannot be unpacked with gzip: it ends too soon"),
        (packed[:-8] + bytes(8), "cannot be unpacked with gzip: CRC check failed"),
        (b"text", "cannot be unpacked with gzip: Not a gzipped file"),
        (gzip.compress(b"text"), "line 1: "),
    ):
        path.write_bytes(damaged)
        with pytest.raises(SnapshotDamagedError, match=problem):
            list(read_chunks(path))
        with pytest.raises(SnapshotDamagedError):
            Snapshot.load(snapshot.path).verify()


def test_the_cache_stays_below_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGOSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_LARGEST", 1000)
    names = [f"{number:064x}.bson" for number in range(4)]
    for age, name in enumerate(names):
        Cache().write(name, [bytes(400)])
        used = time.time() - 1000 * (10 - age)
        os.utime(tmp_path / "cache" / name, (used, used))
    (tmp_path / "cache" / "mine.txt").write_bytes(bytes(5000))
    os.utime(tmp_path / "cache" / names[1])
    Cache().write("f" * 64 + ".bson", [b""])
    left = {entry.name for entry in (tmp_path / "cache").iterdir()}
    assert left == {names[1], names[3], "f" * 64 + ".bson", "mine.txt"}
