"""Keyed hashes and keyed permutations: what makes masks deterministic, and free of collisions.

A permutation of the numbers below `size` is a Feistel network over two halves of about its square
root, and walks on where it leaves the domain (Black and Rogaway, "Ciphers with Arbitrary Finite
Domains", 2002; ten rounds below 2^64 as in NIST SP 800-38G, six from there on). Being a
permutation, it never gives two values the same result.

Small permutations are made of one single cycle, so that no value is its own mask; in large ones
that is as likely as to guess it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import isqrt

#: Bytes of a round's hash, which are eight more at least than the half that it is added to; and the
#: size from which on they are the larger number.
_HASHED, _HASHED_WIDE = 32, 64
_WIDE = 1 << 380

_TABLE = 256  # a domain up to this size is shuffled as a whole
_SMALL = 1 << 24
_LARGE = 1 << 64


class Cipher:
    """Hash and permute with one key, each purpose apart from the others."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes."""
        self._key = key
        self._hashes = lru_cache(maxsize=256)(self._new_hash)
        self._tables = lru_cache(maxsize=4096)(self._new_table)
        self._rounds = lru_cache(maxsize=64)(self._new_rounds)

    def __repr__(self) -> str:
        return "Cipher()"

    def digest(self, purpose: bytes, value: bytes, size: int = 16) -> bytes:
        """Return `size` (1 to 64) bytes that only the key tells from random ones."""
        made = self._hashes(purpose, size).copy()
        made.update(value)
        return made.digest()

    def permuted(self, purpose: bytes, value: int, size: int, tweak: bytes = b"") -> int:
        """Return the number below `size` that stands for `value`; each tweak has its own ones."""
        if size <= 1:
            return value
        if size <= _TABLE:
            return self._tables(purpose, size, tweak)[value]
        network = _Network(self._rounds(purpose, size >= _LARGE, size >= _WIDE), size, tweak)
        value = network.forward(value)
        if size >= _SMALL:
            return value
        # The permutation from 0 to 1 to 2 …, seen through the network: a single cycle as well.
        return network.backward((value + 1) % size)

    def _new_hash(self, purpose: bytes, size: int) -> hashlib.blake2b:
        made = hashlib.blake2b(key=self._key, digest_size=size)
        made.update(len(purpose).to_bytes(2, "little") + purpose)
        return made

    def _new_rounds(self, purpose: bytes, large: bool, wide: bool) -> list[hashlib.blake2b]:
        rounds = []
        hashed = _HASHED_WIDE if wide else _HASHED
        for index in range(6 if large else 10):
            made = self._hashes(b"round\0" + purpose, hashed).copy()
            made.update(bytes((index,)))
            rounds.append(made)
        return rounds

    def _new_table(self, purpose: bytes, size: int, tweak: bytes) -> list[int]:
        """Shuffle by Sattolo's algorithm, which leaves a single cycle."""
        table = list(range(size))
        label = b"table\0" + purpose + b"\0" + size.to_bytes(2, "little") + tweak
        for last in range(size - 1, 0, -1):
            drawn = int.from_bytes(self.digest(label, last.to_bytes(2, "little")), "little")
            other = drawn % last
            table[last], table[other] = table[other], table[last]
        return table


class _Network:
    """Permute the numbers below a size."""

    __slots__ = ("_bytes", "_left", "_right", "_rounds", "_size", "_tweak")

    def __init__(self, rounds: list[hashlib.blake2b], size: int, tweak: bytes) -> None:
        self._rounds = rounds
        self._size = size
        self._left = isqrt(size - 1) + 1
        self._right = -(-size // self._left)
        self._bytes = (self._left.bit_length() + 7) // 8
        # A hash of its own for each domain, also where two have the same rounds.
        self._tweak = b"%d\0%b\0" % (size, tweak)

    def forward(self, value: int) -> int:
        return self._through(value, range(len(self._rounds)), 1)

    def backward(self, value: int) -> int:
        return self._through(value, range(len(self._rounds) - 1, -1, -1), -1)

    def _through(self, value: int, order: range, sign: int) -> int:
        rounds, size, tweak = self._rounds, self._size, self._tweak
        left, right, width = self._left, self._right, self._bytes
        while True:
            a, b = divmod(value, right)
            for index in order:
                made = rounds[index].copy()
                if index & 1:
                    made.update(tweak + a.to_bytes(width, "little"))
                    b = (b + sign * int.from_bytes(made.digest(), "little")) % right
                else:
                    made.update(tweak + b.to_bytes(width, "little"))
                    a = (a + sign * int.from_bytes(made.digest(), "little")) % left
            value = a * right + b
            if value < size:
                return value
