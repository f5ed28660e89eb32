"""Any valid event comes back from every place of a store as it went in."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventing.event import Event
from eventing.ports.records import (
    DeadLetter,
    EntryKey,
    EntryResult,
    Failure,
    NewEntry,
    NewRecord,
    PassedHeaders,
    Settlement,
)
from eventing.testing.channels.harness import HasHarness, take
from eventing.testing.events import records, texts

ONE_CHANNEL = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
"""All examples of a test go through one channel, which each leaves empty; and each channel's suite is a class of its own."""

Kept = tuple[Event, list[tuple[str, object]], bytes | None, PassedHeaders]


def kept(event: Event, headers: PassedHeaders) -> Kept:
    """What must not change: values, their types and order, absent against empty data, and the headers beside them."""
    return event, list(event.items()), event.data, headers


class EventTests(HasHarness):
    @settings(max_examples=40, deadline=None, suppress_health_check=ONE_CHANNEL)
    @given(st.lists(records(), min_size=1, max_size=5))
    async def test_any_valid_event_comes_back_from_log_backlog_and_dead_letters_as_it_went_in(
        self, sent: Sequence[NewRecord]
    ) -> None:
        wanted = [kept(record.event, record.headers) for record in sent]
        positions = list(await self.channel.append("a", sent))
        reader = await self.channel.reader("a")
        read = await take(reader, len(sent))
        await reader.close()
        assert [kept(record.event, record.headers) for record in read] == wanted
        assert [record.hops for record in read] == [record.hops for record in sent]

        waiting = [NewEntry(EntryKey("t", position), 0.0) for position in positions]
        await self.channel.settle("a", Settlement(done=positions, handovers=waiting))
        entries = (await self.claim()).entries
        assert [kept(entry.record.event, entry.record.headers) for entry in entries] == wanted
        assert [entry.record.hops for entry in entries] == [record.hops for record in sent]

        results = []
        for entry in entries:
            record = entry.record
            letter = DeadLetter.of(record, "t", "refused", (), 1, 1.0)
            results.append(EntryResult(entry.key, entry.lease.token, dead=[letter]))
        await self.channel.settle("a", Settlement(results=results))
        stored = await self.channel.dead_letters.list("a", "t", 100)
        assert [kept(one.letter.event, one.letter.headers) for one in stored] == wanted
        await self.channel.dead_letters.remove("a", [one.number for one in stored])

    @settings(max_examples=20, deadline=None, suppress_health_check=ONE_CHANNEL)
    @given(
        st.builds(
            Failure,
            texts,
            st.integers(0, 999),
            texts,
            st.binary(max_size=1024),
            st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
        )
    )
    async def test_any_failure_comes_back_from_backlog_and_dead_letters_as_it_went_in(self, failure: Failure) -> None:
        (position,) = await self.add()
        reader = await self.channel.reader("a")
        await take(reader, 1)
        await reader.close()
        entry = NewEntry(EntryKey("t", position), 0.0, 1, failure=failure, origin=failure)
        await self.channel.settle("a", Settlement(done=[position], handovers=[entry]))
        (claimed,) = (await self.claim()).entries
        assert (claimed.failure, claimed.origin) == (failure, failure)
        letter = DeadLetter("t", position, claimed.record.event, "exhausted", (failure, failure), 2, 1.0)
        await self.channel.settle("a", Settlement(results=[EntryResult(claimed.key, claimed.lease.token, dead=[letter])]))
        (stored,) = await self.channel.dead_letters.list("a", "t", 10)
        assert stored.letter.failures == (failure, failure)
        await self.channel.dead_letters.remove("a", [stored.number])
