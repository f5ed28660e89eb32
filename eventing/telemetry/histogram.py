"""A histogram of plain integers: one bisection and two additions for each value."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

DELIVERY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
APPEND_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Histogram:
    """Counts of values by upper bound, as Prometheus means it (a value equal to a bound falls under it). Not thread-safe."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Raises `ValueError` unless the bounds rise."""
        self.bounds = tuple(bounds)
        if not self.bounds or any(a >= b for a, b in zip(self.bounds, self.bounds[1:], strict=False)):
            raise ValueError("bounds of a histogram must rise")
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def absorb(self, other: Histogram) -> None:
        """Add another one's values. Raises `ValueError` where the bounds differ."""
        if other.bounds != self.bounds:
            raise ValueError("histograms of different bounds can't be added")
        for index, count in enumerate(other.counts):
            self.counts[index] += count
        self.total += other.total

    def cumulative(self) -> list[tuple[str, int]]:
        """Pairs of upper bound, as a label value, and the count of values up to it; the last one is `+Inf`."""
        running, result = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            result.append((bound, running))
        return result
