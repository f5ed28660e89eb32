from __future__ import annotations

import msgspec
import pytest
from binding_strategies import events
from hypothesis import given
from hypothesis import strategies as st

from eventing.bindings import storage
from eventing.errors import ChannelCorrupt, ChannelUnsupported
from eventing.event import Event

EVENT = Event({"specversion": "1.0", "id": "é", "source": "/s", "type": "t", "n": -5, "yes": True, "one": "1"}, b"\x00\xff")


@given(events())
def test_what_was_stored_comes_back_with_types_and_order(event: Event) -> None:
    read = storage.decode(storage.encode_head(event), event.data)
    assert read == event
    assert list(read.items()) == list(event.items())


@given(events(), st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4).map(tuple))
@pytest.mark.requirement("I20")
def test_headers_are_kept_beside_a_stored_event_and_change_nothing_in_it(
    event: Event, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    head = storage.encode_head(event, headers)
    read, beside = storage.decode_whole(head, event.data)
    assert (read, beside) == (event, headers)
    assert list(read.items()) == list(event.items())
    assert storage.decode(head, event.data) == event


def test_version_2_is_this_for_ever_and_only_where_there_are_headers() -> None:
    event = Event({"id": "a"})
    assert (
        storage.encode_head(event, ((b"x-request-id", b"7"),)) == b"\x02\x92\x81\xa2id\xa1a\x91\x92\xc4\x0cx-request-id\xc4\x017"
    )
    assert storage.encode_head(event, ()) == storage.encode_head(event) == b"\x01\x81\xa2id\xa1a"


def test_version_1_is_this_for_ever() -> None:
    assert storage.encode_head(Event({"id": "a", "n": 1, "b": False})) == b"\x01\x83\xa2id\xa1a\xa1n\x01\xa1b\xc2"


@pytest.mark.parametrize("data", [None, b"", b"x"])
def test_absent_and_empty_data_differ(data: bytes | None) -> None:
    assert storage.decode(storage.encode_head(EVENT), data).data == data


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(ChannelUnsupported, match="format 3, this program knows up to 2"):
        storage.decode(b"\x03" + storage.encode_head(EVENT)[1:], None)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00",
        b"\x01",
        b"\x02",
        b"\x02\x80",
        b"\x02\x91\x80",
        b"\x02\x92\x80\x91\x91\xc4\x00",
        b"\x02\x92\x80\x80",
        b"\x01\xc0",
        b"\x01\x81\xa1a\x90",
        b"\x01\x81\xa1a\xa1\xff",
        storage.encode_head(EVENT)[:-1],
    ],
)
def test_a_damaged_head_is_refused(head: bytes) -> None:
    with pytest.raises(ChannelCorrupt, match="damaged"):
        storage.decode(head, None)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_refused(noise: bytes) -> None:
    try:
        event = storage.decode(noise, None)
    except (ChannelCorrupt, ChannelUnsupported):
        return
    stored = msgspec.msgpack.decode(noise[1:])
    assert dict(event.items()) == (stored if noise[0] == 1 else stored[0])
