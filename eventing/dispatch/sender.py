"""One attempt: an event to one address, and what came of it. It never raises for what a subscriber does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from eventing.bindings import http as binding
from eventing.bindings.dead_letter import MAX_BODY, extensions_of
from eventing.dispatch import hops as hop_count
from eventing.errors import AnswerTooLarge, ChannelError, DeliveryFailed, InvalidEvent
from eventing.event import Event
from eventing.http.client_connection import Answered, ClientConnection, Done
from eventing.policy import retry_after as retry_after_header
from eventing.policy.outcome import Outcome, classify, heeds_retry_after, may_carry_reply
from eventing.ports.channel import Channel
from eventing.ports.http import Headers, Response
from eventing.ports.records import MAX_HOPS, Failure, NewRecord, PassedHeaders
from eventing.resources.plan import Target
from eventing.telemetry.names import status_reason

_ASKS_REPLY = ((b"prefer", b"reply"),)


_TAILS = 1024


class Attempt(Struct, frozen=True, gc=False):
    """``reason``: a short word for metrics, empty on success. ``retry_after``: seconds the answer asked for.
    ``seconds``: how long it took. ``hop_limited``: refused without being sent, because the hop count ran out. ``reply_headers``:
    what the answer tells to go on with its reply, not filtered. ``unasked``: the answer holds an event that nobody asked for."""

    outcome: Outcome
    seconds: float
    reply: Event | None = None
    reply_headers: Headers = ()
    failure: Failure | None = None
    retry_after: float | None = None
    reason: str = ""
    hop_limited: bool = False
    unasked: bool = False


class Encoded:
    """An event on its way to one or more subscribers, encoded once per format. ``headers`` go along with it."""

    __slots__ = ("_binary", "_structured", "event", "headers")

    def __init__(self, event: Event, headers: PassedHeaders = ()) -> None:
        self.event = event
        self.headers = headers
        self._binary: tuple[bytes, bytes] | None = None
        self._structured: tuple[bytes, bytes] | None = None

    def message(self, format_: str, block: Callable[[Headers], bytes]) -> tuple[bytes, bytes]:
        """Header lines and body in the binding's binary mode, or structured for `json`. ``block`` writes header lines."""
        if format_ == "json":
            if self._structured is None:
                headers, body = binding.encode_structured(self.event)
                self._structured = block([*headers, *self.headers]), body
            return self._structured
        if self._binary is None:
            lines = binding.encode_lines(self.event)
            if lines is None:
                headers, body = binding.encode_binary(self.event)
                self._binary = block([*headers, *self.headers]), body
            else:
                self._binary = lines + block(self.headers) if self.headers else lines, self.event.data or b""
        return self._binary


class Client(Protocol):
    """The part of the HTTP client that deliveries need, see `eventing.http.client.HttpClient`."""

    async def send(self, url: str, headers: Headers, body: bytes, *, timeout: float, ca_certs: str | None = None) -> Response: ...

    def block(self, headers: Headers) -> bytes: ...

    def head(self, url: str, block: bytes, length: int) -> bytes: ...

    def begin(
        self, url: str, head: bytes, body: bytes, done: Done, *, timeout: float, ca_certs: str | None = None
    ) -> ClientConnection | None: ...

    async def exchange(
        self,
        url: str,
        head: bytes,
        body: bytes,
        *,
        deadline: float,
        timeout: float,
        ca_certs: str | None = None,
        fresh: bool = False,
    ) -> Response: ...


class Sender:
    """``max_reply``: bytes of data a reply event may have; ``wall``: seconds since the epoch, to read HTTP dates;
    ``monotonic``: the loop's clock."""

    def __init__(
        self,
        client: Client,
        channel: Channel,
        *,
        max_reply: int,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._channel = channel
        self._max_reply = max_reply
        self._wall = wall
        self._monotonic = monotonic
        self._tails: dict[tuple[bytes, int, bool], bytes] = {}

    def begin(
        self,
        message: Encoded,
        hops: int,
        target: Target,
        done: Done,
        *,
        format_: str,
        namespace: bytes,
        timeout: float,
        asks_reply: bool,
    ) -> ClientConnection | None:
        """POST the event at once, over a connection that is open and free: ``done`` is told what came of it, `judge` says what
        that means. None where there is none, or where the event goes to another broker of ours: then `attempt` is due."""
        if target.broker is not None:
            return None
        head, body = self._request(message, hops, target, format_, namespace, asks_reply=asks_reply)
        return self._client.begin(target.url, head, body, done, timeout=timeout, ca_certs=target.ca_certs)

    async def attempt(
        self,
        message: Encoded,
        hops: int,
        target: Target,
        *,
        format_: str,
        namespace: bytes,
        timeout: float,
        asks_reply: bool,
        began: float | None = None,
    ) -> Attempt:
        """POST the event. Where it ``asks_reply``, 200 may carry one; a malformed one is a failure (DESIGN, "Decisions").
        Where it doesn't, an event in the answer changes nothing (Knative data plane, "Derived (Reply) Events"). ``began``: when
        `begin` sent it over a connection that had been closed; this is the same attempt still."""
        fresh = began is not None
        began = self._monotonic() if began is None else began
        if target.broker is not None:
            return await self._to_broker(message, hops, target, began)
        answered: Answered
        try:
            head, body = self._request(message, hops, target, format_, namespace, asks_reply=asks_reply)
            answered = await self._client.exchange(
                target.url,
                head,
                body,
                deadline=began + timeout,
                timeout=timeout,
                ca_certs=target.ca_certs,
                fresh=fresh,
            )
        except DeliveryFailed as error:
            # With its traceback it would be part of a circle of references, and the event with it wait for the collector.
            answered = error.with_traceback(None)
        return self.judge(answered, target.url, began, asks_reply=asks_reply)

    def _request(
        self, message: Encoded, hops: int, target: Target, format_: str, namespace: bytes, *, asks_reply: bool
    ) -> tuple[bytes, bytes]:
        block, body = message.message(format_, self._client.block)
        tail = self._tails.get((namespace, hops, asks_reply))
        if tail is None:
            own = [*(_ASKS_REPLY if asks_reply else ()), (b"kn-namespace", namespace), hop_count.header(hops)]
            if len(self._tails) >= _TAILS:
                self._tails.clear()
            tail = self._tails[namespace, hops, asks_reply] = self._client.block(own)
        return self._client.head(target.url, block + tail, len(body)), body

    def judge(self, answered: Answered, url: str, began: float, *, asks_reply: bool) -> Attempt:
        """What an exchange came to mean. ``began``: on the loop's clock."""
        seconds = self._monotonic() - began
        if type(answered) is Response:
            return self._judge(answered, url, seconds, asks_reply)
        if isinstance(answered, AnswerTooLarge):
            return self._too_large(answered, url, seconds, asks_reply)
        assert isinstance(answered, DeliveryFailed)
        return Attempt(Outcome.RETRY, seconds, failure=Failure(url, 0, str(answered)), reason=answered.reason)

    async def _to_broker(self, message: Encoded, hops: int, target: Target, began: float) -> Attempt:
        # Another broker of ours: stored at once, so that the hop count travels and a ring of brokers ends (DATAPATH 8).
        assert target.broker is not None
        if hops <= 1:
            failure = Failure(target.url, 0, f"the event went through {MAX_HOPS} brokers: it goes round in a circle")
            return Attempt(Outcome.REFUSED, self._monotonic() - began, failure=failure, reason="hop_limit", hop_limited=True)
        try:
            await self._channel.append(target.broker, [NewRecord(message.event, hops - 1, message.headers)])
        except (ChannelError, KeyError) as error:
            reason = "no such broker" if isinstance(error, KeyError) else str(error)
            return Attempt(
                Outcome.RETRY, self._monotonic() - began, failure=Failure(target.url, 503, reason), reason="unavailable"
            )
        return Attempt(Outcome.DONE, self._monotonic() - began)

    def _judge(self, response: Response, url: str, seconds: float, asks_reply: bool) -> Attempt:
        outcome = classify(response.status)
        if outcome is Outcome.DONE:
            if not may_carry_reply(response.status) or not binding.is_event(response.headers):
                return Attempt(outcome, seconds)
            return self._reply(response, url, seconds) if asks_reply else Attempt(outcome, seconds, unasked=True)
        wait: float | None = None
        if heeds_retry_after(response.status):
            value = response.header(b"retry-after")
            if value is not None:
                wait = retry_after_header.parse(value.decode("latin-1"), self._wall())
        return Attempt(
            outcome,
            seconds,
            failure=_failure(url, response, f"answered {response.status}"),
            retry_after=wait,
            reason=status_reason(response.status),
        )

    def _too_large(self, error: AnswerTooLarge, url: str, seconds: float, asks_reply: bool) -> Attempt:
        """The status decides, as far as it is known; only a reply that can't be taken is refused (DATAPATH 8)."""
        outcome = classify(error.status)
        if outcome is Outcome.DONE and not (asks_reply and may_carry_reply(error.status) and binding.is_event(error.headers)):
            return Attempt(outcome, seconds)
        failure = Failure(url, error.status, str(error), extensions=extensions_of(error.headers))
        if outcome is Outcome.DONE:
            return Attempt(Outcome.REFUSED, seconds, failure=failure, reason="reply_too_large")
        return Attempt(outcome, seconds, failure=failure, reason=error.reason)

    def _reply(self, response: Response, url: str, seconds: float) -> Attempt:
        try:
            event = binding.decode_reply(response.headers, response.body)
        except InvalidEvent as error:
            failure = _failure(url, response, f"the reply is no valid event: {error}")
            return Attempt(Outcome.RETRY, seconds, failure=failure, reason="reply_invalid")
        if event is not None and len(event.data or b"") > self._max_reply:
            return Attempt(
                Outcome.REFUSED,
                seconds,
                failure=Failure(url, response.status, f"the reply is larger than {self._max_reply} bytes"),
                reason="reply_too_large",
            )
        return Attempt(Outcome.DONE, seconds, reply=event, reply_headers=response.headers)


def _failure(url: str, response: Response, reason: str) -> Failure:
    return Failure(url, response.status, reason, response.body[:MAX_BODY], extensions_of(response.headers))
