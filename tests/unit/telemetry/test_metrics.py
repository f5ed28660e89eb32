"""Counters, derived counts and the exposition, read back with Prometheus' own parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from eventing.ports.records import Lane
from eventing.telemetry import names
from eventing.telemetry.handles import MAX_OUTCOMES, BrokerGauges, TriggerGauges
from eventing.telemetry.histogram import Histogram
from eventing.telemetry.metrics import Metrics

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(metrics: Metrics) -> Series:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    series: Series = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in series, f"{key} twice"
            series[key] = sample.value
    return series


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return scrape(metrics).get((name, frozenset(labels.items())))


def test_every_defined_metric_can_be_scraped_with_its_labels() -> None:
    metrics = Metrics("1.2.3")
    broker = metrics.broker("b1", "ns/b")
    trigger = metrics.trigger("t1", "ns/t", broker)
    broker.accepted += 1
    broker.unmatched += 1
    broker.refuse("full")
    broker.observe_append(0.002)
    broker.gauges = lambda: BrokerGauges(lag=3, window=4)
    trigger.matched += 1
    trigger.delivered += 1
    trigger.retries += 1
    trigger.expired += 1
    trigger.fail("dns")
    trigger.park("retry")
    trigger.dead("exhausted")
    trigger.drop("hop_limit")
    trigger.reply("stored")
    trigger.observe(0.2)
    trigger.gauges = lambda: TriggerGauges(2, ((Lane.SUBSCRIBER, 5, 500), (Lane.DEAD_LETTER, 6, 600)), 7)
    metrics.source("s1", "ns/s").count("sent")
    metrics.channel_ready = lambda: True
    metrics.tls_expires = lambda: 2_000_000_000.0

    found: dict[str, set[frozenset[str]]] = {}
    for name, labels in scrape(metrics):
        found.setdefault(name, set()).add(frozenset(label for label, _ in labels))
    for definition in names.METRICS:
        plain = frozenset(definition.labels)
        if definition.kind is names.Kind.HISTOGRAM:
            assert found.pop(f"{definition.name}_bucket") == {plain | {"le"}}
            assert found.pop(f"{definition.name}_sum") == found.pop(f"{definition.name}_count") == {plain}
        else:
            assert found.pop(definition.name) == {plain}, definition.name
    assert not found, "scraped but not in the table"
    assert value(metrics, "eventing_backlog_bytes", trigger="ns/t", lane="dead_letter") == 600
    assert value(metrics, "eventing_build_info", version="1.2.3") == 1


def test_the_channel_s_state_is_asked_on_every_scrape() -> None:
    metrics, ready = Metrics("1"), [True]
    metrics.channel_ready = lambda: ready[0]
    assert value(metrics, "eventing_channel_ready") == 1
    ready[0] = False
    assert value(metrics, "eventing_channel_ready") == 0


def test_the_end_of_the_certificate_is_shown_where_there_is_one() -> None:
    metrics = Metrics("1")
    name = "eventing_tls_certificate_expiry_timestamp_seconds"
    assert name not in {scraped for scraped, _ in scrape(metrics)}
    metrics.tls_expires = lambda: None
    assert name not in {scraped for scraped, _ in scrape(metrics)}
    metrics.tls_expires = lambda: 2_000_000_000.0
    assert value(metrics, name) == 2_000_000_000


def test_words_outside_the_list_count_as_other() -> None:
    metrics = Metrics("1")
    trigger = metrics.trigger("t", "ns/t", metrics.broker("b", "ns/b"))
    for number in range(100):
        trigger.fail(f"made up {number}")
    trigger.fail("timeout")
    failures = {
        labels: amount for (name, labels), amount in scrape(metrics).items() if name == "eventing_delivery_failures_total"
    }
    assert failures == {
        frozenset({("trigger", "ns/t"), ("reason", "other")}): 100,
        frozenset({("trigger", "ns/t"), ("reason", "timeout")}): 1,
    }
    assert value(metrics, "eventing_deliveries_total", trigger="ns/t", result="failed") == 101


def test_the_outcomes_of_a_source_are_bounded() -> None:
    source = Metrics("1").source("s", "ns/s")
    for number in range(200):
        source.count(f"word{number}")
    source.count('bad"label\n')
    assert len(source.outcomes) <= MAX_OUTCOMES + 1
    assert sum(source.outcomes.values()) == 201


def test_filtered_is_read_since_ready_less_matched() -> None:
    metrics = Metrics("1")
    broker = metrics.broker("b", "ns/b")
    broker.read += 10
    trigger = metrics.trigger("t", "ns/t", broker)
    assert trigger.filtered == 0
    trigger.ready()
    broker.read += 7
    trigger.matched += 2
    trigger.ready()
    assert trigger.filtered == 5
    trigger.not_ready()
    broker.read += 100
    assert trigger.filtered == 5
    trigger.ready()
    broker.read += 1
    assert value(metrics, "eventing_events_filtered_total", trigger="ns/t") == 6


@given(st.lists(st.sampled_from(["ready", "not_ready", "read", "read and matched"]), max_size=60))
def test_filtered_equals_counting_each_event(steps: list[str]) -> None:
    metrics = Metrics("1")
    broker = metrics.broker("b", "ns/b")
    trigger = metrics.trigger("t", "ns/t", broker)
    is_ready, expected = False, 0
    for step in steps:
        if step == "ready":
            trigger.ready()
            is_ready = True
        elif step == "not_ready":
            trigger.not_ready()
            is_ready = False
        else:
            broker.read += 1
            if is_ready and step == "read and matched":
                trigger.matched += 1
            elif is_ready:
                expected += 1
    assert trigger.filtered == expected


def test_the_same_uid_gives_the_same_handle() -> None:
    metrics = Metrics("1")
    broker = metrics.broker("b", "ns/b")
    assert metrics.broker("b", "ns/b") is broker
    assert metrics.trigger("t", "ns/t", broker) is metrics.trigger("t", "ns/t", broker)
    assert metrics.source("s", "ns/s") is metrics.source("s", "ns/s")


def test_two_objects_of_one_name_are_one_series_that_never_goes_back() -> None:
    metrics = Metrics("1")
    broker = metrics.broker("b", "ns/b")
    old, new = metrics.trigger("old", "ns/t", broker), metrics.trigger("new", "ns/t", broker)
    old.ready()
    new.ready()
    broker.read += 5
    old.matched += 3
    old.observe(0.01)
    old.fail("dns")
    new.matched += 1
    new.observe(20)

    def state() -> list[float | None]:
        return [
            value(metrics, "eventing_events_matched_total", trigger="ns/t"),
            value(metrics, "eventing_events_filtered_total", trigger="ns/t"),
            value(metrics, "eventing_delivery_duration_seconds_count", trigger="ns/t"),
            value(metrics, "eventing_delivery_failures_total", trigger="ns/t", reason="dns"),
        ]

    before = state()
    assert before == [4, 6, 2, 1]
    metrics.forget("old")
    assert state() == before


def test_losses_begin_at_zero_so_that_an_alert_sees_the_first() -> None:
    metrics = Metrics("1")
    broker = metrics.broker("b", "ns/b")
    metrics.trigger("t", "ns/t", broker).matched += 1
    for why in names.DEAD:
        assert value(metrics, "eventing_dead_letters_total", trigger="ns/t", why=why) == 0
    for reason in names.DROPPED:
        assert value(metrics, "eventing_dropped_total", trigger="ns/t", reason=reason) == 0
    for reason in names.REFUSED:
        assert value(metrics, "eventing_events_refused_total", broker="ns/b", reason=reason) == 0


def test_a_forgotten_object_has_no_series() -> None:
    metrics = Metrics("1")
    metrics.trigger("t", "ns/t", metrics.broker("b", "ns/b")).matched += 1
    metrics.source("s", "ns/s")
    for uid in ("t", "b", "s", "unknown"):
        metrics.forget(uid)
    assert {name for name, _ in scrape(metrics)} == {"eventing_build_info", "eventing_http_refused_total"}


def test_an_idle_trigger_costs_two_series() -> None:
    metrics = Metrics("1")
    broker = metrics.broker("b", "ns/b")
    trigger = metrics.trigger("t", "ns/t", broker)
    trigger.gauges = lambda: TriggerGauges(backlog=((Lane.SUBSCRIBER, 0, 0), (Lane.DEAD_LETTER, 0, 0)))
    assert sum(("trigger", "ns/t") in labels for _, labels in scrape(metrics)) == 2
    trigger.drop("trigger_deleted")
    assert value(metrics, "eventing_dropped_total", trigger="ns/t", reason="trigger_deleted") == 1


def test_labels_are_escaped() -> None:
    metrics = Metrics('1"\n\\')
    assert value(metrics, "eventing_build_info", version='1"\n\\') == 1


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (100, "http_1xx"),
        (301, "http_3xx"),
        (404, "http_4xx"),
        (429, "http_429"),
        (503, "http_5xx"),
        (600, "http_other"),
        (204, "http_other"),
        (99, "http_other"),
    ],
)
def test_words_for_statuses(status: int, word: str) -> None:
    assert names.status_reason(status) == word
    assert word in names.FAILURES


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_a_histogram_counts_each_value_under_the_bounds_it_does_not_exceed(values: list[float]) -> None:
    histogram = Histogram((0.1, 1.0, 10.0))
    for item in values:
        histogram.observe(item)
    expected = [("0.1", 0.1), ("1.0", 1.0), ("10.0", 10.0), ("+Inf", float("inf"))]
    assert histogram.cumulative() == [(label, sum(item <= bound for item in values)) for label, bound in expected]
    assert histogram.total == pytest.approx(sum(values))


def test_a_histogram_s_bounds_must_rise_and_agree() -> None:
    with pytest.raises(ValueError, match="rise"):
        Histogram((1.0, 1.0))
    with pytest.raises(ValueError, match="different bounds"):
        Histogram((1.0,)).absorb(Histogram((2.0,)))
