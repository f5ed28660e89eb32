"""Guarantee 1: a 2xx means stored. Storage down or full: 503 with Retry-After."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
from collections.abc import Callable

import pytest

from tests.support.events import binary
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.wait import eventually

pytestmark = pytest.mark.crash


def send_and_kill(engine: EventingProcess, id_: str) -> bytes:
    """Send an event over a plain socket, and kill the process when the first byte of the answer is here. That byte and what had
    come with it."""
    head = "".join(f"{name}: {value}\r\n" for name, value in binary(id_).items())
    request = f"POST /default/default HTTP/1.1\r\nhost: 127.0.0.1\r\n{head}content-length: 2\r\n\r\n{{}}"
    with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as connection:
        connection.sendall(request.encode())
        beginning = connection.recv(1)
        engine.signal(signal.SIGKILL)
        return beginning + connection.recv(4096)


@pytest.mark.requirement("I7")
async def test_an_event_is_stored_before_the_first_byte_of_the_answer(make: Make, listen: Listen) -> None:
    subscriber = await listen()
    paused = [broker(), trigger("t", subscriber.url, paused="true")]
    engine = make(paused)
    ids = [f"e-{number}" for number in range(6)]
    for id_ in ids:
        await engine.start()
        answer = await asyncio.to_thread(send_and_kill, engine, id_)
        assert answer.startswith(b"HTTP/1.1 202"), answer
        assert await engine.wait() == -signal.SIGKILL
    assert not subscriber.attempts
    engine.write([broker(), trigger("t", subscriber.url)])
    await engine.start()
    await subscriber.until_done(ids, 20)


@pytest.mark.requirement("I7")
@pytest.mark.parametrize("step", ["append.begin", "append.written"])
async def test_nothing_is_answered_that_is_not_committed(
    step: str, make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    subscriber = await listen()
    engine = make([broker(), trigger("t", subscriber.url)])
    sender = load(engine.url())
    for passage in (1, 5, 9):
        await engine.start(fault=f"{step}:{passage}")
        sender.run(8)
        assert await engine.wait() == -signal.SIGKILL
        await sender.stop()
    await engine.start()
    assert await sender.one(id_="last") == 202
    await subscriber.until_done(sender.accepted, 20)
    # The write that was cut off is gone as a whole: had any of it been answered, the line above would still wait for it.
    assert sender.unknown, "the process ended under load, so some events got no answer"


@pytest.mark.requirement("I7")
async def test_a_store_that_is_gone_is_503_with_retry_after(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    subscriber = await listen()
    engine = make([broker(), trigger("t", subscriber.url)])
    await engine.start()
    sender = load(engine.url())
    await sender.many(5)
    aside = engine.data_dir.with_name("aside")
    engine.data_dir.rename(aside)

    async def refused() -> http.client.HTTPMessage | dict[str, str] | None:
        id_ = f"probe-{len(sender.accepted)}"
        answer = await engine.post(binary(id_), b"{}")
        if answer.status == 202:
            sender.accepted[id_] = None
            return None
        assert answer.status == 503
        return dict(answer.headers)

    headers = await eventually(refused, 30, "an answer 503 while the file is away")
    assert isinstance(headers, dict)
    assert int(headers["retry-after"]) >= 1
    assert (await engine.control("/healthz")).status == 200
    assert engine.alive
    aside.rename(engine.data_dir)

    async def taken() -> bool:
        return await sender.one() == 202

    await eventually(taken, 30, "events are taken again")
    await subscriber.until_done(sender.accepted, 30)
    assert await engine.terminate() == 0
