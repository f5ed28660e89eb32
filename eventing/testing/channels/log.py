"""Appending and reading."""

from __future__ import annotations

import asyncio

import pytest

from eventing.errors import ChannelBusy
from eventing.ports.records import NewRecord, Settlement
from eventing.testing.channels.harness import HasHarness, event, needs, take


class LogTests(HasHarness):
    async def test_what_is_read_is_what_was_appended(self) -> None:
        sent = [
            NewRecord(event("1", None), 7),
            NewRecord(event("2", b"")),
            NewRecord(event("3", bytes(range(256)) * 400, flag=True, number=-3, text="\u00fc \U0001f600", subject="s")),
        ]
        positions = await self.channel.append("a", sent)
        read = await self.read(3)
        assert [(r.event, r.hops) for r in read] == [(s.event, s.hops) for s in sent]
        assert [list(r.event.items()) for r in read] == [list(s.event.items()) for s in sent]
        assert [r.event.data for r in read] == [s.event.data for s in sent]
        assert [r.position for r in read] == list(positions)

    async def test_an_empty_append_stores_nothing(self) -> None:
        assert list(await self.channel.append("a", [])) == []
        await self.channel.append("a", [NewRecord(event("only"))])
        assert [r.event.id for r in await self.read(1)] == ["only"]

    async def test_brokers_do_not_see_each_other(self) -> None:
        await self.channel.append("b", [NewRecord(event("b"))])
        await self.channel.append("a", [NewRecord(event("a"))])
        assert [r.event.id for r in await self.read(1, "a")] == ["a"]
        assert [r.event.id for r in await self.read(1, "b")] == ["b"]

    async def test_a_waiting_read_gets_what_comes(self) -> None:
        reader = await self.channel.reader("a")
        waiting = asyncio.create_task(take(reader, 1))
        await self.channel.append("a", [NewRecord(event("late"))])
        assert [r.event.id for r in await waiting] == ["late"]
        await reader.close()

    async def test_a_cancelled_read_gives_nothing_out(self) -> None:
        reader = await self.channel.reader("a")
        for number in range(20):
            waiting = asyncio.create_task(reader.read(10, 1 << 20))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await self.add(5)
        assert [r.event.id for r in await take(reader, 5)] == [f"e{n}" for n in range(5)]
        await reader.close()

    async def test_reads_keep_to_count_and_bytes(self) -> None:
        await self.add(6, size=1000)
        reader = await self.channel.reader("a")
        assert len(await reader.read(2, 1 << 30)) == 2
        assert len(await reader.read(10, 2500)) <= 2
        assert len(await reader.read(10, 1)) == 1, "one event always, however small the bound"
        await reader.close()

    async def test_every_group_reads_everything(self) -> None:
        await self.add(5)
        first, second = await self.read(5, group="main"), await self.read(5, group="other")
        assert [r.position for r in first] == [r.position for r in second]

    async def test_a_group_has_one_reader_at_a_time(self) -> None:
        reader = await self.channel.reader("a")
        with pytest.raises(ChannelBusy):
            await self.channel.reader("a")
        await reader.close()
        await (await self.channel.reader("a")).close()

    async def test_the_next_reader_gets_what_was_given_out_and_not_settled(self) -> None:
        positions = await self.add(5)
        reader = await self.channel.reader("a")
        await take(reader, 5)
        await self.channel.settle("a", Settlement(done=[positions[0], positions[1], positions[3]]))
        await reader.close()
        again = [r.position for r in await self.read(2)]
        assert again == [positions[2], positions[4]]

    async def test_wanted_counts_what_is_not_given_out(self) -> None:
        reader = await self.channel.reader("a")
        await self.add(5)
        assert reader.wanted() == 5
        await take(reader, 2)
        assert reader.wanted() == 3
        await take(reader, 3)
        assert reader.wanted() == 0
        await reader.close()

    async def test_concurrent_writers_lose_and_double_nothing(self) -> None:
        reader = await self.channel.reader("a")

        async def write(writer: int) -> list[tuple[int, str]]:
            stored: list[tuple[int, str]] = []
            for number in range(0, 30, 3):
                ids = [f"{writer}-{number + k}" for k in range(3)]
                positions = await self.channel.append("a", [NewRecord(event(id_)) for id_ in ids])
                stored += zip(positions, ids, strict=True)
            return stored

        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(write(n)) for n in range(16)]
            reading = group.create_task(take(reader, 480))
        stored = sorted(pair for writer in writers for pair in writer.result())
        read = [(r.position, r.event.id) for r in reading.result()]
        assert sorted(read) == stored
        await reader.close()

    @needs("ordered")
    async def test_events_are_read_in_the_order_they_were_stored(self) -> None:
        stored: list[int] = []
        for _ in range(10):
            stored += await self.add(3)
        assert stored == sorted(stored)
        assert [r.position for r in await self.read(30)] == stored

    async def test_an_unknown_broker_is_a_key_error(self) -> None:
        with pytest.raises(KeyError):
            await self.channel.append("nowhere", [NewRecord(event("1"))])
        with pytest.raises(KeyError):
            await self.channel.reader("nowhere")
        with pytest.raises(KeyError):
            await self.channel.settle("nowhere", Settlement())
        with pytest.raises(KeyError):
            await self.channel.backlog.states("nowhere")
        with pytest.raises(KeyError):
            await self.channel.trim("nowhere")

    async def test_appended_is_on_the_channels_clock(self) -> None:
        before = self.channel.now()
        await self.add(1)
        (record,) = await self.read(1)
        assert before <= record.appended <= self.channel.now()
