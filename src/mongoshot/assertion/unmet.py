"""The expectations that a test did not meet, as syrupy remembers them when it has failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syrupy.assertion import SnapshotAssertion

from mongoshot.assertion.extension import ExpectationExtension
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.errors import ExpectationError

if TYPE_CHECKING:
    from syrupy.assertion import AssertionResult


@dataclass(frozen=True, slots=True)
class Unmet:
    """Hold one expectation that was not met.

    `index` tells the assertions of a test apart: "" for the first, "1", "2", …, or the name that
    one was given. `expected` is the text of `file`, None where there is none; `actual` what its
    text would have to be; `report` the message of the failure, in plain lines.
    """

    file: Path
    index: str
    scenario: str
    expected: str | None
    actual: str
    report: str


def unmet_expectations(snapshot: SnapshotAssertion) -> list[Unmet]:
    """Return what the test that was given `snapshot` did not meet: of each file, the last time."""
    if not isinstance(snapshot, SnapshotAssertion):  # a fixture of the user's own by this name
        return []
    found: dict[str, Unmet] = {}
    for assertion in _assertions_of_test(snapshot):
        for result in assertion.executions.values():
            found.pop(result.snapshot_location, None)
            if (unmet := _unmet(assertion, result)) is not None:
                found[result.snapshot_location] = unmet
    return list(found.values())


def _assertions_of_test(snapshot: SnapshotAssertion) -> Iterator[SnapshotAssertion]:
    """Find also what `with_defaults` made of the fixture: it is for the very same place."""
    # No public way leads to these. They stand last: the test has only just run.
    assertions = snapshot.session._assertions  # noqa: SLF001
    at = len(assertions)
    while at and assertions[at - 1].test_location is snapshot.test_location:
        at -= 1
    return (
        assertion
        for assertion in assertions[at:]
        if assertion.extension_class is ExpectationExtension
    )


def _unmet(assertion: SnapshotAssertion, result: AssertionResult) -> Unmet | None:
    if result.success or result.exception or not isinstance(result.asserted_data, str):
        return None
    actual, expected = result.asserted_data, result.recalled_data
    try:
        scenario = parse_expectation(actual).scenario
    except ExpectationError:  # the difference that `db_snapshot(diff=…)` asks for
        return None
    extension = assertion.extension
    first = extension.get_snapshot_name(test_location=result.test_location)
    index = result.snapshot_name[len(first) :]  # "", ".1" or "[a name]"
    return Unmet(
        file=Path(result.snapshot_location),
        index=index[1:-1] if index.startswith("[") else index[1:],
        scenario=scenario,
        expected=None if expected is None else str(expected),
        actual=str(actual),
        report="\n".join(extension.diff_lines(actual, expected or "")),
    )
