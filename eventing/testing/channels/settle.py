"""Settling: one step, repeatable, and what it moves."""

from __future__ import annotations

import pytest

from eventing.errors import Fenced
from eventing.ports.records import DeadLetter, EntryKey, EntryLease, EntryResult, Failure, Lane, NewEntry, NewRecord, Settlement
from eventing.testing.channels.harness import FOREVER, HasHarness, event, needs, take


class SettleTests(HasHarness):
    @needs("durable")
    async def test_what_was_settled_does_not_come_again_after_a_restart(self) -> None:
        positions = await self.add(4)
        reader = await self.channel.reader("a")
        await take(reader, 4)
        await self.channel.settle("a", Settlement(done=positions[:2]))
        await self.restart()
        assert [r.position for r in await self.read(2)] == positions[2:]

    @needs("durable")
    async def test_the_cursor_never_passes_what_is_not_done(self) -> None:
        positions = await self.add(5)
        reader = await self.channel.reader("a")
        await take(reader, 5)
        await self.channel.settle("a", Settlement(done=positions[2:]))
        await self.restart()
        again = [r.position for r in await self.read(5)]
        assert again == positions, "a gap below holds the cursor; what is above may come again"

    @needs("durable")
    async def test_done_of_events_that_were_not_given_out_moves_nothing(self) -> None:
        positions = await self.add(3)
        await self.channel.settle("a", Settlement(done=positions))
        await self.restart()
        assert [r.position for r in await self.read(3)] == positions

    async def test_settling_in_any_order(self) -> None:
        positions = await self.add(6)
        reader = await self.channel.reader("a")
        await take(reader, 6)
        for at in (5, 0, 3, 2, 4, 1):
            await self.channel.settle("a", Settlement(done=[positions[at]]))
        await reader.close()
        (last,) = await self.add(1)
        assert [r.position for r in await self.read(1)] == [last]

    async def test_everything_of_a_settlement_happens(self) -> None:
        position, held = await self.add(2)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", held), due=0.0)]))
        (entry,) = (await self.claim()).entries
        failures = (Failure("http://x/", 400, "no", b"body"),)
        letter = DeadLetter("t", held, entry.record.event, "refused", failures, 1, self.channel.now())
        settled = await self.channel.settle(
            "a",
            Settlement(
                done=[position],
                handovers=[NewEntry(EntryKey("u", position), due=5.0, attempts=1)],
                replies=[NewRecord(event("direct"), 9)],
                results=[EntryResult(entry.key, entry.lease.token, replies=[NewRecord(event("waited"), 8)], dead=[letter])],
            ),
        )
        assert settled.lost == frozenset()
        states = {(s.trigger, s.lane): s.entries for s in await self.channel.backlog.states("a")}
        assert states == {("u", Lane.SUBSCRIBER): 1}
        assert [(r.event.id, r.hops) for r in (await self.read(4))[2:]] == [("direct", 9), ("waited", 8)]
        (stored,) = await self.channel.dead_letters.list("a", None, 10)
        assert stored.letter == letter

    async def test_repeating_a_settlement_is_safe(self) -> None:
        position, held = await self.add(2)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", held), due=0.0)]))
        (entry,) = (await self.claim()).entries
        settlement = Settlement(
            done=[position],
            handovers=[NewEntry(EntryKey("u", position), due=5.0, attempts=1)],
            dead=[DeadLetter("v", position, event("d"), "refused", [], 1, 1.0)],
            results=[EntryResult(entry.key, entry.lease.token, replies=[NewRecord(event("once"))])],
        )
        first = await self.channel.settle("a", settlement)
        again = await self.channel.settle("a", settlement)
        assert first.lost == frozenset()
        assert again.lost == frozenset([entry.key]), "its lease ended with the first"
        assert [(s.trigger, s.entries) for s in await self.channel.backlog.states("a")] == [("u", 1)]
        assert not first.known
        assert again.known == {("v", position)}
        assert await self.channel.dead_letters.count("a") == {"v": 1}
        assert [r.event.id for r in await self.read(3)] == ["e0", "e1", "once"]

    async def test_a_result_without_its_lease_changes_nothing(self) -> None:
        (position,) = await self.add(1)
        key = EntryKey("t", position)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(key, due=0.0)]))
        (entry,) = (await self.claim()).entries
        letter = DeadLetter("t", position, event("d"), "w", (), 1, 1.0)
        wrong = EntryResult(key, entry.lease.token + "x", NewEntry(key, 9e9, 5), [NewRecord(event("r"))], [letter])
        settled = await self.channel.settle("a", Settlement(results=[wrong, EntryResult(EntryKey("t", 10**6), "none")]))
        assert settled.lost == {key, EntryKey("t", 10**6)}
        assert await self.channel.dead_letters.count("a") == {}
        await self.channel.backlog.release("a", [(key, entry.lease.token)])
        (same,) = (await self.claim()).entries
        assert (same.attempts, same.due) == (0, 0.0)
        assert [r.event.id for r in await self.read(1)] == ["e0"]

    async def test_one_lost_result_does_not_hold_the_others(self) -> None:
        positions = await self.add(3)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", p), due=0.0) for p in positions]))
        entries = (await self.claim()).entries
        await self.channel.backlog.release("a", [(entries[1].key, entries[1].lease.token)])
        settled = await self.channel.settle("a", Settlement(results=[EntryResult(e.key, e.lease.token) for e in entries]))
        assert settled.lost == {entries[1].key}
        assert [e.key for e in (await self.claim()).entries] == [entries[1].key]

    async def test_a_hand_over_twice_is_one_entry_with_its_first_values(self) -> None:
        (position,) = await self.add(1)
        key = EntryKey("t", position)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(key, due=1.0, attempts=2)]))
        await self.channel.settle("a", Settlement(handovers=[NewEntry(key, due=2.0, attempts=7), NewEntry(key, due=3.0)]))
        (entry,) = (await self.claim()).entries
        assert (entry.due, entry.attempts) == (1.0, 2)

    async def test_a_leased_hand_over_is_nobody_elses_until_its_result(self) -> None:
        (position,) = await self.add(1)
        key = EntryKey("t", position)
        lease = EntryLease("mine", FOREVER)
        await self.channel.settle("a", Settlement(handovers=[NewEntry(key, due=0.0, lease=lease)]))
        claim = await self.claim()
        assert (list(claim.entries), claim.next_due) == ([], None)
        retry = NewEntry(key, due=0.0, attempts=1, failure=Failure("http://x/", 500, "oops"))
        assert not (await self.channel.settle("a", Settlement(results=[EntryResult(key, "mine", retry)]))).lost
        (entry,) = (await self.claim()).entries
        assert (entry.attempts, entry.failure) == (1, Failure("http://x/", 500, "oops"))

    async def test_nothing_is_applied_where_the_fence_is_stale(self) -> None:
        (position,) = await self.add(1)
        old = await self.channel.leases.acquire("order", "me", 10.0)
        assert old is not None
        await self.channel.settle("a", Settlement(replies=[NewRecord(event("kept"))], fence=old.fence))
        await self.channel.leases.release(old)
        new = await self.channel.leases.acquire("order", "you", 10.0)
        assert new is not None
        with pytest.raises(Fenced):
            await self.channel.settle(
                "a",
                Settlement(handovers=[NewEntry(EntryKey("t", position), 0.0)], replies=[NewRecord(event("no"))], fence=old.fence),
            )
        assert await self.channel.backlog.states("a") == []
        await self.channel.settle("a", Settlement(replies=[NewRecord(event("new"))], fence=new.fence))
        assert [r.event.id for r in await self.read(3)] == ["e0", "kept", "new"]
