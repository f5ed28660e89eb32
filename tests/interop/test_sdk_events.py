"""Events from every SDK's sender through the broker to every SDK's receiver."""

from __future__ import annotations

import json

import pytest

from tests.interop.broker_site import Site
from tests.interop.client import MODES
from tests.interop.faults_sending import sent
from tests.interop.model import Refused, Seen, data_of
from tests.interop.plain import Message, PlainListener, decoded_headers, read, write
from tests.interop.samples import ATTRIBUTES, DATA, LARGE, SAMPLES, Attribute, Sample, fresh, sample
from tests.interop.sdks import Sdks


@pytest.mark.requirement("I1", "I9", "I13", "I14", "F5", "F6", "B2", "B7", "D13")
@pytest.mark.parametrize("sample", ATTRIBUTES, ids=str)
@pytest.mark.parametrize(("sdk", "mode"), MODES)
def test_attributes_that_one_sdk_sends_every_sdk_receives_the_same(
    sdks: Sdks, site: Site, sdk: str, mode: str, sample: Sample
) -> None:
    through(sdks, site, sdk, mode, sample)


@pytest.mark.requirement("I1", "I12", "F2", "F3", "F4", "F7", "D13")
@pytest.mark.parametrize("sample", DATA, ids=str)
@pytest.mark.parametrize(("sdk", "mode"), MODES)
def test_data_that_one_sdk_sends_every_sdk_receives_the_same(sdks: Sdks, site: Site, sdk: str, mode: str, sample: Sample) -> None:
    through(sdks, site, sdk, mode, sample)


@pytest.mark.requirement("I17")
@pytest.mark.parametrize("sample", LARGE, ids=str)
@pytest.mark.parametrize(("sdk", "mode"), MODES)
def test_a_large_event_from_one_sdk_reaches_every_sdk_whole(sdks: Sdks, site: Site, sdk: str, mode: str, sample: Sample) -> None:
    through(sdks, site, sdk, mode, sample)


def through(sdks: Sdks, site: Site, sdk: str, mode: str, sample: Sample) -> None:
    event = fresh(sample)
    expected = sent(sdk, mode, event)
    told = sdks.get(sdk).send(site.url, mode, event.command())
    if isinstance(expected, Refused):
        assert "refused" in told if expected.by == "sender" else told == {"status": 400}
        return
    assert told == {"status": 202}
    site.check(event, expected, mode)


SENT = [
    pytest.param(sdk, mode, one, id=f"{sdk}-{mode}-{one}")
    for sdk, mode in MODES
    for one in SAMPLES
    if "time" in one.attributes and isinstance(sent(sdk, mode, fresh(one)), Seen)
]


@pytest.mark.requirement("F5", "F7", "B7")
@pytest.mark.parametrize(("sdk", "mode", "sample"), SENT)
def test_what_an_sdk_sends_leaves_the_broker_letter_by_letter(
    sdks: Sdks, listener: PlainListener, site: Site, sdk: str, mode: str, sample: Sample
) -> None:
    event = fresh(sample)
    client = sdks.get(sdk)
    assert client.send(listener.url("/"), mode, event.command()) == {"status": 204}
    assert client.send(site.url, mode, event.command()) == {"status": 202}
    goes = "binary" if mode == "binary" else "structured"
    assert letters(site.arrivals(event.id).wire[goes]) == letters(listener.next_received())


def letters(message: Message) -> object:
    """What may not change on the way: headers of attributes and bytes of the body, or members of the JSON object. The same data
    may go on as `data` or as `data_base64`, and what was implied becomes explicit."""
    if not message.structured:
        return decoded_headers(message), message.body
    event = json.loads(message.body)
    (event,) = event if isinstance(event, list) else [event]
    data = data_of(read(message)["data"], event.get("datacontenttype"))
    if "data" in event:
        event.setdefault("datacontenttype", "application/json")
    return {name: value for name, value in event.items() if name not in {"data", "data_base64"}}, data


@pytest.mark.requirement("F1", "B7")
@pytest.mark.parametrize(("sdk", "mode"), [(sdk, mode) for sdk, mode in MODES if mode != "binary"])
def test_numbers_and_booleans_of_a_json_event_stay_numbers_and_booleans(sdks: Sdks, site: Site, sdk: str, mode: str) -> None:
    event = fresh(
        sample("typed", count=Attribute("Integer", "-7"), yes=Attribute("Boolean", "true"), no=Attribute("Boolean", "false"))
    )
    assert sdks.get(sdk).send(site.url, mode, event.command()) == {"status": 202}
    got = json.loads(site.arrivals(event.id).wire["structured"].body)
    assert [got["count"], got["yes"], got["no"]] == [-7, True, False]
    assert type(got["count"]) is int


@pytest.mark.requirement("I18")
def test_every_event_of_a_batch_of_the_go_sdk_arrives(sdks: Sdks, site: Site) -> None:
    events = [fresh(one, "batched") for one in SAMPLES]
    assert sdks.get("go").send(site.url, "batch", *(event.command() for event in events)) == {"status": 202}
    came = {dict(message.headers)["ce-id"] for message in (site.batched.next_received() for _ in events)}
    assert came == {event.id for event in events}


@pytest.mark.requirement("B6")
def test_a_delivery_asks_for_a_reply(site: Site) -> None:
    event = fresh(sample("asked"))
    assert site.post(*write(event, "binary")) == 202
    for message in site.arrivals(event.id).wire.values():
        assert dict(message.headers)["prefer"] == "reply"
