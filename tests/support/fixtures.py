"""Fixtures of the tests that run the program. A `conftest.py` imports them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.load import Load
from tests.support.process import EventingProcess
from tests.support.subscriber import RawSubscriber, Script, Subscriber


class Make(Protocol):
    def __call__(
        self, manifest: Sequence[Mapping[str, Any]] | str, *options: str, environment: Mapping[str, str] | None = None
    ) -> EventingProcess: ...


class Listen(Protocol):
    async def __call__(self, script: Script | None = None, *, keep: bool = True) -> Subscriber: ...


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes processes, not yet started; each is ended by its id, and none may have shown a traceback."""
    made: list[EventingProcess] = []

    def new(
        manifest: Sequence[Mapping[str, Any]] | str, *options: str, environment: Mapping[str, str] | None = None
    ) -> EventingProcess:
        process = EventingProcess(tmp_path / f"process{len(made)}", manifest, *options, environment=environment)
        made.append(process)
        return process

    with contextlib.ExitStack() as stack:
        yield new
        for process in made:
            stack.callback(process.end)


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Starts subscribers and ends them."""
    started: list[Subscriber] = []

    async def new(script: Script | None = None, *, keep: bool = True) -> Subscriber:
        subscriber = Subscriber(keep=keep) if script is None else Subscriber(script, keep=keep)
        started.append(subscriber)
        return await subscriber.start()

    yield new
    for subscriber in started:
        await subscriber.close()


@pytest.fixture
async def listen_raw() -> AsyncIterator[Callable[..., Any]]:
    """Starts subscribers that answer with raw bytes, and ends them."""
    started: list[RawSubscriber] = []

    async def new(answer: bytes | None, *, close: bool = True) -> RawSubscriber:
        subscriber = RawSubscriber(answer, close=close)
        started.append(subscriber)
        return await subscriber.start()

    yield new
    for subscriber in started:
        await subscriber.stop()


@pytest.fixture
async def load() -> AsyncIterator[Callable[..., Load]]:
    """Makes senders and ends them."""
    made: list[Load] = []

    def new(url: str, prefix: str = "e", **options: Any) -> Load:
        sender = Load(url, prefix, **options)
        made.append(sender)
        return sender

    yield new
    for sender in made:
        await sender.close()
