"""The arithmetic: percentiles, medians over runs, and which run follows which. Nothing here measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

Figures = Sequence[Mapping[str, float]]
"""One run's figures after the other's."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed (nearest rank). ``ordered``: ascending, not empty."""
    if not 0 < share <= 1:
        raise ValueError("a share is above 0 and at most 1")
    if not ordered:
        raise ValueError("nothing was measured")
    rank = -(-len(ordered) * share // 1)
    return ordered[max(1, min(len(ordered), int(rank))) - 1]


def milliseconds(nanoseconds: Sequence[int]) -> dict[str, float]:
    """`p50_ms`, `p99_ms` and `max_ms`; empty where nothing was measured."""
    ordered = sorted(nanoseconds)
    if not ordered:
        return {}
    named = {"p50_ms": percentile(ordered, 0.5), "p99_ms": percentile(ordered, 0.99), "max_ms": float(ordered[-1])}
    return {name: value / 1e6 for name, value in named.items()}


def medians(runs: Figures) -> dict[str, float]:
    """The median of each figure over the runs that have it, in the order in which figures first appear."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: median(run[name] for run in runs if name in run) for name in names}


def ratio(case: Figures, base: Figures, name: str) -> float | None:
    """The median over the pairs of the case's figure through its partner's: what changed between two pairs drops out. None where
    no pair has the figure."""
    found = [mine / its for mine, its in _both(case, base, name) if its]
    return median(found) if found else None


def difference(case: Figures, base: Figures, name: str) -> float | None:
    """The same with the case's figure less its partner's."""
    found = [mine - its for mine, its in _both(case, base, name)]
    return median(found) if found else None


def _both(case: Figures, base: Figures, name: str) -> list[tuple[float, float]]:
    return [(mine[name], its[name]) for mine, its in zip(case, base, strict=True) if name in mine and name in its]


def interleaved(case: str, base: str | None, pairs: int) -> Iterator[tuple[int, str]]:
    """Number of the pair and name, in the order of running: base, case, base, case; only cases where there is no base."""
    for number in range(pairs):
        if base is not None:
            yield number, base
        yield number, case
