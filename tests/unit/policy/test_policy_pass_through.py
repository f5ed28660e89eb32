"""Which HTTP headers go on with an event (requirement I20; knative/eventing, pkg/utils/headers.go)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.policy.pass_through import MAX_BYTES, MAX_HEADERS, of_reply, passed

TRACE = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
STATE = (b"tracestate", b"vendor=value")
REQUEST = (b"x-request-id", b"request-1")


@pytest.mark.requirement("I20")
@pytest.mark.parametrize(
    "name",
    [
        "x-request-id",
        "retry-after",
        "traceparent",
        "tracestate",
        "knative-anything",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
    ],
)
def test_request_ids_retry_after_trace_context_and_knatives_own_headers_go_on(name: str) -> None:
    header = (name.encode(), b"value")
    assert passed([(b"host", b"here"), header, (b"ce-id", b"1")]) == (header,)


@pytest.mark.requirement("I20")
@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate", "x-api-key"),
        *("host", "connection", "content-length", "content-type", "transfer-encoding", "te", "trailer", "upgrade"),
        *("ce-id", "ce-traceparent", "ce-knative-x", "kn-namespace", "prefer", "eventing-engine-hops"),
        *("x-request-identity", "x-request", "retry-after-ms", "b3", "x-b3", "knative", "traceparents", "xknative-a"),
        *("baggage", "forwarded", "x-forwarded-for", "user-agent", "kne-reason", "k", "x"),
    ],
)
def test_nothing_else_goes_on_least_of_all_credentials(name: str) -> None:
    assert passed([(name.encode(), b"value")]) == ()


@pytest.mark.requirement("I20")
def test_headers_that_go_on_keep_their_order_their_values_and_their_repetitions() -> None:
    sent = [STATE, (b"cookie", b"secret"), REQUEST, (b"tracestate", b"other=1"), (b"x-b3-flags", "é".encode())]
    assert passed(sent) == (STATE, REQUEST, (b"tracestate", b"other=1"), (b"x-b3-flags", "é".encode()))


@pytest.mark.requirement("I20")
def test_at_most_thirty_two_headers_go_on() -> None:
    sent = [(b"knative-%d" % number, b"") for number in range(40)]
    assert passed(sent) == tuple(sent[:32])
    assert MAX_HEADERS == 32


@pytest.mark.requirement("I20")
def test_headers_of_eight_kibibytes_go_on_and_what_does_not_fit_is_left_out() -> None:
    name = b"knative-a"
    assert passed([(name, b"x" * (8192 - len(name)))]) != ()
    assert passed([(name, b"x" * (8193 - len(name))), REQUEST]) == (REQUEST,), "what is smaller and comes later still fits"


@pytest.mark.requirement("I20")
@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\0b", b"a\x7fb", b"\x1b[0m"])
def test_a_value_that_could_not_be_sent_is_left_out(value: bytes) -> None:
    assert passed([(b"x-request-id", value), TRACE]) == (TRACE,)


@pytest.mark.requirement("I20")
def test_a_reply_has_the_headers_of_the_answer_that_carries_it() -> None:
    answer = [(b"x-request-id", b"theirs"), (b"set-cookie", b"secret"), (b"content-type", b"text/plain")]
    assert of_reply(answer, (REQUEST,)) == ((b"x-request-id", b"theirs"),)
    assert of_reply([], (REQUEST, (b"knative-a", b"1"))) == ()


@pytest.mark.requirement("I20")
def test_a_reply_continues_the_trace_of_its_cause_unless_the_answer_tells_another() -> None:
    other = (b"traceparent", b"00-11111111111111111111111111111111-2222222222222222-01")
    assert of_reply([REQUEST], (TRACE, STATE, (b"knative-a", b"1"))) == (TRACE, STATE, REQUEST)
    assert of_reply([other], (TRACE, STATE)) == (other,), "a state belongs to its own trace"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"x-request-id", b"knative-x", b"cookie", b"tracestate"]) | st.binary(max_size=5),
            st.binary(max_size=9000),
        ),
        max_size=40,
    ),
    st.lists(st.tuples(st.just(b"tracestate"), st.binary(max_size=5000)), max_size=3),
)
@pytest.mark.requirement("I20")
def test_whatever_comes_what_goes_on_is_a_bounded_part_of_it(
    headers: list[tuple[bytes, bytes]], cause: list[tuple[bytes, bytes]]
) -> None:
    for kept, of in ((passed(headers), headers), (of_reply(headers, tuple(cause)), [*cause, *headers])):
        assert len(kept) <= MAX_HEADERS
        assert sum(len(name) + len(value) for name, value in kept) <= MAX_BYTES
        rest = iter(of)
        assert all(header in rest for header in kept), "in the order received"
        assert all(name != b"cookie" for name, _ in kept)
