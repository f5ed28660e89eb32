"""Retention deletes only what nobody needs, and no position is used twice."""

from __future__ import annotations

from eventing.ports.records import EntryKey, EntryResult, NewEntry, NewRecord, Position, Settlement
from eventing.testing.channels.harness import HasHarness, event, needs, take


class RetentionTests(HasHarness):
    async def _done(self, count: int, *parked: int) -> list[Position]:
        """Events read and settled; those at these places wait in the backlog of `t`."""
        positions = await self.add(count)
        reader = await self.channel.reader("a")
        await take(reader, count)
        entries = [NewEntry(EntryKey("t", positions[at]), 0.0) for at in parked]
        await self.channel.settle("a", Settlement(done=positions, handovers=entries))
        await reader.close()
        return positions

    async def test_what_waits_in_the_backlog_is_kept(self) -> None:
        positions = await self._done(10, 2, 7)
        await self.channel.trim("a")
        entries = (await self.claim()).entries
        assert [(e.key.position, e.record.event.id) for e in entries] == [(positions[2], "e2"), (positions[7], "e7")]
        assert all(e.record.event.data == b"x" * 8 for e in entries)

    async def test_a_retry_after_the_sweep_still_has_its_event(self) -> None:
        await self._done(5, 1)
        await self.channel.trim("a")
        for attempt in range(1, 4):
            (entry,) = (await self.claim()).entries
            assert (entry.record.event.id, entry.attempts) == ("e1", attempt - 1)
            again = NewEntry(entry.key, 0.0, attempt)
            await self.channel.settle("a", Settlement(results=[EntryResult(entry.key, entry.lease.token, again)]))
            await self.channel.trim("a")

    async def test_an_event_with_several_entries_goes_with_the_last(self) -> None:
        (position,) = await self._done(1, 0)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("u", position), 0.0)]))
        await self.channel.trim("a")
        (entry,) = (await self.claim("t")).entries
        await self.channel.settle("a", Settlement(results=[EntryResult(entry.key, entry.lease.token)]))
        await self.channel.trim("a")
        (other,) = (await self.claim("u")).entries
        assert other.record.event.id == "e0"

    async def test_every_group_must_be_done(self) -> None:
        reader = await self.channel.reader("a", "slow")
        positions = await self._done(4)
        await self.channel.trim("a")
        assert [r.position for r in await take(reader, 4)] == positions
        await reader.close()

    async def test_what_is_given_out_and_not_done_is_kept(self) -> None:
        positions = await self.add(4)
        reader = await self.channel.reader("a")
        await take(reader, 4)
        await self.channel.settle("a", Settlement(done=positions[:1]))
        await self.channel.trim("a")
        await reader.close()
        assert [r.position for r in await self.read(3)] == positions[1:]

    async def test_a_new_group_starts_at_the_oldest_event_kept(self) -> None:
        await self._done(3, 1)
        await self.channel.trim("a")
        positions = await self.add(2)
        got = [r.position for r in await self.read(2, group="late")]
        assert got[-1] == positions[-1]

    async def test_positions_are_never_used_twice(self) -> None:
        seen = set(await self._done(5))
        await self.channel.trim("a")
        for _ in range(2):
            if self.channel.capabilities.durable:
                await self.restart()
            positions = await self._done(3)
            assert not seen & set(positions)
            seen |= set(positions)
            await self.channel.trim("a")

    async def test_positions_are_not_used_again_after_a_broker_was_dropped(self) -> None:
        seen = set(await self._done(3, 1))
        await self.channel.drop_broker("a")
        await self.channel.ensure_broker("a")
        assert await self.channel.backlog.states("a") == []
        (position,) = await self.channel.append("a", [NewRecord(event("new"))])
        assert position not in seen
        assert [r.event.id for r in await self.read(1)] == ["new"]

    @needs("durable")
    async def test_what_waits_is_kept_over_a_restart(self) -> None:
        positions = await self._done(6, 0, 5)
        await self.channel.trim("a")
        await self.restart()
        await self.channel.trim("a")
        assert [e.record.event.id for e in (await self.claim()).entries] == ["e0", "e5"]
        assert [e.key.position for e in (await self.claim()).entries] == []
        assert positions[0] < positions[5]
