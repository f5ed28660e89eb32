"""The kill aimed between any two steps of storing, delivering and settling, with everything in play that can be settled."""

from __future__ import annotations

import re
import signal
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

import pytest

from eventing.dispatch.deliver import FAULT_POINTS as DELIVERING
from eventing.ports.http import Response
from eventing_channels.sqlite.steps import FAULT_POINTS as STORING
from tests.support.events import binary
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.metrics import Page
from tests.support.process import Died
from tests.support.subscriber import Received, Subscriber, always, event_answer, first
from tests.support.wait import eventually

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

PASSAGES = (1, 3, 8)
"""Which passage of the step kills, one run of the program after the other."""
KILLS = len(PASSAGES)
RETRY = 3
SETTLE_SECONDS = 30


def test_the_lists_hold_every_step_of_the_code() -> None:
    called: set[str] = set()
    for package in ("eventing_channels.sqlite", "eventing.dispatch"):
        for path in Path(str(files(package))).glob("*.py"):
            called.update(re.findall(r'(?:fault\(|passed\(tx.fault, )"([a-z_.]+)"', path.read_text()))
    assert called == {*STORING, *DELIVERING}


def reply(received: Received) -> Response:
    return event_answer(binary(f"reply-{received.id}", "reply"))


@pytest.mark.parametrize("step", [*STORING, *DELIVERING])
async def test_a_kill_at(step: str, make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    direct = await listen()
    flaky = await listen(first(500))
    replier = await listen(reply)
    replies = await listen()
    failing = await listen(always(500, body=b"out of order"))
    refusing = await listen(always(400))
    sink = await listen()
    delays = {"backoffPolicy": "linear", "backoffDelay": "PT0.03S"}
    work = ["work"]
    engine = make(
        [
            broker(),
            trigger("direct", direct.url, types=work),
            trigger("flaky", flaky.url, types=work, delivery={"retry": 10, **delays}),
            trigger("replier", replier.url, types=work),
            trigger("replies", replies.url, types=["reply"]),
            trigger("failing", failing.url, types=work, delivery={"retry": RETRY, "deadLetterSink": {"uri": sink.url}, **delays}),
            trigger("refusing", refusing.url, types=work, delivery={"retry": RETRY, **delays}),
        ]
    )
    sender = load(engine.url(), types=lambda _n: "work")
    for passage in PASSAGES:
        engine.spawn(fault=f"{step}:{passage}")
        try:
            await engine.ready()
        except Died:
            pass  # what the last run left was enough to come to the step
        else:
            sender.run(3, pause=0.005)
        assert await engine.wait() == -signal.SIGKILL, f"{step} was not what ended it\n{engine.tail()}"
        await sender.stop()

    await engine.start()
    await sender.many(5, connections=1)  # the step is passed now, and life goes on
    accepted = set(sender.accepted)
    possible = accepted | sender.unknown
    for name, subscriber in {"direct": direct, "flaky": flaky, "replier": replier, "sink": sink}.items():
        await subscriber.until_done(accepted, SETTLE_SECONDS, name)
    await replies.until_done({f"reply-{id_}" for id_ in accepted}, SETTLE_SECONDS, "replies")
    await eventually(lambda: is_quiet(engine.metrics), SETTLE_SECONDS, "an empty backlog")

    # Whether an unanswered one was stored, the direct trigger shows: then it must be everywhere, else nowhere.
    stored = set(direct.done)
    assert accepted <= stored <= possible
    for subscriber in (flaky, replier, failing, refusing, sink):
        assert set(subscriber.attempts) == stored
    assert set(replies.done) == {f"reply-{id_}" for id_ in stored}
    check_attempts(failing, RETRY + 1)
    check_attempts(refusing, 1)
    check_attempts(sink, 1)
    assert all(letter.headers["ce-knativeerrorcode"] == "500" for letter in sink.received)
    assert (await engine.metrics()).trigger("dead_letters_stored", "refusing") == len(stored)
    assert (await engine.metrics()).trigger("dead_letters_stored", "failing") == 0
    assert await engine.terminate() == 0


def check_attempts(subscriber: Subscriber, counted: int) -> None:
    """Exactly ``counted``, and at most one more for each kill: the attempt that was cut off is repeated uncounted."""
    wrong = {id_: count for id_, count in subscriber.attempts.items() if not counted <= count <= counted + KILLS}
    assert not wrong


async def is_quiet(metrics: Callable[[], Awaitable[Page]]) -> bool:
    page = await metrics()
    return not any(
        page.total(f"eventing_{name}") for name in ("backlog_entries", "window_events", "reader_lag_events", "in_flight")
    )
