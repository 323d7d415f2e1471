"""Fixtures for masks: collections in memory, masked as a capture does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import bson
import pytest

from mongoshot.config import MaskingTable
from mongoshot.recording.masking.masker import Masker
from mongoshot.recording.masking.policy import make_policy
from mongoshot.snapshot.model import Collection

KEY = bytes(range(32))


class Captured:
    """Hold what was read of some collections through masks, and the masker."""

    def __init__(self, masker: Masker, collections: Iterable[Collection]) -> None:
        self.masker = masker
        self.raw = {c.name: list(masker.mask(c).documents()) for c in collections}

    @property
    def bytes(self) -> bytes:
        return b"".join(document for documents in self.raw.values() for document in documents)

    def __getitem__(self, name: str) -> list[dict[str, Any]]:
        return [bson.decode(document) for document in self.raw[name]]


MaskAll = Callable[..., Captured]


@pytest.fixture
def mask_all() -> MaskAll:
    """Mask collections by rules, as flags."""

    def mask(
        collections: Collection | Sequence[Collection],
        *flags: str,
        policy: str = "allow",
        table: Sequence[tuple[str, str]] = (),
        key: bytes = KEY,
    ) -> Captured:
        given = [collections] if isinstance(collections, Collection) else list(collections)
        made = make_policy(MaskingTable(policy=policy, rules=tuple(table)), flags)
        masker = Masker(made, key, {c.name: c.definition for c in given})
        return Captured(masker, given)

    return mask
