"""The built-in dead-letter store."""

from __future__ import annotations

from eventing.ports.records import DeadLetter, Failure, Settlement
from eventing.testing.channels.harness import HasHarness, event, needs


class DeadLetterTests(HasHarness):
    async def _bury(self, trigger: str, position: int, at: float = 1.0, why: str = "exhausted") -> DeadLetter:
        failures = (Failure("http://sub/", 500, "oops", b"\x00\xff"), Failure("http://sink/", 0, "no answer"))
        letter = DeadLetter(trigger, position, event(f"{trigger}{position}", b"data"), why, failures, 3, at)
        await self.channel.settle("a", Settlement(dead=[letter]))
        return letter

    async def test_a_letter_is_kept_whole(self) -> None:
        letter = await self._bury("t", 1)
        (stored,) = await self.channel.dead_letters.list("a", None, 10)
        assert (stored.broker, stored.letter) == ("a", letter)
        assert stored.letter.event.data == b"data"
        assert await self.channel.dead_letters.size("a") > 0
        assert await self.channel.dead_letters.size("b") == 0

    async def test_the_same_letter_twice_is_one(self) -> None:
        await self._bury("t", 1, why="first")
        await self._bury("t", 1, why="second")
        assert [s.letter.why for s in await self.channel.dead_letters.list("a", None, 10)] == ["first"]
        assert await self.channel.dead_letters.count("a") == {"t": 1}

    async def test_pages_are_oldest_first_and_by_trigger(self) -> None:
        for number in range(3):
            await self._bury("t", number)
            await self._bury("u", number)
        letters = self.channel.dead_letters
        everything = await letters.list("a", None, 10)
        assert [s.number for s in everything] == sorted(s.number for s in everything)
        first = await letters.list("a", "u", 2)
        rest = await letters.list("a", "u", 2, first[-1].number)
        assert [s.letter.position for s in (*first, *rest)] == [0, 1, 2]
        assert {s.letter.trigger for s in (*first, *rest)} == {"u"}

    async def test_removing_by_number(self) -> None:
        for number in range(3):
            await self._bury("t", number)
        letters = self.channel.dead_letters
        numbers = [s.number for s in await letters.list("a", None, 10)]
        assert await letters.remove("b", numbers) == 0, "another broker's letters stay"
        assert await letters.remove("a", [numbers[0], numbers[2], 10**9]) == 2
        assert [s.number for s in await letters.list("a", None, 10)] == [numbers[1]]
        assert await letters.count("a") == {"t": 1}

    async def test_expiry_says_how_many_per_trigger(self) -> None:
        for number, at in enumerate((10.0, 20.0, 30.0)):
            await self._bury("t", number, at)
        await self._bury("u", 1, 5.0)
        assert await self.channel.dead_letters.expire("a", 25.0) == {"t": 2, "u": 1}
        assert await self.channel.dead_letters.expire("a", 25.0) == {}
        assert await self.channel.dead_letters.count("a") == {"t": 1}

    async def test_letters_outlive_their_broker(self) -> None:
        await self._bury("t", 1)
        await self.channel.drop_broker("a")
        letters = self.channel.dead_letters
        assert len(await letters.list("a", None, 10)) == 1
        assert await letters.count("a") == {"t": 1}
        assert await letters.size("a") > 0
        assert await letters.expire("a", 1.0) == {}, "as old as the age, not older"
        assert await letters.expire("a", 2.0) == {"t": 1}
        assert await letters.count("a") == {}
        assert await letters.size("a") == 0

    async def test_a_broker_that_never_was_has_no_letters(self) -> None:
        letters = self.channel.dead_letters
        assert await letters.count("never") == {}
        assert await letters.size("never") == 0
        assert await letters.list("never", None, 10) == []
        assert await letters.remove("never", [1]) == 0
        assert await letters.expire("never", 1.0) == {}

    @needs("durable")
    async def test_letters_survive_a_restart(self) -> None:
        letter = await self._bury("t", 1)
        size = await self.channel.dead_letters.size("a")
        await self.restart()
        assert [s.letter for s in await self.channel.dead_letters.list("a", "t", 10)] == [letter]
        assert await self.channel.dead_letters.count("a") == {"t": 1}
        assert await self.channel.dead_letters.size("a") == size
