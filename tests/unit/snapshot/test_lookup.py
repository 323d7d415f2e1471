"""Single documents are found where they lie, whatever file that is, and by whichever process."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson.decimal128 import Decimal128
from bson.regex import Regex
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.errors import InvalidBSONError, SnapshotDamagedError
from mongoshot.snapshot import elements, lookup
from mongoshot.snapshot.cache import Cache, Stamp
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.elements import document_id, framed, split_documents
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.manifest import Origin
from mongoshot.snapshot.model import Collection, Definition, MemoryState
from mongoshot.snapshot.writer import Format, write_snapshot

if TYPE_CHECKING:
    from tests.conftest import MakeState
    from tests.unit.snapshot.conftest import Later

DOCUMENTS: list[dict[str, Any]] = [
    {"_id": 1, "size": "small"},
    {"_id": bson.Int64(1), "size": "another 1"},
    {"_id": "text", "size": "x" * 10_000},
    {"_id": {"a": 1}},
    {"_id": None},
    *({"_id": bson.ObjectId(f"{number:024x}")} for number in range(2000)),
]

#: Two ids whose bytes are the same number to the modulus of the hash.
ALIKE = [
    bson.Int64(struct.unpack("<q", number.to_bytes(8, "big"))[0]) for number in (7, 7 + 2**61 - 1)
]


def by_id(documents: list[dict[str, Any]]) -> dict[bytes, bytes]:
    return {document_id(raw): raw for raw in map(bson.encode, documents)}


def collection_of(
    content: bytes, file: Path | None = None, *, digest: str | None = "right"
) -> Collection:
    """Make a collection as a snapshot does, whose `chunks` are read from memory."""
    digest = hashlib.sha256(content).hexdigest() if digest == "right" else digest
    if file is not None:
        file.write_bytes(content)
    return Collection(Definition("orders"), partial(iter, [content]), file, digest)


def never_read(collection: Collection) -> Collection:
    def chunks() -> Iterator[bytes]:
        raise AssertionError

    return dataclasses.replace(collection, chunks=chunks)


@pytest.fixture
def content() -> bytes:
    return b"".join(map(bson.encode, DOCUMENTS))


@pytest.fixture
def in_file(content: bytes, tmp_path: Path) -> Collection:
    return collection_of(content, tmp_path / "orders.bson")


@pytest.fixture
def entry(in_file: Collection, cache_directory: Path) -> Path:
    return cache_directory / f"{in_file.digest}.index"


@pytest.fixture
def no_making(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let it be an error, from the call on, to make an index from documents."""

    def forbid() -> None:
        monkeypatch.setattr(lookup, "_keys", None)

    return forbid


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let it be an error, from the call on, to read more than single documents of a file."""

    def forbid() -> None:
        monkeypatch.setattr(lookup, "bson_chunks", None)

    return forbid


# What is found


@pytest.fixture(params=["memory", "file", "cached", "kept", "other machine"])
def index(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, content: bytes, tmp_path: Path
) -> DocumentIndex:
    """Index the documents in each way that there is."""
    if request.param == "memory":
        return DocumentIndex(collection_of(content, digest=None))
    if request.param == "file":
        return DocumentIndex(collection_of(content, tmp_path / "orders.bson", digest=None))
    if request.param == "kept":
        DocumentIndex(collection_of(content))
        return DocumentIndex(never_read(collection_of(content)))
    if request.param == "other machine":
        monkeypatch.setattr(lookup, "_LITTLE_ENDIAN", False)
    collection = collection_of(content, tmp_path / "orders.bson")
    DocumentIndex(collection)
    return DocumentIndex(collection)


def test_each_document_is_found_by_its_id(index: DocumentIndex) -> None:
    encoded = by_id(DOCUMENTS)
    assert len(encoded) == len(DOCUMENTS) == len(index)
    assert index.find(encoded) == encoded


def test_what_is_not_there_is_not_found(index: DocumentIndex) -> None:
    stranger = document_id(bson.encode({"_id": 1.0}))
    known = document_id(bson.encode({"_id": "text"}))
    assert index.find([stranger]) == {}
    assert list(index.find([stranger, known])) == [known]


def test_more_bytes_than_asked_for_are_none(index: DocumentIndex) -> None:
    encoded = dict(list(by_id(DOCUMENTS).items())[:3])
    size = sum(map(len, encoded.values()))
    assert index.find_up_to(size, encoded) == encoded
    assert index.find_up_to(size - 1, encoded) is None


def test_documents_from_the_first_of_some_on_come_in_order(index: DocumentIndex) -> None:
    encoded = list(by_id(DOCUMENTS).items())
    identities = [encoded[9][0], encoded[3][0], encoded[-1][0]]
    assert list((index.from_first(identities, 5000) or {}).items()) == encoded[3:]


def test_more_documents_behind_than_asked_for_are_none(index: DocumentIndex) -> None:
    encoded = list(by_id(DOCUMENTS).items())
    assert index.from_first([encoded[-2][0]], 2) == dict(encoded[-2:])
    assert index.from_first([encoded[-3][0]], 2) is None


def test_nothing_is_behind_what_is_not_there(index: DocumentIndex) -> None:
    assert index.from_first([document_id(bson.encode({"_id": 1.0}))], 5000) == {}
    assert index.from_first([], 5000) == {}


@pytest.mark.parametrize("digest", [None, "right"])
def test_of_a_collection_without_documents_none_is_found(digest: str | None) -> None:
    for _ in range(2):
        index = DocumentIndex(collection_of(b"", digest=digest))
        assert (index.find([b"\x0a"]), len(index)) == ({}, 0)


def test_ids_of_the_same_hash_are_told_apart() -> None:
    # The type does not count for the hash, and the hash is a remainder.
    documents: list[dict[str, Any]] = [
        *({"_id": identity} for identity in ALIKE),
        {"_id": bson.DatetimeMS(int(ALIKE[0]))},
        {"_id": bson.DatetimeMS(int(ALIKE[1]))},
    ]
    encoded = by_id(documents)
    assert len({lookup._hash(identity) for identity in encoded}) == 1
    index = DocumentIndex(collection_of(b"".join(encoded.values()), digest=None))
    assert index.find(encoded) == encoded
    for identity, document in encoded.items():
        assert index.find([identity]) == {identity: document}
    stranger = bytes((elements.DOUBLE,)) + next(iter(encoded))[1:]
    assert index.find([stranger]) == {}


def test_of_many_ids_of_the_same_hash_each_document_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookup, "_PRIME", 1)
    encoded = by_id([{"_id": number} for number in range(200)])
    index = DocumentIndex(collection_of(b"".join(encoded.values()), digest=None))
    read: list[int] = []
    document = lookup._Source.document

    def counted(source: Any, offset: int) -> bytes:
        read.append(offset)
        return document(source, offset)

    monkeypatch.setattr(lookup._Source, "document", counted)
    assert index.find(encoded) == encoded
    assert len(read) == 200


identities = st.one_of(
    *(st.none(), st.booleans(), st.floats(), st.binary(max_size=20), st.text(max_size=20)),
    *(st.integers(-5, 5), st.builds(bson.Int64, st.integers(-(2**63), 2**63 - 1))),
    *(st.sampled_from(ALIKE), st.sampled_from(ALIKE).map(lambda n: bson.DatetimeMS(int(n)))),
    st.binary(min_size=12, max_size=12).map(bson.ObjectId),
    st.builds(bson.DatetimeMS, st.integers(-(2**63), 2**63 - 1)),
    st.builds(bson.Timestamp, st.integers(0, 9), st.integers(0, 9)),
    st.binary(min_size=16, max_size=16).map(Decimal128.from_bid),
    st.binary(min_size=16, max_size=16).map(lambda raw: bson.Binary(raw, 4)),
    st.sampled_from([bson.MinKey(), bson.MaxKey(), Regex("a", "i")]),
    st.sampled_from([bson.Code("x"), bson.Code("x", {})]),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
    st.lists(st.integers(0, 3), max_size=2),
)
#: Types that no driver writes any more, and documents that have no `_id`, or have it further back.
rare = st.sampled_from(
    [
        framed(b"\x06_id\0"),
        framed(b"\x0e_id\0\x02\0\0\0x\0"),
        framed(b"\x0c_id\0\x02\0\0\0x\0" + b"o" * 12),
        framed(b""),
        framed(b"\x0aa\0"),
        framed(b"\x0aa\0" + b"\x10_id\0\x01\0\0\0"),
        framed(b"\x10_id\0\x01\0\0\0" + b"\x10_id\0\x02\0\0\0"),
        framed(b"\x10_ie\0\x01\0\0\0"),
        framed(b"\x03_id\0" + framed(b"\x10_id\0\x01\0\0\0")),
    ]
)
some_documents = st.lists(
    st.one_of(
        st.builds(lambda i, n: bson.encode({"_id": i, "n": n}), identities, st.integers(0, 9)),
        rare,
    ),
    max_size=30,
)


@given(some_documents, st.lists(identities, max_size=5), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_is_found_is_what_a_scan_finds(
    documents: list[bytes], others: list[Any], with_digest: bool
) -> None:
    scanned = {document_id(document): document for document in documents}
    asked = {*scanned, *(document_id(bson.encode({"_id": other})) for other in others)}
    collection = collection_of(b"".join(documents), digest="right" if with_digest else None)
    for _ in range(2):
        index = DocumentIndex(collection)
        assert index.find(asked) == scanned
        assert index.find(asked - scanned.keys()) == {}


def hashes(chunk: bytes, of: Callable[[bytes], Iterable[int]]) -> list[int] | None:
    """List what `of` makes of a chunk; None where it refuses that."""
    try:
        return list(of(chunk))
    except InvalidBSONError:
        return None


def walked(chunk: bytes) -> Iterator[int]:
    return (lookup._hash(document_id(document)) for document in split_documents(chunk))


def indexed(chunk: bytes) -> Iterator[int]:
    return (key >> lookup._OFFSET_BITS for key in lookup._keys(chunk, 1 << 39))


@pytest.mark.parametrize(
    "documents",
    [
        [{"_id": 1, "a": None}, {"_id": 2}],
        [{"_id": "ab", "a": None}, {}],
        [{"_id": True}, {"a": 1, "_id": 1}],
        [{"_id": bson.ObjectId(b"\0" * 12), "a": "b"}],
    ],
)
def test_the_quick_way_to_an_id_makes_the_checks_of_the_careful_one(
    documents: list[dict[str, Any]],
) -> None:
    whole = b"".join(map(bson.encode, documents))
    refused = 0
    for at in range(len(whole)):
        assert hashes(whole[:at], indexed) == hashes(whole[:at], walked)
        for byte in range(256):
            damaged = whole[:at] + bytes((byte,)) + whole[at + 1 :]
            expected = hashes(damaged, walked)
            assert hashes(damaged, indexed) == expected, (at, byte)
            refused += expected is None
    assert refused > 1000


@given(some_documents)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_quick_way_to_an_id_gives_what_the_careful_one_does(documents: list[bytes]) -> None:
    chunk = b"".join(documents)
    assert list(indexed(chunk)) == list(walked(chunk))


# The index in the cache


def test_an_index_is_made_once(
    in_file: Collection, entry: Path, no_making: Callable[[], None]
) -> None:
    DocumentIndex(in_file)
    assert entry.stat().st_size == 56 + 16 * len(DOCUMENTS)
    no_making()
    encoded = by_id(DOCUMENTS)
    assert DocumentIndex(in_file).find(encoded) == encoded


FIND = """
import sys
from pathlib import Path
from mongoshot.snapshot import elements, lookup
from mongoshot.snapshot.model import Collection, Definition
lookup._keys = None
collection = Collection(Definition("orders"), file=Path(sys.argv[1]), digest=sys.argv[2])
print(len(lookup.DocumentIndex(collection).find([bytes.fromhex(i) for i in sys.argv[3:]])))
"""


def test_another_process_finds_by_it(in_file: Collection) -> None:
    DocumentIndex(in_file)
    asked = [identity.hex() for identity in by_id(DOCUMENTS[:100])]
    arguments = [sys.executable, "-c", FIND, str(in_file.file), str(in_file.digest), *asked]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    assert int(subprocess.check_output(arguments, env=environment)) == 100


def test_the_index_of_other_documents_is_not_taken(
    in_file: Collection, cache_directory: Path, tmp_path: Path
) -> None:
    DocumentIndex(in_file)
    other = collection_of(bson.encode({"_id": 5}), tmp_path / "other.bson")
    assert DocumentIndex(other).find(by_id([{"_id": 5}, *DOCUMENTS])) == by_id([{"_id": 5}])
    assert len(list(cache_directory.iterdir())) == 2


def test_without_a_digest_nothing_is_kept(content: bytes, cache_directory: Path) -> None:
    DocumentIndex(collection_of(content, digest=None))
    assert not cache_directory.exists()


def test_a_machine_of_another_byte_order_keeps_and_takes_no_index(
    monkeypatch: pytest.MonkeyPatch, in_file: Collection, entry: Path
) -> None:
    DocumentIndex(in_file)
    assert lookup._load_table(Cache(), in_file.digest) is not None
    monkeypatch.setattr(lookup, "_LITTLE_ENDIAN", False)
    assert lookup._load_table(Cache(), in_file.digest) is None
    entry.unlink()
    DocumentIndex(in_file)
    assert not entry.exists()


def damages(whole: bytes) -> Iterator[bytes]:
    """Cut the bytes anywhere, append to them, and flip a bit of each."""
    yield from (whole[:end] for end in range(len(whole)))
    yield from (whole + b"\0", whole + bytes(16), bytes(len(whole)))
    for at in range(len(whole)):
        yield whole[:at] + bytes((whole[at] ^ 4,)) + whole[at + 1 :]


def test_a_damaged_index_is_made_anew_and_replaced(tmp_path: Path, cache_directory: Path) -> None:
    encoded = by_id(DOCUMENTS[:4])
    collection = collection_of(b"".join(encoded.values()), tmp_path / "orders.bson")
    DocumentIndex(collection)
    [entry] = cache_directory.iterdir()
    whole = entry.read_bytes()
    for damaged in damages(whole):
        entry.unlink()  # an index that is still mapped would change under it
        entry.write_bytes(damaged)
        assert DocumentIndex(collection).find(encoded) == encoded
        assert entry.read_bytes() == whole


def test_the_index_of_other_documents_under_its_name_is_replaced(
    in_file: Collection, entry: Path, cache_directory: Path, tmp_path: Path
) -> None:
    shuffled = b"".join(map(bson.encode, DOCUMENTS[::-1]))
    DocumentIndex(collection_of(shuffled, tmp_path / "other.bson"))
    [foreign] = cache_directory.iterdir()
    foreign.rename(entry)
    encoded = by_id(DOCUMENTS)
    assert DocumentIndex(in_file).find(encoded) == encoded


def test_an_index_is_used_after_its_entry_is_gone(in_file: Collection, entry: Path) -> None:
    DocumentIndex(in_file)
    index = DocumentIndex(in_file)
    shutil.rmtree(entry.parent)
    encoded = by_id(DOCUMENTS)
    assert index.find(encoded) == encoded


def test_a_cache_that_cannot_be_is_done_without(content: bytes, cache_directory: Path) -> None:
    cache_directory.write_bytes(b"in the way")
    encoded = by_id(DOCUMENTS)
    for _ in range(2):
        assert DocumentIndex(collection_of(content)).find(encoded) == encoded


INDEX = """
import sys
from pathlib import Path
from mongoshot.snapshot.lookup import DocumentIndex
from mongoshot.snapshot.model import Collection, Definition
collection = Collection(Definition("orders"), file=Path(sys.argv[1]), digest=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    assert len(DocumentIndex(collection).find([bytes.fromhex(i) for i in sys.argv[3:]])) == 10
"""


def test_two_processes_make_an_index_at_once(in_file: Collection, entry: Path) -> None:
    asked = [identity.hex() for identity in by_id(DOCUMENTS[:10])]
    arguments = [sys.executable, "-c", INDEX, str(in_file.file), str(in_file.digest), *asked]
    pipe = subprocess.PIPE
    makers = [subprocess.Popen(arguments, stdin=pipe, stdout=pipe) for _ in range(2)]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"\n")
        maker.stdin.flush()
    for _ in range(20):
        entry.unlink(missing_ok=True)
        time.sleep(0.002)
    for maker in makers:
        maker.communicate()
    assert [maker.returncode for maker in makers] == [0, 0]
    DocumentIndex(in_file)
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


# Documents that lie in no BSON file


def test_documents_that_were_decoded_are_kept(
    content: bytes, cache_directory: Path, no_making: Callable[[], None]
) -> None:
    collection = collection_of(content)
    DocumentIndex(collection)
    assert (cache_directory / f"{collection.digest}.bson").read_bytes() == content
    no_making()
    encoded = by_id(DOCUMENTS)
    assert DocumentIndex(never_read(collection)).find(encoded) == encoded


@pytest.mark.parametrize("damage", [b"", b"\0", bson.encode({"_id": 1})])
def test_kept_documents_are_not_believed(
    content: bytes, cache_directory: Path, damage: bytes
) -> None:
    collection = collection_of(content)
    DocumentIndex(collection)
    kept = cache_directory / f"{collection.digest}.bson"
    kept.write_bytes(damage + content[len(damage) :] if damage == b"\0" else damage)
    encoded = by_id(DOCUMENTS)
    assert DocumentIndex(collection).find(encoded) == encoded
    assert kept.read_bytes() == content
    kept.unlink()
    assert DocumentIndex(collection).find(encoded) == encoded
    assert kept.read_bytes() == content


def test_kept_documents_need_no_index(content: bytes, cache_directory: Path) -> None:
    collection = collection_of(content)
    DocumentIndex(collection)
    (cache_directory / f"{collection.digest}.index").unlink()
    encoded = by_id(DOCUMENTS)
    assert DocumentIndex(never_read(collection)).find(encoded) == encoded


@pytest.mark.parametrize("digest", ["../../x", "", "0" * 63 + "X", "a b"])
def test_a_digest_that_is_none_leads_nowhere(
    content: bytes, tmp_path: Path, cache_directory: Path, digest: str
) -> None:
    with pytest.raises(SnapshotDamagedError, match="its manifest says"):
        DocumentIndex(collection_of(content, digest=digest))
    with pytest.raises(SnapshotDamagedError, match="its manifest says"):
        DocumentIndex(collection_of(content, tmp_path / "orders.bson", digest=digest))
    assert list(cache_directory.parent.iterdir()) == []
    assert not list(cache_directory.parent.parent.glob("x.*"))


# Snapshots that change

OTHERS: list[dict[str, Any]] = [{"_id": 2}, {"_id": 1, "a": "y"}]
ORDERS: list[dict[str, Any]] = [{"_id": 1, "a": "x"}, {"_id": 2}]


@pytest.fixture(params=["bson", "json"])
def shop(
    request: pytest.FixtureRequest, make_state: MakeState, origin: Origin, tmp_path: Path
) -> Snapshot:
    return capture(make_state(orders=ORDERS), tmp_path / "shop", origin, request.param)


def capture(state: MemoryState, path: Path, origin: Origin, format: Format) -> Snapshot:
    return write_snapshot(state, path, origin=origin, format=format, replace=True)


def file_of(snapshot: Snapshot) -> Path:
    [name] = [entry.name for entry in snapshot.manifest.files if entry.holds_documents]
    return snapshot.path / name


def test_documents_of_a_snapshot_are_found(shop: Snapshot) -> None:
    for _ in range(2):
        index = DocumentIndex(Snapshot.load(shop.path).collections["orders"])
        assert index.find(by_id(ORDERS)) == by_id(ORDERS)


def test_a_verified_snapshot_is_not_read_again(
    shop: Snapshot, later: Later, no_making: Callable[[], None], no_reading: Callable[[], None]
) -> None:
    later()
    shop.verify()
    DocumentIndex(shop.collections["orders"])
    no_making()
    no_reading()
    index = DocumentIndex(Snapshot.load(shop.path).collections["orders"])
    assert index.find(by_id(ORDERS)) == by_id(ORDERS)


@pytest.mark.parametrize("known", ["nothing", "index", "both"])
def test_a_capture_between_opening_and_looking_is_told(
    shop: Snapshot, make_state: MakeState, origin: Origin, later: Later, known: str
) -> None:
    format: Any = file_of(shop).suffix[1:]
    later()
    if known != "nothing":
        shop.verify()
        if shop.collections["orders"].file is not None:
            DocumentIndex(Snapshot.load(shop.path).collections["orders"])
    opened = Snapshot.load(shop.path)
    collection = opened.collections["orders"]
    captured = capture(make_state(orders=OTHERS), shop.path, origin, format)
    if known == "both":
        captured.verify()
        DocumentIndex(captured.collections["orders"])
    with pytest.raises(SnapshotDamagedError):
        DocumentIndex(collection)


def test_the_same_captured_again_is_the_same(
    shop: Snapshot, make_state: MakeState, origin: Origin, tmp_path: Path
) -> None:
    collection = shop.collections["orders"]
    DocumentIndex(collection)
    copy = shutil.copytree(shop.path, tmp_path / "copy")
    shutil.rmtree(shop.path)
    copy.rename(shop.path)
    assert DocumentIndex(collection).find(by_id(ORDERS)) == by_id(ORDERS)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let go of an open file")
def test_a_capture_leaves_the_index_of_the_one_before_alone(
    shop: Snapshot, make_state: MakeState, origin: Origin
) -> None:
    index = DocumentIndex(shop.collections["orders"])
    capture(make_state(orders=OTHERS), shop.path, origin, "bson")
    assert index.find(by_id(ORDERS)) == by_id(ORDERS)


def test_documents_that_are_changed_while_in_use_are_told(
    make_state: MakeState, origin: Origin, tmp_path: Path
) -> None:
    shop = capture(make_state(orders=ORDERS), tmp_path / "shop", origin, "bson")
    index = DocumentIndex(shop.collections["orders"])
    time.sleep(0.02)  # the kernel's clock for files ticks each 4 or 10 ms
    changed = file_of(shop).read_bytes().replace(b"x", b"y")
    file_of(shop).write_bytes(changed)
    with pytest.raises(SnapshotDamagedError, match="was changed while tests used it"):
        index.find(by_id(ORDERS))
    with pytest.raises(SnapshotDamagedError, match="was changed while tests used it"):
        index.from_first(by_id(ORDERS), 10)


@pytest.mark.parametrize("known", ["nothing", "index", "verified"])
def test_documents_that_were_changed_before_are_told(
    make_state: MakeState, origin: Origin, tmp_path: Path, later: Later, known: str
) -> None:
    shop = capture(make_state(orders=ORDERS), tmp_path / "shop", origin, "bson")
    later()
    if known == "verified":
        shop.verify()
    if known != "nothing":
        DocumentIndex(shop.collections["orders"])
    before = file_of(shop).stat()
    time.sleep(0.02)
    file_of(shop).write_bytes(file_of(shop).read_bytes().replace(b"x", b"y"))
    os.utime(file_of(shop), ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SnapshotDamagedError, match=r"orders\.bson holds documents .* says"):
        DocumentIndex(shop.collections["orders"])


def test_what_is_read_wrongly_is_not_kept(
    content: bytes, tmp_path: Path, cache_directory: Path, later: Later
) -> None:
    collection = collection_of(content, tmp_path / "orders.bson", digest="0" * 64)
    later()
    Cache().remember_verified(
        tmp_path / "orders.bson", Stamp.of(tmp_path / "orders.bson"), "0" * 64, "0" * 64
    )
    with pytest.raises(SnapshotDamagedError, match="its manifest says"):
        DocumentIndex(collection)
    assert [path.suffix for path in cache_directory.iterdir()] == [".stamp"]


def test_a_file_that_is_gone_is_told(in_file: Collection) -> None:
    assert in_file.file is not None
    in_file.file.unlink()
    with pytest.raises(SnapshotDamagedError, match="is missing"):
        DocumentIndex(in_file)
