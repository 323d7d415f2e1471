"""What was measured: values by what they are of and by size, in seconds or bytes."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Samples:
    """Gather values by key and size, and what there is to say about a key."""

    values: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, size: int, value: float) -> None:
        """Add a value, in seconds or bytes."""
        self.values[key, size].append(value)

    @contextlib.contextmanager
    def timed(self, key: str, size: int) -> Iterator[None]:
        """Add the time that a block takes."""
        started = time.perf_counter()
        yield
        self.add(key, size, time.perf_counter() - started)

    def median(self, key: str, size: int) -> float | None:
        """Return the median of what was measured, or None where nothing was."""
        values = self.values.get((key, size))
        return statistics.median(values) if values else None

    def spread(self, key: str, size: int, scale: float) -> Mapping[str, float]:
        """Describe what was measured, each value multiplied by `scale`; empty without any."""
        values = sorted(value * scale for value in self.values.get((key, size), ()))
        if not values:
            return {}
        return {
            "count": len(values),
            "lowest": values[0],
            "median": statistics.median(values),
            "nine_of_ten": values[(len(values) - 1) * 9 // 10],
            "highest": values[-1],
        }
