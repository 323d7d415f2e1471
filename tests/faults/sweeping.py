"""Going through every write point of an operation, with a fault at one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.nursery import Outcome
from tests.faults.points import Fault, Kind

#: Far more than any operation here has: a sweep that goes on past it does not end.
_MOST = 2_000


@dataclass
class Sweep:
    """Count what one operation went through, for its row of the page."""

    points: Counter[str] = field(default_factory=Counter)
    survived: int = 0

    def __str__(self) -> str:
        """Say how many points: `61 points: SIGKILL; 23 of files: ENOSPC, EIO`."""
        return ", ".join(f"{kind} at {count:,}" for kind, count in self.points.items())


def sweep(
    kind: Kind,
    prepare: Callable[[], object],
    operate: Callable[[Fault | None], Outcome],
    *,
    replies: bool = True,
) -> Iterator[Outcome]:
    """Let a fault of this kind happen at the first point, the second, …, until there is none left.

    Gives the outcome of each, for the caller to look at what is there, before `prepare` puts all
    back. All points are gone through because the last run is one that no fault met.
    """
    for at in range(1, _MOST):
        prepare()
        outcome = operate(Fault(at, kind, replies))
        assert not outcome.escaped, f"not counted: {outcome.escaped}"
        if not (outcome.was_killed or outcome.fired):
            assert outcome.status == 0, outcome
            assert len(outcome.points) < at or kind != "SIGKILL"
            return
        yield outcome
    raise AssertionError("this operation does not end")


def assert_clear(outcome: Outcome) -> None:
    """Assert that a command which met a fault is done, or ended in one clear line."""
    if outcome.status == 0 or outcome.was_killed:
        return
    assert outcome.status == 2, outcome
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("mongoshot: ")]
    assert len(lines) == 1, outcome.stderr
    assert "Traceback" not in outcome.stderr, outcome
    assert "not foreseen" not in outcome.stderr, outcome
    assert any(reason in lines[0] for reason in ("No space left", "Input/output error")), outcome
    assert ";" in lines[0], f"says no way out: {lines[0]}"


def files_below(directory: Path) -> dict[str, bytes]:
    """Read all files below a directory, by their names from there."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
