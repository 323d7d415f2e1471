"""The laws of pairing two readings: exact for whatever order, ids and chunks they come in."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import bson
from bson import Int64
from hypothesis import given, settings
from hypothesis import strategies as st

from mongoshot.comparison.pairing import pair_documents
from mongoshot.snapshot.elements import document_id

Pairs: TypeAlias = list[tuple[bytes | None, bytes | None]]

many = settings(max_examples=400)

identities = st.integers(0, 9) | st.sampled_from([Int64(1), 1.0, "1", None])
#: Some without an `_id`, and of different lengths, so that bytes are rarely in step by chance.
documents = st.builds(
    lambda identity, content, number: bson.encode({**identity, "a": content, "n": number}),
    st.builds(lambda identity: {"_id": identity}, identities) | st.just({}),
    st.sampled_from(["", "x", "y" * 600]),
    st.integers(0, 1),
)
unique = st.lists(documents, max_size=12, unique_by=lambda d: document_id(d) or d)


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Draw two sides: mostly the same documents in the same order, or anything."""
    left = draw(st.lists(documents, max_size=12))
    if draw(st.booleans()):
        return left, draw(st.lists(documents, max_size=12))
    right = list(left)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(right)))
        match draw(st.sampled_from(["insert", "delete", "replace", "move"])):
            case "insert":
                right.insert(at, draw(documents))
            case "delete":
                del right[at : at + 1]
            case "replace":
                right[at : at + 1] = [draw(documents)]
            case "move" if right:
                right.insert(at, right.pop(draw(st.integers(0, len(right) - 1))))
    return left, right


@st.composite
def chunks(draw: st.DrawFn, side: list[bytes]) -> list[bytes]:
    """Cut a side between any of its documents; some chunks are empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(side)), max_size=6)))
    ends = zip([0, *cuts], [*cuts, len(side)], strict=True)
    return [b"".join(side[start:end]) for start, end in ends]


def key(document: bytes) -> bytes:
    return document_id(document) or document


def naive(left: list[bytes], right: list[bytes]) -> Pairs:
    """Pair what has unique ids."""
    before, after = ({key(d): d for d in side} for side in (left, right))
    pairs = [(before.get(each), after.get(each)) for each in {*before, *after}]
    return [pair for pair in pairs if pair[0] != pair[1]]


@given(unique, unique, st.data())
@many
def test_unique_ids_are_paired_as_a_dict_would(
    left: list[bytes], right: list[bytes], data: st.DataObject
) -> None:
    found = pair_documents(data.draw(chunks(left)), data.draw(chunks(right)))
    assert Counter(found) == Counter(naive(left, right))


def gone_and_came(pairs: Pairs) -> tuple[list[bytes], list[bytes]]:
    """Return the documents of either side that are in a pair, or without a partner."""
    return [d for d, _ in pairs if d is not None], [d for _, d in pairs if d is not None]


@given(readings())
@many
def test_the_pairs_make_the_one_side_of_the_other(
    sides: tuple[list[bytes], list[bytes]],
) -> None:
    left, right = sides
    found = list(pair_documents(left, right))
    gone, came = map(Counter, gone_and_came(found))
    assert not gone - Counter(left)
    assert Counter(left) - gone + came == Counter(right)
    for before, after in found:
        assert before != after
        assert before is None or after is None or document_id(before) == document_id(after) != b""


@given(readings())
@many
def test_nothing_is_left_without_a_partner_that_has_one(
    sides: tuple[list[bytes], list[bytes]],
) -> None:
    gone, came = gone_and_came([pair for pair in pair_documents(*sides) if None in pair])
    left, right = (Counter(map(key, side)) for side in sides)
    assert Counter(map(key, gone)) == left - right
    assert Counter(map(key, came)) == right - left


@given(readings(), st.data())
@many
def test_how_the_readings_are_cut_makes_no_difference(
    sides: tuple[list[bytes], list[bytes]], data: st.DataObject
) -> None:
    left, right = sides
    cut = pair_documents(data.draw(chunks(left)), data.draw(chunks(right)))
    assert list(cut) == list(pair_documents(left, right))
