"""The rows of the table: what a row shows of the samples, and the bar that it is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.samples import Samples

Unit = Literal["ms", "s", "MB", "times"]

#: What a second or a byte is multiplied by.
SCALES: dict[Unit, float] = {"ms": 1e3, "s": 1.0, "MB": 1e-6, "times": 1.0}


@dataclass(frozen=True, slots=True)
class Bar:
    """Say how low, or how high, the values of a row shall be: all, or the one of a size."""

    sense: Literal["at most", "at least"]
    limit: float
    size: int | None = None

    def missed_at(self, values: dict[int, float]) -> list[int] | None:
        """Name the sizes whose values miss the bar; None where it applies to none of them."""
        held = {size: v for size, v in values.items() if self.size in (None, size)}
        if not held:
            return None
        lower = self.sense == "at most"
        return [size for size, v in held.items() if (v > self.limit if lower else v < self.limit)]


@dataclass(frozen=True, slots=True)
class Row:
    """Show the medians of one key."""

    key: str
    label: str
    unit: Unit
    bar: Bar | None = None

    def values(self, samples: Samples, sizes: Sequence[int]) -> dict[int, float]:
        """Return a value for each size that has one, in the row's unit."""
        medians = {size: samples.median(self.key, size) for size in sizes}
        return {size: v * SCALES[self.unit] for size, v in medians.items() if v is not None}


@dataclass(frozen=True, slots=True)
class Ratio:
    """Show how many times one median is another: of the same size, or of the smallest."""

    key: str
    label: str
    above: str
    below: str
    bar: Bar | None = None
    to_smallest: bool = False
    unit: Unit = "times"

    def values(self, samples: Samples, sizes: Sequence[int]) -> dict[int, float]:
        """Return a value for each size that has one."""
        found = {}
        for size in sizes:
            above = samples.median(self.above, size)
            below = samples.median(self.below, min(sizes) if self.to_smallest else size)
            if above is not None and below:
                found[size] = above / below
        return found
