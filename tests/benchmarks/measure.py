"""What a measure is, and the order in which measures take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.benchmarks.dataset import NAME
from tests.benchmarks.rows import Ratio, Row
from tests.benchmarks.samples import Samples

from mongoshot.server.connection import Client
from mongoshot.snapshot.directory import Snapshot


@dataclass(frozen=True, slots=True)
class Bench:
    """Hold what all measures of a run share: one server, and the snapshot of each size.

    `rounds` is how often what takes milliseconds is measured; `tests` how many there are in the
    suites that are run.
    """

    client: Client
    url: str
    directory: Path
    sizes: Sequence[int]
    rounds: int
    tests: int

    def snapshots_path(self, size: int) -> Path:
        """Return the directory of scenarios that has the one of `size` documents."""
        return self.directory / str(size)

    def snapshot(self, size: int) -> Snapshot:
        """Open the scenario of `size` documents."""
        return Snapshot.load(self.snapshots_path(size) / NAME)

    def some(self, most: int) -> int:
        """Return how often to measure what takes seconds: `most` times in a full run."""
        return min(most, self.rounds)


class Measure(Protocol):
    """Measure something, beside the others: a turn for each size, round after round.

    A new one is written beside the others in `measures/`, and entered in `__main__`.
    """

    @property
    def rows(self) -> Sequence[Row | Ratio]:
        """Return the rows that it adds to the table, ratios among them."""
        ...

    def turns(self, size: int) -> int:
        """Say how many turns it takes at a size; 0 where it does not take part."""
        ...

    def prepare(self, size: int, samples: Samples) -> None:
        """Do what has to be done once at a size, before the first turn of any measure."""
        ...

    def take_turn(self, size: int, samples: Samples) -> None:
        """Measure once."""
        ...


def run_measures(
    measures: Sequence[Measure],
    sizes: Sequence[int],
    samples: Samples,
    say: Callable[[str], None],
) -> None:
    """Let measures take turns, size after size and round after round, into `samples`.

    What drifts on the machine meets all of them alike. One that takes few turns has them spread
    evenly over the rounds.
    """
    for size in sizes:
        for measure in measures:
            if measure.turns(size):
                say(f"preparing {type(measure).__name__} at {size:,} documents")
                measure.prepare(size, samples)
    rounds = max((measure.turns(size) for size in sizes for measure in measures), default=0)
    for round_ in range(rounds):
        say(f"round {round_ + 1} of {rounds}")
        for size in sizes:
            for measure in measures:
                if _has_turn(measure.turns(size), round_, rounds):
                    measure.take_turn(size, samples)


def _has_turn(turns: int, round_: int, rounds: int) -> bool:
    return round_ * turns // rounds != (round_ - 1) * turns // rounds
