"""The table of metrics and the words of their labels: a contract. docs/metrics.md says the same, and a test compares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"
"""Stands for every word that is not in a label's list, so that no input can make series without bound."""


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric. ``name``: in full, as it is scraped. ``words``: what the last label may say, where that is a fixed list."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    words: tuple[str, ...] = ()


REFUSED = ("invalid", "too_large", "hop_limit", "full", "unavailable", "overloaded", "closing")
HTTP_STATUS = ("http_1xx", "http_3xx", "http_4xx", "http_429", "http_5xx", "http_other")
FAILURES = (
    *HTTP_STATUS,
    *("dns", "connect", "timeout", "malformed", "too_large", "failed"),
    *("reply_invalid", "reply_too_large", "unavailable", "hop_limit", "internal"),
)
PARKED = (
    *("retry", "retry_after", "slow", "slots", "bytes", "behind", "order", "breaker", "paused", "rate"),
    *("dead_letter", "store_full", "closing"),
)
DEAD = ("exhausted", "refused", "expired_age", "backlog_full", "no_sink")
DROPPED = ("hop_limit", "trigger_deleted", "broker_deleted", "retention", "dead_letter_age")
REPLIES = ("stored", "hop_limit", "from_dead_letter_sink")
HTTP_REFUSED = (
    *("malformed", "host", "method", "version", "expectation", "transfer_encoding"),
    *("url_too_large", "headers_too_large", "body_too_large", "timeout", "connections", "overload", "tls"),
)
RESULTS = ("delivered", "failed")
LANES = ("subscriber", "dead_letter")

_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

METRICS: tuple[Definition, ...] = (
    Definition("eventing_events_accepted_total", _C, ("broker",), "Events stored and answered with 2xx."),
    Definition("eventing_events_refused_total", _C, ("broker", "reason"), "Events not accepted.", (*REFUSED, OTHER)),
    Definition(
        "eventing_http_refused_total",
        _C,
        ("reason",),
        "Requests and connections that the data plane refused before any broker or source saw them.",
        (*HTTP_REFUSED, OTHER),
    ),
    Definition("eventing_events_matched_total", _C, ("trigger",), "Events that a trigger's filter matched."),
    Definition("eventing_events_unmatched_total", _C, ("broker",), "Events that no trigger's filter matched."),
    Definition(
        "eventing_events_filtered_total", _C, ("trigger",), "Events read while the trigger was Ready that its filter left out."
    ),
    Definition("eventing_deliveries_total", _C, ("trigger", "result"), "Attempts to deliver that ended.", RESULTS),
    Definition("eventing_delivery_failures_total", _C, ("trigger", "reason"), "Failed attempts by cause.", (*FAILURES, OTHER)),
    Definition("eventing_retries_total", _C, ("trigger",), "Attempts after the first."),
    Definition(
        "eventing_parked_total", _C, ("trigger", "reason"), "Deliveries moved into the backlog, by cause.", (*PARKED, OTHER)
    ),
    Definition("eventing_dead_letters_total", _C, ("trigger", "why"), "Deliveries given up on.", (*DEAD, OTHER)),
    Definition("eventing_expired_total", _C, ("trigger",), "Deliveries ended because the event's expirytime had passed."),
    Definition("eventing_dropped_total", _C, ("trigger", "reason"), "Deliveries ended by a stated policy.", (*DROPPED, OTHER)),
    Definition("eventing_replies_total", _C, ("trigger", "result"), "Events that subscribers answered with.", (*REPLIES, OTHER)),
    Definition(
        "eventing_source_events_total", _C, ("source", "outcome"), "What sources did: sent, or a source's own word for a refusal."
    ),
    Definition("eventing_backlog_entries", _G, ("trigger", "lane"), "Deliveries that wait.", LANES),
    Definition("eventing_backlog_bytes", _G, ("trigger", "lane"), "Bytes of the events that wait.", LANES),
    Definition("eventing_in_flight", _G, ("trigger",), "Attempts under way."),
    Definition("eventing_reader_lag_events", _G, ("broker",), "Events stored and not yet read."),
    Definition("eventing_window_events", _G, ("broker",), "Events read and not yet settled: the most a crash repeats."),
    Definition("eventing_channel_ready", _G, (), "1 where the channel takes events, 0 where not."),
    Definition(
        "eventing_tls_certificate_expiry_timestamp_seconds", _G, (), "When the data plane's certificate ends, seconds since 1970."
    ),
    Definition("eventing_dead_letters_stored", _G, ("trigger",), "Dead letters in the built-in store."),
    Definition("eventing_build_info", _G, ("version",), "Always 1; the version is in the label."),
    Definition("eventing_delivery_duration_seconds", _H, ("trigger",), "From the start of an attempt to its answer or failure."),
    Definition("eventing_append_duration_seconds", _H, ("broker",), "From handing events to the channel until they are durable."),
)


def status_reason(status: int) -> str:
    """The `reason` of an attempt that was answered with an HTTP status other than success."""
    if status == 429:
        return "http_429"
    if 100 <= status < 600 and status // 100 != 2:
        return f"http_{status // 100}xx"
    return "http_other"
