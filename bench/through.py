"""Runs through the engine: closed for throughput, scheduled for latency; and the direct one that shows the tools' own limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.cases import Case
from bench.engine import Engine, EngineFailed
from bench.figures import milliseconds
from bench.health import Health
from bench.load import Load, LoadFailed
from bench.manifests import ORDER, broker, others, trigger
from bench.sink import Sink
from bench.site import (
    PATIENCE,
    WARM,
    Clock,
    Place,
    Run,
    audit,
    collector_off,
    loading,
    memory_figures,
    metrics_of,
    subscribers,
)

_SOON = "not supported yet"


@dataclass(frozen=True, slots=True)
class Amount:
    """How much one run sends: so many events, or for so many seconds where ``events`` is None."""

    seconds: float
    events: int | None = None

    @property
    def warm(self) -> int:
        return WARM if self.events is None else min(WARM, self.events)

    def duration(self, rate: float) -> float:
        """Seconds at this rate."""
        return self.seconds if self.events is None else self.events / rate


async def direct(case: Case, amount: Amount) -> Run:
    """The load into the sink."""
    run = Run(case.name)
    async with subscribers(1, case.shape.size) as (sinks, ports), loading(case.shape, ports[0], expected=204) as load:
        try:
            await load.closed(events=amount.warm)
            await _measure(run, case, None, load, sinks, amount)
        except LoadFailed as error:
            run.failures.append(str(error))
        audit(run, load, sinks, None, faulty=False)
    return run


async def through(
    case: Case, place: Place, amount: Amount, *, rate: float = 0.0, environment: Mapping[str, str] | None = None
) -> Run:
    """``rate``: events per second of a scheduled case. ``environment``: of the engine, beside this program's own."""
    run = Run(case.name)
    async with AsyncExitStack() as stack:
        sinks, ports = await stack.enter_async_context(
            subscribers(case.matching, case.shape.size, case.fault, ordered=case.ordered)
        )
        async with place.engine(_objects(case, ports), environment) as engine:
            try:
                run.figures["ready_s"] = await engine.start()
                run.durability = await engine.durability()
            except EngineFailed as error:
                run.refused = case.ordered and _SOON in str(error)
                (run.notes if run.refused else run.failures).append(str(error))
                return run
            run.figures["rss_idle_mb"] = engine.memory()[0] / 1e6
            async with loading(case.shape, engine.port, connections=case.connections) as load:
                try:
                    await load.closed(events=amount.warm, patience=PATIENCE)
                    await _arrived(sinks, load)
                    await _measure(run, case, engine, load, sinks, amount, rate)
                    engine.check()
                    run.figures |= memory_figures(engine)
                except (LoadFailed, EngineFailed, OSError) as error:
                    run.failures.append(f"{type(error).__name__}: {error}")
                audit(run, load, sinks, await metrics_of(engine), faulty=bool(case.fault))
            if run.failures:
                run.notes.append(f"the engine's log ends with: {engine.tail()[-1000:]}")
    return run


def _objects(case: Case, ports: Sequence[int]) -> list[dict[str, Any]]:
    annotations = {ORDER: "key"} if case.ordered else None
    wanted = [trigger(f"bench-{number}", port, annotations=annotations) for number, port in enumerate(ports)]
    return [broker(), *wanted, *others(case.others, ports[0])]


async def _arrived(sinks: Sequence[Sink], load: Load) -> None:
    for sink in sinks:
        await sink.until(load.number, PATIENCE)


async def _measure(
    run: Run, case: Case, engine: Engine | None, load: Load, sinks: Sequence[Sink], amount: Amount, rate: float = 0.0
) -> None:
    judged = sinks[: case.judged] if case.judged else sinks
    before = sum(sink.distinct for sink in judged)
    for sink in sinks:
        sink.restart()
    health = Health(engine) if case.slow_disk and engine is not None else None
    with collector_off():
        clock = Clock(engine)
        polling = asyncio.create_task(health.poll()) if health is not None else None
        try:
            if case.kind == "scheduled":
                sent = await load.scheduled(rate, amount.duration(rate), patience=PATIENCE)
            else:
                sent = await load.closed(events=amount.events, seconds=amount.seconds, patience=PATIENCE)
            accepted = time.monotonic_ns()
            await _arrived(judged, load)
        finally:
            if polling is not None:
                polling.cancel()
                await asyncio.wait([polling])
        last = max([sink.last for sink in judged] + [clock.began + 1])
        figures = clock.figures(sent, last)
    delivered = sum(sink.distinct for sink in judged) - before
    figures["events"] = sent
    figures["rate"] = delivered / len(judged) / figures["seconds"]
    figures["accepted_rate"] = sent / ((accepted - clock.began) / 1e9)
    if len(judged) > 1:
        figures["delivery_rate"] = delivered / figures["seconds"]
        figures["cpu_us_per_delivery"] = figures.get("cpu_us", 0.0) / case.matching
    figures |= milliseconds([latency for sink in judged for latency in sink.latencies])
    if load.lateness:
        figures |= {f"late_{name}": value for name, value in milliseconds(load.lateness).items()}
    if health is not None:
        figures |= health.figures()
        run.failures += health.faults
    run.figures |= figures
