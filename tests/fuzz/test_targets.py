"""Each target over what the fuzzer begins with, and over beginnings and ends of that."""

from __future__ import annotations

import random

import pytest
from tests.fuzz import files, texts
from tests.fuzz.model import Target

TARGETS = (*files.TARGETS, *texts.TARGETS)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_parser_keeps_its_laws(target: Target) -> None:
    chosen = random.Random(target.name)
    seeds = target.seeds()
    assert seeds
    for seed in seeds:
        target(seed)
        for _ in range(12):
            target(mutated(seed, chosen))


def mutated(seed: bytes, chosen: random.Random) -> bytes:
    """Do to an input what a fuzzer does first: cut it, turn a bit, put in what lengths are."""
    data = bytearray(seed)
    for _ in range(chosen.randint(1, 3)):
        at = chosen.randrange(len(data) + 1)
        match chosen.randrange(4):
            case 0:
                del data[at:]
            case 1 if at < len(data):
                data[at] ^= 1 << chosen.randrange(8)
            case 2:
                data[at : at + 4] = chosen.choice(
                    (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\0\0\0\0")
                )
            case _:
                data[at:at] = data[chosen.randrange(len(data) + 1) :][: chosen.randrange(64)]
    return bytes(data)
