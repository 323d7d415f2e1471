"""Expectations in syrupy: what a test sees of its database, compared with a stored expectation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mongoshot.assertion.changes import ObservedChanges
from mongoshot.assertion.files import ExpectationFiles
from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.difference import Changes
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.expectation.renumbering import renumber
from mongoshot.comparison.expectation.report import describe, describe_mismatch
from mongoshot.comparison.expectation.writing import changes_to_text
from mongoshot.errors import MongoshotError, UsageError


class ExpectationExtension(ExpectationFiles):
    """Keep each expectation in a readable JSON file of its own, exact to the BSON type."""

    def serialize(self, data: Any, **_options: Any) -> str:
        """Write what a test sees as the text of an expectation."""
        if isinstance(data, ObservedChanges):
            data = data.read()
        if isinstance(data, Changes):
            return changes_to_text(data)
        if isinstance(data, ObservedState):
            return data.to_text()
        raise UsageError(
            f"db_snapshot is compared with db_changes or db_state, not with a"
            f" {type(data).__name__}; for other values use syrupy's own fixture, snapshot"
        )

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Compare what is expected, and not what it was recorded against."""
        actual, expected = parse_expectation(serialized_data), parse_expectation(snapshot_data)
        return expected.expects_the_same(actual)

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        """Say what differs from the expectation, or how to record it where there is none."""
        if not snapshot_data:
            yield "to record this expectation, type: pytest --snapshot-update"
            yield from describe(parse_expectation(serialized_data))
            return
        try:
            expected = parse_expectation(snapshot_data)
        except MongoshotError as error:
            yield str(error)
            return
        actual = parse_expectation(serialized_data)
        aligned = parse_expectation(renumber(snapshot_data, serialized_data))
        if expected.expects_the_same(aligned):
            yield "the placeholders are not numbered as mongoshot does; was the file edited?"
            aligned = actual
        yield from describe_mismatch(expected, aligned)
        yield "if this is how it should be, type: pytest --snapshot-update"
