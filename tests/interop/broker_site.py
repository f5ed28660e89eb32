"""The program with a broker that every SDK's own receiver is subscribed to, in both delivery formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.interop.client import SdkClient
from tests.interop.faults_receiving import shown
from tests.interop.model import Json, Refused, Seen, of_told, same
from tests.interop.plain import Message, PlainListener, read
from tests.interop.samples import Sample
from tests.support.http import request
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess

# The path at each receiver, and the mode in which events come there.
FORMATS = {"binary": "binary", "structured": "json"}


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What became of one event. ``shown``: by SDK and mode, what a program saw, or that the SDK refused it. ``wire``: by mode,
    what came to a listener that is no SDK."""

    shown: Mapping[tuple[str, str], dict[str, Any]]
    wire: Mapping[str, Message]


class Site:
    def __init__(self, folder: Path, clients: Mapping[str, SdkClient]) -> None:
        self.clients = clients
        self.listener, self.batched = PlainListener(), PlainListener()
        receivers = {name: client.url for name, client in clients.items()} | {"plain": self.listener.url}
        manifest = [broker()]
        for name, url in receivers.items():
            for mode, format_ in FORMATS.items():
                delivery = {"format": format_, "retry": 0}
                samples = [{"prefix": {"type": "interop."}}]
                manifest.append(trigger(f"{name}-{mode}", url(f"/{mode}"), filters=samples, delivery=delivery))
        for name, client in clients.items():
            manifest.append(trigger(f"{name}-reply", client.url("/reply"), types=[f"ask.{name}"], delivery={"retry": 0}))
        manifest.append(trigger("batched", self.batched.url("/"), types=["batched"], delivery={"retry": 0}))
        self.process = EventingProcess(folder, manifest)

    @property
    def url(self) -> str:
        return self.process.url()

    def post(self, headers: Mapping[str, str], body: bytes) -> int:
        """Without any SDK; the status."""
        return request(self.process.port, "POST", "/default/default", headers, body).status

    def arrivals(self, id_: str) -> Arrivals:
        """Wait until all receivers have the event. Raises AssertionError where another one comes."""
        told_by = {}
        for name, client in self.clients.items():
            for _ in FORMATS:
                told = client.next_received()
                told_by[name, told["path"][1:]] = told
        messages = [self.listener.next_received() for _ in FORMATS]
        wire = {message.path[1:]: message for message in messages}
        ids = {read(message)["attributes"]["id"] for message in messages}
        ids |= {told["attributes"]["id"] for told in told_by.values() if "attributes" in told}
        assert ids == {id_}
        assert len(told_by) == len(FORMATS) * len(self.clients)
        assert wire.keys() == FORMATS.keys()
        return Arrivals(told_by, wire)

    def check(self, event: Sample, sent: Seen, came: str) -> None:
        """Every receiver has to see what was sent in the mode ``came``, but for its known faults. Raises AssertionError."""
        arrivals = self.arrivals(event.id)
        for goes in FORMATS:
            on_the_wire = forwarded(sent, came, goes)
            same(of_told(read(arrivals.wire[goes]), event), on_the_wire, f"the wire, {goes}")
            for name in self.clients:
                got = seen(arrivals.shown[name, goes], event)
                same(got, shown(name, goes, on_the_wire, event), f"{name}, {goes}")

    def forget(self) -> None:
        """What came to any receiver until now."""
        receivers: tuple[SdkClient | PlainListener, ...] = (*self.clients.values(), self.listener, self.batched)
        for receiver in receivers:
            receiver.forget()

    def close(self) -> None:
        self.process.end()
        self.listener.close()
        self.batched.close()


def forwarded(sent: Seen, came: str, goes: str, *, implied: bool = True) -> Seen:
    """What the broker makes of an event that came in one mode and goes on in another: the same, but that an implied content type
    becomes explicit (JF 3.1), unless not ``implied``, and that a body of no bytes is no data."""
    if implied and came != "binary" and isinstance(sent.data, Json) and "datacontenttype" not in sent.attributes:
        sent = sent.with_(datacontenttype="application/json")
    untyped = came == "binary" and "datacontenttype" not in sent.attributes
    empty = sent.data == b"" and "binary" in (came, goes)
    return replace(sent, data=None if empty else sent.data, untyped=untyped)


def seen(told: Mapping[str, Any], sample: Sample) -> Seen | Refused:
    return Refused("receiver") if "refused" in told else of_told(told, sample)
