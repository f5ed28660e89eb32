"""Turns the handles of `Metrics` into Prometheus families when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eventing.ports.records import Lane
from eventing.telemetry.handles import BrokerGauges, Handles, TriggerGauges
from eventing.telemetry.histogram import Histogram
from eventing.telemetry.names import METRICS, Definition, Kind

_LANES = {Lane.SUBSCRIBER: "subscriber", Lane.DEAD_LETTER: "dead_letter"}


class _Numbers:
    """The values of one counter or gauge. Two objects of one name (the old one in its time of grace) are added up,
    since the same series twice would make the whole scrape invalid."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.values: dict[tuple[str, ...], float] = {}

    def add(self, value: float, *labels: str) -> None:
        self.values[labels] = self.values.get(labels, 0) + value

    def add_all(self, label: str, items: Iterable[tuple[str, int]]) -> None:
        for word, count in items:
            self.add(count, label, word)

    def metric(self) -> Metric:
        made = Metric(self.definition.name.removesuffix("_total"), self.definition.help, self.definition.kind)
        for labels, value in self.values.items():
            made.add_sample(self.definition.name, dict(zip(self.definition.labels, labels, strict=True)), value)
        return made


class _Histograms:
    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.values: dict[str, Histogram] = {}

    def add(self, histogram: Histogram, label: str) -> None:
        if not any(histogram.counts):
            return
        if label in self.values:
            total = Histogram(histogram.bounds)
            total.absorb(self.values[label])
            total.absorb(histogram)
            histogram = total
        self.values[label] = histogram

    def metric(self) -> Metric:
        name = self.definition.name
        made = Metric(name, self.definition.help, self.definition.kind)
        for label, histogram in self.values.items():
            labels = dict(zip(self.definition.labels, (label,), strict=True))
            buckets = histogram.cumulative()
            for bound, count in buckets:
                made.add_sample(f"{name}_bucket", {**labels, "le": bound}, count)
            made.add_sample(f"{name}_count", labels, buckets[-1][1])
            made.add_sample(f"{name}_sum", labels, histogram.total)
        return made


class MetricsCollector(Collector):
    """Reads everything once for each scrape, in the calling thread.

    Left out are a histogram without values, causes of failed attempts and of parking that did not occur and, but for matched and
    filtered, a trigger that had nothing to do yet: with 10,000 triggers they would be most of a scrape. Dead letters and drops
    begin at 0, so that an alert on their increase sees the first one.
    """

    def __init__(self, handles: Handles) -> None:
        self._handles = handles

    def collect(self) -> Iterator[Metric]:
        numbers = {d.name: _Numbers(d) for d in METRICS if d.kind is not Kind.HISTOGRAM}
        histograms = {d.name: _Histograms(d) for d in METRICS if d.kind is Kind.HISTOGRAM}
        numbers["eventing_build_info"].add(1, self._handles.version)
        for reason, count in self._handles.http_refused.items():
            numbers["eventing_http_refused_total"].add(count, reason)
        if self._handles.channel_ready is not None:
            numbers["eventing_channel_ready"].add(int(self._handles.channel_ready()))
        expires = self._handles.tls_expires() if self._handles.tls_expires is not None else None
        if expires is not None:
            numbers["eventing_tls_certificate_expiry_timestamp_seconds"].add(expires)
        self._brokers(numbers, histograms)
        self._triggers(numbers, histograms)
        for source in list(self._handles.sources.values()):
            numbers["eventing_source_events_total"].add_all(source.name, list(source.outcomes.items()))
        for definition in METRICS:
            yield (histograms if definition.kind is Kind.HISTOGRAM else numbers)[definition.name].metric()

    def _brokers(self, numbers: dict[str, _Numbers], histograms: dict[str, _Histograms]) -> None:
        for broker in list(self._handles.brokers.values()):
            name = broker.name
            numbers["eventing_events_accepted_total"].add(broker.accepted, name)
            numbers["eventing_events_refused_total"].add_all(name, broker.refused.items())
            numbers["eventing_events_unmatched_total"].add(broker.unmatched, name)
            gauges = broker.gauges() if broker.gauges is not None else BrokerGauges()
            numbers["eventing_reader_lag_events"].add(gauges.lag, name)
            numbers["eventing_window_events"].add(gauges.window, name)
            histograms["eventing_append_duration_seconds"].add(broker.append_duration, name)

    def _triggers(self, numbers: dict[str, _Numbers], histograms: dict[str, _Histograms]) -> None:
        for trigger in list(self._handles.triggers.values()):
            name = trigger.name
            numbers["eventing_events_matched_total"].add(trigger.matched, name)
            numbers["eventing_events_filtered_total"].add(trigger.filtered, name)
            gauges = trigger.gauges() if trigger.gauges is not None else TriggerGauges()
            if gauges.quiet and trigger.untouched:
                continue
            numbers["eventing_deliveries_total"].add(trigger.delivered, name, "delivered")
            numbers["eventing_deliveries_total"].add(trigger.failed, name, "failed")
            numbers["eventing_delivery_failures_total"].add_all(name, trigger.failures.counted())
            numbers["eventing_retries_total"].add(trigger.retries, name)
            numbers["eventing_parked_total"].add_all(name, trigger.parked.counted())
            numbers["eventing_dead_letters_total"].add_all(name, trigger.dead_lettered.items())
            numbers["eventing_expired_total"].add(trigger.expired, name)
            numbers["eventing_dropped_total"].add_all(name, trigger.dropped.items())
            numbers["eventing_replies_total"].add_all(name, trigger.replies.items())
            numbers["eventing_in_flight"].add(gauges.in_flight, name)
            numbers["eventing_dead_letters_stored"].add(gauges.dead_letters, name)
            for lane, entries, size in gauges.backlog:
                numbers["eventing_backlog_entries"].add(entries, name, _LANES[lane])
                numbers["eventing_backlog_bytes"].add(size, name, _LANES[lane])
            histograms["eventing_delivery_duration_seconds"].add(trigger.duration, name)
