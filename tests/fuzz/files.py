"""Targets that read files: BSON, Extended JSON, dumps, manifests, recordings."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from tests.fuzz.model import CUT, Target, document, parts, scratch, string, text_of, write_files

from mongoshot.errors import (
    DumpError,
    InvalidBSONError,
    NotRepresentableError,
    SnapshotDamagedError,
)
from mongoshot.server.history import delta
from mongoshot.server.history.delta import apply_update
from mongoshot.snapshot import elements
from mongoshot.snapshot.directory import Snapshot, read_chunks
from mongoshot.snapshot.dump import archives
from mongoshot.snapshot.dump.definitions import read_definition
from mongoshot.snapshot.dump.reading import open_dump
from mongoshot.snapshot.encoding import from_extended_json, to_extended_json, to_readable_json
from mongoshot.snapshot.manifest import Origin, parse_manifest
from mongoshot.snapshot.metadata import metadata_to_json, parse_metadata
from mongoshot.snapshot.model import Collection, Definition, MemoryState, in_creation_order
from mongoshot.snapshot.packing import packing
from mongoshot.snapshot.profile import profile
from mongoshot.snapshot.steps.model import parse_write, write_to_json
from mongoshot.snapshot.steps.state import at_step
from mongoshot.snapshot.steps.writing import write_steps
from mongoshot.snapshot.writer import write_snapshot

_LENIENT: CodecOptions[dict[str, object]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS
)


def run_elements(data: bytes) -> None:
    """Walk bytes as BSON: what is valid has a text, reads back, and is what the driver reads."""
    with contextlib.suppress(InvalidBSONError):
        assert len(list(elements.split_documents(data))) == elements.count_documents(data)
    with contextlib.suppress(InvalidBSONError):
        assert 0 <= elements.whole_documents(data) <= len(data)
    elements.validate_document(data)
    elements.document_id(data)
    profile(iter([data]))
    try:
        text = to_extended_json(data)
    except NotRepresentableError:
        return
    assert from_extended_json(text) == data
    assert from_extended_json(to_readable_json(data, indent=1)) == data
    keys = dict.fromkeys(key.decode() for _, key, _, _ in elements.iterate_elements(data))
    decoded = bson.decode(data, _LENIENT)
    assert list(decoded) == list(keys)


def run_extended_json(data: bytes) -> None:
    """Read text as Extended JSON: what is read is valid, and its canonical text stable."""
    read = from_extended_json(data)
    elements.validate_document(read)
    text = to_extended_json(read)
    assert from_extended_json(text) == read
    assert to_extended_json(from_extended_json(to_readable_json(read))) == text
    from_extended_json(data, placeholders=True)


def run_metadata(data: bytes) -> None:
    """Read metadata as ours and as mongodump's: a definition that writes and reads as the same."""
    with contextlib.suppress(DumpError):
        read_definition(data, "orders", "metadata", lambda _: None).decoded_indexes()
    definition = parse_metadata(data, "metadata")
    assert parse_metadata(metadata_to_json(definition).encode(), "again") == definition
    assert in_creation_order({definition.name: definition}) == [definition]
    definition.decoded_indexes()
    _ = definition.data_name, definition.capped, definition.has_validator, definition.has_collation


def run_manifest(data: bytes) -> None:
    """Read a manifest: it writes and reads as the same; the names of its files are names."""
    text = text_of(data)
    try:
        manifest = parse_manifest(text, "manifest.json")
    except SnapshotDamagedError as error:
        # Else everything would end at the digest.
        right = re.search(r"add up to (sha256:[0-9a-f]{64})", str(error))
        if right is None:
            raise
        value = json.loads(text) | {"digest": right[1]}
        manifest = parse_manifest(json.dumps(value), "manifest.json")
    assert parse_manifest(manifest.to_json(), "again") == manifest
    for entry in manifest.files:
        assert (Path("/snapshots/x") / entry.name).resolve().parent == Path("/snapshots/x")


def _verified(receiver: object, _: int) -> bool:
    receiver.closed = True  # type: ignore[attr-defined]
    return True


def run_archive(data: bytes) -> None:
    """Read an archive, whose checksums are taken to be right, to the end of its documents."""
    unread = scratch() / "archive"
    with (
        mock.patch.object(archives._Receiver, "verified", _verified),
        open_dump(unread, scratch=scratch(), standard_input=io.BytesIO(data)) as dump,
    ):
        _read_all(dump.state)


def run_dump_directory(data: bytes) -> None:
    """Read a directory of mongodump's."""
    directory = scratch() / "dumped"
    assert list(write_files(directory, data)) is not None
    with open_dump(directory, scratch=scratch()) as dump:
        _read_all(dump.state)


def _read_all(state: MemoryState) -> None:
    for collection in state.collections.values():
        for each in collection.documents():
            elements.validate_document(each)
        collection.definition.decoded_indexes()


def run_gzip(data: bytes) -> None:
    """Read a packed file of documents; pack whatever it is, and unpack the same."""
    packed = io.BytesIO()
    with packing(packed, packed=True) as sink:
        sink.write(data)
    assert gzip.decompress(packed.getvalue()) == data
    for name in ("x.bson.gz", "x.json.gz", "x.json", "x.bson"):
        path = scratch() / name
        path.write_bytes(data)
        with contextlib.suppress(SnapshotDamagedError):
            for chunk in read_chunks(path):
                elements.count_documents(chunk)


def run_recording(data: bytes) -> None:
    """Read the writes of a recording, line by line and as the states that they lead to."""
    for line in data.split(b"\n"):
        with contextlib.suppress(SnapshotDamagedError):
            write = parse_write(line, "line")
            assert parse_write(write_to_json(write).encode(), "again") == write
    snapshot = _recorded()
    entry = snapshot.manifest.recording
    assert entry is not None
    (snapshot.path / entry.name).write_bytes(data)
    steps = [int(n) for n in re.findall(rb'^{"step":([0-9]{1,6}),', data, re.MULTILINE)]
    told = replace(
        entry,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        steps=steps[-1] if steps else 0,
    )
    changed = Snapshot(snapshot.path, replace(snapshot.manifest, recording=told))
    for step in range(min(told.steps, 4) + 1):
        state = at_step(changed, step)
        for collection in state.collections.values():
            for each in collection.documents():
                elements.validate_document(each)


def run_delta(data: bytes) -> None:
    """Apply an entry of the oplog to a document: both valid, what comes out is."""
    before, update = parts(data, 2)
    elements.validate_document(before)
    elements.validate_document(update)
    with mock.patch.object(delta, "LONGEST_ARRAY", 10_000):  # the time of more is no finding
        elements.validate_document(apply_update(before, update))


_SAMPLE = document(
    (0x07, b"_id", bytes(range(12))),
    (0x01, b"double", struct.pack("<d", 1.5)),
    (0x02, b"text", string("Grüße".encode())),
    (0x03, b"in", document((0x10, b"n", struct.pack("<i", 7)), (0x0A, b"z", b""))),
    (0x04, b"list", document((0x08, b"0", b"\1"), (0x12, b"1", struct.pack("<q", 2**40)))),
    (0x05, b"bin", struct.pack("<i", 3) + b"\x80abc"),
    (0x05, b"old", struct.pack("<i", 7) + b"\2" + struct.pack("<i", 3) + b"abc"),
    (0x05, b"uuid", struct.pack("<i", 16) + b"\4" + bytes(16)),
    (0x06, b"undefined", b""),
    (0x09, b"at", struct.pack("<q", 1767225600000)),
    (0x0B, b"re", b"^a\0i\0"),
    (0x0C, b"ptr", string(b"db.c") + bytes(12)),
    (0x0D, b"code", string(b"f()")),
    (0x0E, b"sym", string(b"s")),
    (0x11, b"ts", struct.pack("<II", 1, 2)),
    (0x13, b"dec", bytes.fromhex("0100000000000000000000000000403e")[:14] + b"\x40\x30"),
    (0x7F, b"max", b""),
    (0xFF, b"min", b""),
)
_SCOPED = document(
    (0x0F, b"c", struct.pack("<i", 4 + 8 + 5) + string(b"f()") + document()),
)


def _deep(levels: int) -> bytes:
    value = document()
    for _ in range(levels):
        value = document((0x03, b"a", value))
    return value


def seeds_of_elements() -> list[bytes]:
    return [_SAMPLE, _SCOPED, _deep(20), _deep(260), document(), _SAMPLE + document(), b"\5\0\0"]


def seeds_of_extended_json() -> list[bytes]:
    texts = [to_extended_json(_SAMPLE), to_readable_json(_SAMPLE, indent=1)]
    texts += [
        to_extended_json(_SCOPED),
        '{"a": [1, -2.5e3, 9223372036854775807, "\\u00e9\\ud83d\\ude00", true, null, {}]}',
        '{"d": {"$date": "2024-02-29T12:00:00.5+01:00"}, "u": {"$oid": "ObjectId-1"}}',
        '{"n": {"$numberDouble": "-Infinity"}, "m": {"$numberDecimal": "1.5E+6000"}}',
        "[" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
    ]
    return [text.encode() for text in texts]


_METADATA = (
    b'{"options":{"capped":true,"size":{"$numberInt":"4096"},"validator":{"a":{"$gt":1}},'
    b'"collation":{"locale":"fr"}},"indexes":[{"v":{"$numberInt":"2"},"key":{"_id":'
    b'{"$numberInt":"1"}},"name":"_id_"},{"v":2,"key":{"a":1},"name":"a","ns":"x.y"}],'
    b'"uuid":"00","collectionName":"orders","type":"collection"}'
)
_VIEW = (
    b'{"options":{"viewOn":"orders","pipeline":[{"$lookup":{"from":"x","as":"y"}}]},'
    b'"indexes":[],"collectionName":"v","type":"view"}'
)
_SERIES = (
    b'{"options":{"timeseries":{"timeField":"at"}},"indexes":[],"collectionName":"w",'
    b'"type":"timeseries"}'
)


def seeds_of_metadata() -> list[bytes]:
    return [_METADATA, _VIEW, _SERIES]


def seeds_of_manifest() -> list[bytes]:
    recorded = _recorded()
    with_profile = json.loads(recorded.manifest.to_json())
    with_profile["profile"] = {"orders": {"documents": 1, "fields": {"_id": {"int32": 1}}}}
    return [recorded.manifest.to_json().encode(), json.dumps(with_profile).encode()]


def _archive(packed: bool) -> bytes:
    end = b"\xff\xff\xff\xff"

    def header(**values: object) -> bytes:
        return bson.encode(values)

    def block(collection: str, last: bool, *documents: bytes) -> bytes:
        named = header(db="shop", collection=collection, EOF=last, CRC=bson.Int64(0))
        return named + b"".join(documents) + end

    text = _METADATA.decode()
    data = (
        archives.MAGIC
        + header(
            concurrent_collections=4, version="0.1", server_version="6.0.5", tool_version="100.9"
        )
        + header(db="shop", collection="orders", metadata=text, size=1, type="collection")
        + header(db="shop", collection="v", metadata=_VIEW.decode(), size=0, type="view")
        + end
        + block("orders", False, bson.encode({"_id": 2}), bson.encode({"_id": 1}))
        + block("orders", True)
        + block("v", True)
    )
    return gzip.compress(data, mtime=0) if packed else data


def seeds_of_archive() -> list[bytes]:
    return [_archive(False), _archive(True)]


def seeds_of_dump_directory() -> list[bytes]:
    orders = bson.encode({"_id": 2}) + bson.encode({"_id": 1})
    files = [
        b"orders.bson\0" + orders,
        b"orders.metadata.json\0" + _METADATA,
        b"v.metadata.json\0" + _VIEW,
        b"a%2Fb.bson.gz\0" + gzip.compress(orders, mtime=0),
        b"w.metadata.json\0" + _SERIES,
        b"system.buckets.w.bson\0" + orders,
        b'prelude.json\0{"ServerVersion": "6.0.5"}',
    ]
    old = bson.encode({"v": 1, "key": {"a": 1}, "name": "a", "ns": "shop.orders"})
    long = b"x" * 208 + b"%24" + b"y" * 27
    return [
        CUT.join(files),
        CUT.join([files[0], b"system.indexes.bson\0" + old]),
        CUT.join([long + b".bson\0" + orders, long + b".metadata.json\0" + _METADATA]),
    ]


def seeds_of_gzip() -> list[bytes]:
    lines = b'{"_id":{"$numberInt":"1"}}\n{"_id":{"$numberInt":"2"}}\n'
    packed = [gzip.compress(data, mtime=0) for data in (_SAMPLE * 3, lines, b"\n" * 10_000)]
    return [*packed, packed[0] + packed[0], packed[1][:-9], lines, _SAMPLE]


_STEPS = b"""\
{"step":1,"insert":"orders","document":{"_id":{"$numberInt":"3"}}}
{"step":2,"update":"orders","document":{"_id":{"$numberInt":"1"},"a":{"$numberInt":"2"}}}
{"step":2,"delete":"orders","document":{"_id":{"$numberInt":"2"}}}
{"step":3,"define":"audit","metadata":{"options":{},"indexes":[],"collectionName":"audit",\
"type":"collection"}}
{"step":4,"rename":"audit","to":"log"}
{"step":5,"drop":"log"}
"""


def seeds_of_recording() -> list[bytes]:
    return [_STEPS, *_STEPS.splitlines(keepends=True)]


def seeds_of_delta() -> list[bytes]:
    before = bson.encode({"_id": 1, "a": 1, "b": {"c": 1}, "l": [1, {"x": 1}], "z": 1})
    updates = [
        {"$v": 2, "diff": {"u": {"a": 5}, "i": {"n": 1}, "d": {"z": False}}},
        {
            "$v": 2,
            "diff": {"sb": {"u": {"c": 2}}, "sl": {"a": True, "u0": 9, "s1": {"d": {"x": 0}}}},
        },
        {"$v": 2, "diff": {"sl": {"a": True, "l": 1, "u3": None}}},
        {"_id": 1, "whole": "new"},
    ]
    return [before + CUT + bson.encode(update) for update in updates]


_MADE: list[Snapshot] = []


def _recorded() -> Snapshot:
    """Make one recording, the same each time, that inputs take the place of."""
    if not _MADE:
        _MADE.append(_make_recorded(scratch() / "recorded"))
    return _MADE[0]


def _make_recorded(path: Path) -> Snapshot:
    documents = bson.encode({"_id": 1}) + bson.encode({"_id": 2})

    def chunks() -> Iterator[bytes]:
        yield documents

    state = MemoryState("shop", {"orders": Collection(Definition("orders"), chunks)})
    origin = Origin("6.0.5", "2026-01-02T03:04:05Z", "snapshot", (), {"database": "shop"})
    snapshot = write_snapshot(state, path, origin=origin)
    writes = [parse_write(line, "seed") for line in _STEPS.splitlines()]
    entry = write_steps(path, writes, recorded_at="2026-01-02T03:04:06Z")
    return Snapshot(path, replace(snapshot.manifest, recording=entry))


TARGETS = (
    Target("elements", run_elements, seeds_of_elements),
    Target("extended-json", run_extended_json, seeds_of_extended_json),
    Target("metadata", run_metadata, seeds_of_metadata),
    Target("manifest", run_manifest, seeds_of_manifest),
    Target("archive", run_archive, seeds_of_archive),
    Target("dump-directory", run_dump_directory, seeds_of_dump_directory),
    Target("gzip", run_gzip, seeds_of_gzip),
    Target("recording", run_recording, seeds_of_recording),
    Target("delta", run_delta, seeds_of_delta),
)
