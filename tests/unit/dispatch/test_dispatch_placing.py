"""Events that many triggers match are placed in several rounds of the event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_rig import event, rig, subscribers

from eventing.dispatch import broker
from eventing.dispatch.broker import BrokerDispatcher
from eventing.ports.records import Record


async def test_everything_else_has_its_turn_while_many_matches_are_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "PLACED_AT_ONCE", 4)
    steps: list[str] = []
    start = BrokerDispatcher._start

    def noted(self: BrokerDispatcher, record: Record, now: float) -> int:
        steps.append("place")
        asyncio.get_running_loop().call_soon(steps.append, "turn")
        return start(self, record, now)

    monkeypatch.setattr(BrokerDispatcher, "_start", noted)
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        for number in range(2):
            engine.trigger(f"t{number}", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(6)))
        await one.until(lambda: sum(one.ids().values()) == 12)
        await engine.idle()
    assert "".join(step[0] for step in steps) == "ppttppttpptt"


async def test_the_reader_is_not_past_events_that_it_has_read_and_not_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "PLACED_AT_ONCE", 1)
    placed: list[int] = []
    past: list[tuple[int, bool]] = []
    start = BrokerDispatcher._start

    def noted(self: BrokerDispatcher, record: Record, now: float) -> int:
        placed.append(record.position)  # type: ignore[arg-type]
        asyncio.get_running_loop().call_soon(lambda: past.append((len(placed), self._passed(last))))
        last = record.position
        return start(self, record, now)

    monkeypatch.setattr(BrokerDispatcher, "_start", noted)
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(4)))
        await one.got(4)
        await engine.idle()
    assert past == [(1, False), (2, False), (3, False), (4, False)]
