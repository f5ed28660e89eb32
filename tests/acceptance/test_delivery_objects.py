"""`delivery` of Brokers and Triggers, and what goes along with an event, by the whole program."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.events import binary
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.subscriber import always, first
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def stored(engine: EventingProcess, name: str, letters: int = 1) -> None:
    """Wait until the built-in store holds that many letters of the trigger."""

    async def there() -> bool:
        return (await engine.metrics()).trigger("dead_letters_stored", name) == letters

    await eventually(there, 20, f"{letters} letters of {name} in the built-in store")


@pytest.mark.requirement("D7", "D4")
async def test_a_triggers_delivery_replaces_its_brokers_as_a_whole(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    one, two, sink = await listen(always(500)), await listen(always(500)), await listen()
    everything = {"retry": 3, "backoffDelay": "PT0.01S", "format": "json", "deadLetterSink": {"uri": sink.url}}
    engine = make(
        [
            broker(delivery=everything),
            trigger("own", one.url, delivery={"backoffDelay": "PT0.02S"}),
            trigger("inherits", two.url),
        ]
    )
    await engine.start()
    assert await load(engine.url()).one(id_="e") == 202
    await stored(engine, "own")
    await sink.until_done(["e"], 20)
    assert one.attempts["e"] == 1, "no retry of the broker's"
    assert "ce-id" in one.received[0].headers, "no format of the broker's"
    assert two.attempts["e"] == 4
    assert "ce-id" not in two.received[0].headers
    assert len(sink.received) == 1, "no sink of the broker's"


@pytest.mark.requirement("D14")
async def test_the_address_of_the_dead_letter_sink_is_in_the_status_before_an_object_is_ready(make: Make, listen: Listen) -> None:
    sink = await listen()
    other = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "letters"}}
    lost = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "absent"}}
    url = "http://127.0.0.1:9/"
    engine = make(
        [
            broker(delivery={"retry": 1, "deadLetterSink": {"uri": f"{sink.url}dead?x=1"}}),
            broker("letters"),
            trigger("inherits", url),
            trigger("own", url, delivery={"retry": 1, "deadLetterSink": other}),
            trigger("lost", url, delivery={"retry": 1, "deadLetterSink": lost}),
            trigger("none", url, delivery={"retry": 1}),
        ]
    )
    await engine.start()
    assert (await engine.status("brokers", "default"))["deadLetterSinkUri"] == f"{sink.url}dead?x=1"
    assert (await engine.status("triggers", "inherits"))["deadLetterSinkUri"] == f"{sink.url}dead?x=1"
    assert (await engine.status("triggers", "own"))["deadLetterSinkUri"] == engine.url("letters")
    for name, ready in (("inherits", "True"), ("own", "True"), ("none", "True"), ("lost", "False")):
        assert (await engine.condition("triggers", name))["status"] == ready, name
    assert "absent" in (await engine.condition("triggers", "lost"))["message"]
    assert "deadLetterSinkUri" not in await engine.status("triggers", "none")
    assert "deadLetterSinkUri" not in await engine.status("triggers", "lost")


@pytest.mark.requirement("I20")
async def test_trace_and_request_headers_reach_the_subscriber_after_a_kill_too_and_credentials_never_do(
    make: Make, listen: Listen
) -> None:
    subscriber = await listen(first(503))
    engine = make([broker(), trigger("t", subscriber.url, delivery={"retry": 9, "backoffDelay": "PT1S"})])
    await engine.start()
    along = {"traceparent": TRACE, "X-Request-Id": "r-1", "X-B3-Sampled": "1", "Knative-Thing": "x"}
    secret = {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Api-Key": "secret"}
    assert (await engine.post({**binary("e"), **along, **secret}, b"{}")).status == 202
    await subscriber.until(lambda: subscriber.attempts["e"] == 1, 20)
    await engine.kill()
    await engine.start()
    await subscriber.until_done(["e"], 20)
    for received in subscriber.received:
        for name, value in along.items():
            assert received.headers[name.lower()] == value
        assert not {name.lower() for name in secret} & received.headers.keys()
    assert "secret" not in engine.stderr()


@pytest.mark.requirement("I21")
async def test_an_event_that_went_through_too_many_knative_brokers_is_refused_with_the_reason(make: Make) -> None:
    engine = make([broker()])
    await engine.start()
    answer = await engine.post(binary("e", knativebrokerttl="1"), b"{}")
    assert answer.status == 400
    assert "attribute knativebrokerttl: 1 lets no broker take the event" in answer.text
    assert (await engine.post(binary("e", knativebrokerttl="2"), b"{}")).status == 202


@pytest.mark.requirement("B2")
async def test_triggers_with_the_same_address_get_a_delivery_each(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    subscriber = await listen()
    engine = make([broker(), *(trigger(f"t{number}", subscriber.url) for number in range(3))])
    await engine.start()
    assert await load(engine.url()).one(id_="e") == 202
    await subscriber.until(lambda: subscriber.attempts["e"] == 3, 20)

    async def settled() -> bool:
        page = await engine.metrics()
        return sum(page.trigger("deliveries_total", f"t{number}", result="delivered") for number in range(3)) == 3

    await eventually(settled, 20, "three deliveries")
    assert subscriber.attempts["e"] == 3
