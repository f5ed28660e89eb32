"""Opening, closing, dropping, the clock."""

from __future__ import annotations

import asyncio

import pytest

from eventing.errors import ChannelClosed
from eventing.ports.records import EntryKey, Lane, NewEntry, NewRecord, Settlement
from eventing.testing.channels.harness import HasHarness, event, needs, take


class LifecycleTests(HasHarness):
    async def test_health_says_ready_and_how_durable(self) -> None:
        health = self.channel.health()
        assert (health.ready, health.reason) == (True, "")
        assert health.durability

    async def test_a_closed_channel_refuses_by_name(self) -> None:
        reader = await self.channel.reader("a")
        await self.channel.close()
        await self.channel.close()
        assert not self.channel.health().ready
        with pytest.raises(ChannelClosed):
            await self.channel.append("a", [NewRecord(event("1"))])
        with pytest.raises(ChannelClosed):
            await reader.read(1, 1)
        with pytest.raises(ChannelClosed):
            await self.channel.settle("a", Settlement())
        with pytest.raises(ChannelClosed):
            await self.channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 1, 1, 1.0)
        with pytest.raises(ChannelClosed):
            await self.channel.dead_letters.count("a")
        with pytest.raises(ChannelClosed):
            await self.channel.dead_letters.list("a", None, 1)
        with pytest.raises(ChannelClosed):
            await self.channel.documents.get("c", "x")
        with pytest.raises(ChannelClosed):
            await self.channel.checkpoints.load("s")
        with pytest.raises(ChannelClosed):
            await self.channel.ensure_broker("c")

    async def test_closing_ends_a_waiting_read(self) -> None:
        reader = await self.channel.reader("a")
        waiting = asyncio.create_task(reader.read(1, 1))
        await asyncio.sleep(0)
        await self.channel.close()
        with pytest.raises(ChannelClosed):
            await waiting

    @needs("durable")
    async def test_what_was_accepted_before_closing_is_stored(self) -> None:
        pending = [self.channel.append("a", [NewRecord(event(f"e{n}"))]) for n in range(50)]
        await self.channel.close()
        assert len({p for positions in await asyncio.gather(*pending) for p in positions}) == 50
        self.channel = await self.harness.open()
        assert {r.event.id for r in await self.read(50)} == {f"e{n}" for n in range(50)}

    async def test_a_cancelled_caller_does_not_undo_its_append(self) -> None:
        async def send(number: int) -> None:
            await self.channel.append("a", [NewRecord(event(f"e{number}"))])

        sending = [asyncio.create_task(send(n)) for n in range(10)]
        await asyncio.sleep(0)
        for task in sending[::2]:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await self.channel.append("a", [NewRecord(event("last"))])
        assert len({r.position for r in await self.read(11)}) == 11

    async def test_ensuring_twice_changes_nothing(self) -> None:
        await self.add(2)
        await asyncio.gather(*(self.channel.ensure_broker(uid) for uid in ("a", "new", "new")))
        assert len(await self.read(2)) == 2

    async def test_a_dropped_broker_is_gone(self) -> None:
        (position,) = await self.add(1)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", position), 0.0)]))
        reader = await self.channel.reader("a")
        await take(reader, 1)
        waiting = asyncio.create_task(reader.read(1, 1))
        await asyncio.sleep(0)
        await self.channel.drop_broker("a")
        with pytest.raises(KeyError):
            await waiting
        with pytest.raises(KeyError):
            await self.channel.append("a", [NewRecord(event("1"))])
        with pytest.raises(KeyError):
            await self.channel.drop_broker("a")
        await self.channel.append("b", [NewRecord(event("1"))])

    @needs("durable")
    async def test_a_broker_is_still_there_after_a_restart(self) -> None:
        positions = await self.add(3)
        await self.channel.drop_broker("b")
        await self.restart()
        assert [r.position for r in await self.read(3)] == positions
        with pytest.raises(KeyError):
            await self.channel.reader("b")

    async def test_the_clock_follows_forward_and_never_goes_back(self) -> None:
        before = self.channel.now()
        self.harness.clock.advance(100.0)
        ahead = self.channel.now()
        assert ahead >= before + 99.0
        self.harness.clock.advance(-5000.0)
        assert self.channel.now() >= ahead

    @needs("durable")
    async def test_a_clock_set_back_over_a_restart_holds_no_due_time(self) -> None:
        (position,) = await self.add(1)
        due = self.channel.now() + 30.0
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", position), due)]))
        before = self.channel.now()
        self.harness.clock.advance(-7200.0)
        await self.restart()
        assert self.channel.now() >= before - 1.0
        state = (await self.channel.backlog.states("a"))[0]
        assert state.next_due is not None
        assert state.next_due - self.channel.now() <= 31.0
