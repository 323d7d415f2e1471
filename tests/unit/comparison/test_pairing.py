from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import bson
import pytest

from mongoshot.comparison.pairing import pair_documents
from mongoshot.errors import InvalidBSONError
from mongoshot.snapshot.elements import framed
from mongoshot.snapshot.model import join_documents

Pairs = list[tuple[Any, Any]]


def pairs(left: list[Any], right: list[Any]) -> Pairs:
    """Pair documents given as their ids, or as wholes; each side in one chunk."""
    sides = [b"".join(bson.encode(as_document(each)) for each in side) for side in (left, right)]
    found = pair_documents([sides[0]], [sides[1]])
    return [tuple(d if d is None else short(bson.decode(d)) for d in pair) for pair in found]  # type: ignore[misc]


def as_document(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {"_id": given}


def short(document: dict[str, Any]) -> Any:
    return document["_id"] if list(document) == ["_id"] else document


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([], [], []),
        ([1, 2], [1, 2], []),
        ([1, 2], [1, 2, 3], [(None, 3)]),
        ([1, 2, 3], [1, 2], [(3, None)]),
        ([1, 2, 3], [0, 1, 2, 3], [(None, 0)]),
        ([0, 1, 2, 3], [1, 2, 3], [(0, None)]),
        ([1, 2, 3, 4], [1, 9, 3, 4], [(2, None), (None, 9)]),
        ([4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8], [(None, 1), (None, 2), (None, 3)]),
        ([1, 2, 3, 4], [4, 3, 2, 1], []),
        ([9, 1, 2, 3], [1, 2, 3, 9], []),
        ([1, 2], [3, 4], [(1, None), (2, None), (None, 3), (None, 4)]),
    ],
)
def test_what_came_and_went_is_found(left: list[Any], right: list[Any], expected: Pairs) -> None:
    assert pairs(left, right) == expected


def test_an_update_is_one_pair_wherever_its_partner_stands() -> None:
    before, after = {"_id": 2, "x": 1}, {"_id": 2, "x": 2}
    assert pairs([1, before, 3], [1, after, 3]) == [(before, after)]
    assert pairs([before, 1, 3], [0, 1, 3, after]) == [(before, after), (None, 0)]
    assert pairs([0, 1, 3, before], [after, 1, 3]) == [(before, after), (0, None)]


def test_an_id_that_is_there_twice_is_paired_once() -> None:
    one, other, third = ({"_id": 1, "x": x} for x in range(3))
    assert pairs([one, other], [7, 8, third]) == [(one, third), (other, None), (None, 7), (None, 8)]
    assert pairs([one, other], [one, other, third]) == [(None, third)]


def numbered(numbers: Iterable[int]) -> Iterator[bytes]:
    for number in numbers:
        yield bson.encode({"_id": number, "text": "x" * 400})


def broken(number: int) -> bytes:
    """Make a document of which only the length is right: who looks into it raises an error."""
    return framed(b"\x02%d" % number)


@pytest.mark.parametrize("came", [[], [-1], [-3, -2, -1]])
@pytest.mark.parametrize("gone", [[], [1], [1, 2]])
def test_what_is_the_same_is_not_looked_into(came: list[int], gone: list[int]) -> None:
    # Where something came, as many are taken until both sides are in step again.
    kept = [*numbered(range(3, 8)), *map(broken, range(9))]
    left = b"".join([*numbered(gone), *kept, *numbered([100, 101])])
    right = b"".join([*numbered(came), *kept, *numbered([100])])
    expected = [*[(d, None) for d in numbered([*gone, 101])], *[(None, d) for d in numbered(came)]]
    assert list(pair_documents([left], [right])) == expected


@pytest.mark.parametrize("others", [1, 3, 40])
def test_one_byte_that_differs_is_found_wherever_it_stands(others: int) -> None:
    documents = list(numbered(range(others)))
    before = bson.encode({"_id": -1, "bytes": bytes(99), "more": bytes(7)})
    after = [before.replace(bytes(99), bytes(at) + b"x" + bytes(98 - at)) for at in range(99)]
    after += [before.replace(bytes(7), bytes(at) + b"x" + bytes(6 - at)) for at in range(7)]
    for place in (0, others // 2, others):
        sides = [[*documents[:place], each, *documents[place:]] for each in (before, *after)]
        for side, changed in zip(sides[1:], after, strict=True):
            found = pair_documents([b"".join(sides[0])], [b"".join(side)])
            assert list(found) == [(before, changed)]


def test_what_differs_has_to_be_whole() -> None:
    with pytest.raises(InvalidBSONError):
        list(pair_documents([broken(1)], [broken(2)]))


@pytest.mark.parametrize(
    "changed",
    [
        [-1, *range(20_000)],
        [*range(1, 20_000)],
        [*range(1, 20_000), 0],
        [19_999, *range(19_999)],
        [*range(5000), *range(15_000, 20_000)],
        [number for number in range(20_000) if number % 1000],
        [number ^ 1 for number in range(20_000)],
    ],
    ids=["came", "gone", "moved back", "moved forward", "many gone", "some gone", "swapped"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_memory_is_taken_by_what_differs(changed: list[int], turned: bool) -> None:
    sides = [range(20_000), changed]
    readings = [join_documents(numbered(side)) for side in sides[:: -1 if turned else 1]]
    found = pair_documents(*readings)
    tracemalloc.start()
    try:
        count = sum(1 for _ in found)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == len(set(sides[0]) ^ set(sides[1]))
    # The chunks of about 1 MiB are made meanwhile, and each exists as parts and as a whole.
    assert peak < (6 if count < 100 else 16) << 20


def test_large_chunks_are_not_copied() -> None:
    chunk = b"".join(numbered(range(40_000)))
    found = pair_documents([chunk], [bytes(bytearray(chunk))])
    tracemalloc.start()
    try:
        assert not list(found)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
