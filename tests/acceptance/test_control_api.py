"""The resource API as a client of Kubernetes reads it. Secret values are nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.support.fixtures import Listen, Make
from tests.support.http import call
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess

pytestmark = pytest.mark.acceptance

GROUP = "/apis/eventing.knative.dev/v1"
SECRET_TEXT = "Zm9yZ2V0LW1lLW5vdA"
OTHER_SECRET = "aHVzaC1odXNo"


@pytest.fixture
async def engine(make: Make) -> EventingProcess:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "webhook"},
        "stringData": {"token": SECRET_TEXT},
        "data": {"other": OTHER_SECRET},
    }
    process = make([broker(), trigger("t", "http://127.0.0.1:9/"), secret], "--log-level", "debug")
    await process.start()
    return process


@pytest.mark.requirement("O1", "O4", "O7", "B1")
async def test_objects_and_lists(engine: EventingProcess) -> None:
    answer = await engine.control(f"{GROUP}/namespaces/default/brokers/default")
    assert answer.status == 200
    found = answer.json()
    assert (found["apiVersion"], found["kind"]) == ("eventing.knative.dev/v1", "Broker")
    assert found["metadata"]["uid"]
    assert found["status"]["address"]["url"] == engine.url()
    status = await engine.control(f"{GROUP}/namespaces/default/brokers/default/status")
    assert status.json()["status"] == found["status"]
    for path in (f"{GROUP}/triggers", f"{GROUP}/namespaces/default/triggers"):
        listed = (await engine.control(path)).json()
        assert listed["kind"] == "TriggerList"
        assert [item["metadata"]["name"] for item in listed["items"]] == ["t"]
    for kind, name in (("brokers", "default"), ("triggers", "t")):
        assert (await engine.condition(kind, name))["status"] == "True"
    durability = await engine.condition("brokers", "default", "TriggerChannelReady")
    assert "durability" in durability["message"]


@pytest.mark.requirement("B3", "D14")
async def test_every_event_that_comes_while_a_trigger_is_ready_reaches_it(
    make: Make, load: Callable[..., Load], listen: Listen
) -> None:
    subscriber, dead = await listen(), await listen()
    delivery = {"retry": 0, "deadLetterSink": {"uri": dead.url}}
    engine = make([broker(), *(trigger(f"t{number}", subscriber.url, delivery=delivery) for number in range(20))])
    for start in (1, 2):  # what it is after a restart is as true as the first time
        await engine.start()
        status = await engine.status("triggers", "t19")
        assert (status["subscriberUri"], status["deadLetterSinkUri"]) == (subscriber.url, dead.url)
        assert (await engine.condition("triggers", "t19"))["status"] == "True"
        assert await load(engine.url(), f"e{start}-").one() == 202
        expected = 20 * start

        def delivered(expected: int = expected) -> bool:
            return subscriber.done.total() == expected

        await subscriber.until(delivered, 30, "a delivery by each trigger")
        assert await engine.terminate() == 0
    assert dead.done.total() == 0


async def test_uids_stay_over_a_restart(engine: EventingProcess) -> None:
    path = f"{GROUP}/namespaces/default/triggers/t"
    before = (await engine.control(path)).json()["metadata"]["uid"]
    await engine.kill()
    await engine.start()
    assert (await engine.control(path)).json()["metadata"]["uid"] == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{GROUP}/namespaces/default/brokers/absent", 404),
        ("GET", f"{GROUP}/namespaces/default/brokkers", 404),
        ("GET", "/apis/example.com/v1", 404),
        ("GET", "/nothing", 404),
        ("POST", f"{GROUP}/namespaces/default/brokers", 405),
        ("DELETE", f"{GROUP}/namespaces/default/brokers/default", 405),
    ],
)
async def test_a_refusal_is_a_status_object(method: str, path: str, status: int, engine: EventingProcess) -> None:
    answer = await call(engine.control_port, method, path)
    assert answer.status == status
    body = answer.json()
    assert (body["kind"], body["status"], body["code"]) == ("Status", "Failure", status)


async def test_secret_values_are_never_served_or_logged(engine: EventingProcess) -> None:
    paths = ("/api/v1/secrets", "/api/v1/namespaces/default/secrets", "/api/v1/namespaces/default/secrets/webhook")
    seen = [(await engine.control(path)) for path in paths]
    assert [answer.status for answer in seen] == [200, 200, 200]
    assert all("webhook" in answer.text for answer in seen)
    everything = "".join(answer.text for answer in seen) + (await engine.control("/metrics")).text + engine.stderr()
    assert SECRET_TEXT not in everything
    assert OTHER_SECRET not in everything


async def test_bytes_that_are_no_http_are_a_line_of_the_log(make: Make) -> None:
    engine = make([broker()], "--log-format", "json")
    await engine.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.control_port)
    writer.write(b"\x16\x03\x01 nothing like HTTP\r\n\r\n")
    await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await writer.wait_closed()
    assert await engine.terminate() == 0
    lines = [json.loads(line) for line in engine.stderr().splitlines()]
    assert [line["logger"] for line in lines if "logger" in line] == ["uvicorn.error"]
