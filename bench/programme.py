"""The whole benchmark: which case runs when, and what comes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.cases import CASES, Case
from bench.figures import interleaved
from bench.options import Options
from bench.parking import parking
from bench.site import Place, Run
from bench.slow_disk import NoShim, shim
from bench.starting import starting
from bench.through import direct, through

Tell = Callable[[str], None]
TOLD = ("rate", "delivery_rate", "p50_ms", "p99_ms", "cpu_us", "load_cpu_us", "rss_mb", "park_rate", "drain_rate")
"""Figures of a run that are told as it ends."""


@dataclass(slots=True)
class Outcome:
    """``cases``: the runs of each case in order; ``bases``: under the same name those of the case that ran in turn with it.
    ``before``: runs that only had to say how much is possible."""

    cases: dict[str, list[Run]] = field(default_factory=dict)
    bases: dict[str, list[Run]] = field(default_factory=dict)
    before: list[Run] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        return [*self.before, *(run for runs in (*self.cases.values(), *self.bases.values()) for run in runs)]

    @property
    def durability(self) -> list[str]:
        """What a 202 meant in these runs, each level once."""
        return list(dict.fromkeys(run.durability for run in self.runs if run.durability))

    @property
    def failed(self) -> bool:
        return any(run.failures for run in self.runs)

    def rates(self, name: str) -> list[float]:
        """What the runs of a case reached, wherever they were made."""
        return [run.figures["rate"] for run in self.runs if run.case == name and "rate" in run.figures and not run.failures]


class Programme:
    """``folder``: temporary, on the disk to measure. ``outcome`` holds what was measured so far, also after an interruption."""

    def __init__(self, options: Options, folder: Path, tell: Tell) -> None:
        self._options, self._tell = options, tell
        self._folder = folder
        self._place = Place(folder, options.channel, options.keep)
        self._slow_disk: Mapping[str, str] | None = None
        self._rates: dict[tuple[str, float], float] = {}
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        for name in self._options.cases:
            case = CASES[name]
            mine = self.outcome.cases.setdefault(name, [])
            its = self.outcome.bases.setdefault(name, []) if case.against is not None else []
            for pair, which in interleaved(name, case.against, 1 if case.once else self._options.pairs):
                run = await self._one(CASES[which])
                run.pair = pair
                (mine if which == name else its).append(run)
                self._say(run)
                if run.refused:
                    break
        return self.outcome

    async def _one(self, case: Case) -> Run:
        amount, place = self._options.amount, self._place
        if case.kind == "direct":
            return await direct(case, amount)
        if case.kind == "start":
            return await starting(case, place, counts=self._options.triggers)
        environment, rate = None, 0.0
        if case.share:
            rate = await self._rate(case)
            if not rate:
                return Run(case.name, failures=[f"the case {case.of} did not say how much is possible"])
        if case.kind == "parked":
            return await parking(case, place, events=self._options.parked, rate=rate, seconds=amount.duration(rate))
        if case.slow_disk:
            try:
                environment = self._slow_disk = self._slow_disk or await shim(self._folder)
            except NoShim as error:
                return Run(case.name, notes=[f"not run: {error}"], refused=True)
        return await through(case, place, amount, rate=rate, environment=environment)

    async def _rate(self, case: Case) -> float:
        """Events per second for a case at a part of what is possible; that is measured first where it isn't known yet. It is
        fixed the first time, so that a case and the one it is held against get the same."""
        key = (case.of, case.share)
        if key not in self._rates:
            if not self.outcome.rates(case.of):
                run = await self._one(CASES[case.of])
                self._say(run)
                self.outcome.before.append(run)
            found = self.outcome.rates(case.of)
            self._rates[key] = case.share * median(found) if found else 0.0
        return self._rates[key]

    def _say(self, run: Run) -> None:
        chosen = [name for name in TOLD if name in run.figures] or list(run.figures)
        figures = "  ".join(f"{name} {run.figures[name]:,.1f}" for name in chosen)
        self._tell(f"{run.case:<14} {figures}{'  REFUSED' if run.refused else ''}")
        for failure in run.failures:
            self._tell(f"{'':<14} FAILED: {failure}")
        for note in run.notes:
            self._tell(f"{'':<14} {note}")


def to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
