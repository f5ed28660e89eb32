"""The backlog: claims, leases, order, lanes."""

from __future__ import annotations

import asyncio

from eventing.ports.records import EntryKey, EntryResult, Failure, Lane, NewEntry, Position, Settlement
from eventing.testing.channels.harness import HasHarness, needs


class BacklogTests(HasHarness):
    async def _park(self, *dues: float, trigger: str = "t", size: int = 8) -> list[Position]:
        """One entry per due time, relative to now."""
        now = self.channel.now()
        positions = await self.add(len(dues), size=size)
        entries = [NewEntry(EntryKey(trigger, p), now + due) for p, due in zip(positions, dues, strict=True)]
        await self.channel.settle("a", Settlement(handovers=entries))
        return positions

    async def test_due_order_then_position(self) -> None:
        positions = await self._park(-1.0, -5.0, -1.0, -9.0, -5.0)
        claim = await self.claim()
        assert [e.key.position for e in claim.entries] == [positions[i] for i in (3, 1, 4, 0, 2)]
        assert claim.next_due is None

    async def test_what_is_not_due_stays_and_says_when(self) -> None:
        positions = await self._park(-1.0, 100.0, 50.0)
        claim = await self.claim()
        assert [e.key.position for e in claim.entries] == [positions[0]]
        soonest = min(s.next_due or 0 for s in await self.channel.backlog.states("a"))
        assert claim.next_due == soonest
        assert 49.0 < soonest - self.channel.now() <= 50.0
        self.harness.clock.advance(60.0)
        assert [e.key.position for e in (await self.claim()).entries] == [positions[2]]
        self.harness.clock.advance(60.0)
        assert [e.key.position for e in (await self.claim()).entries] == [positions[1]]

    async def test_an_entry_carries_its_event_and_its_past(self) -> None:
        (position,) = await self.add(1)
        failure, origin = Failure("http://sink/", 503, "busy", b"later"), Failure("http://sub/", 0, "refused")
        key = EntryKey("t", position, Lane.DEAD_LETTER)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(key, 1.5, 3, None, "order-7", failure, origin)]))
        (entry,) = (await self.claim(lane=Lane.DEAD_LETTER)).entries
        (record,) = await self.read(1)
        assert (entry.key, entry.record, entry.due, entry.attempts) == (key, record, 1.5, 3)
        assert (entry.ordering_key, entry.failure, entry.origin) == ("order-7", failure, origin)

    async def test_bytes_of_a_failing_answer_are_bounded(self) -> None:
        (position,) = await self.add(1)
        failure = Failure("http://sub/", 500, "odd \udcff text", b"x" * 1024)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", position), 0.0, failure=failure)]))
        (entry,) = (await self.claim()).entries
        assert entry.failure is not None
        assert entry.failure.body == failure.body
        assert entry.failure.reason.startswith("odd ")

    async def test_limits_of_a_claim(self) -> None:
        await self._park(*[-1.0] * 6, size=1000)
        backlog, now = self.channel.backlog, self.channel.now()
        assert len((await backlog.claim("a", "t", Lane.SUBSCRIBER, 2, 1 << 30, now + 9)).entries) == 2
        claim = await backlog.claim("a", "t", Lane.SUBSCRIBER, 10, 2900, now + 9)
        assert len(claim.entries) == 2
        assert claim.next_due is not None, "what the bound left is due"
        assert len((await backlog.claim("a", "t", Lane.SUBSCRIBER, 10, 1, now + 9)).entries) == 1

    async def test_a_leased_entry_is_given_to_one_only(self) -> None:
        positions = await self._park(*[-1.0] * 40)
        claims = await asyncio.gather(*(self.claim(limit=3) for _ in range(20)))
        given = [e.key.position for claim in claims for e in claim.entries]
        assert sorted(given) == positions
        tokens = {e.lease.token for claim in claims for e in claim.entries}
        assert len(tokens) == 40

    async def test_a_lapsed_lease_is_claimable_and_its_result_lost(self) -> None:
        (position,) = await self._park(-1.0)
        now = self.channel.now()
        (first,) = (await self.channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 9, 1 << 20, now + 30)).entries
        assert not (await self.claim()).entries
        self.harness.clock.advance(31.0)
        (second,) = (await self.claim()).entries
        assert second.key.position == position
        assert second.lease.token != first.lease.token
        settled = await self.channel.settle("a", Settlement(results=[EntryResult(first.key, first.lease.token)]))
        assert settled.lost == {first.key}
        settled = await self.channel.settle("a", Settlement(results=[EntryResult(second.key, second.lease.token)]))
        assert settled.lost == frozenset()
        assert await self.channel.backlog.states("a") == []

    async def test_an_extended_lease_holds_longer(self) -> None:
        await self._park(-1.0, -1.0)
        now = self.channel.now()
        first, second = (await self.channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 9, 1 << 20, now + 30)).entries
        keys = [(first.key, first.lease.token), (second.key, "not this one")]
        assert await self.channel.backlog.extend("a", keys, now + 90) == {second.key}
        self.harness.clock.advance(40.0)
        assert [e.key for e in (await self.claim()).entries] == [second.key]
        self.harness.clock.advance(60.0)
        assert [e.key for e in (await self.claim()).entries] == [first.key]

    async def test_a_released_entry_is_due_as_it_was(self) -> None:
        positions = await self._park(-3.0, -2.0, -1.0)
        entries = (await self.claim()).entries
        await self.channel.backlog.release("a", [(entries[1].key, entries[1].lease.token), (entries[2].key, "wrong")])
        claim = await self.claim()
        assert [(e.key.position, e.due, e.attempts) for e in claim.entries] == [(positions[1], entries[1].due, 0)]

    async def test_a_retry_waits_for_its_new_time(self) -> None:
        await self._park(-1.0)
        (entry,) = (await self.claim()).entries
        later = NewEntry(entry.key, self.channel.now() + 20, entry.attempts + 1)
        await self.channel.settle("a", Settlement(results=[EntryResult(entry.key, entry.lease.token, later)]))
        claim = await self.claim()
        assert (list(claim.entries), claim.next_due) == ([], later.due)
        self.harness.clock.advance(21.0)
        (again,) = (await self.claim()).entries
        assert again.attempts == 1

    async def test_lanes_and_triggers_are_apart(self) -> None:
        (position,) = await self.add(1)
        keys = [EntryKey("t", position), EntryKey("t", position, Lane.DEAD_LETTER), EntryKey("u", position)]
        await self.channel.settle("a", Settlement(handovers=[NewEntry(key, 0.0) for key in keys]))
        for key in keys:
            assert [e.key for e in (await self.claim(key.trigger, key.lane)).entries] == [key]
        states = await self.channel.backlog.states("a")
        assert {(s.trigger, s.lane, s.entries, s.next_due) for s in states} == {(k.trigger, k.lane, 1, None) for k in keys}
        assert all(s.bytes > 0 for s in states)

    async def test_an_entry_moves_to_the_dead_letter_lane(self) -> None:
        (position,) = await self._park(-1.0)
        (entry,) = (await self.claim()).entries
        failure = Failure("http://sub/", 400, "refused")
        onward = NewEntry(EntryKey("t", position, Lane.DEAD_LETTER), 0.0, origin=failure)
        await self.channel.settle("a", Settlement(results=[EntryResult(entry.key, entry.lease.token, onward)]))
        assert [(s.lane, s.entries) for s in await self.channel.backlog.states("a")] == [(Lane.DEAD_LETTER, 1)]
        (dead,) = (await self.claim(lane=Lane.DEAD_LETTER)).entries
        assert (dead.record, dead.origin) == (entry.record, failure)

    async def test_list_pages_by_position_with_leased_ones(self) -> None:
        positions = await self._park(9.0, -1.0, 5.0)
        await self.claim()
        views = await self.channel.backlog.list("a", "t", 2)
        assert [(v.key.position, v.leased, v.event_id, v.event_type) for v in views] == [
            (positions[0], False, "e0", "test"),
            (positions[1], True, "e1", "test"),
        ]
        rest = await self.channel.backlog.list("a", "t", 2, views[-1].key.position)
        assert [v.key.position for v in rest] == [positions[2]]

    async def test_drop_takes_a_triggers_entries_only(self) -> None:
        positions = await self._park(*[-1.0] * 5)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("u", positions[0]), 0.0)]))
        await self.claim(limit=2)
        assert await self.channel.backlog.drop("a", "t", 3) == 3
        assert await self.channel.backlog.drop("a", "t", 100) == 2
        assert await self.channel.backlog.drop("a", "t", 100) == 0
        assert [(s.trigger, s.entries) for s in await self.channel.backlog.states("a")] == [("u", 1)]

    async def test_counters_follow(self) -> None:
        await self._park(*[-1.0] * 4, size=500)
        (state,) = await self.channel.backlog.states("a")
        assert state.entries == 4
        assert state.bytes >= 2000
        entries = (await self.claim(limit=2)).entries
        await self.channel.settle("a", Settlement(results=[EntryResult(e.key, e.lease.token) for e in entries]))
        (after,) = await self.channel.backlog.states("a")
        assert (after.entries, after.bytes) == (2, state.bytes // 2)

    @needs("durable")
    async def test_entries_survive_a_restart_and_leases_do_not(self) -> None:
        positions = await self._park(-3.0, -2.0, 100.0)
        (held,) = (await self.claim(limit=1)).entries
        before = {(s.trigger, s.entries, s.bytes) for s in await self.channel.backlog.states("a")}
        await self.restart()
        assert {(s.trigger, s.entries, s.bytes) for s in await self.channel.backlog.states("a")} == before
        settled = await self.channel.settle("a", Settlement(results=[EntryResult(held.key, held.lease.token)]))
        assert settled.lost == {held.key}
        assert [e.key.position for e in (await self.claim()).entries] == positions[:2]
