"""What a test sees, written as the text of an expectation, and compared with the stored one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from mongoshot.assertion.changes import ObservedChanges
from mongoshot.assertion.state import ObservedState
from mongoshot.comparison.difference import Changes
from mongoshot.comparison.expectation.contrast import find_mismatch
from mongoshot.comparison.expectation.filtering import filter_differences, find_refused, refusals
from mongoshot.comparison.expectation.mismatch import Mismatch
from mongoshot.comparison.expectation.model import Refusals, StateKind, parse_expectation
from mongoshot.comparison.expectation.renumbering import renumber
from mongoshot.comparison.expectation.report import describe, report
from mongoshot.comparison.expectation.rules import Rules
from mongoshot.comparison.expectation.writing import changes_to_text
from mongoshot.errors import ExpectationError, UsageError


@dataclass(frozen=True, slots=True)
class Asserted:
    """Hold what a test compares with `db_snapshot`, and how."""

    data: Any
    rules: Rules = field(default_factory=Rules)


class Written(str):
    """Be the text of an expectation, and know what it was compared with and how that went.

    `scenario` names what the test was staged from, `refused` what is not as rules ask, by
    collection. `mismatch` is None before a comparison, and where the stored text is no expectation:
    `fault` says why. `is_explained` tells whether pytest was given the explanation: it asks for
    none where the assertion is in a module that it does not rewrite.
    """

    __slots__ = ("__dict__",)

    scenario: str
    rules: Rules
    refused: Mapping[str, Refusals]
    state: ObservedState | None = None
    mismatch: Mismatch | None = None
    fault: str = ""
    is_explained: bool = False


def write(asserted: Asserted) -> Written:
    """Write what a test sees; raises UsageError for anything that is none of ours."""
    data, rules = asserted.data, asserted.rules
    if isinstance(data, ObservedChanges):
        data = data.read()
    if isinstance(data, Changes):
        filtered = replace(data, collections=filter_differences(data.collections, rules))
        said = changes_to_text(filtered)
        text = Written(said)
        text.refused = refusals(find_refused(data.collections, rules), said)
        text.scenario = data.scenario
    elif isinstance(data, ObservedState):
        said, refused = data.write(rules=rules)
        text = Written(said)
        text.refused, text.scenario, text.state = refused, data.scenario.label, data
    else:
        raise UsageError(
            f"db_snapshot is compared with db_changes or db_state, not with a"
            f" {type(data).__name__}; for other values use syrupy's own fixture, snapshot"
        )
    text.rules = rules
    return text


def matches(written: Written, stored: str) -> bool:
    """Tell whether what a test sees is what a stored text expects; `written` remembers why not."""
    state, written.state = written.state, None  # needed but here, and kept until the run ends
    if written == stored and not any(written.refused.values()):
        return True
    try:
        expected = parse_expectation(stored)
    except ExpectationError as error:
        written.fault = str(error)
        return False
    actual = parse_expectation(written)
    if state is not None and actual.kind != expected.kind in get_args(StateKind):
        # It has grown or shrunk past the size where the form changes.
        said, written.refused = state.write(expected.kind, written.rules)  # type: ignore[arg-type]
        actual = parse_expectation(said)
    # The same changes may be numbered otherwise: under rules, or in a file that was edited.
    actual = renumber(expected, replace(actual, refused=written.refused), written.rules)
    written.mismatch = find_mismatch(expected, actual, written.rules)
    return not written.mismatch


def explain(written: Written, *, is_stored: bool) -> Iterator[str]:
    """Say all that is not as expected, or what would be recorded where there is no expectation."""
    if not is_stored:
        yield from describe(parse_expectation(written))
    elif written.mismatch is None:
        yield written.fault
    else:
        yield from report(written.mismatch)
