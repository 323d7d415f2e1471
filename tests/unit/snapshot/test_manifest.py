from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mongoshot.errors import FormatVersionError, SnapshotDamagedError
from mongoshot.snapshot.manifest import (
    FileEntry,
    Manifest,
    Origin,
    looks_like_manifest,
    parse_manifest,
)

DOCUMENTS = FileEntry("orders.json", "orders", 40, "a" * 64, 2, "b" * 64)
METADATA = FileEntry("orders.metadata.json", "orders", 80, "c" * 64)
VIEW = FileEntry("open.metadata.json", "open", 70, "d" * 64)


@pytest.fixture
def manifest(origin: Origin) -> Manifest:
    return Manifest("shop", 3, origin, (DOCUMENTS, METADATA, VIEW))


def changed(manifest: Manifest, change: Callable[[Any], object]) -> str:
    value = json.loads(manifest.to_json())
    change(value)
    return json.dumps(value)


def with_files(origin: Origin, *files: FileEntry) -> str:
    return Manifest("shop", 1, origin, files).to_json()


def damage(text: str) -> str:
    with pytest.raises(SnapshotDamagedError) as caught:
        parse_manifest(text, "shop/manifest.json")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith("shop/manifest.json")
    assert "--replace" in message
    return message


def test_a_manifest_reads_back_as_it_was_written(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_json(), "m") == manifest


def test_equal_manifests_have_equal_texts(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_json(), "m").to_json() == manifest.to_json()


def test_text_beyond_ascii_stays_readable(origin: Origin) -> None:
    assert '"größe"' in Manifest("größe", 1, origin, ()).to_json()


def test_the_digest_does_not_depend_on_encoding_or_order_of_files(
    manifest: Manifest, origin: Origin
) -> None:
    as_bson = FileEntry("orders.bson", "orders", 30, "e" * 64, 2, "b" * 64)
    assert Manifest("x", 9, origin, (VIEW, METADATA, as_bson)).digest == manifest.digest


@pytest.mark.parametrize(
    "other",
    [
        FileEntry("orders.json", "orders", 40, "a" * 64, 2, "f" * 64),
        FileEntry("orders.json", "other", 40, "a" * 64, 2, "b" * 64),
    ],
)
def test_the_digest_depends_on_content_and_collection(
    manifest: Manifest, origin: Origin, other: FileEntry
) -> None:
    assert Manifest("shop", 3, origin, (other, METADATA, VIEW)).digest != manifest.digest


@pytest.mark.parametrize(
    "key",
    [
        *("name", "revision", "digest", "server_version", "captured_at", "consistency"),
        *("outside_consistency", "recipe", "files", "format_version"),
    ],
)
def test_every_key_is_required(manifest: Manifest, key: str) -> None:
    assert repr(key) in damage(changed(manifest, lambda value: value.pop(key)))


@pytest.mark.parametrize("key", ["name", "collection", "bytes", "sha256", "content_sha256"])
def test_every_key_of_a_file_is_required(manifest: Manifest, key: str) -> None:
    assert f"files[0].{key}" in damage(changed(manifest, lambda value: value["files"][0].pop(key)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 1),
        ("revision", "3"),
        ("revision", True),
        ("revision", 3.0),
        ("server_version", None),
        ("captured_at", 0),
        ("consistency", "maybe"),
        ("outside_consistency", {}),
        ("recipe", []),
        ("files", {}),
        ("digest", 1),
        ("format_version", "1"),
        ("format_version", True),
    ],
)
def test_a_value_of_another_type_is_refused(manifest: Manifest, key: str, value: object) -> None:
    assert repr(key) in damage(changed(manifest, lambda tree: tree.update({key: value})))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bytes", -1),
        ("documents", -1),
        ("documents", True),
        ("documents", None),
        ("bytes", 1e3),
        ("sha256", 0),
        ("name", ["orders.json"]),
    ],
)
def test_a_file_with_an_impossible_value_is_refused(
    manifest: Manifest, key: str, value: object
) -> None:
    text = changed(manifest, lambda tree: tree["files"][0].update({key: value}))
    assert f"files[0].{key}" in damage(text)


@pytest.mark.parametrize("version", [0, 2, 10**30])
def test_another_format_version_is_told_before_anything_else(version: int) -> None:
    with pytest.raises(FormatVersionError, match="pip install -U mongoshot"):
        parse_manifest(json.dumps({"format_version": version}), "m")


@pytest.mark.parametrize(
    "name",
    [
        *("../x.json", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\\b", "C:x", "x:stream"),
        *("a\0b", "manifest.json", "MANIFEST.json", "a b", "\ud800.json", "é.json", "x" * 256),
    ],
)
def test_a_file_name_that_is_not_a_plain_one_is_refused(origin: Origin, name: str) -> None:
    value = json.loads(with_files(origin, METADATA))
    value["files"][0]["name"] = name
    assert "a plain file name" in damage(json.dumps(value))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(METADATA, id="the same entry"),
        pytest.param(
            FileEntry("Orders.Metadata.json", "x", 1, "e" * 64), id="a name in other case"
        ),
        pytest.param(FileEntry("x.metadata.json", "orders", 1, "e" * 64), id="other metadata"),
        pytest.param(FileEntry("x.bson", "orders", 1, "e" * 64, 1, "e" * 64), id="other documents"),
    ],
)
def test_two_entries_for_one_thing_are_refused(origin: Origin, second: FileEntry) -> None:
    assert "twice" in damage(with_files(origin, DOCUMENTS, METADATA, second))


def test_a_digest_that_is_not_that_of_the_files_is_refused(manifest: Manifest) -> None:
    text = changed(manifest, lambda value: value["files"][2].update(sha256="e" * 64))
    assert "was changed" in damage(text)


def test_a_long_made_up_digest_does_not_fill_the_screen(manifest: Manifest) -> None:
    text = changed(manifest, lambda value: value.update(digest="x\n" * 10_000))
    assert len(damage(text)) < 500


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "1" * 5000, '{"format_version": ' * 5000, "[" * 100_000],
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    damage(text)


@pytest.mark.parametrize("files", [[None], ["x"], [[]], [{}]])
def test_a_file_that_is_no_object_is_refused(manifest: Manifest, files: list[object]) -> None:
    assert "files[0].name" in damage(changed(manifest, lambda value: value.update(files=files)))


def test_keys_of_later_minor_versions_are_passed_over(manifest: Manifest) -> None:
    text = changed(manifest, lambda value: value.update(later={"x": 1}))
    assert parse_manifest(text, "m") == manifest


def test_a_damaged_manifest_of_ours_is_recognised(manifest: Manifest) -> None:
    assert looks_like_manifest(manifest.to_json().encode()[:-40] + b"<<<<<<< HEAD\xff")


@pytest.mark.parametrize(
    "text", [b"", b'{"manifest_version": 3}', b'{\n  "format_version": 2,\n  "header": {}\n}']
)
def test_the_manifest_of_another_program_is_not_taken_for_ours(text: bytes) -> None:
    assert not looks_like_manifest(text)
