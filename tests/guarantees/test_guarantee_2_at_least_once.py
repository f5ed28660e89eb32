"""Guarantee 2: at least once, through any crash, while any subscriber fails for a while. Attempt counts and due times survive.

The kills under load and at every step are in tests/crash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from eventing.ports.http import Response
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.subscriber import Gate, Received, always
from tests.support.wait import eventually

pytestmark = pytest.mark.crash


@pytest.mark.requirement("B5", "D3")
async def test_a_subscriber_that_is_down_for_a_while_gets_everything(
    make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    """Without any `delivery`, over an outage, the opening of the breaker and a kill."""
    subscriber = await listen(always(503), keep=False)
    engine = make([broker(), trigger("t", subscriber.url)])
    await engine.start()
    sender = load(engine.url())
    await sender.many(100)
    await subscriber.until(lambda: sum(subscriber.attempts.values()) >= 20, 20, "failures enough to open the breaker")
    await subscriber.stop()
    await sender.many(100)

    async def failing() -> bool:
        return (await engine.metrics()).trigger("delivery_failures_total", "t", reason="connect") > 0

    await eventually(failing, 30, "a refused connection")
    await engine.kill()
    await engine.start()
    await sender.many(50)
    subscriber.script = always(204)
    await subscriber.start()
    await subscriber.until_done(sender.accepted, 60)
    assert subscriber.repeats == 0, "none had been delivered before the kill"
    assert (await engine.metrics()).total("eventing_dead_letters_total") == 0


@pytest.mark.requirement("D4")
async def test_the_number_of_attempts_survives_a_kill(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """Killed while the third attempt runs: two are counted, the third is repeated uncounted, the fourth is the last."""
    gate = Gate()

    def answer(received: Received) -> Response | Awaitable[Response]:
        return gate.hold(500)(received) if received.attempt == 3 else Response(500)

    subscriber, sink = await listen(answer), await listen()
    delivery = {
        "retry": 3,
        "backoffPolicy": "linear",
        "backoffDelay": "PT0.05S",
        "deadLetterSink": {"uri": sink.url},
    }
    engine = make([broker(), trigger("t", subscriber.url, delivery=delivery)])
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="e") == 202
    await subscriber.until(lambda: subscriber.attempts["e"] == 3, 20, "the third attempt")
    await engine.kill()
    gate.open()
    await engine.start()
    await sink.until_done(["e"], 20)
    assert subscriber.attempts["e"] == 5
    assert sink.attempts["e"] == 1
    assert sink.received[0].headers["ce-knativeerrorcode"] == "500"
    assert await engine.terminate() == 0
    assert subscriber.attempts["e"] == 5


async def test_the_time_an_attempt_is_due_survives_a_kill(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """An attempt that is due in an hour is not made after a restart, while what is new is delivered."""
    subscriber = await listen(lambda received: Response(500 if received.id == "waits" else 204))
    delivery = {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT1H"}
    engine = make([broker(), trigger("t", subscriber.url, delivery=delivery)])
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="waits") == 202

    async def parked() -> bool:
        page = await engine.metrics()
        return page.trigger("backlog_entries", "t") == 1 and page.trigger("in_flight", "t") == 0

    await eventually(parked, 20, "the retry in the backlog")
    await engine.kill()
    await engine.start()
    await eventually(parked, 20, "the retry in the backlog after the restart")
    await sender.many(200)
    await subscriber.until_done(sender.accepted.keys() - {"waits"}, 20)
    assert subscriber.attempts["waits"] == 1
    assert await parked()


async def test_a_delivery_that_was_handed_over_is_not_made_twice(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """It is leased while it runs: others of the same trigger are claimed beside it."""
    gate = Gate()

    def answer(received: Received) -> Response | Awaitable[Response]:
        if received.id == "slow":
            return gate.hold()(received)
        return Response(500 if received.attempt == 1 else 204)

    subscriber = await listen(answer)
    delivery = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT0.02S"}
    engine = make([broker(), trigger("t", subscriber.url, delivery=delivery)])
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="slow") == 202

    async def handed_over() -> bool:
        page = await engine.metrics()
        return page.trigger("parked_total", "t", reason="slow") == 1 and page.trigger("backlog_entries", "t") == 1

    await eventually(handed_over, 20, "the running delivery in the backlog")
    await sender.many(50)
    await subscriber.until_done(sender.accepted.keys() - {"slow"}, 20)
    assert subscriber.attempts["slow"] == 1
    gate.open()
    await subscriber.until_done(["slow"], 20)

    async def settled() -> bool:
        return (await engine.metrics()).trigger("backlog_entries", "t") == 0

    await eventually(settled, 20, "an empty backlog")
    assert subscriber.attempts["slow"] == 1
    assert subscriber.repeats == 0


@pytest.mark.requirement("B5")
async def test_a_delivery_that_was_handed_over_survives_a_kill(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """The cursor is past it when the process dies: the entry in the backlog is all that is left of it."""
    gate = Gate()

    def answer(received: Received) -> Response | Awaitable[Response]:
        return gate.hold()(received) if received.id == "slow" and received.attempt == 1 else Response(204)

    subscriber = await listen(answer)
    engine = make([broker(), trigger("t", subscriber.url)])
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="slow") == 202

    async def handed_over() -> bool:
        page = await engine.metrics()
        return page.trigger("parked_total", "t", reason="slow") == 1 and page.total("eventing_window_events") == 0

    await eventually(handed_over, 20, "the running delivery handed over and settled")
    await sender.many(50)
    await subscriber.until_done(sender.accepted.keys() - {"slow"}, 20)
    await engine.kill()
    gate.open()
    await engine.start()
    await subscriber.until(lambda: subscriber.attempts["slow"] == 2, 20, "the second attempt of what was cut off")
