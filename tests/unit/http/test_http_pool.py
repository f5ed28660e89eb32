"""Who gets which connection, with connections that have no sockets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from eventing.http.limits import ClientLimits
from eventing.http.pool import Pool, Pooled, Pools, Slot


@dataclass(eq=False)
class Connection:
    """As `ClientConnection` behaves towards its pool."""

    pools: Pools
    pool: Pool
    ended: bool = field(default=False)
    deadline: float = field(default=inf)

    def abort(self) -> None:
        if not self.ended:
            self.ended = True
            self.pools.ended(self.pool, self)


def make(per_origin: int, total: int) -> Pools:
    return Pools(ClientLimits(max_per_origin=per_origin, max_connections=total, idle_timeout=7), lambda: 100.0)


def opened(pools: Pools, key: str) -> Connection:
    pool = pools.get(key)
    assert pools.try_slot(pool)
    return Connection(pools, pool)


async def waiting(pools: Pools, key: str) -> asyncio.Task[Pooled | Slot]:
    task = asyncio.ensure_future(pools.wait(pools.get(key)))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_the_connection_used_last_is_taken_first_and_idle_ones_grow_old() -> None:
    pools = make(4, 8)
    first, second = opened(pools, "a"), opened(pools, "a")
    pools.idled(first.pool, first)
    pools.idled(second.pool, second)
    assert first.deadline == 107.0
    assert pools.take_idle(pools.get("a")) is second
    assert pools.take_idle(pools.get("a")) is first
    assert pools.take_idle(pools.get("a")) is None


async def test_an_origin_is_bounded_and_waiters_are_served_in_turn() -> None:
    pools = make(2, 8)
    one, two = opened(pools, "a"), opened(pools, "a")
    assert not pools.try_slot(pools.get("a"))
    first, second = await waiting(pools, "a"), await waiting(pools, "a")
    pools.idled(one.pool, one)
    assert await first is one
    two.abort()
    assert isinstance(await second, Slot)
    assert pools.total == 2


async def test_an_idle_connection_elsewhere_makes_room() -> None:
    pools = make(2, 2)
    one, two = opened(pools, "a"), opened(pools, "a")
    pools.idled(one.pool, one)
    opened(pools, "b")
    assert one.ended
    assert not two.ended
    assert pools.total == 2


async def test_a_busy_origin_gives_up_a_connection_to_one_that_has_none() -> None:
    pools = make(4, 4)
    busy = [opened(pools, "a") for _ in range(4)]
    assert not pools.try_slot(pools.get("b"))
    other = await waiting(pools, "b")
    own = [asyncio.ensure_future(pools.wait(pools.get("a"))) for _ in range(8)]
    await asyncio.sleep(0)
    pools.idled(busy[0].pool, busy[0])
    assert busy[0].ended
    assert isinstance(await other, Slot)
    assert not any(task.done() for task in own)
    pools.idled(busy[1].pool, busy[1])
    assert await own[0] is busy[1]
    for task in own[1:]:
        task.cancel()
    await asyncio.gather(*own[1:], return_exceptions=True)


@pytest.mark.parametrize("given_back", ["connection", "slot", "nothing"])
async def test_a_waiter_that_is_cancelled_gives_back_what_it_was_given(given_back: str) -> None:
    pools = make(1, 1)
    connection = opened(pools, "a")
    first = await waiting(pools, "a")
    second = await waiting(pools, "a")
    if given_back == "connection":
        pools.idled(connection.pool, connection)
    elif given_back == "slot":
        connection.abort()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    if given_back == "nothing":
        assert not second.done()
        pools.idled(connection.pool, connection)
    got = await second
    assert isinstance(got, Slot) if given_back == "slot" else got is connection
    assert pools.total == 1


async def test_a_pool_is_forgotten_with_its_last_connection() -> None:
    pools = make(1, 4)
    connection = opened(pools, "a")
    connection.abort()
    assert not pools._pools
    assert pools.total == 0
    again = opened(pools, "a")
    pools.idled(again.pool, again)
    assert pools.try_slot(again.pool)  # evicts the idle one, and with it the pool, for a moment
    assert pools.get("a") is again.pool
    assert pools.total == again.pool.size == 1


async def test_a_full_origin_that_needs_a_new_connection_evicts_its_own() -> None:
    pools = make(1, 4)
    other, own = opened(pools, "b"), opened(pools, "a")
    for connection in (other, own):
        pools.idled(connection.pool, connection)
    assert pools.try_slot(own.pool)
    assert own.ended
    assert not other.ended


class Model(RuleBasedStateMachine):
    """Any order of events: bounds hold, nothing is granted twice, and nobody waits while there is room."""

    PER_ORIGIN, TOTAL = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.pools = make(self.PER_ORIGIN, self.TOTAL)
        self.live: list[Connection] = []
        self.tasks: list[tuple[str, asyncio.Task[Pooled | Slot]]] = []

    def settle(self) -> None:
        async def rounds() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        self.loop.run_until_complete(rounds())
        for key, task in list(self.tasks):
            if task.done():
                self.tasks.remove((key, task))
                if not task.cancelled():
                    got = task.result()
                    if isinstance(got, Slot):
                        self.live.append(Connection(self.pools, self.pools._pools[key]))
                    else:
                        assert isinstance(got, Connection)
                        assert not got.ended
        self.live = [connection for connection in self.live if not connection.ended]

    @rule(key=st.sampled_from("abc"))
    def request(self, key: str) -> None:
        pool = self.pools.get(key)
        if self.pools.take_idle(pool) is None:
            if self.pools.try_slot(pool):
                self.live.append(Connection(self.pools, self.pools.get(key)))
            else:
                self.tasks.append((key, self.loop.create_task(self.pools.wait(pool))))
        self.settle()

    def busy(self) -> list[Connection]:
        return [connection for connection in self.live if connection not in connection.pool.idle]

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), lost=st.booleans())
    def finish(self, data: st.DataObject, lost: bool) -> None:
        connection = data.draw(st.sampled_from(self.busy()))
        if lost:
            connection.abort()
        else:
            self.pools.idled(connection.pool, connection)
        self.settle()

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), finish=st.sampled_from(["no", "before", "after"]), lost=st.booleans())
    def give_up(self, data: st.DataObject, finish: str, lost: bool) -> None:
        """Cancelled, and in the same round a connection comes free or is lost."""
        task = data.draw(st.sampled_from(self.tasks))[1]
        connection = data.draw(st.sampled_from(self.busy())) if finish != "no" and self.busy() else None

        def free() -> None:
            if connection is not None and lost:
                connection.abort()
            elif connection is not None:
                self.pools.idled(connection.pool, connection)

        if finish == "before":
            free()
        task.cancel()
        if finish == "after":
            free()
        self.settle()

    @invariant()
    def bounds(self) -> None:
        pools = self.pools
        assert pools.total == sum(pool.size for pool in pools._pools.values()) == len(self.live) <= self.TOTAL
        for pool in pools._pools.values():
            assert pool.size <= self.PER_ORIGIN
            assert pool.size or pool.waiters
            assert pool.size == sum(connection.pool is pool for connection in self.live)
        for key, _ in self.tasks:
            pool = pools._pools[key]
            assert pools.total == self.TOTAL or pool.size == self.PER_ORIGIN, "someone waits though there is room"
            assert not pool.idle

    def teardown(self) -> None:
        for _, task in self.tasks:
            task.cancel()
        self.settle()
        self.loop.close()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
