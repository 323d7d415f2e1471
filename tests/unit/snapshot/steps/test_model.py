from __future__ import annotations

import bson
import pytest

from mongoshot.errors import NotRepresentableError, SnapshotDamagedError
from mongoshot.snapshot.model import Definition
from mongoshot.snapshot.steps.model import Write, parse_write, write_to_json

DOCUMENT = bson.encode({"_id": bson.Int64(7), "price": bson.Decimal128("1.10"), "né\n": [1.0]})
ORDERS = Definition(
    "ord'ers\n", indexes=(bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"}),)
)


@pytest.mark.parametrize(
    "write",
    [
        Write(1, "insert", "orders", DOCUMENT),
        Write(2, "update", 'a"b\\', DOCUMENT),
        Write(2, "delete", "日本", bson.encode({"_id": {"a": 1}})),
        Write(3, "define", ORDERS.name, definition=ORDERS),
        Write(4, "drop", "orders"),
        Write(5, "rename", "orders", to="o\u2028"),
    ],
    ids=lambda write: write.kind,
)
def test_a_write_is_one_line_and_comes_back(write: Write) -> None:
    line = write_to_json(write)
    assert "\n" not in line
    assert parse_write(line.encode(), "here") == write


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"step":1}',
        '{"step":0,"drop":"a"}',
        '{"step":"1","drop":"a"}',
        '{"step":1,"drop":7}',
        '{"step":1,"destroy":"a"}',
        '{"step":1,"drop":"a","document":{}}',
        '{"step":1,"insert":"a"}',
        '{"step":1,"insert":"a","document":{}}',
        '{"step":1,"insert":"a","document":[1]}',
        '{"insert":"a","step":1,"document":{"_id":1}}',
        '{"step":1,"rename":"a","to":1}',
        '{"step":1,"define":"a","metadata":{"collectionName":"b"}}',
        '{"step":1,"define":"a","metadata":{"options":7,"collectionName":"a"}}',
    ],
)
def test_anything_else_is_damaged(line: str) -> None:
    with pytest.raises(SnapshotDamagedError, match="here"):
        parse_write(line.encode(), "here")


def test_what_extended_json_cannot_hold_is_an_error_that_names_the_collection() -> None:
    broken = bson.encode({"_id": 1, "text": "xx"}).replace(b"xx", b"\xff\xfe")
    with pytest.raises(NotRepresentableError, match=r"step 3 .* --exclude orders"):
        write_to_json(Write(3, "insert", "orders", broken))
