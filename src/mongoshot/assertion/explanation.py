"""What a failing assertion says: in the few lines that pytest always shows, and in full."""

from __future__ import annotations

from mongoshot.assertion.stored import StoredExpectation
from mongoshot.assertion.unmet import TO_UPDATE, unmet_expectation
from mongoshot.assertion.written import Written
from mongoshot.comparison.expectation.report import BRIEF_LINES, SIGNS, brief

#: Lines that are shown of an explanation: about a screenful, and where all of it was asked for.
SCREENFUL = 60
MOST_LINES = 1000

# Blue, yellow and magenta are told apart by almost everybody; the signs say the same.
_STYLES = {"~": "\x1b[33m", "-": "\x1b[34m", "+": "\x1b[35m"}
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


def explain_comparison(left: object, right: object, *, in_full: bool) -> list[str] | None:
    """Explain a comparison with `db_snapshot` that has just failed; None for any other."""
    snapshot = next((side for side in (left, right) if isinstance(side, StoredExpectation)), None)
    if snapshot is None:
        return None
    result = snapshot.executions[snapshot.num_executions - 1]
    if isinstance(result.asserted_data, Written):
        result.asserted_data.is_explained = True
    if snapshot.problem:
        return [snapshot.problem]
    if result.success:
        return [f"all is as expected by {result.snapshot_name}"]
    unmet = unmet_expectation(result)
    if unmet is None:
        return None
    ambiguous = [snapshot.ambiguity] if snapshot.ambiguity else []
    if in_full or unmet.expected is None or unmet.written.mismatch is None:
        return ambiguous + cap(unmet.lines(), MOST_LINES if in_full else BRIEF_LINES)
    said = brief(unmet.written.mismatch)
    lines = [*said.lines, TO_UPDATE] if said.complete and unmet.can_be_recorded else said.lines
    return [*ambiguous, *lines][:BRIEF_LINES]


def cap(lines: list[str], most: int, whole: str = "") -> list[str]:
    """Cut an explanation to `most` lines, of which the last says how many there are, and where."""
    if len(lines) <= most:
        return lines
    left = len(lines) - most + 1
    return [*lines[: most - 1], f"… and {left:,} more lines{f': {whole}' if whole else ''}"]


def colour(lines: list[str]) -> list[str]:
    """Mark an explanation for a terminal: the first line, and each part by its sign."""
    signs = SIGNS.values()
    return [
        f"{_BOLD}{line}{_RESET}"
        if at == 0
        else f"{_STYLES[line[2]]}{line}{_RESET}"
        if line[:2] == "  " and line[2:3] in signs and line[3:4] == " "
        else line
        for at, line in enumerate(lines)
    ]
