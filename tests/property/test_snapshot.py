"""The laws of snapshots: what was written is read, and files never stand in each other's way."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote_plus

import bson
from bson import Int64, ObjectId
from bson.decimal128 import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.comparison.difference import compare
from mongoshot.snapshot.directory import Snapshot
from mongoshot.snapshot.manifest import FileEntry, Manifest, Origin, parse_manifest
from mongoshot.snapshot.metadata import metadata_to_json, parse_metadata
from mongoshot.snapshot.model import Collection, Definition, MemoryState
from mongoshot.snapshot.names import METADATA_SUFFIX, file_stems
from mongoshot.snapshot.overlay import overlay
from mongoshot.snapshot.profile import Profile
from mongoshot.snapshot.writer import write_snapshot

Format = Literal["bson", "json"]

ORIGIN = Origin("6.0.5", "2026-01-02T03:04:05Z", "snapshot")

keys = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=4).map(
    lambda key: key.removeprefix("$")
)
values = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**31), 2**31 - 1), st.text(max_size=5)),
        *(st.floats(allow_nan=False), st.binary(max_size=5), st.builds(Int64, st.integers(-9, 9))),
        st.sampled_from([Decimal128("1.0"), ObjectId(b"0" * 12), bson.DatetimeMS(2**62)]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
trees = st.dictionaries(keys, values, max_size=4)
documents = st.lists(st.integers(), max_size=5, unique=True).flatmap(
    lambda ids: st.tuples(
        *[trees.map(partial(lambda n, t: bson.encode({**t, "_id": str(n)}), n)) for n in ids]
    )
)
#: What MongoDB takes: no NUL, no `$`, no dot in front; and what a file system is tried by.
names = st.one_of(
    st.text(st.characters(exclude_characters="\0$", codec="utf-8"), min_size=1, max_size=8),
    st.sampled_from(["a", "A", "aB", "manifest", "Manifest", "con", "x.metadata", "x.METADATA"]),
    st.sampled_from(["x", "X", "%41", "+", " ", "a/b", "a%2Fb", "ß", "ẞ", "K", "k", "prelude.x"]),
    st.text("aA%/é", min_size=60, max_size=250),
).filter(lambda name: not name.startswith("."))


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    name = draw(names)
    options = bson.encode(draw(trees))
    if draw(st.integers(0, 4)) == 0:
        return Collection(Definition(name, "view", bson.encode({"viewOn": "a"})))
    chunks = draw(documents)
    indexes = tuple(
        bson.encode({"key": {index or "a": 1}, "name": index})
        for index in draw(st.lists(keys, max_size=2))
    )
    return Collection(Definition(name, "collection", options, indexes), partial(iter, chunks))


states = st.lists(collections(), max_size=4, unique_by=lambda c: c.name).map(
    lambda found: MemoryState("memory", {c.name: c for c in sorted(found, key=lambda c: c.name)})
)


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "shop"


def contents(state: Any) -> dict[str, tuple[Definition, list[bytes]]]:
    return {name: (c.definition, list(c.documents())) for name, c in state.collections.items()}


@given(states, st.sampled_from([None, "bson", "json"]))
@settings(max_examples=60)
def test_a_snapshot_reads_back_as_the_state_that_was_written(
    state: MemoryState, format: Format | None
) -> None:
    with place() as path:
        write_snapshot(state, path, origin=ORIGIN, format=format)
        again = Snapshot.load(path)
        again.verify()
        assert contents(again) == contents(state)
        assert not compare(state, again)


@given(states)
@settings(max_examples=30)
def test_the_digest_does_not_depend_on_the_format(state: MemoryState) -> None:
    formats: tuple[Format | None, ...] = ("bson", "json", None)
    with place() as path:
        digests = set()
        for format in formats:
            written = write_snapshot(state, path, origin=ORIGIN, format=format, replace=True)
            assert written.manifest.revision == 1
            digests.add(written.digest)
    assert len(digests) == 1


@given(states, states)
@settings(max_examples=30)
def test_the_digest_is_the_same_just_where_the_state_is(
    one: MemoryState, other: MemoryState
) -> None:
    with place() as path:
        first = write_snapshot(one, path, origin=ORIGIN)
        second = write_snapshot(other, path, origin=ORIGIN, replace=True)
        assert (first.digest == second.digest) is (contents(one) == contents(other))
        assert contents(second) == contents(other)


@given(states)
@settings(max_examples=30)
def test_a_snapshot_laid_over_itself_is_itself(state: MemoryState) -> None:
    with place() as path:
        snapshot = write_snapshot(state, path, origin=ORIGIN)
        assert not compare(snapshot, overlay([snapshot, snapshot]))


@given(names, st.sampled_from(["collection", "view", "timeseries"]), trees, st.lists(trees))
def test_a_definition_reads_back_as_it_was_written(
    name: str, type: Any, options: dict[str, Any], indexes: list[dict[str, Any]]
) -> None:
    named = [{"key": {"a": 1}} | index | {"name": "a"} for index in indexes]
    named = [index | {"key": index["key"] if index["key"] else {"a": 1}} for index in named]
    options = options | {"viewOn": "a"} if type == "view" else options
    definition = Definition(name, type, bson.encode(options), tuple(map(bson.encode, named)))
    assert parse_metadata(metadata_to_json(definition).encode(), "file") == definition


hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
entries = st.lists(st.tuples(names, hashes, st.none() | st.integers(0)), max_size=5).map(
    lambda found: tuple(
        FileEntry(f"{at}.json", name, at, digest, documents, None if documents is None else digest)
        for at, (name, digest, documents) in enumerate(found)
    )
)


@given(
    st.text(),
    st.integers(0),
    entries.filter(
        lambda files: len({(f.collection, f.holds_documents) for f in files}) == len(files)
    ),
    st.dictionaries(st.text(), st.none() | st.text() | st.lists(st.integers())),
    st.dictionaries(
        st.text(),
        st.builds(
            Profile,
            st.integers(0),
            st.dictionaries(st.text(), st.dictionaries(st.text(), st.integers(0))),
        ),
    ),
)
def test_a_manifest_reads_back_as_it_was_written(
    name: str,
    revision: int,
    files: tuple[FileEntry, ...],
    recipe: dict[str, Any],
    profile: dict[str, Profile],
) -> None:
    origin = Origin("6.0.5", "now", "none", ("x",), recipe, profile)
    manifest = Manifest(name, revision, origin, files)
    assert parse_manifest(manifest.to_json(), "m") == manifest


RESERVED = re.compile(r"(manifest|prelude|oplog|con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@given(st.lists(names, max_size=8, unique=True))
@settings(max_examples=300)
def test_every_collection_has_files_of_its_own(several: list[str]) -> None:
    stems = file_stems(several)
    assert stems.keys() == set(several)
    files = [
        f"{stem}{suffix}".lower()
        for stem in stems.values()
        for suffix in (".bson", ".json", METADATA_SUFFIX)
    ]
    assert len(set(files)) == len(files)
    for name, stem in stems.items():
        assert re.fullmatch(r"[A-Za-z0-9_.~%+-]{1,238}", stem)
        assert not stem.startswith(".")
        assert not stem.lower().endswith(".metadata")
        assert not RESERVED.match(stem)
        assert unquote_plus(stem) == name or (len(stem) == 238 and "%24" in stem)


@given(st.lists(names, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_a_stem_does_not_depend_on_the_order_of_the_collections(
    several: list[str], random: Any
) -> None:
    shuffled = list(several)
    random.shuffle(shuffled)
    assert file_stems(shuffled) == file_stems(several)
