"""What the program under test runs: two brokers, a trigger for each way an event can go, and the types that each wants."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.manifest import Object, broker, trigger

MAIN, OTHER = "main", "other"

PLAIN, ASK, BAD, FAR, KEY, SLOW, REPLY = (f"soak.{word}" for word in ("plain", "ask", "bad", "far", "key", "slow", "reply"))
WEIGHTS = {PLAIN: 55, ASK: 10, BAD: 8, FAR: 7, KEY: 10, SLOW: 10}
"""Of a hundred events sent to the main broker."""

WELL, FLAKY, MOODY, SINK = "well", "flaky", "moody", "sink"
SERVERS = (WELL, FLAKY, MOODY, SINK)
"""The subscribers' servers: one that is well, one that fails now and then, one with bad times, the dead-letter sink."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A trigger. ``types``: what it wants of its broker, all where empty. ``sink``: whether it has a dead-letter sink."""

    name: str
    server: str
    types: tuple[str, ...] = ()
    broker: str = MAIN
    delivery: Mapping[str, object] | None = None
    sink: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)

    def wants(self, broker: str, type_: str) -> bool:
        return broker == self.broker and (not self.types or type_ in self.types)


_PATIENT = {"retry": 30, "backoffPolicy": "linear", "backoffDelay": "PT0.2S", "timeout": "PT5S"}
_SHORT = {"retry": 2, "backoffDelay": "PT0.1S", "timeout": "PT5S"}

ORDERED = "ordered"
BRIDGE = "bridge"
TRIGGERS = (
    Wanted("steady", WELL),
    Wanted("flaky", FLAKY, (PLAIN, ASK), delivery=_PATIENT),
    Wanted("moody", MOODY, (PLAIN,)),
    Wanted("limited", WELL, (SLOW,), delivery=_PATIENT, annotations={"rate": "300/m"}),
    Wanted("crawling", FLAKY, (SLOW,), delivery=_PATIENT, annotations={"rate": "1/m"}),
    Wanted("parked", WELL, (SLOW,), annotations={"paused": "true"}),
    Wanted("lettered", FLAKY, (BAD,), delivery=_SHORT, sink=True),
    Wanted("unsinked", FLAKY, (BAD,), delivery={**_SHORT, "format": "json"}),
    Wanted("asked", FLAKY, (ASK,), delivery=_PATIENT),
    Wanted("replies", WELL, (REPLY,)),
    Wanted(ORDERED, FLAKY, (KEY,), delivery=_PATIENT),
    Wanted("narrow", FLAKY, (PLAIN,), delivery=_PATIENT, annotations={"max-in-flight": "3"}),
    Wanted("far", WELL, broker=OTHER),
)
NAMES = tuple(one.name for one in TRIGGERS)

_CHANGES: Mapping[str, tuple[str | None, ...]] = {
    "paused": ("true", "false", None, None),
    "rate": ("10/s", "50", "600/m", None, None),
    "max-in-flight": ("1", "4", "64", None, None),
}


def wanted_by(broker: str, type_: str) -> list[str]:
    """The triggers that an event must reach, those beyond the bridge between the brokers included."""
    found = [one.name for one in TRIGGERS if one.wants(broker, type_)]
    if broker == MAIN and type_ == FAR:
        found.append("far")
    return found


def manifest(
    ports: Mapping[str, int], *, idle: int = 0, ordered: bool = False, chance: random.Random | None = None, open_: bool = False
) -> list[Object]:
    """``idle``: so many triggers more that want nothing. ``ordered``: whether one asks for order per key. ``chance``: what the
    annotations say is drawn anew. ``open_``: nothing is paused or has a rate, so that everything ends."""
    objects: list[Object] = [broker(MAIN), broker(OTHER)]
    for one in TRIGGERS:
        annotations = {} if open_ else dict(one.annotations)
        if chance is not None and one.name not in {"steady", ORDERED}:
            drawn = {name: chance.choice(values) for name, values in _CHANGES.items() if chance.random() < 0.4}
            annotations = {name: value for name, value in {**annotations, **drawn}.items() if value is not None}
        if ordered and one.name == ORDERED:
            annotations["order"] = "key"
        delivery = dict(one.delivery) if one.delivery is not None else None
        if one.sink and delivery is not None:
            delivery["deadLetterSink"] = {"uri": f"http://127.0.0.1:{ports[SINK]}/dead/{one.name}"}
        url = f"http://127.0.0.1:{ports[one.server]}/{one.name}"
        made = trigger(one.name, url, types=one.types, delivery=delivery, broker=one.broker)
        made["metadata"]["annotations"] = {f"eventing-engine.dev/{name}": value for name, value in annotations.items()}
        objects.append(made)
    objects.append(_bridge())
    objects += [
        trigger(f"idle-{n}", f"http://127.0.0.1:{ports[WELL]}/idle", types=[f"none.{n}"], broker=MAIN) for n in range(idle)
    ]
    return objects


def _bridge() -> Object:
    made = trigger(BRIDGE, "", types=[FAR], broker=MAIN)
    made["spec"]["subscriber"] = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": OTHER}}
    return made
