"""Named leases and their fencing."""

from __future__ import annotations

import asyncio

import pytest

from eventing.errors import Fenced
from eventing.testing.channels.harness import HasHarness, needs


class LeaseTests(HasHarness):
    async def test_one_owner_at_a_time(self) -> None:
        leases = self.channel.leases
        mine = await leases.acquire("x", "me", 10.0)
        assert mine is not None
        assert await leases.acquire("x", "you", 10.0) is None
        again = await leases.acquire("x", "me", 20.0)
        assert again is not None
        assert again.token == mine.token
        assert again.until > mine.until
        assert await leases.acquire("y", "you", 10.0) is not None

    async def test_of_many_one_gets_it(self) -> None:
        got = await asyncio.gather(*(self.channel.leases.acquire("x", f"o{n}", 10.0) for n in range(10)))
        assert sum(lease is not None for lease in got) == 1

    async def test_the_token_rises_with_the_holder(self) -> None:
        leases = self.channel.leases
        first = await leases.acquire("x", "me", 10.0)
        assert first is not None
        self.harness.clock.advance(11.0)
        second = await leases.acquire("x", "you", 10.0)
        assert second is not None
        assert second.token > first.token
        with pytest.raises(Fenced):
            await leases.renew(first, 10.0)
        await leases.release(first)
        renewed = await leases.renew(second, 30.0)
        assert renewed.token == second.token
        self.harness.clock.advance(20.0)
        assert await leases.acquire("x", "me", 10.0) is None
        await leases.release(renewed)
        third = await leases.acquire("x", "me", 10.0)
        assert third is not None
        assert third.token > second.token

    async def test_a_lapsed_lease_is_not_renewed(self) -> None:
        lease = await self.channel.leases.acquire("x", "me", 10.0)
        assert lease is not None
        self.harness.clock.advance(11.0)
        with pytest.raises(Fenced):
            await self.channel.leases.renew(lease, 10.0)
        again = await self.channel.leases.acquire("x", "me", 10.0)
        assert again is not None
        assert again.token > lease.token, "between the two another may have held it"

    async def test_a_stale_fence_stores_no_checkpoint(self) -> None:
        lease = await self.channel.leases.acquire("x", "me", 10.0)
        assert lease is not None
        await self.channel.checkpoints.store("s", b"1", lease.fence)
        self.harness.clock.advance(11.0)
        with pytest.raises(Fenced):
            await self.channel.checkpoints.store("s", b"2", lease.fence)
        assert await self.channel.checkpoints.load("s") == b"1"

    @needs("durable")
    async def test_tokens_rise_over_a_restart(self) -> None:
        first = await self.channel.leases.acquire("x", "me", 10.0)
        assert first is not None
        await self.channel.leases.release(first)
        await self.restart()
        second = await self.channel.leases.acquire("x", "me", 10.0)
        assert second is not None
        assert second.token > first.token
