"""Fixtures for tests of proposals: a project without pytest or a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mongoshot.review.proposal import Proposal
from mongoshot.review.store import Store

Propose = Callable[..., Proposal]

EXPECTATION = (
    '{"format_version": 1, "kind": "changes", "scenario": "shop", "digest": "sha256:00",'
    ' "collections": {"orders": {"inserted": [{"_id": %d}]}}}\n'
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give the store of a project that has one test module, test_shop.py."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "test_shop.py").touch()
    return Store(root)


@pytest.fixture
def propose(store: Store) -> Propose:
    """Leave a proposal as the only one of its test."""

    def propose(
        test: str = "test_shop.py::test_one",
        *,
        index: str = "",
        expected: str | None = None,
        actual: str = EXPECTATION % 1,
        name: str | None = None,
    ) -> Proposal:
        stem = name or test.partition("::")[2]
        path = store.root / "__expectations__" / "test_shop" / f"{stem}.json"
        proposal = store.propose(
            test, index, path, expected=expected, actual=actual, scenario="shop", report="it says"
        )
        store.replace(test, [proposal])
        return proposal

    return propose
