"""Entries with an ordering key: one of a key at a time, the next one when it goes (`ports.backlog`)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eventing.ports.records import (
    DeadLetter,
    Entry,
    EntryKey,
    EntryLease,
    EntryResult,
    Failure,
    Lane,
    NewEntry,
    Position,
    Settled,
    Settlement,
)
from eventing.testing.channels.harness import FOREVER, HasHarness, needs


class OrderTests(HasHarness):
    async def _line_up(self, *keys: str | None, trigger: str = "t") -> list[Position]:
        """One due entry for each of these keys, of events in this order."""
        positions = await self.add(len(keys))
        await self._hand_over(*zip(positions, keys, strict=True), trigger=trigger)
        return positions

    async def _hand_over(self, *placed: tuple[Position, str | None], trigger: str = "t", due: float | None = None) -> Settled:
        due = self.channel.now() - 1.0 if due is None else due
        entries = [NewEntry(EntryKey(trigger, at), due, ordering_key=key) for at, key in placed]
        return await self.channel.settle("a", Settlement(handovers=entries))

    async def _end(self, *entries: Entry, then: NewEntry | None = None) -> Settled:
        results = [EntryResult(entry.key, entry.lease.token, then) for entry in entries]
        return await self.channel.settle("a", Settlement(results=results))

    async def _claimed(self, trigger: str = "t") -> list[Entry]:
        return list((await self.claim(trigger)).entries)

    def _at(self, entries: Sequence[Entry]) -> list[Position]:
        return [entry.key.position for entry in entries]

    async def test_of_one_key_only_the_first_is_given_out_and_the_next_when_it_is_done(self) -> None:
        positions = await self._line_up("k", "k", "k")
        for position in positions:
            claim = await self.claim()
            assert self._at(claim.entries) == [position]
            assert claim.entries[0].ordering_key == "k"
            assert claim.next_due is None, "what is behind has no time of its own"
            settled = await self._end(*claim.entries)
            last = position == positions[-1]
            assert settled.fronts.keys() == (set() if last else {("t", Lane.SUBSCRIBER)})
        assert await self.channel.backlog.states("a") == []

    async def test_keys_and_triggers_and_entries_without_key_are_apart(self) -> None:
        positions = await self._line_up("k", "l", None, "k", None, "l")
        await self._hand_over((positions[3], "k"), trigger="u")
        entries = await self._claimed()
        assert self._at(entries) == [positions[i] for i in (0, 1, 2, 4)]
        assert self._at(await self._claimed("u")) == [positions[3]]
        await self._end(entries[1])
        assert self._at(await self._claimed()) == [positions[5]]

    async def test_a_settlement_says_what_waits_behind_and_what_came_to_the_front(self) -> None:
        positions = await self.add(3)
        first = await self._hand_over((positions[0], "k"), (positions[1], "k"), (positions[2], None), due=5.0)
        assert first.behind == {EntryKey("t", positions[1])}
        assert first.fronts == {}
        (entry,) = (await self.claim(limit=1)).entries
        assert (await self._end(entry)).fronts == {("t", Lane.SUBSCRIBER): 5.0}

    async def test_a_retry_keeps_its_place_before_the_others(self) -> None:
        positions = await self._line_up("k", "k")
        (entry,) = await self._claimed()
        later = NewEntry(entry.key, self.channel.now() + 20, 1, ordering_key="k", failure=Failure("http://x/", 500, "no"))
        await self._end(entry, then=later)
        claim = await self.claim()
        assert (list(claim.entries), claim.next_due) == ([], later.due)
        self.harness.clock.advance(21.0)
        (again,) = await self._claimed()
        assert (again.key.position, again.attempts, again.ordering_key) == (positions[0], 1, "k")

    async def test_an_entry_that_goes_to_the_dead_letter_lane_makes_room_and_has_no_line_there(self) -> None:
        positions = await self._line_up("k", "k", "k")
        for position in positions:
            (entry,) = await self._claimed()
            assert entry.key.position == position
            await self._end(entry, then=NewEntry(EntryKey("t", position, Lane.DEAD_LETTER), 0.0))
        assert self._at((await self.claim(lane=Lane.DEAD_LETTER)).entries) == positions

    async def test_a_dead_letter_makes_room_in_the_same_step(self) -> None:
        positions = await self._line_up("k", "k")
        (entry,) = await self._claimed()
        letter = DeadLetter.of(entry.record, "t", "refused", (), 1, 1.0)
        await self.channel.settle("a", Settlement(results=[EntryResult(entry.key, entry.lease.token, dead=[letter])]))
        assert self._at(await self._claimed()) == positions[1:]

    async def test_a_lower_position_that_comes_late_takes_the_front(self) -> None:
        positions = await self.add(4)
        await self._hand_over((positions[1], "k"), (positions[3], "k"))
        settled = await self._hand_over((positions[0], "k"), (positions[2], "k"))
        assert settled.behind == {EntryKey("t", positions[2])}
        for position in positions:
            (entry,) = await self._claimed()
            assert entry.key.position == position
            await self._end(entry)

    @pytest.mark.parametrize("how", ["done", "retry"])
    async def test_a_lower_position_that_comes_while_the_front_is_leased_comes_next(self, how: str) -> None:
        positions = await self.add(3)
        await self._hand_over((positions[1], "k"))
        (entry,) = await self._claimed()
        await self._hand_over((positions[2], "k"))
        settled = await self._hand_over((positions[0], "k"))
        assert settled.behind == {EntryKey("t", positions[0])}
        assert await self._claimed() == [], "never two at once"
        await self._end(entry, then=NewEntry(entry.key, 0.0, 1, ordering_key="k") if how == "retry" else None)
        rest = [positions[0], *([positions[1]] if how == "retry" else []), positions[2]]
        for position in rest:
            (entry,) = await self._claimed()
            assert entry.key.position == position
            await self._end(entry)

    async def test_an_attempt_that_runs_when_it_is_handed_over_holds_the_others(self) -> None:
        positions = await self.add(2)
        key = EntryKey("t", positions[0])
        running = NewEntry(key, 0.0, lease=EntryLease("mine", FOREVER), ordering_key="k")
        behind = NewEntry(EntryKey("t", positions[1]), 0.0, ordering_key="k")
        settled = await self.channel.settle("a", Settlement(handovers=[running, behind]))
        assert settled.behind == {behind.key}
        claim = await self.claim()
        assert (list(claim.entries), claim.next_due) == ([], None)
        settled = await self.channel.settle("a", Settlement(results=[EntryResult(key, "mine")]))
        assert not settled.lost
        assert self._at(await self._claimed()) == positions[1:]

    async def test_a_lease_that_lapses_lets_nothing_overtake(self) -> None:
        positions = await self._line_up("k", "k")
        now = self.channel.now()
        (entry,) = (await self.channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 9, 1 << 20, now + 30)).entries
        self.harness.clock.advance(40.0)
        (again,) = await self._claimed()
        assert again.key == entry.key
        assert (await self._end(entry)).lost == {entry.key}
        assert await self._claimed() == []
        await self.channel.backlog.release("a", [(again.key, again.lease.token)])
        assert self._at(await self._claimed()) == positions[:1]

    async def test_a_hand_over_twice_changes_no_place(self) -> None:
        positions = await self._line_up("k", "k", "k")
        settled = await self._hand_over(*((position, "k") for position in positions), due=0.0)
        assert settled.behind == {EntryKey("t", position) for position in positions[1:]}
        for position in positions:
            (entry,) = await self._claimed()
            assert entry.key.position == position
            await self._end(entry)
        assert await self.channel.backlog.states("a") == []

    async def test_repeating_a_settlement_that_made_room_is_safe(self) -> None:
        positions = await self._line_up("k", "k", "k")
        (entry,) = await self._claimed()
        settlement = Settlement(results=[EntryResult(entry.key, entry.lease.token)])
        await self.channel.settle("a", settlement)
        assert (await self.channel.settle("a", settlement)).lost == {entry.key}
        assert self._at(await self._claimed()) == [positions[1]]

    async def test_it_is_known_which_keys_have_entries(self) -> None:
        backlog = self.channel.backlog
        assert (await backlog.keys("a", "t", Lane.SUBSCRIBER, ["k"])).last is None
        positions = await self._line_up("k", "k", None, "l")
        long = "x" * 4000
        await self._hand_over((positions[2], long), trigger="u")
        found = await backlog.keys("a", "t", Lane.SUBSCRIBER, ["k", "m", "l", "", long])
        assert found.held == {"k", "l"}
        assert found.last == positions[3]
        assert (await backlog.keys("a", "u", Lane.SUBSCRIBER, ["k", long])).held == {long}
        entries = await self._claimed()
        assert (await backlog.keys("a", "t", Lane.SUBSCRIBER, ["l"])).held == {"l"}, "a leased one counts"
        await self._end(*entries)
        found = await backlog.keys("a", "t", Lane.SUBSCRIBER, ["k", "l"])
        assert found.held == {"k"}
        assert found.last is not None
        assert found.last >= positions[1]
        await self._end(*await self._claimed())
        assert (await backlog.keys("a", "t", Lane.SUBSCRIBER, ["k"])).last is None
        with pytest.raises(KeyError):
            await backlog.keys("nobody", "t", Lane.SUBSCRIBER, ["k"])

    async def test_list_shows_what_is_behind_with_its_own_due_time(self) -> None:
        positions = await self.add(2)
        await self._hand_over((positions[0], "k"), due=5.0)
        await self._hand_over((positions[1], "k"), due=9.0)
        views = await self.channel.backlog.list("a", "t", 10)
        assert [(view.key.position, view.due, view.behind) for view in views] == [
            (positions[0], 5.0, False),
            (positions[1], 9.0, True),
        ]

    async def test_drop_in_parts_leaves_lines_whole(self) -> None:
        positions = await self._line_up(*"kkklll")
        assert await self.channel.backlog.drop("a", "t", 2) == 2
        left = sorted(view.key.position for view in await self.channel.backlog.list("a", "t", 10))
        seen: list[Position] = []
        while entries := await self._claimed():
            seen += self._at(entries)
            await self._end(*entries)
        assert sorted(seen) == left
        assert set(left) < set(positions)

    async def test_a_reader_says_what_it_came_past(self) -> None:
        positions = await self.add(3)
        reader = await self.channel.reader("a")
        given = await reader.read(1, 1 << 20)
        assert [record.position for record in given] == positions[:1]
        assert [reader.passed(position) for position in positions] == [True, False, False]
        await self.channel.settle("a", Settlement(done=positions[:1]))
        await reader.close()
        reader = await self.channel.reader("a")
        assert [reader.passed(position) for position in positions] == [True, False, False], "done with counts as passed"
        await reader.close()

    @needs("durable")
    async def test_lines_survive_a_restart(self) -> None:
        positions = await self._line_up("k", "k", "l", "k")
        (first, other) = await self._claimed()
        await self._end(first)
        assert self._at(await self._claimed()) == [positions[1]]
        await self.restart()
        (again, other) = await self._claimed()
        assert self._at([again, other]) == [positions[1], positions[2]]
        assert (again.ordering_key, other.ordering_key) == ("k", "l")
        await self._end(again)
        assert self._at(await self._claimed()) == [positions[3]]
