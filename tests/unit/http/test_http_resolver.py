"""The resolver, with look-ups that answer when the test says so."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from eventing.errors import NameNotResolved
from eventing.http.resolver import Resolver, ResolverLimits

NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
TRY_AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class NullLog:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, message: str, /, **fields: object) -> None:
        self.lines.append(message)

    def error(self, message: str, /, **fields: object) -> None:
        self.lines.append(message)


class Names:
    """A name server: ``answers`` by host; a host in ``hanging`` waits until released. Counts its look-ups."""

    def __init__(self) -> None:
        self.answers: dict[str, Sequence[str] | OSError] = {}
        self.hanging: dict[str, threading.Event] = {}
        self.asked: list[str] = []

    def hang(self, host: str) -> None:
        self.hanging[host] = threading.Event()

    def release(self) -> None:
        for event in self.hanging.values():
            event.set()

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host in self.hanging:
            self.hanging[host].wait(30)
        answer = self.answers.get(host, NO_NAME)
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture
async def names() -> AsyncIterator[Names]:
    names = Names()
    yield names
    names.release()
    for thread in threading.enumerate():
        if thread.name.startswith("resolve "):
            await asyncio.get_running_loop().run_in_executor(None, thread.join, 10)


def make(names: Names, log: NullLog | None = None, **limits: float) -> Resolver:
    return Resolver(limits=ResolverLimits(**limits), lookup=names, log=log or NullLog())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("::1", ("::1",)),
        ("localhost", ("127.0.0.1", "::1")),
        ("a.localhost", ("127.0.0.1", "::1")),
    ],
)
async def test_literals_and_localhost_ask_nobody(names: Names, host: str, addresses: tuple[str, ...]) -> None:
    assert await make(names).resolve(host) == addresses
    assert names.asked == []


async def test_an_answer_is_kept_for_its_time(names: Names) -> None:
    names.answers["a.example"] = ["192.0.2.1", "192.0.2.2"]
    resolver = make(names)
    for _ in range(3):
        assert await resolver.resolve("a.example") == ("192.0.2.1", "192.0.2.2")
    assert names.asked == ["a.example"]
    names.answers["a.example"] = ["192.0.2.3"]
    outdated = make(names, ttl=0)
    assert await outdated.resolve("a.example") == ("192.0.2.3",)
    names.answers["a.example"] = ["192.0.2.4"]
    assert await outdated.resolve("a.example") == ("192.0.2.4",)


async def test_one_look_up_at_a_time_per_host(names: Names) -> None:
    names.answers["a.example"] = ["192.0.2.1"]
    names.hang("a.example")
    resolver = make(names)
    tasks = [asyncio.ensure_future(resolver.resolve("a.example")) for _ in range(20)]
    await asyncio.sleep(0)
    names.release()
    assert await asyncio.gather(*tasks) == [("192.0.2.1",)] * 20
    assert names.asked == ["a.example"]


async def test_no_such_name_is_remembered_for_a_moment(names: Names) -> None:
    resolver = make(names, negative_ttl=1000)
    for _ in range(2):
        with pytest.raises(NameNotResolved, match=r"no\.example has no address: no such name"):
            await resolver.resolve("no.example")
    assert names.asked == ["no.example"]


async def test_outdated_addresses_serve_while_the_name_server_fails_or_hangs(names: Names) -> None:
    log = NullLog()
    names.answers["a.example"] = ["192.0.2.1"]
    resolver = make(names, log, ttl=0, negative_ttl=0, stale_after=0.01)
    await resolver.resolve("a.example")
    names.answers["a.example"] = TRY_AGAIN
    assert await resolver.resolve("a.example") == ("192.0.2.1",)
    assert len(log.lines) == 1
    names.hang("a.example")
    assert await resolver.resolve("a.example") == ("192.0.2.1",)


async def test_outdated_addresses_go_when_the_name_is_gone(names: Names) -> None:
    names.answers["a.example"] = ["192.0.2.1"]
    resolver = make(names, ttl=0)
    await resolver.resolve("a.example")
    names.answers["a.example"] = NO_NAME
    with pytest.raises(NameNotResolved, match="no such name"):
        await resolver.resolve("a.example")


async def test_outdated_addresses_go_when_they_are_too_old(names: Names) -> None:
    names.answers["a.example"] = ["192.0.2.1"]
    resolver = make(names, ttl=0, negative_ttl=0, stale_max=0)
    await resolver.resolve("a.example")
    names.answers["a.example"] = TRY_AGAIN
    with pytest.raises(NameNotResolved, match="Temporary failure"):
        await resolver.resolve("a.example")


async def test_a_name_server_that_does_not_answer_times_out(names: Names) -> None:
    names.hang("slow.example")
    resolver = make(names, timeout=0.01)
    with pytest.raises(NameNotResolved, match=r"slow\.example within 0\.01 s"):
        await resolver.resolve("slow.example")


async def test_dead_names_block_only_each_other(names: Names) -> None:
    """All ordinary threads hang on dead names once; when these are tried again they have a lane of their own."""
    dead = [f"dead{number}.example" for number in range(6)]
    names.answers |= dict.fromkeys(dead, TRY_AGAIN)
    resolver = make(names, threads=2, suspect_threads=1, negative_ttl=0)
    for host in dead:
        with pytest.raises(NameNotResolved):
            await resolver.resolve(host)
    for host in dead:
        names.hang(host)
    tasks = [asyncio.ensure_future(resolver.resolve(host)) for host in dead]
    await asyncio.sleep(0)
    names.answers["good.example"] = ["192.0.2.1"]
    assert await resolver.resolve("good.example") == ("192.0.2.1",)
    assert names.asked.count("good.example") == 1
    names.release()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, NameNotResolved) for result in results)


async def test_threads_are_bounded(names: Names) -> None:
    hosts = [f"h{number}.example" for number in range(10)]
    for host in hosts:
        names.answers[host] = ["192.0.2.1"]
        names.hang(host)
    resolver = make(names, threads=3)
    tasks = [asyncio.ensure_future(resolver.resolve(host)) for host in hosts]
    await asyncio.sleep(0)
    assert sum(thread.name.startswith("resolve h") for thread in threading.enumerate()) == 3
    names.release()
    assert await asyncio.gather(*tasks) == [("192.0.2.1",)] * 10


async def test_the_memory_of_hosts_is_bounded(names: Names) -> None:
    resolver = make(names, max_hosts=3)
    for number in range(10):
        names.answers[f"h{number}.example"] = ["192.0.2.1"]
        await resolver.resolve(f"h{number}.example")
    assert len(resolver._hosts) == 3


async def test_cancelling_one_waiter_leaves_the_look_up_to_the_others(names: Names) -> None:
    names.answers["a.example"] = ["192.0.2.1"]
    names.hang("a.example")
    resolver = make(names)
    first, second = (asyncio.ensure_future(resolver.resolve("a.example")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    names.release()
    assert await second == ("192.0.2.1",)
    assert first.cancelled() or first.done()


async def test_closing_ends_the_waiting(names: Names) -> None:
    names.hang("a.example")
    resolver = make(names)
    task = asyncio.ensure_future(resolver.resolve("a.example"))
    await asyncio.sleep(0)
    resolver.close()
    with pytest.raises(NameNotResolved, match="closed"):
        await task
    with pytest.raises(NameNotResolved, match="closed"):
        await resolver.resolve("b.example")
