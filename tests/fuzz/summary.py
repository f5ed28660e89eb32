"""What a run did, in one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Summary:
    """Bytes of memory: `rss`, the samples. ``findings`` is empty after a good run."""

    seed: int
    cases: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    delivered: int = 0
    rss: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int | None = None
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        rate = self.cases / max(self.seconds, 0.001)
        rss = f"{self.rss[0] >> 20}..{self.rss[-1] >> 20} MiB" if self.rss else "?"
        descriptors = f"{self.descriptors[0]}..{max(self.descriptors)}" if self.descriptors else "?"
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.seconds:.0f} s, {self.cases} cases ({rate:.0f}/s), {self.requests} requests, "
            f"{statuses}, accepted {self.accepted}, delivered {self.delivered}, memory {rss}, descriptors {descriptors}, "
            f"findings {len(self.findings)}"
        )
