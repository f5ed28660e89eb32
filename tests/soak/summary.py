"""What a run did and how it ended, for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.soak.ledger import Ledger

MIB = 1024 * 1024
LONG = 300.0
"""Seconds. In less, caches that fill look like growth."""


def slope(samples: Sequence[tuple[float, int]]) -> float:
    """Bytes per hour of the line through the samples (seconds, bytes), by least squares; 0 for fewer than two."""
    if len(samples) < 2:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


def thinned(samples: Sequence[tuple[float, int]], count: int = 12) -> list[tuple[float, int]]:
    """At most so many of them, evenly, the last one included."""
    step = max(1, -(-len(samples) // count))
    return [*samples[::step], *([samples[-1]] if samples and (len(samples) - 1) % step else [])]


@dataclass(slots=True)
class Summary:
    """``memory``: seconds and bytes, of the part without restarts. ``descriptors``: idle before, the most, idle after.
    ``crashes``: repeats that each kill brought, and the bound; ``stops``: the same of each SIGTERM."""

    seed: int
    seconds: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)
    descriptors: tuple[int, int, int] = (0, 0, 0)
    crashes: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    bound: int = 0
    cpu: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    findings: list[str] = field(default_factory=list)

    def lines(self, ledger: Ledger) -> list[str]:
        ends: Counter[str] = Counter()
        for (_, how), count in ledger.ends.items():
            ends[how] += count
        statuses = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(self.statuses.items()))
        told = [
            f"seed {self.seed}, {self.seconds:.0f} s, processor of the program {self.cpu:.0f} s",
            f"sent: {ledger.accepted} events accepted, {ledger.unknown} unknown; requests by answer: {statuses}",
            f"ended: {', '.join(f'{count} {how}' for how, count in ends.most_common())}; {self.requests} requests to subscribers",
            f"repeats: {sum(ledger.repeats.values())} in all; {_each('kill -9', self.crashes)} of at most {self.bound} each; "
            f"{_each('SIGTERM', self.stops)}",
            f"memory without restarts, MiB: {' '.join(f'{size / MIB:.0f}' for _, size in thinned(self.memory))}; "
            + _growth(self.memory),
            "descriptors: {} idle, {} at most, {} at the end".format(*self.descriptors),
        ]
        told.append("nothing was found" if not self.findings else f"{len(self.findings)} findings")
        return told


def warm(samples: Sequence[tuple[float, int]]) -> Sequence[tuple[float, int]]:
    """Without the first quarter, in which caches fill."""
    return samples[len(samples) // 4 :]


def _growth(samples: Sequence[tuple[float, int]]) -> str:
    if not samples or samples[-1][0] < LONG:
        return "too short a time to tell its slope"
    return f"{slope(warm(samples)) / MIB:+.0f} MiB an hour after warm-up"


def _each(what: str, repeats: Sequence[int]) -> str:
    return f"{len(repeats)} times {what} with {' '.join(map(str, repeats)) or 'no'} repeats"
