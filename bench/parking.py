"""Many events parked for a subscriber that is dead; then it comes back, while another one is to notice nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from bench.cases import Case
from bench.engine import Engine, EngineFailed
from bench.figures import milliseconds
from bench.load import Load, LoadFailed
from bench.manifests import broker, trigger
from bench.messages import Shape
from bench.ports import HeldPort
from bench.sink import Sink
from bench.site import PATIENCE, Place, Run, audit, collector_off, loading, memory_figures

_TYPE = "com.example.parked"
_BATCH = 500
_CONNECTIONS = 8
_PROBE = 75.0
"""Seconds until the first event: the circuit breaker asks a dead subscriber once a minute at least."""
_LONGEST = 240.0
"""Seconds of draining that are watched."""
_ENTRIES = 'trigger="default/parked"'


async def parking(case: Case, place: Place, *, events: int, rate: float, seconds: float) -> Run:
    """``rate``: events per second of the healthy trigger, for so many ``seconds`` before the parking and all through the
    drain."""
    run = Run(case.name)
    held, healthy, back = HeldPort(), Sink(case.shape.size, name="healthy"), Sink(case.shape.size, name="parked")
    try:
        objects = [broker(), trigger("parked", held.number, type_=_TYPE), trigger("healthy", await healthy.start())]
        async with place.engine(objects) as engine:
            try:
                await engine.start()
                run.durability = await engine.durability()
                run.figures["rss_idle_mb"] = engine.memory()[0] / 1e6
                async with (
                    loading(Shape(case.shape.size), engine.port) as steady,
                    loading(_parked(case, events), engine.port, connections=_CONNECTIONS) as many,
                ):
                    await _steady(run, "before", steady, healthy, rate, seconds)
                    await _park(run, engine, many, events)
                    await back.start(held.listener())
                    await _drain(run, engine, steady, healthy, back, many, rate)
                    audit(run, steady, [healthy], None, faulty=True)
                    account(run, back, many, await _entries(engine))
            except (EngineFailed, LoadFailed, OSError) as error:
                run.failures.append(f"{type(error).__name__}: {error}")
                run.notes.append(f"the engine's log ends with: {engine.tail()[-1000:]}")
    finally:
        await healthy.stop()
        await back.stop()
        held.close()
    return run


def _parked(case: Case, events: int) -> Shape:
    return replace(case.shape, mode="batch", batch=min(_BATCH, events), type=_TYPE)


async def _steady(run: Run, name: str, load: Load, sink: Sink, rate: float, seconds: float) -> None:
    """The healthy trigger's rate and latency, under a name."""
    sink.restart()
    before = sink.distinct
    with collector_off():
        began = time.monotonic_ns()
        await load.scheduled(rate, seconds, patience=PATIENCE)
        await sink.until(load.number, PATIENCE)
    _steady_figures(run, name, sink, before, began)


def _steady_figures(run: Run, name: str, sink: Sink, before: int, began: int) -> None:
    run.figures[f"healthy_{name}_rate"] = (sink.distinct - before) / max(1, sink.last - began) * 1e9
    run.figures |= {f"healthy_{name}_{what}": value for what, value in milliseconds(sink.latencies).items()}


async def _park(run: Run, engine: Engine, load: Load, events: int) -> None:
    """Real events through the ingress, in batches; until each is an entry of the backlog."""
    began, cpu = time.monotonic(), engine.cpu()
    await load.closed(events=events, patience=PATIENCE)
    run.figures["park_accepted_rate"] = load.number / (time.monotonic() - began)
    before = -1
    patience = time.monotonic() + PATIENCE
    while (entries := await _entries(engine)) < load.number:
        if entries > before:
            before, patience = entries, time.monotonic() + PATIENCE
        elif time.monotonic() > patience:
            run.failures.append(f"{entries} of {load.number} events were parked, and no more within {PATIENCE:g} s")
            break
        await asyncio.sleep(0.25)
    run.figures["parked"] = entries
    run.figures["park_rate"] = entries / (time.monotonic() - began)
    run.figures["park_cpu_us"] = (engine.cpu() - cpu) / load.number * 1e6
    run.figures |= memory_figures(engine)


async def _entries(engine: Engine) -> int:
    metrics = await engine.metrics()
    return int(metrics.total("eventing_backlog_entries", _ENTRIES))


async def _drain(run: Run, engine: Engine, steady: Load, healthy: Sink, back: Sink, many: Load, rate: float) -> None:
    returned = time.monotonic_ns()
    await back.until(1, _PROBE)
    if not back.distinct:
        run.failures.append(f"nothing was delivered within {_PROBE:g} s after the subscriber came back")
        return
    run.figures["first_after_s"] = (back.first - returned) / 1e9
    # A server closes connections on which nothing comes for as long as this may have taken.
    await steady.close()
    await steady.open()
    healthy.restart()
    before, cpu = healthy.distinct, engine.cpu()
    with collector_off():
        began = time.monotonic_ns()

        def over() -> bool:
            return back.distinct >= many.number or time.monotonic_ns() - back.last > PATIENCE * 1e9

        await steady.scheduled(rate, _LONGEST, stop=over, patience=PATIENCE)
        await healthy.until(steady.number, PATIENCE)
    drained, took = back.distinct, (back.last - back.first) / 1e9
    run.figures |= {"drained": drained, "drain_s": took, "drain_rate": drained / took if took else 0.0}
    run.figures["drain_cpu_us"] = (engine.cpu() - cpu) / (drained + healthy.distinct - before) * 1e6
    _steady_figures(run, "during", healthy, before, began)
    now, most = engine.memory()
    run.figures |= {"rss_drained_mb": now / 1e6, "rss_peak_mb": most / 1e6}


def account(run: Run, back: Sink, many: Load, waiting: int) -> None:
    """Each parked event was delivered or is one of those that wait."""
    if many.refused:
        run.failures.append(f"batches to be parked were refused: {many.refused}")
    run.failures += back.faults
    if back.distinct + waiting < many.number:
        run.failures.append(f"of {many.number} parked events {back.distinct} were delivered and {waiting} wait: the rest is gone")
    elif back.distinct < many.number:
        run.notes.append(f"{many.number - back.distinct} events still waited after {_LONGEST:g} s, when the run was ended")
    run.figures["repeats"] = run.figures.get("repeats", 0) + back.repeats
