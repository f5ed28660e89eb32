"""The whole benchmark: which case runs when, and what comes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.cases import BASE, CASES, Case
from bench.figures import interleaved
from bench.options import Options
from bench.site import Place, Run
from bench.slow_disk import NoShim, shim
from bench.through import direct, through

Tell = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """``cases``: per case its runs in order, and those of the case that ran in turn with it."""

    cases: dict[str, list[Run]] = field(default_factory=dict)
    bases: dict[str, list[Run]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return any(run.failures for runs in (*self.cases.values(), *self.bases.values()) for run in runs)

    def rates(self, name: str) -> list[float]:
        """What the runs of a case reached, wherever they were made."""
        everywhere = [*self.cases.get(name, []), *(run for runs in self.bases.values() for run in runs if run.case == name)]
        return [run.figures["rate"] for run in everywhere if "rate" in run.figures and not run.failures]


class Programme:
    """``folder``: temporary, on the disk to measure. ``outcome`` holds what was measured so far, also after an interruption."""

    def __init__(self, options: Options, folder: Path, tell: Tell) -> None:
        self._options, self._tell = options, tell
        self._folder = folder
        self._place = Place(folder, options.channel, options.keep)
        self._slow_disk: Mapping[str, str] | None = None
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        for name in self._options.cases:
            case = CASES[name]
            mine = self.outcome.cases.setdefault(name, [])
            its = self.outcome.bases.setdefault(name, []) if case.against is not None else []
            for pair, which in interleaved(name, case.against, self._options.pairs):
                run = await self._one(CASES[which])
                run.pair = pair
                (mine if which == name else its).append(run)
                self._say(run)
                if run.refused:
                    break
        return self.outcome

    async def _one(self, case: Case) -> Run:
        amount = self._options.amount
        if case.kind == "direct":
            return await direct(case, amount)
        if case.kind == "scheduled":
            rate = await self._rate(case)
            if not rate:
                return Run(case.name, failures=[f"the case {case.of} did not say how much is possible"])
            return await through(case, self._place, amount, rate=rate)
        if case.slow_disk:
            try:
                self._slow_disk = self._slow_disk or await shim(self._folder)
            except NoShim as error:
                return Run(case.name, notes=[f"not run: {error}"], refused=True)
            return await through(case, self._place, amount, environment=self._slow_disk)
        return await through(case, self._place, amount)

    async def _rate(self, case: Case) -> float:
        """Events per second for a scheduled case; measures first what is possible where that isn't known yet."""
        if not self.outcome.rates(case.of):
            run = await self._one(CASES[case.of])
            self._say(run)
            self.outcome.bases.setdefault(case.of, []).append(run)
        found = self.outcome.rates(case.of)
        return case.share * median(found) if found else 0.0

    def _say(self, run: Run) -> None:
        shown = ("rate", "delivery_rate", "p50_ms", "p99_ms", "cpu_us", "load_cpu_us", "rss_mb")
        figures = "  ".join(f"{name} {run.figures[name]:,.1f}" for name in shown if name in run.figures)
        self._tell(f"{run.case:<14} {figures}{'  REFUSED' if run.refused else ''}")
        for failure in run.failures:
            self._tell(f"{'':<14} FAILED: {failure}")
        for note in run.notes:
            self._tell(f"{'':<14} {note}")


def to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


__all__ = ["BASE", "Outcome", "Programme", "to_stderr"]
