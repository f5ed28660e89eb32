"""Runs: a claim that leases several entries of one ordering key (`ports.backlog`)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eventing.ports.backlog import Claim
from eventing.ports.records import (
    DeadLetter,
    Entry,
    EntryKey,
    EntryLease,
    EntryResult,
    Lane,
    NewEntry,
    Position,
    Settled,
    Settlement,
)
from eventing.testing.channels.harness import FOREVER, HasHarness, needs


class RunTests(HasHarness):
    async def _stand(self, *keys: str | None, due: float = -1.0, size: int = 8) -> list[Position]:
        """One entry for each of these keys, of events in this order; ``due``: seconds from now."""
        positions = await self.add(len(keys), size=size)
        at = self.channel.now() + due
        entries = [NewEntry(EntryKey("t", where), at, ordering_key=key) for where, key in zip(positions, keys, strict=True)]
        await self.channel.settle("a", Settlement(handovers=entries))
        return positions

    async def _lease(self, total: int, *, limit: int = 100, max_bytes: int = 1 << 30, lasts: float = FOREVER) -> Claim:
        until = self.channel.now() + lasts
        return await self.channel.backlog.claim("a", "t", Lane.SUBSCRIBER, limit, max_bytes, until, total)

    async def _finish(self, *entries: Entry, then: NewEntry | None = None) -> Settled:
        results = [EntryResult(entry.key, entry.lease.token, then) for entry in entries]
        return await self.channel.settle("a", Settlement(results=results))

    async def _give_back(self, *entries: Entry) -> None:
        await self.channel.backlog.release("a", [(entry.key, entry.lease.token) for entry in entries])

    def _where(self, entries: Sequence[Entry]) -> list[Position]:
        return [entry.key.position for entry in entries]

    async def test_whatever_a_channel_leases_of_a_key_is_in_order_and_nobody_else_gets_any_of_it(self) -> None:
        left = await self._stand(*"k" * 7)
        while left:
            claim = await self._lease(4)
            got = self._where(claim.entries)
            assert got == left[: len(got)]
            assert 1 <= len(got) <= 4
            assert not (await self._lease(9)).entries
            assert claim.next_due is None
            for entry in claim.entries:
                await self._finish(entry)
            left = left[len(got) :]
        assert await self.channel.backlog.states("a") == []

    @needs("runs")
    async def test_a_run_comes_with_its_front_and_each_entry_has_a_lease_of_its_own(self) -> None:
        positions = await self._stand("k", "k", "l", "k", None, "k")
        claim = await self._lease(6)
        assert [(entry.key.position, entry.ordering_key) for entry in claim.entries] == [
            (positions[0], "k"),
            (positions[1], "k"),
            (positions[2], "l"),
            (positions[4], None),
        ], "three are left of six, one for each front"
        assert len({entry.lease.token for entry in claim.entries}) == 4
        assert all(entry.due < self.channel.now() and entry.attempts == 0 for entry in claim.entries)

    @needs("runs")
    async def test_fronts_come_before_runs_when_bytes_are_few(self) -> None:
        positions = await self._stand("k", "k", "l", "l", size=10_000)
        claim = await self._lease(9, max_bytes=35_000)
        assert sorted(self._where(claim.entries)) == positions[:3]

    @needs("runs")
    async def test_what_ends_behind_its_front_in_one_step_with_it_leaves_the_rest_in_place(self) -> None:
        positions = await self._stand(*"kkkk")
        entries = (await self._lease(3)).entries
        settled = await self._finish(*entries)
        assert settled.fronts.keys() == {("t", Lane.SUBSCRIBER)}
        assert not settled.lost
        assert self._where((await self._lease(9)).entries) == positions[3:]

    @needs("runs")
    async def test_a_front_that_ends_brings_nothing_to_claim_while_its_run_goes_on(self) -> None:
        positions = await self._stand(*"kkkk")
        first, second = (await self._lease(2)).entries
        assert (await self._finish(first)).fronts == {}
        assert not (await self._lease(9)).entries
        assert (await self._finish(second)).fronts.keys() == {("t", Lane.SUBSCRIBER)}
        assert self._where((await self._lease(9)).entries) == positions[2:]

    @needs("runs")
    async def test_a_failure_keeps_its_place_and_what_is_given_back_comes_after_it_unattempted(self) -> None:
        positions = await self._stand(*"kkkk")
        first, *rest = (await self._lease(3)).entries
        again = NewEntry(first.key, self.channel.now() - 0.5, 1, ordering_key="k")
        await self._finish(first, then=again)
        assert not (await self._lease(9)).entries, "those behind it may run for all the store knows"
        await self._give_back(*rest)
        claim = await self._lease(9)
        assert [(entry.key.position, entry.attempts) for entry in claim.entries] == [(positions[0], 1)], "a retry comes alone"
        assert not (await self._finish(*claim.entries)).lost
        claim = await self._lease(9)
        assert [(entry.key.position, entry.attempts) for entry in claim.entries] == [(at, 0) for at in positions[1:]]

    @needs("runs")
    async def test_a_front_given_back_alone_waits_for_its_run(self) -> None:
        positions = await self._stand(*"kkk")
        first, *rest = (await self._lease(9)).entries
        await self._give_back(first)
        assert not (await self._lease(9)).entries
        settled = await self._finish(rest[1])
        assert settled.fronts.keys() == {("t", Lane.SUBSCRIBER)}
        assert not (await self._lease(9)).entries
        await self._give_back(rest[0])
        assert self._where((await self._lease(9)).entries) == positions[:2]

    @needs("runs")
    async def test_a_run_ends_before_what_is_not_due_yet(self) -> None:
        early = await self._stand("k", "k")
        late = await self._stand("k", due=30.0)
        last = await self._stand("k")
        entries = (await self._lease(9)).entries
        assert self._where(entries) == early
        await self._finish(*entries)
        claim = await self._lease(9)
        assert not claim.entries
        assert claim.next_due is not None
        assert claim.next_due > self.channel.now() + 20.0
        self.harness.clock.advance(31.0)
        assert self._where((await self._lease(9)).entries) == [*late, *last]

    @needs("runs")
    async def test_leases_of_a_run_that_lapse_together_are_taken_over_together(self) -> None:
        positions = await self._stand(*"kkk")
        former = (await self._lease(9, lasts=30.0)).entries
        self.harness.clock.advance(29.0)
        assert not (await self._lease(9)).entries
        self.harness.clock.advance(2.0)
        entries = (await self._lease(9)).entries
        assert self._where(entries) == positions
        assert (await self._finish(*former)).lost == {entry.key for entry in former}
        assert not (await self._finish(*entries)).lost

    @needs("runs")
    async def test_an_earlier_one_whose_lease_lapsed_waits_for_a_later_one_that_may_still_run(self) -> None:
        positions = await self._stand(*"kkk")
        first, second, third = (await self._lease(9, lasts=30.0)).entries
        held = [(entry.key, entry.lease.token) for entry in (second, third)]
        assert await self.channel.backlog.extend("a", held, self.channel.now() + 60.0) == frozenset()
        self.harness.clock.advance(40.0)
        assert not (await self._lease(9)).entries
        await self._finish(second)
        await self._finish(third)
        assert self._where((await self._lease(9)).entries) == positions[:1]
        assert (await self._finish(first)).lost == {first.key}

    @needs("runs")
    async def test_a_lower_position_that_comes_during_a_run_comes_after_it(self) -> None:
        positions = await self.add(5)
        entries = [NewEntry(EntryKey("t", at), 0.0, ordering_key="k") for at in positions]
        await self.channel.settle("a", Settlement(handovers=entries[1:]))
        run = (await self._lease(3)).entries
        assert self._where(run) == positions[1:4]
        assert (await self.channel.settle("a", Settlement(handovers=entries[:1]))).behind == {entries[0].key}
        for entry in run:
            assert not (await self._lease(9)).entries
            await self._finish(entry)
        assert self._where((await self._lease(9)).entries) == [positions[0], positions[4]]

    @needs("runs")
    async def test_dead_letters_within_a_run_let_it_go_on(self) -> None:
        positions = await self._stand(*"kkk")
        first, second, third = (await self._lease(9)).entries
        letter = DeadLetter.of(second.record, "t", "refused", (), 1, 1.0)
        results = [
            EntryResult(first.key, first.lease.token, NewEntry(EntryKey("t", positions[0], Lane.DEAD_LETTER), 0.0)),
            EntryResult(second.key, second.lease.token, dead=[letter]),
        ]
        assert not (await self.channel.settle("a", Settlement(results=results))).lost
        assert not (await self._finish(third)).lost
        assert self._where((await self.claim(lane=Lane.DEAD_LETTER)).entries) == positions[:1]

    @needs("runs")
    async def test_an_attempt_handed_over_while_it_runs_has_no_run(self) -> None:
        positions = await self.add(3)
        entries = [NewEntry(EntryKey("t", at), 0.0, ordering_key="k") for at in positions]
        running = NewEntry(entries[0].key, 0.0, lease=EntryLease("mine", FOREVER), ordering_key="k")
        await self.channel.settle("a", Settlement(handovers=[running, *entries[1:]]))
        assert not (await self._lease(9)).entries
        await self.channel.settle("a", Settlement(results=[EntryResult(running.key, "mine")]))
        assert self._where((await self._lease(9)).entries) == positions[1:]

    @needs("runs")
    async def test_what_comes_behind_a_run_waits_for_all_of_it(self) -> None:
        await self._stand("k", "k")
        run = (await self._lease(9)).entries
        behind = await self._stand("k")
        assert not (await self._lease(9)).entries
        await self._finish(run[0])
        assert not (await self._lease(9)).entries
        await self._finish(run[1])
        assert self._where((await self._lease(9)).entries) == behind

    @needs("runs")
    @pytest.mark.parametrize("total", [0, 1, 2])
    async def test_whoever_asks_for_no_run_gets_none(self, total: int) -> None:
        positions = await self._stand("k", "k", "l", "l")
        claim = await self._lease(total, limit=2)
        assert self._where(claim.entries) == [positions[0], positions[2]]

    @needs("durable")
    async def test_a_run_begins_anew_with_its_front_after_a_restart(self) -> None:
        positions = await self._stand(*"kkk")
        entries = (await self._lease(9)).entries
        await self._finish(entries[0])
        await self.restart()
        again = (await self._lease(9)).entries
        assert self._where(again) == positions[1 : 1 + len(again)]
        assert again[0].key.position == positions[1]
