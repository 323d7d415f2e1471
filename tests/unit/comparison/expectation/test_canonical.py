from __future__ import annotations

import itertools
import random

import pytest

from mongoshot.comparison.expectation.canonical import canonical_order

Places = list[list[int]]


def ring(*names: int) -> Places:
    """Make things of which each has a name of its own, and refers to the next one's."""
    return [[name, names[(at + 1) % len(names)]] for at, name in enumerate(names)]


def written(colours: list[int], places: Places) -> list[tuple[int, tuple[int, ...]]]:
    """Write things in canonical order, names numbered as they come."""
    numbers: dict[int, int] = {}
    order = canonical_order(colours, places)
    return [
        (colours[at], tuple(numbers.setdefault(name, len(numbers)) for name in places[at]))
        for at in order
    ]


def mixed(colours: list[int], places: Places, chance: random.Random) -> tuple[list[int], Places]:
    things = chance.sample(range(len(places)), len(places))
    names = chance.sample(range(100), 100)
    return [colours[at] for at in things], [[names[n] for n in places[at]] for at in things]


PRISM = [(4, 5), (5, 6), (6, 4), (7, 8), (8, 9), (9, 7), (4, 7), (5, 8), (6, 9)]

ALIKE = {
    "none": [],
    "alike": [[0], [1], [2]],
    "two that refer to each other": ring(0, 1),
    "two such pairs": [*ring(0, 1), *ring(2, 3)],
    "rings of three, and one of six": [*ring(0, 1, 2), *ring(3, 4, 5), *ring(*range(6, 12))],
    "a ring that one refers into": [*ring(0, 1, 2, 3), [4, 2]],
    "each refers to itself": [[0, 0], [1, 1]],
    "a shared name in other places": [[0, 9, 8], [1, 8, 9]],
    "a chain": [[at, at + 1] for at in range(20)],
    "a tree": [[at, (at - 1) // 2] for at in range(1, 31)],
    "all refer to all": [[at, *sorted({*range(6)} - {at})] for at in range(6)],
    "friends of a prism, and of all": [
        *([20 + at, *pair] for at, pair in enumerate(itertools.permutations(range(4), 2))),
        *([50 + at, a, b] for at, (a, b) in enumerate(PRISM)),
        *([80 + at, b, a] for at, (a, b) in enumerate(PRISM)),
    ],
    # Nothing but a try tells these graphs apart: each thing holds names that three others hold.
    "a prism": [[0, 1, 2], [0, 3, 4], [1, 3, 5], [6, 7, 2], [6, 8, 4], [7, 8, 5]],
    "not a prism": [[0, 1, 2], [0, 3, 4], [1, 3, 5], [2, 4, 5]],
}


@pytest.mark.parametrize("places", ALIKE.values(), ids=ALIKE)
def test_neither_names_nor_order_decide(places: Places) -> None:
    chance = random.Random(1)
    colours = [0] * len(places)
    expected = written(colours, places)
    for _ in range(50):
        assert written(*mixed(colours, places, chance)) == expected


def test_what_nothing_but_the_way_round_tells_apart_is_told_apart() -> None:
    pairs = written([0] * 6, [*ring(0, 1, 2), *ring(3, 4, 5)])
    assert pairs != written([0] * 6, ring(*range(6)))


def test_things_stand_by_their_colours() -> None:
    assert canonical_order([2, 0, 1], [[0], [1], [2]]) == [1, 2, 0]


@pytest.mark.parametrize(
    "places",
    [
        [[name] for name in range(10_000)],
        [[name, name + 1] for name in range(10_000)],
        [[10_000, *range(10_000)], *([name, 10_000] for name in range(10_000))],
        [*([10_000 + k] for k in range(100)), *([n, 10_000 + n % 100] for n in range(10_000))],
        ring(*range(10_000)),
        [[100 + at, *pair] for at, pair in enumerate(itertools.permutations(range(12), 2))],
    ],
    ids=[
        "alike",
        "a chain",
        "an order with its lines",
        "a hundred orders",
        "a ring",
        "all friends",
    ],
)
def test_ten_thousand_are_no_trouble(places: Places) -> None:
    assert sorted(canonical_order([0] * len(places), places)) == list(range(len(places)))
