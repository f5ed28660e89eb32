"""Subscribers, engine and load of one run; whatever happens, they end with it."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from bench.cases import Fault
from bench.engine import Engine, Metrics
from bench.load import Load
from bench.messages import Shape
from bench.ports import HeldPort
from bench.sink import TOO_MANY, Sink

WARM = 2000
"""Events before the measured ones."""
PATIENCE = 15.0
"""Seconds without any delivery after which the missing ones are called lost."""
SLOW = 3.0


@dataclass(slots=True)
class Run:
    """One run of a case. ``figures``: by name, times in the unit that the name ends with. ``failures``: why it does not count.
    ``notes``: what else a reader has to know. ``refused``: the engine can't do this (yet). ``durability``: what a 202 meant."""

    case: str
    pair: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: bool = False
    durability: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where engines run. ``folder``: temporary, on the disk to measure; ``keep``: leave stores and logs there. ``channel``:
    as for `serve`."""

    folder: Path
    channel: str | None = None
    keep: bool = False
    _numbers: Iterator[int] = field(default_factory=count)

    @asynccontextmanager
    async def engine(
        self, objects: Sequence[Mapping[str, Any]], environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[Engine]:
        """Not started yet; gone afterwards."""
        engine = Engine(self.folder / f"run-{next(self._numbers)}", objects, channel=self.channel, environment=environment)
        try:
            yield engine
        finally:
            await engine.stop()
            if not self.keep:
                engine.remove()


@asynccontextmanager
async def loading(shape: Shape, port: int, *, connections: int = 64, expected: int = 202) -> AsyncIterator[Load]:
    """Connected."""
    load = Load(shape, port, connections=connections, expected=expected)
    try:
        await load.open()
        yield load
    finally:
        await load.close()


@asynccontextmanager
async def subscribers(
    number: int, size: int, fault: Fault = "", *, ordered: bool = False
) -> AsyncIterator[tuple[list[Sink], list[int]]]:
    """Healthy sinks, and the ports of all ``number`` subscribers: with a fault the last one is not healthy."""
    async with AsyncExitStack() as stack:
        healthy = [Sink(size, ordered=ordered, name=f"subscriber {place}") for place in range(number - bool(fault))]
        everyone = list(healthy)
        if fault == "slow":
            everyone.append(Sink(size, delay=SLOW, name="the slow subscriber"))
        elif fault == "limited":
            everyone.append(Sink(size, answer=TOO_MANY, name="the limited subscriber"))
        ports = []
        for sink in everyone:
            ports.append(await sink.start())
            stack.push_async_callback(sink.stop)
        if fault == "dead":
            held = HeldPort()
            stack.callback(held.close)
            ports.append(held.number)
        yield healthy, ports


@contextmanager
def collector_off() -> Iterator[None]:
    """No pause of the load's own while it measures; it leaves no garbage with cycles."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class Clock:
    """Time and processor time of a loaded phase, of the engine and of the load with its sinks."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._own, self._engines = time.process_time(), engine.cpu() if engine is not None else 0.0
        self._all = busy()
        self.began = time.monotonic_ns()

    def figures(self, events: int, until: int) -> dict[str, float]:
        """``until``: the end of the phase, on the monotonic clock in nanoseconds."""
        own, everyone = time.process_time() - self._own, busy() - self._all
        engine = self._engine.cpu() - self._engines if self._engine is not None else 0.0
        passed = (time.monotonic_ns() - self.began) / 1e9
        found = {"seconds": (until - self.began) / 1e9, "load_cpu_us": own / events * 1e6}
        if self._engine is not None:
            found["cpu_us"] = engine / events * 1e6
        found["others_cores"] = max(0.0, everyone - own - engine) / passed
        return found


def busy(text: str | None = None) -> float:
    """Processor seconds that all programs and the kernel have used on all cores, and those that another guest of the same host
    had. ``text``: as `/proc/stat` has it."""
    if text is None:
        text = Path("/proc/stat").read_text(encoding="utf-8")
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = (int(field) for field in text.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")


def audit(run: Run, load: Load, sinks: Sequence[Sink], metrics: Metrics | None, *, faulty: bool) -> None:
    """Everything was accepted, everything arrived, and nothing else did."""
    if load.refused:
        told = ", ".join(f"{count} with {status}" for status, count in sorted(load.refused.items()))
        run.failures.append(f"events were refused: {told}")
    for sink in sinks:
        run.failures += sink.faults
        if load.accepted == load.number and (missing := sink.missing(load.number)):
            run.failures.append(f"{sink.name}: {len(missing)} of {load.number} events never came, the first is {missing[0]}")
        if sink.distinct > load.number:
            run.failures.append(f"{sink.name}: {sink.distinct} different events came of {load.number} that were sent")
    run.figures["repeats"] = sum(sink.repeats for sink in sinks)
    if metrics is None:
        return
    if parked := metrics.total("eventing_parked_total"):
        run.figures["parked"] = parked
    if not faulty:
        failed = metrics.reasons("eventing_delivery_failures_total")
        if failed:
            run.failures.append(f"attempts failed at healthy subscribers: {failed}")


def memory_figures(engine: Engine) -> dict[str, float]:
    now, most = engine.memory()
    return {"rss_mb": now / 1e6, "rss_peak_mb": most / 1e6}


async def metrics_of(engine: Engine) -> Metrics | None:
    """None where the engine has ended, which is told elsewhere."""
    with suppress(OSError, TimeoutError, ValueError):
        return await engine.metrics()
    return None
