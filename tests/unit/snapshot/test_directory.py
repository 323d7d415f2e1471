from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest

from mongoshot.errors import (
    FormatVersionError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotNotFoundError,
)
from mongoshot.snapshot.directory import (
    Snapshot,
    find_snapshots,
    load_scenario,
    read_chunks,
)
from mongoshot.snapshot.left_over import recover_replaced
from mongoshot.snapshot.manifest import FileEntry, Manifest, Origin
from mongoshot.snapshot.scenario_names import check_name
from mongoshot.snapshot.writer import write_snapshot

if TYPE_CHECKING:
    from tests.conftest import MakeCollection, MakeState
    from tests.unit.snapshot.conftest import Later

DOCUMENTS: list[dict[str, Any]] = [{"_id": 1, "a": "x"}, {"_id": 2, "b": [True, 1.5]}]
VIEW = {"viewOn": "orders", "pipeline": []}


@pytest.fixture
def small(make_state: MakeState, make_collection: MakeCollection) -> Any:
    view = make_collection("open", options=VIEW, indexes=[], type="view")
    return make_state(orders=DOCUMENTS, open=view)


@pytest.fixture(params=["bson", "json"])
def shop(request: pytest.FixtureRequest, small: Any, origin: Origin, tmp_path: Path) -> Snapshot:
    return write_snapshot(small, tmp_path / "shop", origin=origin, format=request.param)


def contents(snapshot: Snapshot) -> dict[str, list[bytes]]:
    return {name: list(c.documents()) for name, c in snapshot.collections.items()}


def read_all(snapshot: Snapshot) -> None:
    contents(snapshot)


def assert_damaged_or_the_same(snapshot: Snapshot) -> None:
    try:
        read = contents(Snapshot.load(snapshot.path))
    except SnapshotDamagedError as error:
        one_line(error)
        return
    # JSON has more than one way to write a document, with and without a last line break.
    assert data_file(snapshot).suffix == ".json"
    assert read == {"open": [], "orders": [bson.encode(d) for d in DOCUMENTS]}


def data_file(snapshot: Snapshot) -> Path:
    [name] = [entry.name for entry in snapshot.manifest.files if entry.holds_documents]
    return snapshot.path / name


def one_line(error: BaseException) -> str:
    message = str(error)
    assert len(message.splitlines()) == 1
    return message


def rewrite(snapshot: Snapshot, change: Callable[[FileEntry], FileEntry | None]) -> Snapshot:
    """Write a manifest whose digest is right and whose entries are changed, or gone."""
    files = tuple(new for entry in snapshot.manifest.files if (new := change(entry)) is not None)
    manifest = replace(snapshot.manifest, files=files)
    (snapshot.path / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return Snapshot.load(snapshot.path)


def forge(snapshot: Snapshot, data: bytes, content: bytes | None = None) -> Snapshot:
    """Write other documents, and a manifest that agrees with them."""
    data_file(snapshot).write_bytes(data)

    def change(entry: FileEntry) -> FileEntry:
        if not entry.holds_documents:
            return entry
        digest = hashlib.sha256(data).hexdigest()
        of_content = digest if content is None else hashlib.sha256(content).hexdigest()
        return replace(entry, bytes=len(data), sha256=digest, content_sha256=of_content)

    return rewrite(snapshot, change)


def test_a_snapshot_has_the_collections_that_were_written(shop: Snapshot) -> None:
    assert contents(shop) == {"open": [], "orders": [bson.encode(d) for d in DOCUMENTS]}
    assert shop.collections["open"].definition.decoded_options() == VIEW
    assert shop.definitions["orders"].decoded_indexes()[0]["name"] == "_id_"


def test_a_snapshot_is_named_by_its_directory(shop: Snapshot) -> None:
    moved = shop.path.rename(shop.path.with_name("moved"))
    assert (Snapshot.load(moved).name, Snapshot.load(moved).digest) == ("moved", shop.digest)


def test_a_whole_snapshot_has_no_problems(shop: Snapshot) -> None:
    assert list(shop.problems()) == []
    shop.verify()


def test_verifying_shows_its_progress(shop: Snapshot) -> None:
    seen: list[tuple[str, int]] = []
    shop.verify(lambda collection, documents: seen.append((collection, documents)))
    assert seen == [("orders", 2)]


def test_a_collection_of_documents_has_their_digest(shop: Snapshot, small: Any) -> None:
    content = b"".join(map(bson.encode, DOCUMENTS))
    assert shop.collections["orders"].digest == hashlib.sha256(content).hexdigest()
    assert shop.collections["open"].digest is None


def read_when_verified(snapshot: Snapshot, *, unchanged_is_enough: bool = True) -> list[str]:
    """Verify a snapshot, and name the collections whose documents were read for it."""
    read: list[str] = []
    snapshot.verify(lambda name, _: read.append(name), unchanged_is_enough=unchanged_is_enough)
    return read


def test_what_was_verified_is_not_read_again_where_that_is_enough(
    shop: Snapshot, later: Later
) -> None:
    later()
    assert read_when_verified(shop) == ["orders"]
    assert read_when_verified(shop) == []
    assert read_when_verified(Snapshot.load(shop.path)) == []
    assert read_when_verified(shop, unchanged_is_enough=False) == ["orders"]


def test_problems_are_looked_for_by_reading(shop: Snapshot, later: Later) -> None:
    later()
    shop.verify()
    read: list[str] = []
    assert list(shop.problems(lambda name, _: read.append(name))) == []
    assert read == ["orders"]
    assert read_when_verified(shop) == []


def test_what_was_written_just_before_is_read_again(shop: Snapshot, later: Later) -> None:
    shop.verify()
    assert read_when_verified(shop) == ["orders"]
    later()
    assert read_when_verified(shop) == ["orders"]
    assert read_when_verified(shop) == []


def test_without_a_cache_all_is_read(shop: Snapshot, later: Later, cache_directory: Path) -> None:
    cache_directory.write_bytes(b"in the way")
    later()
    shop.verify()
    assert read_when_verified(shop) == ["orders"]


def test_a_file_that_was_written_to_is_read_again(shop: Snapshot, later: Later) -> None:
    later()
    shop.verify()
    path = data_file(shop)
    before, whole = path.stat(), path.read_bytes()
    time.sleep(0.02)  # the kernel's clock for files ticks each 4 or 10 ms
    path.write_bytes(whole.replace(b"x", b"y"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SnapshotDamagedError, match="was changed"):
        shop.verify(unchanged_is_enough=True)
    path.write_bytes(whole)
    assert read_when_verified(shop) == ["orders"]


def test_what_was_found_damaged_is_found_so_again(shop: Snapshot, later: Later) -> None:
    data_file(shop).write_bytes(data_file(shop).read_bytes().replace(b"x", b"y"))
    later()
    for _ in range(2):
        with pytest.raises(SnapshotDamagedError, match="was changed"):
            shop.verify(unchanged_is_enough=True)


def test_a_copy_is_read_for_itself(shop: Snapshot, later: Later) -> None:
    later()
    shop.verify()
    copy = Snapshot.load(shutil.copytree(shop.path, shop.path.with_name("copy")))
    assert read_when_verified(copy) == ["orders"]
    assert read_when_verified(copy) == []


@pytest.mark.parametrize("key", ["sha256", "content_sha256"])
def test_a_manifest_that_says_something_else_is_held_against_the_files(
    shop: Snapshot, later: Later, key: str
) -> None:
    later()
    shop.verify()
    changes: Any = {key: "0" * 64}
    lying = rewrite(shop, lambda e: replace(e, **changes) if e.holds_documents else e)
    with pytest.raises(SnapshotDamagedError, match="0000"):
        lying.verify(unchanged_is_enough=True)


def test_a_size_that_lies_is_told_of_a_file_that_was_verified(shop: Snapshot, later: Later) -> None:
    later()
    shop.verify()
    lying = rewrite(shop, lambda e: replace(e, bytes=1) if e.holds_documents else e)
    with pytest.raises(SnapshotDamagedError, match="and the manifest says 1;"):
        lying.verify(unchanged_is_enough=True)


def test_a_file_that_was_verified_and_is_gone_is_told(shop: Snapshot, later: Later) -> None:
    later()
    shop.verify()
    data_file(shop).unlink()
    with pytest.raises(SnapshotDamagedError, match="is missing"):
        shop.verify(unchanged_is_enough=True)


def test_metadata_is_read_however_often_it_was_verified(shop: Snapshot, later: Later) -> None:
    later()
    shop.verify()
    path = shop.path / "orders.metadata.json"
    before, whole = path.stat(), path.read_bytes()
    path.write_bytes(whole.replace(b"_id_", b"_ie_"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SnapshotDamagedError, match=r"orders\.metadata\.json was changed"):
        Snapshot.load(shop.path).verify(unchanged_is_enough=True)


def test_a_file_cut_anywhere_is_told(shop: Snapshot) -> None:
    for entry in shop.manifest.files:
        path = shop.path / entry.name
        whole = path.read_bytes()
        for end in range(len(whole)):
            path.write_bytes(whole[:end])
            [problem] = shop.problems()
            assert problem.startswith(f"{path} has {end} bytes, and the manifest says")
        path.write_bytes(whole)


def test_reading_a_file_cut_anywhere_is_damage(shop: Snapshot) -> None:
    for entry in shop.manifest.files:
        path = shop.path / entry.name
        whole = path.read_bytes()
        for end in range(len(whole)):
            path.write_bytes(whole[:end])
            assert_damaged_or_the_same(shop)
        path.write_bytes(whole)


def flips(whole: bytes, *bits: int) -> Iterator[tuple[int, bytes]]:
    for position, byte in enumerate(whole):
        for bit in bits:
            flipped = bytes((byte ^ (1 << bit),))
            yield position, whole[:position] + flipped + whole[position + 1 :]


def test_a_bit_flipped_anywhere_in_a_file_is_told(shop: Snapshot) -> None:
    for entry in shop.manifest.files:
        path = shop.path / entry.name
        whole = path.read_bytes()
        for position, damaged in flips(whole, 0, 5, 7):
            path.write_bytes(damaged)
            assert len(list(shop.problems())) == 1, position
        path.write_bytes(whole)


def test_reading_a_file_with_a_flipped_bit_is_damage(shop: Snapshot) -> None:
    for entry in shop.manifest.files:
        path = shop.path / entry.name
        whole = path.read_bytes()
        for _, damaged in flips(whole, 0, 5, 7):
            path.write_bytes(damaged)
            assert_damaged_or_the_same(shop)
        path.write_bytes(whole)


def test_a_bit_flipped_anywhere_in_the_manifest_is_told_or_is_nothing_that_is_believed(
    shop: Snapshot,
) -> None:
    path = shop.path / "manifest.json"
    whole = path.read_bytes()
    believed = shop.digest, contents(shop), shop.definitions
    unnoticed = []
    for position, damaged in flips(whole, 0, 5, 7):
        path.write_bytes(damaged)
        try:
            again = Snapshot.load(shop.path)
            again.verify()
        except (SnapshotDamagedError, FormatVersionError) as error:
            one_line(error)
            continue
        assert (again.digest, contents(again), again.definitions) == believed
        unnoticed.append(whole[whole.rfind(b"\n", 0, position) + 1 :].split(b":")[0].strip())
    # Of what is told about the capture nothing decides what a restore writes.
    assert set(unnoticed) <= {
        *(b'"name"', b'"revision"', b'"server_version"', b'"captured_at"', b'"recipe"'),
        *(b'"database"', b'"collections"', b'"outside_consistency"'),
    }


def test_a_manifest_cut_anywhere_is_damage(shop: Snapshot) -> None:
    path = shop.path / "manifest.json"
    whole = path.read_bytes().rstrip()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(SnapshotDamagedError):
            Snapshot.load(shop.path)


def test_a_missing_file_is_told(shop: Snapshot) -> None:
    data_file(shop).unlink()
    assert [problem for problem in shop.problems() if "is missing" in problem]
    with pytest.raises(SnapshotDamagedError, match="is missing; take it from version control"):
        read_all(shop)


def test_a_missing_metadata_file_is_told(shop: Snapshot) -> None:
    (shop.path / "open.metadata.json").unlink()
    with pytest.raises(SnapshotDamagedError, match=r"open\.metadata\.json is missing"):
        shop.verify()
    with pytest.raises(SnapshotDamagedError, match=r"open\.metadata\.json is missing"):
        read_all(shop)


def test_a_directory_in_the_place_of_a_file_is_told(shop: Snapshot) -> None:
    path = data_file(shop)
    path.unlink()
    path.mkdir()
    with pytest.raises(SnapshotDamagedError, match="cannot read"):
        shop.verify()
    with pytest.raises(SnapshotDamagedError, match="cannot read"):
        read_all(shop)


def test_all_problems_are_told(shop: Snapshot) -> None:
    for entry in shop.manifest.files:
        (shop.path / entry.name).unlink()
    assert len(list(shop.problems())) == 3


def test_a_count_that_lies_is_told(shop: Snapshot) -> None:
    lying = rewrite(shop, lambda e: replace(e, documents=3) if e.holds_documents else e)
    with pytest.raises(SnapshotDamagedError, match=r"says 3 documents .* and there are 2"):
        lying.verify()


def test_a_size_that_lies_is_told(shop: Snapshot) -> None:
    lying = rewrite(shop, lambda e: replace(e, bytes=10**30))
    assert len(list(lying.problems())) == 3


def test_a_hash_of_the_content_that_lies_is_told(shop: Snapshot) -> None:
    lying = rewrite(shop, lambda e: replace(e, content_sha256="0" * 64) if e.documents else e)
    with pytest.raises(SnapshotDamagedError, match="content"):
        lying.verify()


def test_documents_without_metadata_are_told(shop: Snapshot) -> None:
    lying = rewrite(
        shop, lambda e: None if not e.holds_documents and e.collection == "orders" else e
    )
    [problem] = lying.problems()
    assert "lists no metadata file for 'orders'" in problem


def test_a_collection_without_a_file_of_documents_is_told(shop: Snapshot) -> None:
    lying = rewrite(shop, lambda e: None if e.holds_documents else e)
    [problem] = lying.problems()
    assert "lists no file of documents for the collection 'orders'" in problem


def test_a_view_with_a_file_of_documents_is_told(shop: Snapshot) -> None:
    lying = rewrite(shop, lambda e: replace(e, collection="open") if e.holds_documents else e)
    with pytest.raises(SnapshotDamagedError, match="lists a file of documents for the view 'open'"):
        lying.verify()


def test_metadata_of_another_collection_is_told(shop: Snapshot) -> None:
    lying = rewrite(shop, lambda e: replace(e, collection="x") if e.collection == "open" else e)
    with pytest.raises(SnapshotDamagedError, match="describes 'open', and the manifest says 'x'"):
        lying.verify()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x04\x00\x00\x00\x00",
        b"\xff\xff\xff\xff\x00",
        b"\x06\x00\x00\x00\x00\x01",
        bson.encode({"a": 1}) + b"\x05\x00\x00",
        bson.encode({"a": 1}) + b"\xff\xff\xff\x7f",
    ],
)
def test_a_file_that_is_no_bson_is_damage_although_the_manifest_agrees(
    data: bytes, small: Any, origin: Origin, tmp_path: Path
) -> None:
    shop = write_snapshot(small, tmp_path / "shop", origin=origin, format="bson")
    forged = forge(shop, data)
    with pytest.raises(SnapshotDamagedError, match=r"orders\.bson.*byte \d"):
        forged.verify()
    with pytest.raises(SnapshotDamagedError):
        read_all(forged)


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]\n",
        b"\xff\n",
        b'{"a": {"$oid": "x"}}\n',
        b'{"a": 1} {"a": 2}\n',
        b'{"a": 1e999}\n',
        b'{"a": ' + b"9" * 5000 + b"}\n",
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b'{"a":' * 100_000,
        b'{"a": "\\ud800"}',
    ],
)
def test_a_file_that_is_no_extended_json_is_damage_although_the_manifest_agrees(
    data: bytes, small: Any, origin: Origin, tmp_path: Path
) -> None:
    shop = write_snapshot(small, tmp_path / "shop", origin=origin, format="json")
    forged = forge(shop, b'{"_id": 1}\n' + data)
    with pytest.raises(SnapshotDamagedError, match=r"orders\.json, line 2: ") as caught:
        forged.verify()
    one_line(caught.value)
    with pytest.raises(SnapshotDamagedError):
        read_all(forged)


def test_a_length_that_lies_does_not_take_the_rest_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.bson"
    with path.open("wb") as file:
        file.write(struct.pack("<i", 1 << 30))
        file.truncate(1 << 30)
    with pytest.raises(SnapshotDamagedError, match="begins at byte 0"):
        list(read_chunks(path))


def test_a_document_longer_than_a_chunk_is_read(tmp_path: Path) -> None:
    documents = [bson.encode({"_id": n, "x": "y" * size}) for n, size in enumerate([3, 3 << 20, 5])]
    (tmp_path / "x.bson").write_bytes(b"".join(documents))
    assert b"".join(read_chunks(tmp_path / "x.bson")) == b"".join(documents)


def test_a_large_json_file_is_read_in_chunks(tmp_path: Path) -> None:
    line = json.dumps({"x": "y" * (1 << 19)}).encode() + b"\n"
    (tmp_path / "x.json").write_bytes(line * 5)
    assert [chunk.count(b"yyyy" * 1000) > 0 for chunk in read_chunks(tmp_path / "x.json")] == [
        True
    ] * 3


@pytest.mark.parametrize("text", [b"\xff\xfe{}", b"\x80"])
def test_a_manifest_that_is_not_utf8_is_damage(shop: Snapshot, text: bytes) -> None:
    (shop.path / "manifest.json").write_bytes(text)
    with pytest.raises(SnapshotDamagedError, match="not UTF-8"):
        Snapshot.load(shop.path)


def test_a_manifest_from_the_future_is_told(shop: Snapshot) -> None:
    text = (shop.path / "manifest.json").read_text(encoding="utf-8")
    newer = text.replace('"format_version": 1', '"format_version": 2')
    (shop.path / "manifest.json").write_text(newer, encoding="utf-8")
    with pytest.raises(FormatVersionError, match="has format version 2"):
        Snapshot.load(shop.path)


def test_a_file_outside_the_directory_is_never_read(shop: Snapshot) -> None:
    secret = shop.path.parent / "secret.json"
    secret.write_text('{"_id": 1}\n', encoding="utf-8")
    value = json.loads((shop.path / "manifest.json").read_text(encoding="utf-8"))
    value["files"][0]["name"] = "../secret.json"
    (shop.path / "manifest.json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(SnapshotDamagedError, match="a plain file name"):
        Snapshot.load(shop.path)


def test_an_empty_snapshot_is_one(make_state: MakeState, origin: Origin, tmp_path: Path) -> None:
    empty = write_snapshot(make_state(), tmp_path / "empty", origin=origin)
    empty.verify()
    assert contents(empty) == {}


def test_nothing_there_names_the_nearest(shop: Snapshot) -> None:
    with pytest.raises(SnapshotNotFoundError, match=r"did you mean 'shop'\?.*mongoshot capture"):
        load_scenario("shpo", shop.path.parent)


def test_nothing_near_names_what_there_is(shop: Snapshot) -> None:
    with pytest.raises(SnapshotNotFoundError, match="there are shop;"):
        load_scenario("zzz", shop.path.parent)


def test_no_directory_of_snapshots_is_told(tmp_path: Path) -> None:
    with pytest.raises(SnapshotNotFoundError, match="no snapshot is in"):
        load_scenario("shop", tmp_path / "snapshots")


def test_a_directory_without_manifest_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SnapshotNotFoundError, match="it has no manifest"):
        Snapshot.load(tmp_path)


def test_a_file_is_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("x", encoding="utf-8")
    with pytest.raises(SnapshotNotFoundError):
        Snapshot.load(tmp_path / "shop")


@pytest.mark.parametrize("path", ["x" * 300, "a\0b", "\ud800"])
def test_a_path_that_cannot_be_is_told_in_one_line(tmp_path: Path, path: str) -> None:
    with pytest.raises(SnapshotError) as caught:
        Snapshot.load(tmp_path / path)
    one_line(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/b", "/a", "a\\b", "C:x", ".hidden", " a", "a ", "a.", "a\0b", "*"),
        *("a?", 'a"b', "<a>", "a|b", "a\nb", "\x1b[31m", "\ud800"),
    ],
)
def test_a_name_that_is_not_one_plain_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SnapshotError, match="cannot be the name of a scenario") as caught:
        load_scenario(name, tmp_path)
    one_line(caught.value)


@pytest.mark.parametrize("name", ["shop", "shop.eu", "a-b_c", "größe", "two words", "[x]"])
def test_a_name_that_is_one_plain_directory_is_taken(name: str) -> None:
    check_name(name)


def test_snapshots_are_found_by_name(shop: Snapshot) -> None:
    for name in ("zebra", ".shop.1.partial"):
        (shop.path.parent / name).mkdir()
        (shop.path.parent / name / "manifest.json").touch()
    (shop.path.parent / "notes").mkdir()
    assert find_snapshots(shop.path.parent) == ["shop", "zebra"]


def test_none_are_found_where_there_is_no_directory(tmp_path: Path) -> None:
    assert find_snapshots(tmp_path / "gone") == []


def killed_between_renames(path: Path, pid: int = 99_999_999) -> Path:
    return path.rename(path.with_name(f".{path.name}.{pid}.replaced"))


@pytest.mark.parametrize("name", ["shop", "shop.eu", "[sh]op", "sh op"])
def test_a_replacement_that_was_killed_between_its_renames_is_healed(
    shop: Snapshot, name: str
) -> None:
    path = shop.path.rename(shop.path.with_name(name))
    killed_between_renames(path)
    assert load_scenario(name, path.parent).digest == shop.digest
    assert [entry.name for entry in path.parent.iterdir()] == [name]


def test_a_replacement_of_another_scenario_is_left_alone(shop: Snapshot) -> None:
    other = shop.path.rename(shop.path.with_name("shop.eu"))
    left = killed_between_renames(other)
    with pytest.raises(SnapshotNotFoundError):
        Snapshot.load(shop.path)
    assert left.is_dir()


def test_a_snapshot_that_is_there_is_not_healed_over(shop: Snapshot) -> None:
    left = shop.path.with_name(".shop.99999999.replaced")
    left.mkdir()
    assert Snapshot.load(shop.path).digest == shop.digest
    assert left.is_dir()


def test_a_link_is_nobodys_replacement(shop: Snapshot, tmp_path: Path) -> None:
    elsewhere = shop.path.rename(tmp_path / "elsewhere")
    link = shop.path.with_name(".shop.99999999.replaced")
    link.symlink_to(elsewhere)
    with pytest.raises(SnapshotNotFoundError):
        load_scenario("shop", shop.path.parent)
    assert link.is_symlink()


def test_healing_needs_no_directory(tmp_path: Path) -> None:
    recover_replaced(tmp_path / "gone" / "shop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_manifest_that_may_not_be_read_is_told(shop: Snapshot) -> None:
    (shop.path / "manifest.json").chmod(0)
    with pytest.raises(SnapshotError, match="Permission denied"):
        Snapshot.load(shop.path)


def test_the_manifest_alone_is_read_at_first(origin: Origin, tmp_path: Path) -> None:
    entry = FileEntry("x.metadata.json", "x", 1, "0" * 64)
    (tmp_path / "manifest.json").write_text(
        Manifest("x", 1, origin, (entry,)).to_json(), encoding="utf-8"
    )
    assert Snapshot.load(tmp_path).manifest.files == (entry,)
