"""The metrics of one process: who asks for a handle, and what Prometheus gets.

The owner of a broker, trigger or source asks `Metrics` once for its handle and adds to its integers, all in one thread.
`render` only reads and may run in another one, so that 10,000 triggers don't hold up the loop; then sums that belong together
may be one event apart.
"""

from __future__ import annotations

from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from eventing.telemetry.collector import MetricsCollector
from eventing.telemetry.handles import BrokerMetrics, Handles, SourceMetrics, TriggerMetrics

_Handle = TypeVar("_Handle", BrokerMetrics, TriggerMetrics, SourceMetrics)


class Metrics(Handles):
    """All metrics of one process. Handles are known by uid; the label is the name, `namespace/name`."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(MetricsCollector(self))

    def broker(self, uid: str, name: str) -> BrokerMetrics:
        """The handle of the broker, the same for the same uid."""
        if uid not in self.brokers:
            self.brokers[uid] = BrokerMetrics(name)
        return self.brokers[uid]

    def trigger(self, uid: str, name: str, broker: BrokerMetrics) -> TriggerMetrics:
        """The handle of the trigger, the same for the same uid."""
        if uid not in self.triggers:
            self.triggers[uid] = TriggerMetrics(name, broker)
        return self.triggers[uid]

    def source(self, uid: str, name: str) -> SourceMetrics:
        """The handle of the source, the same for the same uid."""
        if uid not in self.sources:
            self.sources[uid] = SourceMetrics(name)
        return self.sources[uid]

    def forget(self, uid: str) -> None:
        """The object is gone for good and its series end; unless another object has its name by now: then that one takes
        over the counts, so that no counter goes back. An unknown uid is a no-op."""
        _forget(self.brokers, uid)
        _forget(self.triggers, uid)
        _forget(self.sources, uid)

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type, for `GET /metrics`."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def _forget(handles: dict[str, _Handle], uid: str) -> None:
    gone = handles.pop(uid, None)
    if gone is None:
        return
    for heir in handles.values():
        if heir.name == gone.name:
            heir.absorb(gone)
            return
