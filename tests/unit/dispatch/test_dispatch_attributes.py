"""What arrives is what was sent: attributes and data from the front door to the subscriber (Knative conformance, "Delivery")."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, Subscriber, event, eventually, rig, subscribers
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.bindings import http as binding
from eventing.event import Event, canonical
from eventing.ports.http import Response
from eventing.ports.records import MAX_HOPS
from eventing.resources.plan import Target
from eventing.testing.events import valid_events

RAW: dict[str, tuple[bytes, str, bytes]] = {
    "a space": (b"a b", "a b", b"a%20b"),
    "an escape": (b"a%20b", "a b", b"a%20b"),
    "a percent sign": (b"100%25", "100%", b"100%25"),
    "an escape that was escaped": (b"%2525", "%25", b"%2525"),
    "quotes": (b'"a \\"b\\" c"', 'a "b" c', b"a%20%22b%22%20c"),
    "an escape in quotes": (b'"%22"', '"', b"%22"),
    "unicode": (b"%E2%82%AC%F0%9F%98%80", "€😀", b"%E2%82%AC%F0%9F%98%80"),
    "lower-case escapes": (b"%e2%82%ac", "€", b"%E2%82%AC"),
    "nothing": (b"", "", b""),
    "a number": (b"007", "007", b"007"),
    "a boolean": (b"True", "True", b"True"),
    "a header's own marks": (b"a:b;c=d,e", "a:b;c=d,e", b"a:b;c=d,e"),
}


@pytest.mark.requirement("B7")
@pytest.mark.parametrize("what", RAW)
async def test_an_odd_extension_arrives_with_the_value_that_was_sent(tmp_path: Path, what: str) -> None:
    sent, value, header = RAW[what]
    headers, body = binding.encode_binary(event(1))
    async with subscribers(2) as (one, two), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        engine.trigger("two", two.url, format="json")
        await engine.start()
        assert await engine.post([*headers, (b"ce-odd", sent)], body) == 202
        await one.got(1)
        await two.got(1)
    assert one.deliveries[0][0] == two.deliveries[0][0] == event(1, odd=value)
    assert one.deliveries[0][1].header(b"ce-odd") == header


@pytest.mark.requirement("B7", "I22")
@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_nothing_is_added_to_an_event_and_its_version_stays(tmp_path: Path, version: str) -> None:
    headers = [(b"ce-specversion", version.encode()), (b"ce-id", b"1"), (b"ce-source", b"/s"), (b"ce-type", b"t")]
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        assert await engine.post(headers, b"") == 202
        await one.got(1)
    [(received, request)] = one.deliveries
    assert dict(received.items()) == {"specversion": version, "id": "1", "source": "/s", "type": "t"}
    names = {name for name, _ in request.headers}
    own = {b"host", b"content-length", b"prefer", b"kn-namespace", b"eventing-engine-hops"}
    assert names == own | {b"ce-specversion", b"ce-id", b"ce-source", b"ce-type"}, "no time, no arrival, no content type"


@pytest.mark.requirement("I22")
async def test_an_arrival_time_that_a_knative_broker_added_stays_as_it_is(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        sent = event(1, knativearrivaltime="2024-02-15T14:26:00.11706994Z")
        assert await engine.post(*binding.encode_binary(sent)) == 202
        await one.got(1)
    assert one.deliveries[0][0] == sent


@pytest.mark.requirement("I21")
@pytest.mark.parametrize(("ttl", "left"), [("255", 254), ("17", 16), ("2", 1), ("300", 255), ("many", 255), ("", 255)])
async def test_the_count_of_a_knative_broker_is_heeded_and_goes_on_unchanged(tmp_path: Path, ttl: str, left: int) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        sent = event(1, knativebrokerttl=ttl)
        assert await engine.post(*binding.encode_binary(sent)) == 202
        await one.got(1)
    [(received, request)] = one.deliveries
    assert request.header(b"eventing-engine-hops") == b"%d" % (left - 1)
    assert received == sent


@pytest.mark.requirement("I21")
@pytest.mark.parametrize("ttl", [1, 0, -1, -(2**31)])
async def test_an_event_whose_knative_count_ran_out_is_refused_in_both_modes(tmp_path: Path, ttl: int) -> None:
    async with rig(tmp_path) as engine:
        await engine.start()
        spent = Event({**dict(event(1).items()), "knativebrokerttl": ttl}, b"x")
        assert await engine.post(*binding.encode_binary(spent)) == 400
        assert await engine.post(*binding.encode_structured(spent)) == 400
        assert engine.metrics.brokers["b"].refused["hop_limit"] == 2


@pytest.mark.requirement("I21")
async def test_of_both_counts_the_lower_one_holds(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        headers, body = binding.encode_binary(event(1, knativebrokerttl="200"))
        assert await engine.post([*headers, (b"eventing-engine-hops", b"100")], body) == 202
        await one.got(1)
    assert one.deliveries[0][1].header(b"eventing-engine-hops") == b"99"
    assert MAX_HOPS == 255


EXTENSIONS = {
    "partitionkey": "key 1",
    "sampledrate": "30",
    "dataref": "https://example.com/data?x=1",
    "sequence": "0000000001",
    "severitytext": "WARN",
    "severitynumber": "13",
    "correlationid": "c-1",
    "causationid": "c-0",
    "authtype": "app_user",
    "authid": "user@example.com",
    "recordedtime": "2024-01-01T00:00:00.000000001Z",
    "dataclassification": "confidential",
    "deprecated": "true",
    "expirytime": "2999-01-01T00:00:00+01:00",
}


@pytest.mark.requirement("F8", "B7")
async def test_documented_extensions_go_on_as_they_are(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        assert await engine.post(*binding.encode_binary(event(1, **EXTENSIONS))) == 202
        await one.got(1)
    assert one.deliveries[0][0] == event(1, **EXTENSIONS)


def as_texts(sent: Event) -> Event:
    """Through binary mode every attribute is a String in its canonical form, and empty data is none."""
    return Event({name: canonical(value) for name, value in sent.items()}, sent.data or None)


@pytest.mark.requirement("B7")
@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(valid_events(), st.booleans()), min_size=1, max_size=20))
def test_any_event_sent_in_either_mode_arrives_in_both_formats_as_it_was(sent: list[tuple[Event, bool]]) -> None:
    unexpired = [
        (one.replace(id=str(number), expirytime=None, knativebrokerttl=None), mode) for number, (one, mode) in enumerate(sent)
    ]

    async def through() -> list[Subscriber]:
        with tempfile.TemporaryDirectory() as folder:
            async with subscribers(2) as (plain, whole), rig(Path(folder)) as engine:
                engine.trigger("plain", plain.url)
                engine.trigger("whole", whole.url, format="json")
                await engine.start()
                for one, structured_mode in unexpired:
                    encode = binding.encode_structured if structured_mode else binding.encode_binary
                    assert await engine.post(*encode(one)) == 202
                await plain.got(len(unexpired))
                await whole.got(len(unexpired))
                await engine.idle()
                return [plain, whole]

    plain, whole = asyncio.run(through())
    binary = {received.id: received for received, _ in plain.deliveries}
    structured = {received.id: received for received, _ in whole.deliveries}
    for one, structured_mode in unexpired:
        assert binary[one.id] == as_texts(one)
        if structured_mode:
            assert structured[one.id] == one
            assert list(structured[one.id].items()) == list(one.items())
        else:
            assert structured[one.id] == as_texts(one)


@pytest.mark.requirement("I21")
async def test_a_batch_with_an_event_whose_count_ran_out_is_refused_whole(tmp_path: Path) -> None:
    async with rig(tmp_path) as engine:
        await engine.start()
        batch = [{**dict(event(number).items()), "knativebrokerttl": ttl} for number, ttl in enumerate((200, 1, 200))]
        headers = [(b"content-type", b"application/cloudevents-batch+json")]
        assert await engine.post(headers, json.dumps(batch).encode()) == 400
        assert await engine.post(headers, json.dumps(batch[::2]).encode()) == 202
        await engine.drained()
        assert engine.metrics.brokers["b"].refused["hop_limit"] == 3
        assert engine.metrics.brokers["b"].read == 2


@pytest.mark.requirement("D15", "F8")
async def test_an_event_that_expires_while_it_waits_for_its_next_attempt_ends_as_expired_and_is_no_dead_letter(
    tmp_path: Path,
) -> None:
    clock = [time.time()]
    async with subscribers(2) as (one, dead), rig(tmp_path, wall=lambda: clock[0]) as engine:  # type: ignore[arg-type]

        def answer(_received: Event, _times: int) -> Response:
            clock[0] += 20.0
            return Response(503)

        one.answer = answer
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        end = datetime.fromtimestamp(clock[0] + 30, UTC)
        await engine.append(event(1, expirytime=end.isoformat()))
        await eventually(lambda: engine.metrics.triggers["one"].expired == 1)
        await engine.idle()
        assert await engine.channel.dead_letters.list("b", None, 10) == []
    assert one.ids() == {"1": 2}
    assert dead.deliveries == []
