"""The parsers and bindings by themselves: the cases of `tests.fuzz.pure`, and whatever else bytes can be."""

from __future__ import annotations

import io
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.bindings import http as binding
from eventing.errors import DeliveryFailed, InvalidEvent, InvalidManifest
from eventing.http.limits import ClientLimits
from eventing.http.response_parser import ResponseParser
from eventing.resources.validate import validate
from tests.fuzz import pure

CASES = {"requests": 2_000, "events": 1_500, "answers": 6_000, "manifests": 1_500}


@pytest.mark.parametrize("target", CASES)
def test_a_part_takes_every_case_and_reads_what_a_second_reader_reads(target: str) -> None:
    assert CASES.keys() == pure.TARGETS.keys()
    for seed in (1, secrets.randbelow(2**32)):
        found = [(seed, number, problem) for number in range(CASES[target]) for problem in pure.run(target, seed, number)]
        assert found == [], f"python -m tests.fuzz --target {target} --seed {seed} --only NUMBER"


TEXTS = st.sampled_from(
    [b"", b"1.0", b"0.3", b"a", b"%", b"%41", b"%C0%A0", b'"', b'"a"', b'"\\', b"\xff", b"\x00", b"a b", b"\xc3\xa4", b"::", b"#"]
)
NAMES = st.sampled_from(
    [
        *(b"ce-specversion", b"ce-id", b"ce-source", b"ce-type", b"ce-subject", b"ce-time", b"ce-dataschema", b"ce-x", b"ce-"),
        *(b"content-type", b"ce-data", b"ce-\xff", b"ce-datacontenttype", b"host"),
    ]
)
TYPES = st.sampled_from(
    [
        *(
            b"application/cloudevents+json",
            b"application/cloudevents-batch+json",
            b"application/cloudevents+xml",
            b"application/json",
        ),
        *(b"APPLICATION/CLOUDEVENTS", b";", b"\xff"),
    ]
)
VALID = [(b"ce-specversion", b"1.0"), (b"ce-id", b"1"), (b"ce-source", b"/"), (b"ce-type", b"t")]


@pytest.mark.requirement("I4")
@settings(max_examples=300)
@given(
    headers=st.lists(st.tuples(NAMES, TEXTS | TYPES | st.binary(max_size=30)), max_size=8),
    valid=st.booleans(),
    body=st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b"null", b'{"id":1}', b"[" * 100_000, b'{"data":' * 3000]),
)
def test_headers_and_body_of_any_bytes_are_events_or_no_valid_event(
    headers: list[tuple[bytes, bytes]], valid: bool, body: bytes
) -> None:
    given_headers = [*VALID, *headers] if valid else headers
    events, told = [], ""
    try:
        events = binding.decode(given_headers, body)
    except InvalidEvent as error:
        told = str(error)
    assert told.isprintable()
    assert len(told) < 1000
    for event in events:
        for encoded, payload in (binding.encode_binary(event), binding.encode_structured(event)):
            assert len(binding.decode(encoded, payload)) == 1


@pytest.mark.requirement("D3")
@settings(max_examples=300)
@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"\r\n", b"Content-Length: 3\r\n", b"abc"]), max_size=8
    )
)
def test_an_answer_of_any_bytes_is_an_answer_or_a_failed_delivery(pieces: list[bytes]) -> None:
    parser, told = ResponseParser(ClientLimits(max_connections=16)), ""
    try:
        for piece in filter(None, pieces):
            if parser.response is None:
                parser.feed(piece)
        if parser.response is None:
            parser.finish()
    except DeliveryFailed as error:
        told = str(error)
    assert told.isprintable()
    assert bool(told) != (parser.response is not None)


@pytest.mark.requirement("T9")
@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            ["a: b", "- ", "? ", "[", "{", "&x ", "*x", "!!", "|", "\n", "  ", "kind: Trigger", "---", "'", '"', ": ", "\t"]
        )
    ).map(lambda parts: "".join(parts).encode())
)
def test_a_manifest_of_any_bytes_is_objects_or_an_invalid_manifest(text: bytes) -> None:
    faults = None
    try:
        validate(["-"], {}, stdin=lambda: io.BytesIO(text))
    except InvalidManifest as error:
        faults = error.faults
    assert faults is None or faults
    assert all(str(fault).isprintable() for fault in faults or ())
