"""The assertions of a test that found something not as expected, as syrupy remembers them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from syrupy.assertion import SnapshotAssertion

from mongoshot.assertion.extension import ExpectationExtension
from mongoshot.assertion.written import Written, explain
from mongoshot.comparison.expectation.report import BRIEF_LINES, brief

if TYPE_CHECKING:
    from syrupy.assertion import AssertionResult


TO_RECORD = "there is no expectation yet; to record it, type: pytest --snapshot-update"
TO_UPDATE = "if this is how it should be, type: pytest --snapshot-update"


@dataclass(frozen=True)
class Unmet:
    """Hold one expectation that was not met.

    `index` tells the assertions of a test apart: "" for the first, "1", "2", …, or the name that
    one was given. `expected` is the text of `file`, None where there is none; `written` what its
    text would have to be.
    """

    file: Path
    name: str
    index: str
    expected: str | None
    written: Written

    @cached_property
    def report(self) -> list[str]:
        """Say all that is not as expected, or what would be recorded."""
        return list(explain(self.written, is_stored=self.expected is not None))

    def lines(self) -> list[str]:
        """Say the same, and what to type if this is how it should be."""
        if self.expected is None:
            return [TO_RECORD, *self.report]
        return [*self.report, *([TO_UPDATE] if self.can_be_recorded else [])]

    @property
    def can_be_recorded(self) -> bool:
        """Tell whether it would be met, or met in part, by what would be written."""
        mismatch = self.written.mismatch
        return self.expected is None or (mismatch is not None and mismatch.is_of_text)

    @property
    def proposes(self) -> bool:
        """Tell whether another text would be written than is stored."""
        return self.expected != str(self.written)

    @property
    def is_said_briefly(self) -> bool:
        """Tell whether the few lines that pytest always shows say it all."""
        if self.expected is None or self.written.mismatch is None:
            return len(self.lines()) <= BRIEF_LINES
        return brief(self.written.mismatch).complete


def unmet_expectations(snapshot: object) -> list[Unmet]:
    """Return what the test that was given `snapshot` did not meet: of each file, the last time."""
    found: dict[str, Unmet] = {}
    for result in results_of_test(snapshot):
        found.pop(result.snapshot_location, None)
        if (unmet := unmet_expectation(result)) is not None:
            found[result.snapshot_location] = unmet
    return list(found.values())


def results_of_test(snapshot: object) -> Iterator[AssertionResult]:
    """Find the results, also of what `with_defaults` made of the fixture: its place is the same."""
    if not isinstance(snapshot, SnapshotAssertion):  # none, or a fixture of the user's own
        return
    # No public way leads to these. They stand last: the test has only just run.
    assertions = snapshot.session._assertions  # noqa: SLF001
    at = len(assertions)
    while at and assertions[at - 1].test_location is snapshot.test_location:
        at -= 1
    for assertion in assertions[at:]:
        if assertion.extension_class is ExpectationExtension:
            yield from assertion.executions.values()


def unmet_expectation(result: AssertionResult) -> Unmet | None:
    """Return the expectation that an assertion did not meet; None where it did, or is in error."""
    if result.success or result.exception or not isinstance(result.asserted_data, Written):
        return None
    first = ExpectationExtension.get_snapshot_name(test_location=result.test_location)
    index = result.snapshot_name[len(first) :]  # "", ".1" or "[a name]"
    return Unmet(
        file=Path(result.snapshot_location),
        name=result.snapshot_name,
        index=index[1:-1] if index.startswith("[") else index[1:],
        expected=None if result.recalled_data is None else str(result.recalled_data),
        written=result.asserted_data,
    )
