"""Which document of one side goes with which of the other, where no `_id` says it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TypeAlias

from mongoshot.snapshot.elements import ARRAY, DOCUMENT, SMALLEST_DOCUMENT, iterate_elements

#: How often `nearest` may look at a candidate for sharing one rare (field, value) pair: a pair of
#: more candidates than that leaves for each missing document is too common to tell anything.
_LOOKS = 200_000
_LEAST_COMMON = 16
#: Candidates whose likeness to one missing document is counted out.
_CLOSE = 8
#: Fields of all documents that `nearest` looks at, about; those of the outermost level always.
_FIELDS = 100_000

#: What a document holds: its (path, value) pairs, and the paths alone.
_Features: TypeAlias = tuple[frozenset[bytes], frozenset[bytes]]
_Unlikeness: TypeAlias = tuple[int, int]


def assign(expected: int, actual: int, compatible: Callable[[int, int], bool]) -> dict[int, int]:
    """Give as many as can be of `expected` things an actual one of their own.

    Both are numbered from 0, and `compatible(i, j)` tells whether expected i may get actual j. The
    answer is a maximum matching by number of the expected, and the same each time; where both sides
    are in the same order, each gets its own with one question. Method: greedy, then augmenting
    paths (H. W. Kuhn, "The Hungarian method for the assignment problem", 1955).
    """
    assigned, waiting = _in_order(expected, actual, compatible)
    owners = {j: i for i, j in assigned.items()}
    free = _bits(j for j in range(actual) if j not in owners)
    alive = (1 << actual) - 1

    @cache
    def edges(i: int) -> int:
        return _bits(j for j in range(actual) if compatible(i, j))

    for start in waiting:
        came_from: dict[int, int] = {}
        reached, unseen = [start], alive
        for i in reached:  # grows meanwhile
            beside = edges(i) & unseen
            if beside & free:
                end = next(_numbers(beside & free))
                came_from[end] = i
                _augment(start, end, came_from, assigned, owners)
                free &= ~(1 << end)
                break
            unseen &= ~beside
            for j in _numbers(beside):
                came_from[j] = i
                reached.append(owners[j])
        else:
            alive = unseen  # what led nowhere leads nowhere later
    return dict(sorted(assigned.items()))


def _in_order(
    expected: int, actual: int, compatible: Callable[[int, int], bool]
) -> tuple[dict[int, int], list[int]]:
    """Give each the first free one from behind the last given on; tell who has got none."""
    assigned: dict[int, int] = {}
    waiting: list[int] = []
    free = list(range(actual))
    at = 0  # in `free`, behind the last given
    for i in range(expected):
        turns = (turn % len(free) for turn in range(at, at + len(free)))
        found = next((turn for turn in turns if compatible(i, free[turn])), None)
        if found is None:
            waiting.append(i)
        else:
            assigned[i] = free.pop(found)
            at = found
    return assigned, waiting


def _augment(
    start: int,
    end: int,
    came_from: dict[int, int],
    assigned: dict[int, int],
    owners: dict[int, int],
) -> None:
    """Hand each thing on the path to the one before, so that `start` gets one, too."""
    given = end
    while True:
        i = came_from[given]
        before = assigned.get(i)
        assigned[i], owners[given] = given, i
        if i == start or before is None:
            return
        given = before


def _bits(numbers: Iterable[int]) -> int:
    found = 0
    for number in numbers:
        found |= 1 << number
    return found


def _numbers(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def nearest(missing: Sequence[bytes], candidates: Sequence[bytes]) -> list[int | None]:
    """Give each missing document the candidate that is most like it, or None.

    Both are BSON documents; the answer has, for each missing one, the index of a candidate, which
    is nearest to that one alone: the best likeness first. Likeness is the number of (field, value)
    pairs that are the same, at all depths, one at least, then of field names. What many have in
    common does not tell them apart: it is looked at where nothing else is left. Raises
    InvalidBSONError.
    """
    enough = _FIELDS // max(1, len(missing) + len(candidates))
    wanted = [_features(document, enough) for document in missing]
    offered = [_features(document, enough) for document in candidates]
    holders: dict[bytes, list[int]] = defaultdict(list)
    for c, (pairs, _) in enumerate(offered):
        for pair in pairs:
            holders[pair].append(c)
    found: list[int | None] = [None] * len(missing)
    taken: set[int] = set()
    for _, m, c in sorted(_proposals(wanted, offered, holders)):
        if found[m] is None and c not in taken:
            found[m] = c
            taken.add(c)
    _share_the_rest(found, taken, wanted, offered, holders)
    return found


def _proposals(
    wanted: Sequence[_Features], offered: Sequence[_Features], holders: dict[bytes, list[int]]
) -> Iterator[tuple[_Unlikeness, int, int]]:
    """Propose for each missing document those that share most of its rare pairs."""
    too_common = max(_LEAST_COMMON, _LOOKS // max(1, len(wanted)))
    for m, features in enumerate(wanted):
        votes: Counter[int] = Counter()
        for pair in features[0]:
            if len(held := holders.get(pair, ())) <= too_common:
                votes.update(held)
        for c in sorted(votes, key=lambda c: (-votes[c], c))[:_CLOSE]:
            yield _unlikeness(features, offered[c]), m, c


def _share_the_rest(
    found: list[int | None],
    taken: set[int],
    wanted: Sequence[_Features],
    offered: Sequence[_Features],
    holders: dict[bytes, list[int]],
) -> None:
    """Give those that have none yet the best of a few that share their rarest pair, if any."""
    left: dict[bytes, list[int]] = {}
    for m, features in enumerate(wanted):
        if found[m] is not None:
            continue
        for pair in sorted(features[0] & holders.keys(), key=lambda p: (len(holders[p]), p)):
            # From the end, so that what is taken drops off and is not looked at again.
            rest = left.setdefault(pair, holders[pair][::-1])
            while rest and rest[-1] in taken:
                rest.pop()
            few = [c for c in rest[: -_CLOSE - 1 : -1] if c not in taken]
            if few:
                best = min(few, key=lambda c: (_unlikeness(features, offered[c]), c))
                found[m] = best
                taken.add(best)
                break


def _unlikeness(one: _Features, other: _Features) -> _Unlikeness:
    return -len(one[0] & other[0]), -len(one[1] & other[1])


def _features(document: bytes, enough: int) -> _Features:
    """List what a document holds, outer fields first; a place in an array does not count."""
    pairs: set[bytes] = set()
    names: set[bytes] = set()
    pending = [(b"", document, False)]
    for path, outer, in_array in pending:  # grows meanwhile
        for kind, key, start, end in iterate_elements(outer):
            inner = path + b"\0" + (b"" if in_array else key)
            names.add(inner)
            if kind in (DOCUMENT, ARRAY) and end - start > SMALLEST_DOCUMENT:
                pending.append((inner, outer[start:end], kind == ARRAY))
            else:
                pairs.add(b"%b\0\0%c%b" % (inner, kind, outer[start:end]))
        if len(pairs) >= enough:
            break
    return frozenset(pairs), frozenset(names)
