"""What each answer means, over real connections: status classes, answers that are none, redirects (Knative data plane, "Event
Acknowledgement and Delivery Retry")."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dispatch_rig import event, eventually, rig, subscribers

from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.ports.records import Failure
from tests.support.subscriber import RawSubscriber

ONCE_MORE = DeliveryPolicy(retry=1, delay=0.01, timeout=5.0)
EMPTY = b"content-length: 0\r\n\r\n"

Raw = Callable[[str, bytes | None, bool], Awaitable[RawSubscriber]]


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    started: list[RawSubscriber] = []

    async def new(_name: str, answer: bytes | None, close: bool) -> RawSubscriber:
        started.append(await RawSubscriber(answer, close=close).start())
        return started[-1]

    yield new
    for subscriber in started:
        await subscriber.stop()


async def attempts_of(tmp_path: Path, raw: Raw, answers: dict[str, bytes]) -> tuple[dict[str, int], dict[str, list[str]]]:
    """One event to a subscriber for each of the answers: how many attempts there were, and how the event ended."""
    made: dict[str, RawSubscriber] = {}
    async with rig(tmp_path) as engine:
        for name, answer in answers.items():
            made[name] = await raw(name, answer, True)
            engine.trigger(name, made[name].url, policy=ONCE_MORE)
        await engine.start()
        await engine.append(event(1))
        await eventually(lambda: all(subscriber.requests for subscriber in made.values()))
        await engine.idle()
        letters = await engine.channel.dead_letters.list("b", None, 1000)
    ends: dict[str, list[str]] = {name: [] for name in answers}
    for stored in letters:
        ends[stored.letter.trigger].append(stored.letter.why)
    return {name: subscriber.requests for name, subscriber in made.items()}, ends


DONE = (200, 201, 202, 203, 204, 205, 206, 208, 226, 299)
RETRIED = (404, 408, 409, 429, 500, 501, 502, 503, 504, 505, 507, 511, 599, 600, 777, 999)
REFUSED = (300, 301, 302, 303, 304, 305, 307, 308, 399)
REFUSED += (400, 401, 402, 403, 405, 406, 407, 410, 411, 412, 413, 415, 416, 417, 418, 421, 422, 425, 426, 431, 451, 499)


@pytest.mark.requirement("D1")
async def test_every_class_of_status_is_delivered_retried_or_refused_as_the_table_says(tmp_path: Path, raw: Raw) -> None:
    answers = {str(status): b"HTTP/1.1 %d x\r\n" % status + EMPTY for status in (*DONE, *RETRIED, *REFUSED)}
    attempts, ends = await attempts_of(tmp_path, raw, answers)
    assert {status for status, count in attempts.items() if count == 2} == {str(status) for status in RETRIED}
    assert {status for status, count in attempts.items() if count == 1} == {str(status) for status in (*DONE, *REFUSED)}
    assert {status for status, end in ends.items() if not end} == {str(status) for status in DONE}
    assert {status for status, end in ends.items() if end == ["exhausted"]} == {str(status) for status in RETRIED}
    assert {status for status, end in ends.items() if end == ["refused"]} == {str(status) for status in REFUSED}


@pytest.mark.requirement("I24")
async def test_a_410_ends_the_delivery_of_its_event_and_the_trigger_goes_on_with_the_next_one(tmp_path: Path, raw: Raw) -> None:
    gone = await raw("gone", b"HTTP/1.1 410 Gone\r\n" + EMPTY, True)
    async with rig(tmp_path) as engine:
        engine.trigger("one", gone.url, policy=ONCE_MORE)
        await engine.start()
        for number in (1, 2):
            await engine.append(event(number))
            await eventually(lambda number=number: engine.metrics.triggers["one"].dead_lettered["refused"] == number)
        await engine.idle()
    assert gone.requests == 2


@pytest.mark.requirement("D1")
async def test_an_informational_status_is_an_error_without_retry_where_no_other_answer_can_follow(
    tmp_path: Path, raw: Raw
) -> None:
    answers = {
        "101": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "100-closed": b"HTTP/1.1 100 Continue\r\nconnection: close\r\n\r\n",
        "199": b"HTTP/1.1 199 Odd\r\n" + EMPTY,
    }
    attempts, ends = await attempts_of(tmp_path, raw, answers)
    assert attempts == dict.fromkeys(answers, 1)
    assert ends == {name: ["refused"] for name in answers}


@pytest.mark.requirement("D1")
async def test_interim_answers_are_skipped_and_the_final_one_counts(tmp_path: Path, raw: Raw) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    answers = {"done": interim + b"HTTP/1.1 204 x\r\n\r\n", "failed": interim + b"HTTP/1.1 500 x\r\n" + EMPTY}
    attempts, ends = await attempts_of(tmp_path, raw, answers)
    assert attempts == {"done": 1, "failed": 2}
    assert ends == {"done": [], "failed": ["exhausted"]}


BROKEN = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "another protocol": b"220 mail.example ESMTP ready\r\n",
    "half a status line": b"HTTP/1.1 20",
    "a status of two digits": b"HTTP/1.1 20 x\r\n" + EMPTY,
    "a status of four digits": b"HTTP/1.1 2000 x\r\n" + EMPTY,
    "a status in letters": b"HTTP/1.1 abc x\r\n" + EMPTY,
    "a status below 100": b"HTTP/1.1 099 x\r\n" + EMPTY,
    "a status without version": b"200 OK\r\n" + EMPTY,
    "another version": b"HTTP/2.0 200 OK\r\n" + EMPTY,
    "half a header": b"HTTP/1.1 200 OK\r\ncontent-le",
    "a header without colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n" + EMPTY,
    "a body cut short": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    "a chunk cut short": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf",
    "chunks without end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "a length in letters": b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy",
    "an unknown coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx",
    "an interim answer and no other": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.requirement("D3")
async def test_an_answer_that_is_cut_short_or_no_http_is_retried(tmp_path: Path, raw: Raw) -> None:
    attempts, ends = await attempts_of(tmp_path, raw, BROKEN)
    assert attempts == dict.fromkeys(BROKEN, 2)
    assert ends == {name: ["exhausted"] for name in BROKEN}


async def failure_of(tmp_path: Path, url: str, timeout: float = 5.0) -> tuple[Failure, int]:
    """The last failure of an event that is given up on, and the attempts it took."""
    async with rig(tmp_path) as engine:
        engine.trigger("one", url, policy=DeliveryPolicy(retry=1, delay=0.01, timeout=timeout))
        await engine.start()
        await engine.append(event(1))
        await eventually(lambda: engine.metrics.triggers["one"].dead_lettered["exhausted"] == 1)
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    return stored.letter.failures[-1], stored.letter.attempts


@pytest.mark.requirement("D3")
async def test_a_refused_connection_is_retried(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.close()
        failure, attempts = await failure_of(tmp_path, f"http://127.0.0.1:{port}/")
    assert attempts == 2
    assert (failure.code, failure.body) == (0, b"")
    assert "refused" in failure.reason


@asynccontextmanager
async def resetting() -> AsyncIterator[tuple[str, list[int]]]:
    """Reads a request's head and resets the connection, without an answer."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        seen.append(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", seen
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.requirement("D3")
async def test_a_connection_that_is_reset_is_retried(tmp_path: Path) -> None:
    async with resetting() as (url, seen):
        failure, attempts = await failure_of(tmp_path, url)
    assert attempts == len(seen) == 2
    assert failure.code == 0


@pytest.mark.requirement("D3", "D9")
@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"])
async def test_each_attempt_that_takes_longer_than_the_timeout_is_ended_and_retried(
    tmp_path: Path, raw: Raw, answer: bytes | None
) -> None:
    silent = await raw("silent", answer, False)
    failure, attempts = await failure_of(tmp_path, silent.url, timeout=0.15)
    assert attempts == silent.requests == 2
    assert failure.code == 0
    assert "0.15 s" in failure.reason


@pytest.mark.requirement("D2")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(tmp_path: Path, status: int) -> None:
    async with subscribers(2) as (one, elsewhere), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(status, [(b"location", elsewhere.url.encode())])
        engine.trigger("one", one.url, policy=ONCE_MORE)
        await engine.start()
        await engine.append(event(1))
        await one.got(1)
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    assert elsewhere.deliveries == []
    assert one.ids() == {"1": 1}
    assert [failure.code for failure in stored.letter.failures] == [status]
