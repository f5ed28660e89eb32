"""The data plane's front door: routes a request, parses its events, answers once they are stored."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from eventing.bindings import http as binding
from eventing.dispatch import hops as hop_count
from eventing.errors import ChannelClosed, ChannelError, ChannelFull, ChannelUnavailable, EventTooLarge, InvalidEvent
from eventing.policy.pass_through import passed
from eventing.ports.channel import Channel
from eventing.ports.http import ACCEPTED, Handler, Pending, Request, Response
from eventing.ports.records import MAX_HOPS, NewRecord, Position
from eventing.resources.plan import BrokerPlan
from eventing.telemetry.handles import BrokerMetrics
from eventing.telemetry.metrics import Metrics

RETRY_AFTER = b"1"
TOGETHER = 64
"""Events of small requests that are appended in one call at most."""
LARGE = 65_536
"""Bytes of a request's body from which it waits for no other."""


_OF_ALL = (ChannelUnavailable, ChannelClosed, KeyError)
"""Errors that no single request of several is the cause of, but for `ChannelFull`."""


@dataclass(slots=True)
class _Waiting:
    """A request whose events are not stored yet."""

    request: Request
    records: list[NewRecord]
    answer: Pending


class BrokerIngress:
    """Takes events for one broker. A 2xx means stored (guarantee 1).

    Requests that arrive in one round of the event loop are appended together, up to `TOGETHER` events: one call and one
    future for all of them. What fails together for a reason that may lie in one of them is tried again one by one.
    """

    __slots__ = ("_channel", "_loop", "_metrics", "_records", "_uid", "_waiting")

    def __init__(self, channel: Channel, uid: str, metrics: BrokerMetrics) -> None:
        self._channel = channel
        self._uid = uid
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._records: list[NewRecord] = []

    def handle(self, request: Request) -> Response | Pending:
        if request.method != "POST":
            return other_method(request)
        try:
            events = binding.decode(request.headers, request.body)
        except EventTooLarge as error:
            self._metrics.refuse("too_large")
            return refusal(request, 413, str(error), attribute=error.attribute, rule=error.rule)
        except InvalidEvent as error:
            self._metrics.refuse("invalid")
            return refusal(request, 400, str(error), attribute=error.attribute, rule=error.rule)
        if not events:
            return ACCEPTED
        hops, headers = hop_count.read(request), passed(request.headers)
        records = [NewRecord(event, hop_count.left(event, hops), headers) for event in events]
        for record in records:
            if record.hops <= 0:
                return self._circle(request, hops, records)
        answer = Pending()
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(_Waiting(request, records, answer))
        self._records += records
        if len(self._records) >= TOGETHER or len(request.body) >= LARGE:
            self._flush()
        return answer

    def _circle(self, request: Request, hops: int, records: Sequence[NewRecord]) -> Response:
        self._metrics.refuse("hop_limit", len(records))
        if hops <= 0:
            return refusal(
                request, 400, f"the event went through {MAX_HOPS} brokers: it goes round in a circle", rule="hop limit"
            )
        return refusal(request, 400, _spent(records), attribute=hop_count.KNATIVE, rule="hop limit")

    def _flush(self) -> None:
        """Append what waits."""
        waiting, records = self._waiting, self._records
        if waiting:
            self._waiting, self._records = [], []
            self._append(waiting, records)

    def _append(self, waiting: list[_Waiting], records: list[NewRecord]) -> None:
        began = time.monotonic()

        def stored(future: asyncio.Future[Sequence[Position]]) -> None:
            error = future.exception() if not future.cancelled() else ChannelUnavailable("the write was cancelled")
            if error is None:
                self._metrics.accepted += len(records)
                self._metrics.observe_append(time.monotonic() - began, len(waiting))
            elif len(waiting) > 1 and (isinstance(error, ChannelFull) or not isinstance(error, _OF_ALL)):
                # Too much together, or one of them is at fault. Nothing was stored: an append is all or nothing.
                for one in waiting:
                    self._append([one], one.records)
                return
            for one in waiting:
                try:
                    one.answer.answer(ACCEPTED if error is None else self._failed(error, one))
                except Exception as fault:  # noqa: BLE001 - one that can't be answered must not keep the others from theirs
                    self._loop.call_exception_handler({"message": "a request was not answered", "exception": fault})

        try:
            future = self._channel.append(self._uid, records)
        except Exception as error:  # noqa: BLE001 - a fault of the channel's, which must leave nobody without an answer
            future = self._loop.create_future()
            future.set_exception(error)
        future.add_done_callback(stored)

    def _failed(self, error: BaseException, one: _Waiting) -> Response | BaseException:
        self._metrics.refuse("full" if isinstance(error, ChannelFull) else "unavailable", len(one.records))
        if not isinstance(error, ChannelError | KeyError):
            return error  # a fault of ours: the server answers 500 and logs it
        reason = "the broker was removed" if isinstance(error, KeyError) else str(error)
        return refusal(one.request, 503, f"not stored: {reason}", retry_after=RETRY_AFTER)


class Ingress:
    """Everything the data plane's port serves. ``ready``: whether events are taken, with the reason where not."""

    def __init__(self, channel: Channel, metrics: Metrics, *, ready: Callable[[], str]) -> None:
        self._channel = channel
        self._metrics = metrics
        self._ready = ready
        self._brokers: dict[str, Handler] = {}
        self._receivers: dict[str, Handler] = {}

    def serve_brokers(self, brokers: Sequence[BrokerPlan]) -> None:
        """Replace the brokers that are served, at ``/{namespace}/{name}``."""
        self._brokers = {
            f"/{plan.namespace}/{plan.name}": BrokerIngress(
                self._channel, plan.uid, self._metrics.broker(plan.uid, f"{plan.namespace}/{plan.name}")
            ).handle
            for plan in brokers
        }

    def serve_receivers(self, receivers: dict[str, Handler]) -> None:
        """Replace the webhook receivers of sources, by path."""
        self._receivers = dict(receivers)

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        handler = self._brokers.get(request.path)
        if handler is not None:
            return handler(request)
        return self._other(request)

    def _other(self, request: Request) -> Response | Awaitable[Response]:
        path = request.path
        if path in {"/healthz", "/readyz"}:
            if request.method not in {"GET", "HEAD"}:
                return refusal(request, 405, f"{path} takes GET and HEAD only", allow=b"GET, HEAD")
            reason = self._ready() if path == "/readyz" else ""
            return refusal(request, 503, reason, retry_after=RETRY_AFTER) if reason else text(200, "ok")
        if path == "*" and request.method == "OPTIONS":  # of the server as a whole (RFC 9110 section 9.3.7)
            return Response(200, [(b"allow", b"POST, OPTIONS")])
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]  # one trailing slash is ignored, as Knative does
        if "%" in path and "%2f" not in path.lower():  # needless escapes are the same address (RFC 3986 section 6.2.2.2)
            path = unquote(path)
        handler = self._brokers.get(path) or self._receivers.get(path)
        if handler is not None:
            return handler(request)
        segments = path.count("/")
        if path == "/":
            return refusal(request, 404, "nothing is served at /: POST events to /{namespace}/{broker}")
        if segments not in {2, 3}:
            return refusal(request, 400, "a broker's address has two segments: /{namespace}/{broker}")
        return refusal(request, 404, f"no broker or source is served at {_shown(path)}")


def other_method(request: Request) -> Response:
    """OPTIONS with what is allowed and the webhook handshake's answer (CloudEvents webhook 4.2); 405 for the rest."""
    if request.method == "OPTIONS":
        headers = [(b"allow", b"POST, OPTIONS")]
        if request.header(b"webhook-request-origin") is not None:
            headers.append((b"webhook-allowed-origin", b"*"))
            headers.append((b"webhook-allowed-rate", b"*"))
        return Response(200, headers)
    return refusal(request, 405, "events are sent with POST", allow=b"POST, OPTIONS")


def _spent(records: Sequence[NewRecord]) -> str:
    """Of the first event whose own count ran out; the sender may have set it, so nothing is said of where the event was."""
    index = next(index for index, record in enumerate(records) if record.hops <= 0)
    where = f"event {index} of the batch: " if len(records) > 1 else ""
    return f"{where}attribute {hop_count.KNATIVE}: {records[index].event.text(hop_count.KNATIVE)} lets no broker take the event"


def text(status: int, message: str) -> Response:
    return Response(status, [(b"content-type", b"text/plain; charset=utf-8")], message.encode() + b"\n")


def refusal(
    request: Request,
    status: int,
    message: str,
    *,
    attribute: str | None = None,
    rule: str = "",
    retry_after: bytes | None = None,
    allow: bytes | None = None,
) -> Response:
    """One line of text, or of JSON where the client accepts it: what is wrong, where, and the rule."""
    headers: list[tuple[bytes, bytes]] = []
    if b"json" in (request.header(b"accept") or b""):
        body: dict[str, object] = {"error": message}
        if attribute is not None:
            body["attribute"] = attribute
        if rule:
            body["rule"] = rule
        headers.append((b"content-type", b"application/json"))
        payload = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    else:
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
        payload = message.encode("utf-8", "replace")
    if retry_after is not None:
        headers.append((b"retry-after", retry_after))
    if allow is not None:
        headers.append((b"allow", allow))
    return Response(status, headers, payload + b"\n")


def _shown(path: str) -> str:
    return ascii(path if len(path) <= 200 else path[:200] + "...")
