"""The laws of masks: one value, one mask; no two values with the same one; nothing else changes."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.config import MaskingTable
from mongoshot.recording.masking import checks, formats
from mongoshot.recording.masking.cipher import Cipher
from mongoshot.recording.masking.masker import Masker
from mongoshot.recording.masking.masks import make_mask
from mongoshot.recording.masking.policy import make_policy
from mongoshot.recording.masking.scanning import scan
from mongoshot.snapshot.elements import iterate_elements
from mongoshot.snapshot.model import Collection, Definition

CIPHER = Cipher(bytes(range(32)))

texts = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.builds(Int64, st.integers(-(2**63), 2**63 - 1)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.builds(
        lambda digits, exponent: Decimal128(f"{digits}E{exponent}"),
        st.integers(-(10**20), 10**20),
        st.integers(-30, 10),
    ),
)
phones = st.from_regex(
    r"(\+|00)?[0-9][0-9 ()-]{4,12}[0-9]", fullmatch=True, alphabet=st.characters(codec="ascii")
)
cards = st.builds(
    lambda prefix, rest: prefix + rest + checks.luhn_digit(prefix + rest),
    st.sampled_from(["4", "51", "2221"]),
    st.text("0123456789", min_size=11, max_size=14),
)
keys = st.text(st.characters(exclude_characters="\0.$", codec="utf-8"), min_size=1, max_size=3)
values = st.recursive(
    st.one_of(texts, numbers, st.none(), st.booleans(), st.binary(max_size=9), st.builds(ObjectId)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def raw_of(value: Any) -> tuple[int, bytes]:
    document = bson.encode({"": value})
    kind, _, start, end = next(iterate_elements(document))
    return kind, document[start:end]


@pytest.mark.parametrize(
    ("mask", "originals"),
    [
        ("text", texts),
        ("email", texts),
        ("name:unique", texts),
        ("hash", st.binary(min_size=20, max_size=70).map(bytes.hex)),
        ("phone", phones | texts),
        ("card", cards | st.text("0123456789- ", min_size=14, max_size=16)),
        ("iban", texts),
        ("number", numbers),
        ("uuid", st.uuids().map(str)),
        ("objectid", st.builds(ObjectId)),
    ],
)
def test_no_two_values_have_the_same_mask(mask: str, originals: st.SearchStrategy[Any]) -> None:
    apply = make_mask(mask).bind(CIPHER)

    @settings(max_examples=40)
    @given(st.lists(originals, max_size=40))
    def check(given: list[Any]) -> None:
        raw = {raw_of(value) for value in given}
        made = {(kind, apply(kind, value, b"")) for kind, value in raw}
        assert len(made) == len(raw)
        assert made == {(kind, apply(kind, value, b"")) for kind, value in raw}

    check()


@settings(max_examples=30)
@given(st.integers(2, 3000), st.binary(max_size=3))
def test_a_permutation_is_one_and_keeps_nothing(size: int, tweak: bytes) -> None:
    made = [CIPHER.permuted(b"test", value, size, tweak) for value in range(size)]
    assert sorted(made) == list(range(size))
    assert all(value != index for index, value in enumerate(made))


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_a_text_keeps_its_shape(text: str) -> None:
    made = formats.masked_text(CIPHER, text)
    assert formats.shape_of(made) == formats.shape_of(text)
    assert len(made.encode()) == len(text.encode())
    assert len(text) == len(made)


@given(cards)
def test_a_card_stays_valid(card: str) -> None:
    made = formats.masked_card(CIPHER, card)
    assert bool(checks.card_prefix(made)) == bool(checks.card_prefix(card))
    assert len(made) == len(card)
    spaced = " ".join(card[at : at + 4] for at in range(0, len(card), 4))
    assert formats.masked_card(CIPHER, spaced).replace(" ", "") == made or not checks.card_prefix(
        card
    )


@given(numbers)
def test_a_number_keeps_type_sign_and_digits(number: Any) -> None:
    kind, raw = raw_of(number)
    document = bson.encode({"": number})
    masked = make_mask("number").bind(CIPHER)(kind, raw, b"")
    made = bson.decode(document.replace(raw, masked, 1) if raw else document)[""]
    assert type(made) is type(number)
    before, after = (
        each.to_decimal() if isinstance(each, Decimal128) else each for each in (number, made)
    )
    assert (after > 0) == (before > 0)
    assert (after < 0) == (before < 0)
    if isinstance(number, int):
        assert len(str(abs(made))) == len(str(abs(number)))


@settings(max_examples=80)
@given(st.lists(st.dictionaries(keys, values, max_size=4), max_size=4))
def test_only_what_a_rule_names_changes(documents: list[dict[str, Any]]) -> None:
    raw = [
        bson.encode({"_id": index, "m": "Ada 42", **each}) for index, each in enumerate(documents)
    ]
    collection = Collection(Definition("c"), partial(iter, [b"".join(raw)] if raw else []))

    def masked(*flags: str) -> list[bytes]:
        policy = make_policy(MaskingTable(rules=tuple((f, "redact") for f in flags)))
        masker = Masker(policy, bytes(32), {"c": collection.definition})
        return list(masker.mask(collection).documents())

    assert masked() == raw
    assert masked("d.x", "c.nothing_has_this_name") == raw
    for before, after in zip(raw, masked("c.m"), strict=True):
        decoded = bson.decode(before)
        assert list(bson.decode(after)) == list(decoded)
        if decoded["m"] == "Ada 42":
            assert after[4:] == before[4:].replace(
                b"\x02m\0\x07\0\0\0Ada 42\0", b"\x02m\0\x09\0\0\0redacted\0", 1
            )


@settings(max_examples=100)
@given(st.lists(values, max_size=5), st.integers(0, 5), st.sampled_from(["s", "k", "b"]))
def test_a_secret_is_found_among_anything(around: list[Any], place: int, where: str) -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPL2"
    hidden: dict[str, Any] = {"s": secret, "k": {secret: 1}, "b": secret.encode()}
    documents = [{"v": value} for value in around]
    documents.insert(min(place, len(documents)), {"v": [hidden[where]]})
    chunk = b"".join(bson.encode(each) for each in documents)
    found = [hit.start for hit in scan(chunk) if hit.what == "AWS access key"]
    assert found == [match.start() for match in re.finditer(secret.encode(), chunk)]
