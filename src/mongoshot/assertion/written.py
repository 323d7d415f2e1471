"""What a test sees, written as the text of an expectation, and compared with the stored one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mongoshot.assertion.changes import ObservedChanges
from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.difference import Changes
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.filtering import filter_changes, find_refused
from mongoshot.comparison.expectation.mismatch import Mismatch, PartMismatch
from mongoshot.comparison.expectation.model import parse_expectation
from mongoshot.comparison.expectation.renumbering import renumber
from mongoshot.comparison.expectation.report import describe, report
from mongoshot.comparison.expectation.rules import Rules
from mongoshot.comparison.expectation.writing import changes_to_text
from mongoshot.errors import ExpectationError, UsageError

TO_RECORD = "there is no expectation yet; to record it, type: pytest --snapshot-update"
TO_UPDATE = "if this is how it should be, type: pytest --snapshot-update"


@dataclass(frozen=True, slots=True)
class Asserted:
    """Hold what a test compares with `db_snapshot`, and how."""

    data: Any
    rules: Rules = field(default_factory=Rules)


class Written(str):
    """Be the text of an expectation, and know what it was compared with and how that went.

    `scenario` names what the test was staged from.

    `mismatch` is None before a comparison, and where the stored text is no expectation: `fault`
    says why.
    """

    scenario: str
    rules: Rules
    refused: Mapping[str, tuple[PartMismatch, ...]]
    mismatch: Mismatch | None = None
    fault: str = ""

    __slots__ = ("__dict__",)


def write(asserted: Asserted) -> Written:
    """Write what a test sees; raises UsageError for anything that is none of ours."""
    data, rules = asserted.data, asserted.rules
    if isinstance(data, ObservedChanges):
        data = data.read()
    if isinstance(data, Changes):
        changes, scenario = filter_changes(data, rules), data.scenario
        text = Written(changes_to_text(changes))
        text.refused = {
            name: find_refused(
                [
                    *(("updated", change.after) for change in found.updated),
                    *(("inserted", document) for document in found.inserted),
                ],
                rules.of(name),
            )
            for name, found in changes.collections.items()
        }
    elif isinstance(data, ObservedState):
        text, scenario = Written(data.to_text()), data.scenario
        text.refused = {}
    else:
        raise UsageError(
            f"db_snapshot is compared with db_changes or db_state, not with a"
            f" {type(data).__name__}; for other values use syrupy's own fixture, snapshot"
        )
    text.rules, text.scenario = rules, scenario
    return text


def matches(written: Written, stored: str) -> bool:
    """Tell whether what a test sees is what a stored text expects; `written` remembers why not."""
    if written == stored and not any(written.refused.values()):
        return True
    try:
        expected = parse_expectation(stored)
    except ExpectationError as error:
        written.fault = str(error)
        return False
    # The same changes may be numbered otherwise: under rules, or in a file that was edited.
    actual = renumber(expected, parse_expectation(written), written.rules)
    written.mismatch = find_mismatch(expected, actual, written.rules, written.refused)
    return not written.mismatch


def explain(written: Written, *, is_stored: bool) -> Iterator[str]:
    """Say all that is not as expected, or what would be recorded where there is no expectation."""
    if not is_stored:
        yield TO_RECORD
        yield from describe(parse_expectation(written))
    elif written.mismatch is None:
        yield written.fault
    else:
        yield from report(written.mismatch)
        yield TO_UPDATE
