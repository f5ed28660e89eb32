"""Documents and checkpoints."""

from __future__ import annotations

import asyncio

import pytest

from eventing.errors import ChannelClosed, Conflict
from eventing.ports.documents import Change
from eventing.testing.channels.harness import HasHarness, needs


class DocumentTests(HasHarness):
    async def test_write_read_delete(self) -> None:
        documents = self.channel.documents
        assert await documents.get("c", "x") is None
        written = await documents.put("c", "x", b"\x00one")
        assert await documents.get("c", "x") == written
        assert (written.name, written.body) == ("x", b"\x00one")
        assert await documents.get("other", "x") is None
        await documents.delete("c", "x")
        await documents.delete("c", "x")
        assert await documents.get("c", "x") is None

    async def test_an_empty_body_is_a_body(self) -> None:
        await self.channel.documents.put("c", "x", b"")
        document = await self.channel.documents.get("c", "x")
        assert document is not None
        assert document.body == b""

    async def test_versions_decide(self) -> None:
        documents = self.channel.documents
        first = await documents.put("c", "x", b"1", expected=0)
        with pytest.raises(Conflict):
            await documents.put("c", "x", b"again", expected=0)
        second = await documents.put("c", "x", b"2", expected=first.version)
        assert second.version > first.version
        with pytest.raises(Conflict):
            await documents.put("c", "x", b"late", expected=first.version)
        with pytest.raises(Conflict):
            await documents.delete("c", "x", expected=first.version)
        assert (await documents.put("c", "x", b"3")).version > second.version
        await documents.delete("c", "x")
        with pytest.raises(Conflict):
            await documents.put("c", "x", b"4", expected=second.version)
        assert (await documents.put("c", "x", b"5", expected=0)).version > second.version

    async def test_of_many_writers_one_wins(self) -> None:
        async def write(number: int) -> bool:
            try:
                await self.channel.documents.put("c", "x", b"%d" % number, expected=0)
            except Conflict:
                return False
            return True

        assert sum(await asyncio.gather(*(write(n) for n in range(10)))) == 1

    async def test_the_list_says_where_to_watch_from(self) -> None:
        documents = self.channel.documents
        for name in ("b", "a", "c"):
            await documents.put("c", name, name.encode())
        await documents.delete("c", "b")
        listed, revision = await documents.list("c")
        assert [d.name for d in listed] == ["a", "c"]
        await documents.put("c", "d", b"d")
        async for change in documents.watch("c", revision):
            assert (change.name, change.version > revision) == ("d", True)
            break

    async def test_a_watch_sees_every_name_as_it_is_in_the_end(self) -> None:
        documents = self.channel.documents
        _, revision = await documents.list("c")
        state: dict[str, bytes] = {}
        versions: list[int] = []

        async def watch() -> None:
            async for change in documents.watch("c", revision):
                assert isinstance(change, Change)
                versions.append(change.version)
                if change.document is None:
                    state.pop(change.name, None)
                else:
                    state[change.name] = change.document.body
                if change.name == "end":
                    return

        watching = asyncio.create_task(watch())
        for number in range(40):
            name = f"n{number % 5}"
            if number % 7 == 3:
                await documents.delete("c", name)
            else:
                await documents.put("c", name, b"%d" % number)
            await documents.put("elsewhere", name, b"no")
        await documents.put("c", "end", b"")
        await watching
        listed, _ = await documents.list("c")
        assert state == {d.name: d.body for d in listed}
        assert versions == sorted(set(versions))

    async def test_a_watch_ends_with_the_channel(self) -> None:
        async def watch() -> None:
            async for _ in self.channel.documents.watch("c", 0):
                pass

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        await self.channel.close()
        with pytest.raises(ChannelClosed):
            await watching

    @needs("durable")
    async def test_documents_survive_a_restart_and_versions_go_on(self) -> None:
        written = await self.channel.documents.put("c", "x", b"1")
        gone = await self.channel.documents.put("c", "y", b"1")
        await self.channel.documents.delete("c", "y")
        await self.restart()
        assert await self.channel.documents.get("c", "x") == written
        assert (await self.channel.documents.put("c", "z", b"2")).version > gone.version

    async def test_checkpoints(self) -> None:
        checkpoints = self.channel.checkpoints
        assert await checkpoints.load("s") is None
        await checkpoints.store("s", b"1")
        await checkpoints.store("s", b"\x002" * 32768)
        assert await checkpoints.load("s") == b"\x002" * 32768
        with pytest.raises(ValueError, match="65537"):
            await checkpoints.store("s", b"x" * 65537)
        if self.channel.capabilities.durable:
            await self.restart()
            assert await self.channel.checkpoints.load("s") == b"\x002" * 32768
        await self.channel.checkpoints.delete("s")
        await self.channel.checkpoints.delete("s")
        assert await self.channel.checkpoints.load("s") is None
