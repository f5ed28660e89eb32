"""What the benchmark sends is what its cases say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.messages import KEYS_PER_CONNECTION, Shape, data, maker
from eventing.bindings.http import decode
from eventing.event import Event

STAMP = 1_234_567_890_123_456_789


def events(request: bytes) -> list[Event]:
    """As the engine reads them."""
    head, _, body = request.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    assert start == b"POST /default/default HTTP/1.1"
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    assert dict(headers)[b"host"] == b"127.0.0.1:8080"
    assert int(dict(headers)[b"content-length"]) == len(body)
    return decode([pair for pair in headers if pair[0] not in {b"host", b"content-length"}], body)


@given(st.integers(11, 70_000))
def test_data_has_the_size_asked_for(size: int) -> None:
    assert len(data(size)) == size


@pytest.mark.parametrize("mode", ["binary", "structured", "batch"])
@pytest.mark.parametrize("size", [256, 1024, 64 * 1024])
def test_each_mode_carries_number_time_and_data(mode: str, size: int) -> None:
    shape = Shape(size, mode, batch=3 if mode == "batch" else 1)  # type: ignore[arg-type]
    found = events(maker(shape, "/default/default", 8080)(7, STAMP))
    assert [event.id for event in found] == [f"{7 + place:08x}-{STAMP:016x}" for place in range(shape.batch)]
    for event in found:
        assert event.data == data(size)
        assert event.type == shape.type
        assert event.attributes["datacontenttype"] == "application/json"


def test_connections_have_keys_of_their_own() -> None:
    first, second = (maker(Shape(keyed=True), "/default/default", 8080, number) for number in (0, 1))
    keys = [{str(events(make(number, STAMP))[0].attributes["partitionkey"]) for number in range(64)} for make in (first, second)]
    assert [len(found) for found in keys] == [KEYS_PER_CONNECTION, KEYS_PER_CONNECTION]
    assert keys[0].isdisjoint(keys[1])
