"""Two readings of a collection → the documents that are not the same in both, in pairs.

What is the same is compared as bytes, whole buffers at a time, and never looked into; only where
the bytes differ are single documents taken, until both readings are in step again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mongoshot.snapshot.elements import document_at, document_id

#: Bytes that are compared at a time, at least, which is about a document, and at most: they are
#: copied for it.
_STEP, _LONGEST_STEP = 1 << 9, 1 << 20


class _Side:
    """Read one side, past many documents at once or one at a time; hold those without a partner."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._waiting: dict[bytes, list[bytes]] = {}
        self.buffer = b""
        self.position = 0

    def fill(self) -> bool:
        """Make sure that a document begins at the position; False at the end of the reading."""
        while self.position >= len(self.buffer):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self.buffer, self.position = chunk, 0
        return True

    def take(self) -> bytes:
        """Take the document that begins at the position."""
        start, self.position = self.position, document_at(self.buffer, self.position)
        return self.buffer[start : self.position]

    def put_aside(self, key: bytes, document: bytes) -> None:
        """Let a document wait for its partner."""
        self._waiting.setdefault(key, []).append(document)

    def claim(self, key: bytes) -> bytes | None:
        """Return the first document that waits under a key, and no longer."""
        # Several: the same `_id` can be there twice (orphans of a sharded cluster).
        waiting = self._waiting.get(key)
        if waiting is None:
            return None
        if len(waiting) == 1:
            del self._waiting[key]
        return waiting.pop(0)

    def without_partner(self) -> Iterator[bytes]:
        """Return the documents that wait."""
        for documents in self._waiting.values():
            yield from documents


def pair_documents(
    left: Iterable[bytes], right: Iterable[bytes]
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Match the documents of two readings by `_id`, whatever order each comes in.

    Takes chunks of whole, concatenated documents. Yields the pairs that differ, None for the side
    that has no such document: matched ones as they are found, the others at the end; where the
    chunks were cut makes no difference. Memory is taken by a chunk of each side and by documents
    without a partner, which are about those that differ.

    Where the bytes differ, a side takes documents until one has no partner yet, then the other one
    does. So the side that is behind, as a document came or went, catches up: those that it takes
    find their partners waiting.
    """
    first, second = own, other = _Side(left), _Side(right)
    while True:
        _skip_equal(first, second)
        if not own.fill():
            own, other = other, own
            if not own.fill():
                break
        document = own.take()
        # A document without an `_id` is its own key.
        key = document_id(document) or document
        partner = other.claim(key)
        if partner is None:
            own.put_aside(key, document)
            own, other = other, own
        elif partner != document:
            yield (document, partner) if own is first else (partner, document)
    yield from ((document, None) for document in first.without_partner())
    yield from ((None, document) for document in second.without_partner())


def _skip_equal(left: _Side, right: _Side) -> None:
    """Go past the documents that come next on both sides and are the same."""
    while left.fill() and right.fill():
        most = min(len(left.buffer) - left.position, len(right.buffer) - right.position)
        same = _compare_bytes(left, right, most)
        if same < most:
            _skip_to_difference(left, right, same)
            return
        # Where a buffer ends, so does a document, and the same one on the other side.
        left.position += most
        right.position += most


def _compare_bytes(left: _Side, right: _Side, most: int) -> int:
    """Count the next bytes that are the same: exactly where all `most` are, else to a `_STEP`."""
    a, at_a, b, at_b = left.buffer, left.position, right.buffer, right.position

    def equal(start: int, stop: int) -> bool:
        return a[at_a + start : at_a + stop] == b[at_b + start : at_b + stop]

    # Steps that grow, so that the effort depends on what is the same and not on how much there is.
    low, high, step = 0, min(_STEP, most), _STEP
    while low < most and equal(low, high):
        step = min(2 * step, _LONGEST_STEP)
        low, high = high, min(high + step, most)
    while high - low > _STEP:
        middle = (low + high) // 2
        if equal(low, middle):
            low = middle
        else:
            high = middle
    return low


def _skip_to_difference(left: _Side, right: _Side, same: int) -> None:
    """Go past documents up to the one that differs, beyond the next `same` bytes."""
    stop = left.position + same
    while True:
        start, end = left.position, document_at(left.buffer, left.position)
        if end > stop and not right.buffer.startswith(left.buffer[start:end], right.position):
            return
        left.position = end
        right.position += end - start
