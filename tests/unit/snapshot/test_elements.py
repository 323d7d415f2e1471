from __future__ import annotations

import struct

import pytest

from mongoshot.errors import InvalidBSONError
from mongoshot.snapshot.elements import (
    MAXIMUM_DEPTH,
    count_documents,
    document_at,
    document_id,
    index_keys,
    iterate_elements,
    split_documents,
    validate_document,
    whole_documents,
)


def document(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def string(text: bytes) -> bytes:
    return struct.pack("<i", len(text) + 1) + text + b"\0"


EMPTY = document()
ONE = b"\x10n\0\1\0\0\0"
SCOPED = struct.pack("<i", 4 + 7 + 5) + string(b"f(") + EMPTY

VALUES = {
    "double": (0x01, bytes(8)),
    "string": (0x02, string(b"a\0b")),
    "document": (0x03, document(ONE)),
    "array": (0x04, document(b"\x0a0\0")),
    "binary": (0x05, struct.pack("<i", 3) + b"\0abc"),
    "undefined": (0x06, b""),
    "ObjectId": (0x07, bytes(12)),
    "boolean": (0x08, b"\1"),
    "date": (0x09, bytes(8)),
    "null": (0x0A, b""),
    "regular expression": (0x0B, b"^a\0im\0"),
    "DBPointer": (0x0C, string(b"db.c") + bytes(12)),
    "code": (0x0D, string(b"f()")),
    "symbol": (0x0E, string(b"s")),
    "code with scope": (0x0F, SCOPED),
    "int32": (0x10, bytes(4)),
    "timestamp": (0x11, bytes(8)),
    "int64": (0x12, bytes(8)),
    "Decimal128": (0x13, bytes(16)),
    "max key": (0x7F, b""),
    "min key": (0xFF, b""),
}


@pytest.mark.parametrize(("kind", "raw"), VALUES.values(), ids=VALUES.keys())
def test_every_type_is_walked_over_and_bounded(kind: int, raw: bytes) -> None:
    whole = document(bytes((kind,)) + b"key\0" + raw, ONE)
    first, second = iterate_elements(whole)
    assert first == (kind, b"key", 9, 9 + len(raw))
    assert second[:2] == (0x10, b"n")
    validate_document(whole)
    for cut in range(len(raw)):
        with pytest.raises(InvalidBSONError, match="byte offset"):
            validate_document(document(bytes((kind,)) + b"key\0" + raw[:cut]))


def test_elements_of_a_nested_document_are_walked_from_its_offset() -> None:
    whole = document(b"\x03a\0" + document(ONE), ONE)
    [(_, _, start, end), _] = iterate_elements(whole)
    assert list(iterate_elements(whole, start)) == [(0x10, b"n", start + 7, end - 1)]
    assert document_at(whole, start) == end


BROKEN = {
    "nothing": (b"", "the document at byte offset 0 reaches beyond"),
    "half a length": (b"\5\0\0", "the document at byte offset 0 reaches beyond"),
    "negative length": (b"\xff\xff\xff\xff\0", "gives its length as -1 bytes"),
    "length below five": (b"\4\0\0\0\0", "gives its length as 4 bytes; the smallest has 5"),
    "length beyond the end": (b"\6\0\0\0\0", "reaches beyond what encloses it"),
    "no final NUL": (b"\5\0\0\0\1", "does not end with NUL at byte offset 4"),
    "trailing bytes": (EMPTY + b"\0\0", "2 trailing bytes after the document, at byte offset 5"),
    "unknown type": (document(b"\x14k\0"), "unknown type 0x14 of the value at byte offset 7"),
    "type zero": (document(b"\0k\0"), "unknown type 0x00 of the value at byte offset 7"),
    "endless key": (document(b"\x0akey"), "the key at byte offset 5 has no end"),
    "boolean of two": (document(b"\x08b\0\2"), "the boolean at byte offset 7 is 0x02"),
    "string of length zero": (document(b"\x02s\0" + bytes(4)), "the smallest has 1"),
    "string of negative length": (document(b"\x02s\0" + b"\xf0\xff\xff\xff"), "as -16 bytes"),
    "string of the greatest length": (document(b"\x02s\0\xff\xff\xff\x7f"), "the string at byte"),
    "string without NUL": (document(b"\x02s\0\2\0\0\0ab"), "end with NUL at byte offset 12"),
    "binary of negative length": (document(b"\x05b\0\xff\xff\xff\xff\0"), "as -1 bytes"),
    "half a regular expression": (document(b"\x0br\0ab\0a"), "expression at byte offset 7 has no"),
    "code longer than its parts": (
        document(b"\x0fc\0" + struct.pack("<i", 17) + SCOPED[4:] + b"\0"),
        "which its code and its scope do not fill",
    ),
    "nested without NUL": (document(b"\x03d\0\5\0\0\0\1"), "NUL at byte offset 11"),
    "damage in a scope": (
        document(b"\x0fc\0" + struct.pack("<i", 18) + string(b"f(") + document(b"\x99\0")),
        "unknown type 0x99",
    ),
}


@pytest.mark.parametrize(("raw", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_damage_is_told_with_its_offset(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidBSONError, match=message):
        validate_document(raw)


def nested(levels: int) -> bytes:
    whole = EMPTY
    for _ in range(levels - 1):
        whole = document(b"\x03a\0" + whole)
    return whole


def test_depth_is_bounded() -> None:
    validate_document(nested(MAXIMUM_DEPTH))
    with pytest.raises(InvalidBSONError, match="more than 256 levels deep"):
        validate_document(nested(MAXIMUM_DEPTH + 1))
    with pytest.raises(InvalidBSONError, match="more than 256 levels deep"):
        validate_document(nested(5_000))


def test_concatenated_documents_are_split_and_counted() -> None:
    several = [EMPTY, document(ONE), nested(3)]
    assert list(split_documents(b"".join(several))) == several
    assert count_documents(b"".join(several)) == 3
    assert list(split_documents(b"")) == []
    assert count_documents(b"") == 0


@pytest.mark.parametrize("tail", [b"\0", b"\5\0\0\0", b"\4\0\0\0\0", b"\6\0\0\0\0", b"\5\0\0\0\1"])
def test_a_tail_that_is_no_document_is_told_with_its_offset(tail: bytes) -> None:
    with pytest.raises(InvalidBSONError, match="the document at byte offset 12"):
        count_documents(document(ONE) + tail)
    with pytest.raises(InvalidBSONError, match="the document at byte offset 12"):
        list(split_documents(document(ONE) + tail))


def test_whole_documents_stops_before_one_that_is_cut() -> None:
    buffer = document(ONE) + nested(2)
    ends = [whole_documents(buffer[:cut]) for cut in range(len(buffer) + 1)]
    assert ends == [0] * 12 + [12] * (len(buffer) - 12) + [len(buffer)]


@pytest.mark.parametrize("tail", [b"\4\0\0\0", b"\xff\xff\xff\xff", b"\5\0\0\0\1", b"\0\0\0\0\0"])
def test_whole_documents_refuses_what_no_document_begins_with(tail: bytes) -> None:
    with pytest.raises(InvalidBSONError, match="byte offset 12"):
        whole_documents(document(ONE) + tail)


def test_the_id_is_found_wherever_it_stands() -> None:
    identity = b"\x07_id\0" + bytes(range(12))
    expected = b"\x07" + bytes(range(12))
    assert document_id(document(identity, ONE)) == expected
    assert document_id(document(ONE, identity)) == expected
    assert document_id(document(ONE, identity, b"\x0a_id\0")) == expected
    assert document_id(document(b"\x0a_id\0")) == b"\x0a"
    assert document_id(document(ONE)) == b""
    assert document_id(document(b"\x03a\0" + document(identity))) == b""


@pytest.mark.parametrize(
    "raw", [b"", EMPTY + b"\0", document(b"\x07_id\0abc"), document(b"\x99_id\0")]
)
def test_the_id_of_damaged_bytes_is_an_error(raw: bytes) -> None:
    with pytest.raises(InvalidBSONError, match="byte offset"):
        document_id(raw)


def test_index_keys_do_not_end() -> None:
    keys = list(zip(range(2000), index_keys(2000), strict=False))
    assert keys[0] == (0, b"0\0")
    assert keys[-1] == (1999, b"1999\0")


def test_an_offset_before_the_buffer_is_an_error() -> None:
    with pytest.raises(InvalidBSONError, match="byte offset -5"):
        document_at(EMPTY, -5)
