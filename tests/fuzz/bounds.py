"""How long a run goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.fuzz.findings import Findings


@dataclass(frozen=True, slots=True)
class Bounds:
    """``cases``, ``seconds``: whichever is up first ends a run; None: no bound. ``first``: the number of the first case."""

    cases: int | None = None
    seconds: float | None = None
    first: int = 0

    def more(self, posted: int, began: float, findings: Findings) -> bool:
        """Whether another case is due. ``posted``: those begun so far; ``began``: on the monotonic clock."""
        if findings.hopeless or (self.cases is not None and posted >= self.cases):
            return False
        return self.seconds is None or time.monotonic() - began < self.seconds
