"""Archives, put together by hand, are read as what they hold, or not at all."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import bson
import pytest

from mongoshot.errors import DumpError
from mongoshot.snapshot.dump import archives
from mongoshot.snapshot.dump.reading import Dump, open_dump
from mongoshot.snapshot.model import BUCKETS_PREFIX

from .by_hand import TERMINATOR, Archive, header

ORDERS = [bson.encode({"_id": number, "total": number * 2}) for number in (3, 1, 2, 5, 4)]
CARTS = [bson.encode({"_id": f"cart{number}"}) for number in range(3)]
OTHER = [bson.encode({"_id": None, "text": "of another database"})]
BUCKETS = [bson.encode({"_id": bson.ObjectId(bytes(12)), "control": {"version": 1}})]

ID = '{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"}'
PLAIN = f'{{"indexes":[{ID}],"uuid":"0a1b","collectionName":"x","type":"collection"}}'
SERIES = '{"options":{"timeseries":{"timeField":"at"}},"indexes":[],"type":"timeseries"}'
VIEW = '{"options":{"viewOn":"orders","pipeline":[]},"indexes":[],"type":"view"}'

SHOP = Archive(
    metadata={
        ("shop", "orders"): ("collection", PLAIN),
        ("shop", "carts"): ("collection", PLAIN),
        ("shop", "weather"): ("timeseries", SERIES),
        ("shop", "open"): ("view", VIEW),
        ("admin", "system.version"): ("collection", PLAIN),
    },
    blocks=[
        ("shop", "orders", ORDERS[:2]),
        ("shop", "carts", CARTS[:1]),
        ("admin", "system.version", OTHER),
        ("shop", "orders", ORDERS[2:4]),
        ("shop", "carts", CARTS[1:]),
        ("shop", BUCKETS_PREFIX + "weather", BUCKETS),
        ("shop", "orders", ORDERS[4:]),
    ],
    empty=[("shop", "open")],
)


def contents(dump: Dump) -> dict[str, list[bytes]]:
    return {name: list(c.documents()) for name, c in dump.state.collections.items()}


def read(archive: bytes, scratch: Path, database: str | None = None) -> dict[str, list[bytes]]:
    with open_dump(
        Path("a"), scratch=scratch, database=database, standard_input=io.BytesIO(archive)
    ) as dump:
        return contents(dump)


@pytest.mark.parametrize("packed", [False, True])
def test_interleaved_collections_are_told_apart_and_sorted(packed: bool, tmp_path: Path) -> None:
    content = SHOP.to_bytes()
    path = tmp_path / "shop.archive"
    path.write_bytes(gzip.compress(content) if packed else content)
    with open_dump(path, scratch=tmp_path) as dump:
        assert (dump.database, dump.kind, dump.server_version) == ("shop", "archive", "6.0.5")
        assert dump.notes == ()
        kinds = {name: c.definition.type for name, c in dump.state.collections.items()}
        assert kinds == {
            "carts": "collection",
            "open": "view",
            "orders": "collection",
            "weather": "timeseries",
        }
        for _ in range(2):  # as often as somebody asks
            assert contents(dump) == {
                "carts": CARTS,
                "open": [],
                "orders": sorted(ORDERS, key=lambda each: bson.decode(each)["_id"]),
                "weather": BUCKETS,
            }
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop.archive"]


def test_segments_of_any_size_arrive_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_WAITING", 3000)
    monkeypatch.setattr(archives, "_ALL_WAITING", 10_000)
    monkeypatch.setattr(archives, "CHUNK_SIZE", 777)
    chance = random.Random(3)
    names = [f"c{number}" for number in range(7)]
    rest = {
        name: [bson.encode({"_id": n, "x": "y" * chance.randrange(900)}) for n in range(120)]
        for name in names
    }
    expected = {name: list(documents) for name, documents in rest.items()}
    blocks = []
    while rest:
        name = chance.choice(list(rest))
        count = chance.randrange(8)
        blocks.append(("d", name, rest[name][:count]))
        if not (documents := rest[name][count:]):
            del rest[name]
        else:
            rest[name] = documents
    archive = Archive({("d", name): ("collection", PLAIN) for name in names}, blocks)
    assert read(archive.to_bytes(), tmp_path) == expected


def test_of_several_databases_one_is_named(tmp_path: Path) -> None:
    archive = Archive(
        {("a", "x"): ("collection", PLAIN), ("b", "x"): ("collection", PLAIN)},
        [("a", "x", CARTS), ("b", "x", ORDERS[:1])],
    ).to_bytes()
    assert read(archive, tmp_path, "a") == {"x": CARTS}
    assert read(archive, tmp_path, "b") == {"x": ORDERS[:1]}
    with pytest.raises(DumpError, match=r"^a holds several databases; name one with --db: .* a, b"):
        read(archive, tmp_path)
    with pytest.raises(DumpError, match="no database 'c': it has a, b"):
        read(archive, tmp_path, "c")


@pytest.mark.parametrize("database", ["shop", "admin"])
def test_a_wrong_checksum_is_found_in_every_database(database: str, tmp_path: Path) -> None:
    for namespace in SHOP.metadata:
        if namespace[1] in ("weather", "open"):
            continue
        wrong = Archive(SHOP.metadata, SHOP.blocks, empty=SHOP.empty, checksums={namespace: 1})
        with pytest.raises(DumpError, match=rf"{'.'.join(namespace)} do not have the checksum 1;"):
            read(wrong.to_bytes(), tmp_path, database)


def test_a_cut_archive_is_found_wherever_it_was_cut(tmp_path: Path) -> None:
    archive = SHOP.to_bytes()
    for end in range(len(archive)):
        with pytest.raises(DumpError):
            read(archive[:end], tmp_path)
    packed = gzip.compress(archive)
    for end in range(0, len(packed), 7):
        with pytest.raises(DumpError):
            read(packed[:end], tmp_path)


def test_a_changed_byte_is_found_or_harmless(tmp_path: Path) -> None:
    archive = SHOP.to_bytes()
    before = read(archive, tmp_path)
    documents = range(archive.index(ORDERS[0]), archive.index(ORDERS[0]) + len(ORDERS[0]))
    for at in range(len(archive)):
        changed = archive[:at] + bytes([archive[at] ^ 0x41]) + archive[at + 1 :]
        try:
            after = read(changed, tmp_path)
        except DumpError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert at not in documents
            assert list(after.values()) == list(before.values()) or at < len(SHOP.prelude())


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (header("shop", "nowhere", end=False, checksum=0) + TERMINATOR, "not listed"),
        (header("shop", "orders", end=True, checksum=0) + TERMINATOR, "goes on after its end"),
        (header("shop", "carts", end=False, checksum=0) + b"\4\0\0\0", "4 is neither the length"),
        (b"\xf0\xff\xff\x7f", "is neither the length"),
        (TERMINATOR, "a header is missing"),
        (bson.encode({"db": "shop"}) + TERMINATOR, "names no db and collection"),
        (bson.encode({"db": "shop", "collection": "carts"}) + TERMINATOR, "lacks EOF or CRC"),
    ],
)
def test_what_no_archive_has_is_named_with_its_place(
    rest: bytes, problem: str, tmp_path: Path
) -> None:
    begun = Archive({("shop", n): ("collection", PLAIN) for n in ("orders", "carts")})
    content = begun.prelude() + header("shop", "orders", end=True, checksum=0) + TERMINATOR
    with pytest.raises(DumpError, match=rf"^a, at byte \d+: .*{problem}"):
        read(content + rest, tmp_path)


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    for content in (b"", b"PK\3\4 a zip file", gzip.compress(b"text"), b"\x1f\x8b"):
        with pytest.raises(DumpError):
            read(content, tmp_path)
    newer = SHOP.to_bytes().replace(b"0.1\0", b"0.2\0", 1)
    with pytest.raises(DumpError, match=r"it has version '0\.2', and '0\.1' is known"):
        read(newer, tmp_path)


def test_no_more_collections_are_open_than_memory_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{number}" for number in range(4)]
    archive = Archive(
        {("d", name): ("collection", PLAIN) for name in names}, [("d", n, CARTS) for n in names]
    ).to_bytes()
    monkeypatch.setattr(archives, "_MOST_OPEN", 4)
    assert list(read(archive, tmp_path)) == names
    monkeypatch.setattr(archives, "_MOST_OPEN", 3)
    with pytest.raises(DumpError, match="more than 3 collections are open"):
        read(archive, tmp_path)


def test_an_oplog_is_said(tmp_path: Path) -> None:
    archive = Archive(
        {("shop", "x"): ("collection", PLAIN), ("", "oplog"): ("", "")},
        [("shop", "x", CARTS), ("", "oplog", OTHER)],
    )
    with open_dump(
        Path("a"), scratch=tmp_path, standard_input=io.BytesIO(archive.to_bytes())
    ) as dump:
        assert contents(dump) == {"x": CARTS}
        assert len(dump.notes) == 1
        assert "made with --oplog" in dump.notes[0]
