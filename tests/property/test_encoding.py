"""The laws of the encoding: what is written reads back as the identical bytes."""

from __future__ import annotations

import contextlib
import json
import struct

import pytest
from bson.decimal128 import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.errors import InvalidBSONError, InvalidExtendedJSONError, NotRepresentableError
from mongoshot.snapshot.elements import (
    count_documents,
    document_id,
    iterate_elements,
    split_documents,
    validate_document,
    whole_documents,
)
from mongoshot.snapshot.encoding import (
    from_extended_json,
    readable,
    to_extended_json,
    to_readable_json,
)
from mongoshot.snapshot.encoding.style import RESERVED_KEYS

Value = tuple[int, bytes]


def _document(elements: list[tuple[bytes, Value]]) -> bytes:
    body = b"".join(bytes((kind,)) + key + b"\0" + raw for key, (kind, raw) in elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _array(values: list[Value]) -> bytes:
    return _document([(b"%d" % index, value) for index, value in enumerate(values)])


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<i", len(data) + 1) + data + b"\0"


def _binary(subtype: int, data: bytes) -> bytes:
    if subtype == 2:
        data = struct.pack("<i", len(data)) + data
    return struct.pack("<i", len(data)) + bytes((subtype,)) + data


def _code_with_scope(code: str, scope: bytes) -> bytes:
    body = _string(code) + scope
    return struct.pack("<i", len(body) + 4) + body


def _decimals() -> st.SearchStrategy[bytes]:
    numbers = st.builds(
        lambda sign, digits, exponent: Decimal128(f"{sign}{digits}E{exponent}").bid,
        st.sampled_from(["", "-"]),
        st.integers(0, 10**34 - 1),
        st.integers(-6176, 6111),
    )
    return numbers | st.sampled_from(["NaN", "Infinity", "-Infinity"]).map(
        lambda name: Decimal128(name).bid
    )


texts = st.text(max_size=12)
cstrings = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
keys = st.one_of(
    st.sampled_from(["_id", "a", "b", "0", "1", "", "a.b", "$ref", "$id", "$regex", "$options"]),
    cstrings.filter(lambda key: key not in RESERVED_KEYS),
).map(str.encode)

int64s = st.integers(-(2**63), 2**63 - 1).map(struct.Struct("<q").pack)
dates = int64s | st.integers(0, 253402300799999).map(struct.Struct("<q").pack)
doubles = st.floats(allow_nan=False).map(struct.Struct("<d").pack)

SCALARS: dict[int, st.SearchStrategy[bytes]] = {
    0x01: doubles | st.just(struct.pack("<Q", 0x7FF8000000000000)),
    0x02: texts.map(_string),
    0x05: st.builds(_binary, st.integers(0, 255), st.binary(max_size=20)),
    0x06: st.just(b""),
    0x07: st.binary(min_size=12, max_size=12),
    0x08: st.sampled_from([b"\0", b"\1"]),
    0x09: dates,
    0x0A: st.just(b""),
    0x0B: st.builds(lambda a, b: f"{a}\0{b}\0".encode(), cstrings, cstrings),
    0x0C: st.builds(lambda a, b: _string(a) + b, texts, st.binary(min_size=12, max_size=12)),
    0x0D: texts.map(_string),
    0x0E: texts.map(_string),
    0x10: st.integers(-(2**31), 2**31 - 1).map(struct.Struct("<i").pack),
    0x11: st.binary(min_size=8, max_size=8),
    0x12: int64s,
    0x13: _decimals(),
    0x7F: st.just(b""),
    0xFF: st.just(b""),
}
scalars = st.one_of([st.tuples(st.just(kind), raw) for kind, raw in SCALARS.items()])


def _nest(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    inner = st.lists(st.tuples(keys, values), max_size=4).map(_document)
    return st.one_of(
        st.tuples(st.just(0x03), inner),
        st.tuples(st.just(0x04), st.lists(values, max_size=4).map(_array)),
        st.tuples(st.just(0x0F), st.builds(_code_with_scope, texts, inner)),
    )


values = st.recursive(scalars, _nest, max_leaves=8)
documents = st.lists(st.tuples(keys, values), max_size=6).map(_document)


@given(documents)
def test_canonical_text_reads_back_as_the_identical_bytes(document: bytes) -> None:
    text = to_extended_json(document)
    assert from_extended_json(text) == document
    assert from_extended_json(text.encode()) == document
    assert len(text.splitlines()) == 1


@given(documents, st.none() | st.integers(0, 4))
def test_readable_text_reads_back_as_the_identical_bytes(
    document: bytes, indent: int | None
) -> None:
    text = to_readable_json(document, indent=indent)
    assert from_extended_json(text) == document
    if indent is None:
        assert len(text.splitlines()) == 1


@given(values, st.none() | st.integers(0, 4))
def test_a_value_alone_reads_as_it_does_in_a_document(value: Value, indent: int | None) -> None:
    kind, raw = value
    text = f'{{"k": {readable(kind, raw, indent=indent)}}}'
    assert from_extended_json(text) == _document([(b"k", value)])
    json.loads(text)


@given(documents)
def test_a_canonical_text_is_written_as_it_was_read(document: bytes) -> None:
    text = to_extended_json(document)
    assert to_extended_json(from_extended_json(text)) == text


@given(st.lists(documents, max_size=5), st.data())
def test_split_is_the_reverse_of_join(several: list[bytes], data: st.DataObject) -> None:
    buffer = b"".join(several)
    assert list(split_documents(buffer)) == several
    assert count_documents(buffer) == len(several)
    cut = data.draw(st.integers(0, len(buffer)))
    ends = [sum(map(len, several[:count])) for count in range(len(several) + 1)]
    assert whole_documents(buffer[:cut]) == max(end for end in ends if end <= cut)


@given(documents)
def test_elements_and_id_are_those_of_the_document(document: bytes) -> None:
    validate_document(document)
    elements = list(iterate_elements(document))
    again = [(key, (kind, document[start:end])) for kind, key, start, end in elements]
    assert _document(again) == document
    identities = [bytes((kind,)) + raw for key, (kind, raw) in again if key == b"_id"]
    assert document_id(document) == (identities[0] if identities else b"")


def _raises_only_what_is_documented(raw: bytes) -> None:
    """Write arbitrary bytes: exact text, or an error that agrees with the validator."""
    try:
        validate_document(raw)
    except InvalidBSONError:
        for write in (to_extended_json, to_readable_json):
            with pytest.raises(InvalidBSONError):
                write(raw)
        return
    document_id(raw)
    for write in (to_extended_json, to_readable_json):
        try:
            text = write(raw)
        except NotRepresentableError as error:
            message = str(error)
        else:
            assert from_extended_json(text) == raw
            continue
        assert len(message.splitlines()) == 1


@given(st.binary(max_size=40))
def test_arbitrary_bytes_raise_only_what_is_documented(body: bytes) -> None:
    _raises_only_what_is_documented(body)
    _raises_only_what_is_documented(struct.pack("<i", len(body) + 5) + body + b"\0")
    for walk in (split_documents, iterate_elements):
        with contextlib.suppress(InvalidBSONError):
            list(walk(body))


@given(st.sampled_from([*SCALARS, 0x03, 0x04, 0x0F]), st.binary(max_size=24))
def test_arbitrary_values_raise_only_what_is_documented(kind: int, raw: bytes) -> None:
    _raises_only_what_is_documented(_document([(b"k", (kind, raw))]))
    try:
        text = readable(kind, raw)
    except (InvalidBSONError, NotRepresentableError):
        return
    assert from_extended_json(f'{{"k": {text}}}') == _document([(b"k", (kind, raw))])


@given(st.binary(min_size=16, max_size=16))
def test_any_decimal128_is_exact_or_refused(raw: bytes) -> None:
    _raises_only_what_is_documented(_document([(b"k", (0x13, raw))]))


@given(documents, st.data())
def test_mutated_documents_raise_only_what_is_documented(
    document: bytes, data: st.DataObject
) -> None:
    mutated = bytearray(document)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(mutated) - 1))
        mutated[position] = data.draw(st.integers(0, 255))
    _raises_only_what_is_documented(bytes(mutated))
    cut = data.draw(st.integers(0, len(document) - 1))
    with pytest.raises(InvalidBSONError):
        to_extended_json(document[:cut])


def _reads_or_explains(text: str | bytes) -> None:
    try:
        document = from_extended_json(text)
    except InvalidExtendedJSONError as error:
        message = str(error)
    else:
        validate_document(document)
        assert from_extended_json(to_readable_json(document)) == document
        return
    assert len(message.splitlines()) == 1


@given(st.text() | st.binary())
def test_arbitrary_text_is_read_or_explained(text: str | bytes) -> None:
    _reads_or_explains(text)


json_keys = st.sampled_from([*sorted(RESERVED_KEYS), "base64", "subType", "t", "i", "pattern"])
json_strings = st.sampled_from(["", "1", "00", "YQ==", "2024-01-02T03:04:05Z", "0" * 24, "NaN"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | json_strings,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(json_keys | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3) | json_keys, json_values, max_size=4))
def test_arbitrary_json_is_read_or_explained(value: dict[str, object]) -> None:
    _reads_or_explains(json.dumps(value))


@given(documents, st.data())
@settings(max_examples=200)
def test_mutated_text_is_read_or_explained(document: bytes, data: st.DataObject) -> None:
    text = to_extended_json(document)
    position = data.draw(st.integers(0, len(text)))
    replacement = data.draw(st.sampled_from([*'{}[]",:$0-.e', "", "null", '"$oid"', "\\ud800"]))
    _reads_or_explains(text[:position] + replacement + text[position + 1 :])
