"""Expectations in syrupy: what a test sees of its database, compared with a stored expectation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mongoshot.assertion.files import ExpectationFiles
from mongoshot.assertion.written import Asserted, explain, matches, write


class ExpectationExtension(ExpectationFiles):
    """Keep each expectation in a readable JSON file of its own, exact to the BSON type."""

    def serialize(self, data: Any, **_options: Any) -> str:
        """Write what a test sees as the text of an expectation."""
        return write(data if isinstance(data, Asserted) else Asserted(data))

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Compare what is expected, and not what it was recorded against."""
        return matches(serialized_data, snapshot_data)

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        """Say what differs from the expectation, or how to record it where there is none."""
        yield from explain(serialized_data, is_stored=bool(snapshot_data))
