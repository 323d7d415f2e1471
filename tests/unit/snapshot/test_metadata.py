from __future__ import annotations

import json

import bson
import pytest

from mongoshot.errors import NotRepresentableError, SnapshotDamagedError
from mongoshot.snapshot.metadata import metadata_to_json, parse_metadata
from mongoshot.snapshot.model import CollectionType, Definition

#: {"a": 1, "a": 2}, which no Python document can be.
TWICE = bytes.fromhex("13000000 10610001000000 10610002000000 00")


def definition(
    options: bytes | dict[str, object],
    *indexes: dict[str, object],
    name: str = "orders",
    type: CollectionType = "collection",
) -> Definition:
    raw = options if isinstance(options, bytes) else bson.encode(options)
    return Definition(name, type, raw, tuple(bson.encode(index) for index in indexes))


@pytest.mark.parametrize(
    "given",
    [
        definition({}),
        definition(
            {"capped": True, "size": bson.Int64(4096)}, {"v": 2, "key": {"_id": 1}, "name": "_id_"}
        ),
        definition({"viewOn": "orders", "pipeline": []}, type="view"),
        definition({"timeseries": {"timeField": "at"}}, type="timeseries"),
        definition({"validator": {"größe": {"$gt": 1.5}, "\u2028": "\x7f"}}),
        definition({}, {"key": {"b": 1, "a": -1}, "name": "b"}, {"key": {"a": 1.0}, "name": "a"}),
        definition({"x": bson.DatetimeMS(2**62)}),
        definition({}, name='wei"rd/na\nme'),
    ],
)
def test_a_definition_reads_back_as_it_was_written(given: Definition) -> None:
    assert parse_metadata(metadata_to_json(given).encode(), "file") == given


def test_a_duplicate_key_is_kept() -> None:
    given = definition(TWICE)
    assert parse_metadata(metadata_to_json(given).encode(), "file") == given


def test_the_text_has_what_mongodump_writes() -> None:
    text = metadata_to_json(
        definition({"capped": True}, {"v": 2, "key": {"_id": 1}, "name": "_id_"})
    )
    assert json.loads(text) == {
        "options": {"capped": True},
        "indexes": [
            {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}
        ],
        "collectionName": "orders",
        "type": "collection",
    }


def test_the_text_is_spread_over_lines_for_a_review() -> None:
    assert '\n  "collectionName": "orders",\n' in metadata_to_json(definition({}))


def test_metadata_of_mongodump_is_read() -> None:
    text = b'{"indexes":[],"uuid":"0123","collectionName":"orders"}'
    assert parse_metadata(text, "file") == definition({})


def test_options_that_extended_json_cannot_hold_are_named_with_the_way_out() -> None:
    with pytest.raises(NotRepresentableError, match="--exclude orders"):
        metadata_to_json(definition({"validator": {"$date": 1}}))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"collectionName": 1}',
        b'{"collectionName": "x", "type": "table"}',
        b'{"collectionName": "x", "type": ["view"]}',
        b'{"collectionName": "x", "options": []}',
        b'{"collectionName": "x", "options": 5}',
        b'{"collectionName": "x", "indexes": 5}',
        b'{"collectionName": "x", "indexes": ["a"]}',
        b'{"collectionName": "x", "indexes": [[]]}',
        b'{"collectionName": "x", "indexes": {"a": {}}}',
        b'{"collectionName": "x", "at": {"$date": {"$numberLong": "9223372036854775807"}}}',
        b'{"collectionName": "x", "n": 99999999999999999999999}',
        b'{"a":' * 5000,
    ],
)
def test_anything_else_is_damage_told_in_one_line(text: bytes) -> None:
    with pytest.raises(
        SnapshotDamagedError, match=r"^orders\.metadata\.json .*--replace"
    ) as caught:
        parse_metadata(text, "orders.metadata.json")
    assert len(str(caught.value).splitlines()) == 1


def test_a_text_cut_anywhere_is_damage() -> None:
    text = metadata_to_json(definition({"capped": True}, {"key": {"_id": 1}})).rstrip().encode()
    for end in range(len(text)):
        with pytest.raises(SnapshotDamagedError):
            parse_metadata(text[:end], "file")
