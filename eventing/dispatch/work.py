"""Deliveries under way: an event in the window (`Flight`) and each of its deliveries (`Work`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventing.dispatch.sender import Encoded
from eventing.ports.records import DeadLetter, Entry, EntryKey, Failure, Lane, NewEntry, NewRecord, Record

if TYPE_CHECKING:
    from eventing.dispatch.lane import DeliveryLane


class Flight:
    """An event read and not yet settled. It is settled once none of its deliveries is ``pending``: each ended, or
    was handed over. Until then replies and dead letters wait here, to become durable together (DATAPATH 1).
    ``size``: the bytes it holds in the window, replies included; ``event_size``: the event's alone.
    """

    __slots__ = ("dead", "event_size", "handovers", "message", "pending", "read_at", "record", "replies", "size", "works")

    def __init__(self, record: Record, read_at: float) -> None:
        self.record = record
        self.read_at = read_at
        self.size = self.event_size = record.size
        self.pending = 0
        self.works: list[Work] = []
        self.handovers: list[tuple[NewEntry, DeliveryLane]] = []
        self.replies: list[NewRecord] = []
        self.dead: list[DeadLetter] = []
        self.message: Encoded | None = None

    def encoded(self) -> Encoded:
        """Shared by all deliveries of this event: it is encoded once."""
        if self.message is None:
            self.message = Encoded(self.record.event, self.record.headers)
        return self.message

    def release(self) -> None:
        """It is settled: let go of everything but the shell, which the hand-over queue may still hold for a moment."""
        self.works.clear()
        self.handovers.clear()
        self.replies.clear()
        self.dead.clear()
        self.message = None
        del self.record


class Work:
    """One delivery in this process. ``flight`` is set while it belongs to an event in the window; ``token`` once it is
    a leased backlog entry, by a claim or because its event left the window while it ran; ``until`` is the claim's lease, on
    the channel's clock. ``deadline``: when the running attempt ends at the latest, on the loop's clock."""

    __slots__ = (
        "abandoned",
        "attempts",
        "deadline",
        "failure",
        "flight",
        "key",
        "lane",
        "message",
        "ordering_key",
        "origin",
        "record",
        "running",
        "size",
        "token",
        "until",
    )

    def __init__(
        self,
        lane: DeliveryLane,
        key: EntryKey,
        record: Record,
        message: Encoded,
        size: int,
        *,
        flight: Flight | None = None,
        entry: Entry | None = None,
    ) -> None:
        self.lane = lane
        self.key = key
        self.record = record
        self.message = message
        self.size = size
        self.flight = flight
        self.running = False
        self.abandoned = False
        self.token: str | None = None
        self.until: float | None = None
        self.deadline = 0.0
        self.attempts = 0
        self.failure: Failure | None = None
        self.origin: Failure | None = None
        self.ordering_key: str | None = None
        if entry is not None:
            self.token, self.until = entry.lease.token, entry.lease.until
            self.attempts = entry.attempts
            self.failure = entry.failure
            self.origin = entry.origin
            self.ordering_key = entry.ordering_key

    @classmethod
    def direct(cls, lane: DeliveryLane, flight: Flight) -> Work:
        key = EntryKey(lane.plan.uid, flight.record.position, Lane.SUBSCRIBER)
        return cls(lane, key, flight.record, flight.encoded(), flight.event_size, flight=flight)

    @classmethod
    def claimed(cls, lane: DeliveryLane, entry: Entry, message: Encoded) -> Work:
        return cls(lane, entry.key, entry.record, message, entry.record.size, entry=entry)
