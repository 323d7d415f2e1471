from __future__ import annotations

import json
import struct

import bson
import pytest
from bson import json_util
from bson.codec_options import CodecOptions
from bson.decimal128 import Decimal128

from mongoshot.errors import InvalidBSONError, InvalidExtendedJSONError, NotRepresentableError
from mongoshot.snapshot.encoding import (
    from_extended_json,
    readable,
    to_extended_json,
    to_readable_json,
)


def document(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<i", len(data) + 1) + data + b"\0"


def binary(subtype: int, data: bytes) -> bytes:
    return struct.pack("<i", len(data)) + bytes((subtype,)) + data


def code_with_scope(code: str, scope: bytes) -> bytes:
    body = string(code) + scope
    return struct.pack("<i", len(body) + 4) + body


def double(number: float) -> bytes:
    return struct.pack("<d", number)


def int32(number: int) -> bytes:
    return struct.pack("<i", number)


def int64(number: int) -> bytes:
    return struct.pack("<q", number)


ID = bytes.fromhex("5f0000000000000000000abc")
OID = '{"$oid":"5f0000000000000000000abc"}'
NAN = struct.pack("<Q", 0x7FF8000000000000)
FIRST = -(2**63)
LAST = 2**63 - 1

# name: type byte, raw value, canonical text, readable text where it is not the same but for spaces.
VALUES: dict[str, tuple[int, bytes, str, str | None]] = {
    "double": (0x01, double(1.5), '{"$numberDouble":"1.5"}', "1.5"),
    "whole double": (0x01, double(1), '{"$numberDouble":"1.0"}', "1.0"),
    "large double": (0x01, double(1e22), '{"$numberDouble":"1e+22"}', "1e+22"),
    "small double": (0x01, double(5e-324), '{"$numberDouble":"5e-324"}', "5e-324"),
    "negative zero": (0x01, double(-0.0), '{"$numberDouble":"-0.0"}', "-0.0"),
    "infinity": (0x01, double(float("inf")), '{"$numberDouble":"Infinity"}', None),
    "-infinity": (0x01, double(float("-inf")), '{"$numberDouble":"-Infinity"}', None),
    "NaN": (0x01, NAN, '{"$numberDouble":"NaN"}', None),
    "string": (0x02, string("Zürich 😀"), '"Zürich 😀"', None),
    "empty string": (0x02, string(""), '""', None),
    "controls": (0x02, string('\0\n\t\x1f"\\/'), r'"\u0000\n\t\u001f\"\\/"', None),
    "DEL": (0x02, string("a\x7f"), r'"a\u007f"', None),
    "line breaks": (
        0x02,
        string("\x7f\x80\x85\x9f\xa0\u2028\u2029"),
        '"\\u007f\\u0080\\u0085\\u009f\xa0\\u2028\\u2029"',
        None,
    ),
    "document": (
        0x03,
        document(b"\x10a\0" + int32(1), b"\x0ab\0"),
        '{"a":{"$numberInt":"1"},"b":null}',
        '{"a": 1, "b": null}',
    ),
    "empty document": (0x03, document(), "{}", None),
    "array": (0x04, document(b"\x080\0\1", b"\x081\0\0"), "[true,false]", None),
    "empty array": (0x04, document(), "[]", None),
    "binary": (0x05, binary(0, b"\xff"), '{"$binary":{"base64":"/w==","subType":"00"}}', None),
    "empty binary": (0x05, binary(0x80, b""), '{"$binary":{"base64":"","subType":"80"}}', None),
    "UUID": (
        0x05,
        binary(4, bytes(range(16))),
        '{"$binary":{"base64":"AAECAwQFBgcICQoLDA0ODw==","subType":"04"}}',
        None,
    ),
    "old binary": (
        0x05,
        binary(2, int32(3) + b"abc"),
        '{"$binary":{"base64":"YWJj","subType":"02"}}',
        None,
    ),
    "undefined": (0x06, b"", '{"$undefined":true}', None),
    "ObjectId": (0x07, ID, OID, None),
    "true": (0x08, b"\1", "true", None),
    "false": (0x08, b"\0", "false", None),
    "date": (
        0x09,
        int64(1704164645678),
        '{"$date":{"$numberLong":"1704164645678"}}',
        '{"$date": "2024-01-02T03:04:05.678Z"}',
    ),
    "whole second": (
        0x09,
        int64(0),
        '{"$date":{"$numberLong":"0"}}',
        '{"$date": "1970-01-01T00:00:00Z"}',
    ),
    "last readable date": (
        0x09,
        int64(253402300799999),
        '{"$date":{"$numberLong":"253402300799999"}}',
        '{"$date": "9999-12-31T23:59:59.999Z"}',
    ),
    "date after": (
        0x09,
        int64(253402300800000),
        '{"$date":{"$numberLong":"253402300800000"}}',
        None,
    ),
    "date before": (0x09, int64(-1), '{"$date":{"$numberLong":"-1"}}', None),
    "first date": (0x09, int64(FIRST), f'{{"$date":{{"$numberLong":"{FIRST}"}}}}', None),
    "last date": (0x09, int64(LAST), f'{{"$date":{{"$numberLong":"{LAST}"}}}}', None),
    "null": (0x0A, b"", "null", None),
    "regular expression": (
        0x0B,
        b'^"a\0im\0',
        r'{"$regularExpression":{"pattern":"^\"a","options":"im"}}',
        None,
    ),
    "unsorted options": (
        0x0B,
        b"a\0xi\0",
        '{"$regularExpression":{"pattern":"a","options":"xi"}}',
        None,
    ),
    "DBPointer": (
        0x0C,
        string("db.c") + ID,
        f'{{"$dbPointer":{{"$ref":"db.c","$id":{OID}}}}}',
        None,
    ),
    "code": (0x0D, string("f()"), '{"$code":"f()"}', None),
    "symbol": (0x0E, string("s"), '{"$symbol":"s"}', None),
    "code with scope": (
        0x0F,
        code_with_scope("f()", document(b"\x0ax\0", b"\x0ay\0")),
        '{"$code":"f()","$scope":{"x":null,"y":null}}',
        None,
    ),
    "int32": (0x10, int32(-(2**31)), '{"$numberInt":"-2147483648"}', "-2147483648"),
    "timestamp": (
        0x11,
        struct.pack("<II", 2**32 - 1, 2**31),
        '{"$timestamp":{"t":2147483648,"i":4294967295}}',
        None,
    ),
    "int64": (0x12, int64(1), '{"$numberLong":"1"}', None),
    "first int64": (0x12, int64(FIRST), f'{{"$numberLong":"{FIRST}"}}', None),
    "Decimal128": (0x13, Decimal128("-1.50").bid, '{"$numberDecimal":"-1.50"}', None),
    "Decimal128 NaN": (0x13, Decimal128("NaN").bid, '{"$numberDecimal":"NaN"}', None),
    "Decimal128 infinity": (
        0x13,
        Decimal128("-Infinity").bid,
        '{"$numberDecimal":"-Infinity"}',
        None,
    ),
    "Decimal128 exponent": (
        0x13,
        Decimal128("1E-6176").bid,
        '{"$numberDecimal":"1E-6176"}',
        None,
    ),
    "max key": (0x7F, b"", '{"$maxKey":1}', None),
    "min key": (0xFF, b"", '{"$minKey":1}', None),
}

# What bson decodes to something that json_util writes as another type or value, or not at all.
INEXACT = {"undefined", "DBPointer", "symbol", "unsorted options", "old binary", "timestamp"}


def spaced(text: str) -> str:
    """Put the spaces where the readable style has them; no text of the table has them itself."""
    return text.replace('":', '": ').replace(',"', ', "').replace("true,f", "true, f")


@pytest.mark.parametrize("name", VALUES)
def test_every_type_has_its_canonical_text_and_back(name: str) -> None:
    kind, raw, text, _ = VALUES[name]
    whole = document(bytes((kind,)) + b"k\0" + raw)
    assert to_extended_json(whole) == f'{{"k":{text}}}'
    assert from_extended_json(f'{{"k":{text}}}') == whole
    inside = document(b"\x04a\0" + document(bytes((kind,)) + b"0\0" + raw))
    assert to_extended_json(inside) == f'{{"a":[{text}]}}'
    assert from_extended_json(f'{{"a":[{text}]}}') == inside


@pytest.mark.parametrize("name", VALUES)
def test_every_type_has_its_readable_text_and_back(name: str) -> None:
    kind, raw, text, short = VALUES[name]
    expected = spaced(text) if short is None else short
    assert readable(kind, raw) == expected
    whole = document(bytes((kind,)) + b"k\0" + raw)
    assert to_readable_json(whole) == f'{{"k": {expected}}}'
    assert from_extended_json(f'{{"k": {expected}}}') == whole


@pytest.mark.parametrize("name", [name for name in VALUES if name not in INEXACT])
def test_the_text_is_the_one_of_json_util(name: str) -> None:
    kind, raw, text, _ = VALUES[name]
    options = json_util.CANONICAL_JSON_OPTIONS
    decoding = CodecOptions(  # type: ignore[var-annotated]
        tz_aware=True,
        datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_AUTO,
        uuid_representation=bson.binary.UuidRepresentation.UNSPECIFIED,
    )
    value = bson.decode(document(bytes((kind,)) + b"k\0" + raw), decoding)
    theirs = json_util.dumps(value, json_options=options, separators=(",", ":"))
    assert json.loads(theirs) == json.loads(f'{{"k":{text}}}')


def test_keys_are_kept_as_they_are() -> None:
    keys = ["", "a", "a", "a.b", "$ref", "$id", "$regex", "$options", '"', "é\u2028", "$match", "0"]
    whole = document(*(b"\x0a" + key.encode() + b"\0" for key in keys))
    text = to_extended_json(whole)
    assert (
        text
        == "{"
        + ",".join(
            json.dumps(key, ensure_ascii=False).replace("\u2028", r"\u2028") + ":null"
            for key in keys
        )
        + "}"
    )
    assert from_extended_json(text) == whole


def test_indented_text_breaks_documents_and_arrays_but_no_wrappers() -> None:
    scope = document(b"\x0ax\0", b"\x0ay\0")
    whole = document(
        b"\x07_id\0" + ID,
        b"\x03empty\0" + document(),
        b"\x04list\0" + document(b"\x100\0" + int32(1), b"\x041\0" + document()),
        b"\x03in\0" + document(b"\x09at\0" + int64(0), b"\x0ff\0" + code_with_scope("f", scope)),
    )
    text = """{
  "_id": {"$oid": "5f0000000000000000000abc"},
  "empty": {},
  "list": [
    1,
    []
  ],
  "in": {
    "at": {"$date": "1970-01-01T00:00:00Z"},
    "f": {"$code": "f", "$scope": {"x": null, "y": null}}
  }
}"""
    assert to_readable_json(whole, indent=2) == text
    assert from_extended_json(text) == whole
    assert readable(0x04, document(b"\x0a0\0"), indent=1) == "[\n null\n]"
    assert readable(0x10, int32(7), indent=2) == "7"


def field(kind: int, raw: bytes, key: bytes = b"k") -> bytes:
    return document(bytes((kind,)) + key + b"\0" + raw)


REFUSED = {
    "reserved key": (
        field(0x0A, b"", b"$oid"),
        r"the field \$oid exactly: its key \$oid is reserved",
    ),
    "reserved key inside": (
        document(
            b"\x03a\0"
            + document(
                b"\x04b\0" + document(b"\x0a0\0", b"\x031\0" + field(0x10, int32(1), b"$date"))
            )
        ),
        r"the field a.b\[1\].\$date exactly: its key \$date is reserved",
    ),
    "reserved key in a scope": (
        field(0x0F, code_with_scope("f", field(0x0A, b"", b"$uuid"))),
        r"the field k.\$scope.\$uuid exactly",
    ),
    "string": (field(0x02, string(b"ab\xff")), "field k exactly: it is not valid UTF-8 at byte 2"),
    "surrogates": (field(0x02, string(b"\xed\xa0\x80")), "not valid UTF-8 at byte 0 of the string"),
    "symbol": (field(0x0E, string(b"\xff")), "not valid UTF-8 at byte 0 of the string"),
    "key": (
        field(0x0A, b"", b"a\xff"),
        r"the field a\\\\xff exactly: its key is not valid UTF-8 at byte 1 of the key",
    ),
    "array key": (
        field(0x04, document(b"\x0a0\0", b"\x0a2\0")),
        r'the field k\[1\] exactly: its key in the array is "2", not its index',
    ),
    "zero-led array key": (field(0x04, document(b"\x0a00\0")), 'the array is "00"'),
    "array without keys": (field(0x04, document(b"\x0a\0", b"\x0a\0")), 'in the array is ""'),
    "negative NaN": (
        field(0x01, struct.pack("<Q", 0xFFF8000000000000)),
        "it is the NaN 0xfff8000000000000",
    ),
    "NaN with a payload": (
        field(0x01, struct.pack("<Q", 0x7FF8000000000001)),
        "it is the NaN 0x7ff8000000000001; Extended JSON knows 0x7ff8000000000000 alone",
    ),
    "Decimal128 NaN": (field(0x13, bytes(15) + b"\xfc"), "its Decimal128 0xfc0000"),
    "Decimal128 of 35 digits": (field(0x13, b"\xff" * 14 + b"\x41\x30"), "its Decimal128 0x3041ff"),
    "binary length": (
        field(0x05, binary(2, int32(4) + b"abc")),
        "its binary subtype 2 has an inner length that is not its own",
    ),
    "binary without length": (field(0x05, binary(2, b"abc")), "its binary subtype 2"),
    "pattern": (field(0x0B, b"a\xff\0i\0"), "pattern is not valid UTF-8 at byte 1 of the pattern"),
    "options": (field(0x0B, b"a\0\xff\0"), "options is not valid UTF-8 at byte 0 of the options"),
    "empty key": (field(0x02, string(b"\xff"), b""), 'the field "" exactly'),
    "key of control characters": (field(0x02, string(b"\xff"), b"\n"), r"the field \\n exactly"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_exact_is_refused_with_path_and_reason(raw: bytes, message: str) -> None:
    for write in (to_extended_json, to_readable_json):
        with pytest.raises(NotRepresentableError, match=message):
            write(raw)


def test_a_refused_value_on_its_own_has_no_path() -> None:
    with pytest.raises(NotRepresentableError, match="cannot hold the value exactly: it is not"):
        readable(0x02, string(b"\xff"))


def test_damage_is_told_before_what_cannot_be_exact() -> None:
    damaged = document(b"\x02s\0" + string(b"\xff"), b"\x99d\0")
    with pytest.raises(InvalidBSONError, match="unknown type 0x99"):
        to_extended_json(damaged)


@pytest.mark.parametrize("name", VALUES)
def test_values_of_another_length_are_damage(name: str) -> None:
    kind, raw, _, _ = VALUES[name]
    with pytest.raises(InvalidBSONError):
        readable(kind, raw + b"\0")
    for cut in range(len(raw)):
        with pytest.raises(InvalidBSONError):
            readable(kind, raw[:cut])
        with pytest.raises(InvalidBSONError):
            to_extended_json(field(kind, raw[:cut]))
        with pytest.raises(InvalidBSONError):
            to_extended_json(document(b"\x04a\0" + field(kind, raw[:cut], b"0")))


def test_an_unknown_type_is_damage() -> None:
    with pytest.raises(InvalidBSONError, match="unknown type 0x14"):
        readable(0x14, b"")


def nested(levels: int) -> bytes:
    whole = document()
    for _ in range(levels - 1):
        whole = document(b"\x030\0" + whole)
    return whole


def test_depth_is_bounded_both_ways() -> None:
    text = to_extended_json(nested(256))
    assert from_extended_json(text) == nested(256)
    with pytest.raises(InvalidBSONError, match="more than 256 levels"):
        to_extended_json(nested(257))
    for opening, closing in (('{"a":', "}"), ("[", "]"), ('{"a":{"$code":"","$scope":', "}}")):
        for levels in (257, 100_000):
            deep = '{"a":' + opening * levels + "{}" + closing * levels + "}"
            with pytest.raises(InvalidExtendedJSONError, match="more than 256 levels"):
                from_extended_json(deep)


UUID = binary(4, bytes(range(16)))
REFERENCE = document(b"\x02$ref\0" + string("c"), b"\x10$id\0" + int32(1))
RELAXED = {
    '{"k":1}': field(0x10, int32(1)),
    ' \n{ "k" : -2147483648 } \t\r\n': field(0x10, int32(-(2**31))),
    '{"k":2147483648}': field(0x12, int64(2**31)),
    '{"k":-9223372036854775808}': field(0x12, int64(FIRST)),
    '{"k":1.0}': field(0x01, double(1)),
    '{"k":1e3}': field(0x01, double(1000)),
    '{"k":-0.0}': field(0x01, double(-0.0)),
    '{"k":{"$numberDouble":"1"}}': field(0x01, double(1)),
    '{"k":{"$numberDouble":"1E+3"}}': field(0x01, double(1000)),
    '{"k":{"$numberInt":"-07"}}': field(0x10, int32(-7)),
    '{"k":{"$numberDecimal":"+inf"}}': field(0x13, Decimal128("Infinity").bid),
    '{"k":{"$oid":"5F0000000000000000000ABC"}}': field(0x07, ID),
    '{"k":{"$date":"1970-01-01T01:00:00.5+01:00"}}': field(0x09, int64(500)),
    '{"k":{"$date":"0001-01-01T00:00:00+23:59"}}': field(0x09, int64(-62135683140000)),
    '{"k":{"$uuid":"00010203-0405-0607-0809-0A0b0c0d0e0f"}}': field(0x05, UUID),
    '{"k":{"$binary":{"subType":"2","base64":"YQ=="}}}': field(0x05, binary(2, int32(1) + b"a")),
    '{"k":{"$regularExpression":{"options":"i","pattern":"a"}}}': field(0x0B, b"a\0i\0"),
    '{"k":{"$scope":{},"$code":"f"}}': field(0x0F, code_with_scope("f", document())),
    '{"k":{"$timestamp":{"i":1,"t":4294967295}}}': field(0x11, struct.pack("<II", 1, 2**32 - 1)),
    '{"k":"\\u00e9\\ud83d\\ude00"}': field(0x02, string("é😀")),
    '{"k":{"$ref":"c","$id":1}}': field(0x03, REFERENCE),
}


@pytest.mark.parametrize(("text", "raw"), RELAXED.items(), ids=RELAXED.keys())
def test_relaxed_text_is_read(text: str, raw: bytes) -> None:
    assert from_extended_json(text) == raw
    assert from_extended_json(text.encode()) == raw


MALFORMED = {
    "": "this is not JSON: Expecting value",
    "{": "this is not JSON",
    "[]": "the outermost value must be a document, not",
    "1": "the outermost value must be a document",
    '{"$oid":"5f0000000000000000000abc"}': "the outermost value must be a document",
    "{} {}": "there is more than one document",
    '{"a":NaN}': "NaN is no JSON",
    '{"a":-Infinity}': "-Infinity is no JSON",
    '{"a":1e999}': "the number 1e999 does not fit into a double",
    '{"a":9223372036854775808}': "the integer 9223372036854775808 does not fit into 64 bits",
    '{"a":' + "9" * 5000 + "}": "does not fit into 64 bits",
    '{"a\\u0000":1}': "holds a NUL",
    '{"a":"\\ud800"}': "this is not UTF-8",
    '{"\\ud800":1}': "this is not UTF-8",
    '{"a":"\n"}': "this is not JSON",
    '{"$numberInt":"1","a":1}': "the key \\$numberInt belongs to a type wrapper",
    '{"a":1,"$oid":"5f0000000000000000000abc"}': "the key \\$oid belongs to a type wrapper",
    '{"$scope":{}}': "the key \\$scope belongs to a type wrapper",
    '{"$code":"a","$code":"b"}': '"\\$scope": {a document}}, found an object of .\\$code.$',
    '{"$code":"a","$scope":1}': 'expected {"\\$code": "a string"',
    '{"$code":1}': 'expected {"\\$code"',
    '{"$symbol":null}': 'expected {"\\$symbol"',
    '{"$oid":"5f"}': "24 hexadecimal digits.*found '5f'",
    '{"$oid":"5f000000000000000000 abc"}': "24 hexadecimal digits",
    '{"$oid":"5f000000000000000000 ab "}': "24 hexadecimal digits",
    '{"$oid":"zz0000000000000000000abc"}': "24 hexadecimal digits",
    '{"$oid":1}': "24 hexadecimal digits.*found another kind of value",
    '{"$numberInt":"2147483648"}': "an integer of 32 bits",
    '{"$numberInt":"1_0"}': "an integer of 32 bits",
    '{"$numberInt":" 1"}': "an integer of 32 bits",
    '{"$numberInt":"\\u0661"}': "an integer of 32 bits",
    '{"$numberInt":1}': "an integer of 32 bits",
    '{"$numberInt":true}': "an integer of 32 bits",
    '{"$numberLong":"9223372036854775808"}': "an integer of 64 bits",
    '{"$numberLong":"1.0"}': "an integer of 64 bits",
    '{"$numberLong":false}': "an integer of 64 bits",
    '{"$numberDouble":"1e999"}': "a number, NaN, Infinity or -Infinity",
    '{"$numberDouble":"nan"}': "a number, NaN, Infinity or -Infinity",
    '{"$numberDouble":1.5}': "a number, NaN, Infinity or -Infinity",
    '{"$numberDecimal":"1_0"}': "a number of at most 34 digits",
    '{"$numberDecimal":"12345678901234567890123456789012345"}': "at most 34 digits",
    '{"$numberDecimal":"sNaN"}': "at most 34 digits",
    '{"$numberDecimal":"1E9999"}': "at most 34 digits",
    '{"$numberDecimal":1}': "at most 34 digits",
    '{"$binary":{"base64":"YQ","subType":"00"}}': 'expected {"\\$binary"',
    '{"$binary":{"base64":"YR==","subType":"00"}}': 'expected {"\\$binary"',
    '{"$binary":{"base64":"Y Q==","subType":"00"}}': 'expected {"\\$binary"',
    '{"$binary":{"base64":"é","subType":"00"}}': 'expected {"\\$binary"',
    '{"$binary":{"base64":"","subType":"100"}}': 'expected {"\\$binary"',
    '{"$binary":{"base64":"","subType":0}}': 'expected {"\\$binary"',
    '{"$binary":{"base64":""}}': 'expected {"\\$binary".*found an object of .base64.$',
    '{"$binary":{"base64":"","base64":"","subType":"00"}}': 'expected {"\\$binary"',
    '{"$binary":"","$type":"00"}': "the key \\$binary belongs to a type wrapper",
    '{"$binary":""}': 'expected {"\\$binary"',
    '{"$uuid":"000102030405060708090a0b0c0d0e0f"}': "8-4-4-4-12 hexadecimal digits",
    '{"$uuid":1}': "8-4-4-4-12 hexadecimal digits",
    '{"$timestamp":{"t":-1,"i":1}}': 'expected {"\\$timestamp"',
    '{"$timestamp":{"t":4294967296,"i":1}}': 'expected {"\\$timestamp"',
    '{"$timestamp":{"t":1.0,"i":1}}': 'expected {"\\$timestamp"',
    '{"$timestamp":{"t":1}}': 'expected {"\\$timestamp"',
    '{"$timestamp":5}': 'expected {"\\$timestamp"',
    '{"$regularExpression":{"pattern":"a\\u0000","options":""}}': "both without NUL",
    '{"$regularExpression":{"pattern":"a"}}': 'expected {"\\$regularExpression"',
    '{"$regularExpression":"a"}': 'expected {"\\$regularExpression"',
    '{"$dbPointer":{"$ref":"a","$id":"b"}}': 'expected {"\\$dbPointer"',
    '{"$dbPointer":{"$ref":1,"$id":{"$oid":"5f0000000000000000000abc"}}}': 'expected {"\\$dbPo',
    '{"$date":1704164645678}': 'expected {"\\$date"',
    '{"$date":5}': 'expected {"\\$date"',
    '{"$date":"2024-02-30T00:00:00Z"}': 'expected {"\\$date"',
    '{"$date":"2024-01-01T24:00:00Z"}': 'expected {"\\$date"',
    '{"$date":"2024-01-01T00:00:00"}': 'expected {"\\$date"',
    '{"$date":"2024-01-01T00:00:00.1234Z"}': 'expected {"\\$date"',
    '{"$date":"2024-01-01"}': 'expected {"\\$date"',
    '{"$date":{"$numberInt":"5"}}': 'expected {"\\$date"',
    '{"$minKey":2}': 'expected {"\\$minKey": 1}',
    '{"$maxKey":true}': 'expected {"\\$maxKey": 1}',
    '{"$undefined":1}': 'expected {"\\$undefined": true}',
    '{"$undefined":false}': 'expected {"\\$undefined": true}',
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.items(), ids=lambda text: text[:40])
def test_malformed_text_is_told_with_what_was_expected(text: str, message: str) -> None:
    inside = text.startswith('{"$') and "outermost" not in message
    with pytest.raises(InvalidExtendedJSONError, match=message) as error:
        from_extended_json(f'{{"k":{text}}}' if inside else text)
    assert "\n" not in str(error.value)


def test_bytes_that_are_not_utf8_are_told() -> None:
    with pytest.raises(InvalidExtendedJSONError, match="this is not UTF-8"):
        from_extended_json(b'{"a":"\xff"}')


def test_a_document_is_one_line_for_every_tool() -> None:
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000)]))
    text = to_extended_json(field(0x02, string(everything), "é\u2028\x85\n".encode()))
    assert len(text.splitlines()) == 1
    assert from_extended_json(text)[4:5] == b"\x02"


def test_more_keys_than_are_remembered_are_no_matter() -> None:
    keys = [b"key%d" % number for number in range(10_000)] + [b"x" * 1000]
    whole = document(*(b"\x0a" + key + b"\0" for key in keys))
    assert from_extended_json(to_extended_json(whole)) == whole


def test_long_arrays_have_their_keys() -> None:
    whole = field(0x04, document(*(b"\x0a%d\0" % index for index in range(3000))))
    assert from_extended_json(to_extended_json(whole)) == whole
