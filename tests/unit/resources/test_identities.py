"""Uids that outlive the process, also when several processes want the same one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from eventing.errors import ChannelUnavailable, ChannelUnsupported, Conflict
from eventing.ports.channel import ChannelContext
from eventing.ports.documents import Change, Document
from eventing.resources.identity import COLLECTION, GRACE, KEPT, Claim, Identities, claims_of, document_name
from eventing.resources.kind_table import Key
from eventing_channels.memory import open_channel


class Store:
    """The documents port in memory. Every call yields to the loop first, so that concurrent callers really interleave."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.version = 0
        self.conflicts = 0
        self.down = False

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise ChannelUnavailable("down")

    async def get(self, collection: str, name: str) -> Document | None:
        await self._turn()
        assert collection == COLLECTION
        return self.documents.get(name)

    async def list(self, collection: str) -> tuple[Sequence[Document], int]:
        assert collection == COLLECTION
        found = list(self.documents.values()), self.version
        await self._turn()
        return found

    def _check(self, name: str, expected: int | None) -> None:
        found = self.documents.get(name)
        if expected is not None and expected != (found.version if found else 0):
            self.conflicts += 1
            raise Conflict(name)

    async def put(self, collection: str, name: str, body: bytes, expected: int | None = None) -> Document:
        await self._turn()
        self._check(name, expected)
        self.version += 1
        self.documents[name] = Document(name, body, self.version)
        return self.documents[name]

    async def delete(self, collection: str, name: str, expected: int | None = None) -> None:
        await self._turn()
        self._check(name, expected)
        self.version += 1
        self.documents.pop(name, None)

    def watch(self, collection: str, after: int) -> AsyncIterator[Change]:
        raise NotImplementedError


def key(name: str, kind: str = "Trigger", group: str = "eventing.knative.dev") -> Key:
    return Key(group, kind, "default", name)


async def test_a_restart_keeps_the_uid() -> None:
    store = Store()
    first = await Identities(store).claim([Claim(key("a")), Claim(key("b"))], 100.0)
    assert len(set(first.uids.values())) == 2
    written = store.version
    again = await Identities(store).claim([Claim(key("a")), Claim(key("b"))], 200.0)
    assert again.uids == first.uids
    assert again.retired == {}
    assert store.version == written, "nothing is written where nothing changed"


async def test_gone_is_retired_and_back_in_time_is_itself() -> None:
    store = Store()
    uid = (await Identities(store).claim([Claim(key("a"))], 100.0)).uids[key("a")]
    gone = await Identities(store).claim([], 200.0)
    assert [(retired.uid, retired.key, retired.at) for retired in gone.retired.values()] == [(uid, key("a"), 200.0)]
    later = await Identities(store).claim([], 300.0)
    assert later.retired[uid].at == 200.0, "the time does not move"
    back = await Identities(store).claim([Claim(key("a"))], 200.0 + GRACE)
    assert (back.uids, back.retired) == ({key("a"): uid}, {})


async def test_back_after_the_grace_time_is_another_one_and_the_old_one_is_still_owed_its_end() -> None:
    store = Store()
    identities = Identities(store, grace=10.0)
    uid = (await identities.claim([Claim(key("a"))], 100.0)).uids[key("a")]
    await identities.claim([], 200.0)
    back = await identities.claim([Claim(key("a"))], 210.1)
    assert back.uids[key("a")] != uid
    assert {retired.uid: retired.at for retired in back.retired.values()} == {uid: 200.0}
    await identities.forget(uid)
    again = await identities.claim([Claim(key("a"))], 220.0)
    assert (again.uids, again.retired) == (back.uids, {})


@pytest.mark.requirement("B4")
async def test_another_broker_makes_another_trigger() -> None:
    store = Store()
    identities = Identities(store)
    uid = (await identities.claim([Claim(key("a"), "one")], 100.0)).uids[key("a")]
    moved = await identities.claim([Claim(key("a"), "two")], 150.0)
    assert moved.uids[key("a")] != uid
    assert moved.retired[uid].at == 150.0


@pytest.mark.requirement("B4")
async def test_back_at_the_first_broker_is_the_first_trigger() -> None:
    store = Store()
    first = (await Identities(store).claim([Claim(key("a"), "one")], 100.0)).uids[key("a")]
    second = (await Identities(store).claim([Claim(key("a"), "two")], 200.0)).uids[key("a")]
    back = await Identities(store).claim([Claim(key("a"), "one")], 200.0 + GRACE)
    assert back.uids == {key("a"): first}
    assert {retired.uid: retired.at for retired in back.retired.values()} == {second: 200.0 + GRACE}
    await Identities(store).forget(first)  # a janitor that is late
    again = await Identities(store).claim([Claim(key("a"), "two")], 201.0 + GRACE)
    assert again.uids == {key("a"): second}
    assert {retired.uid: retired.at for retired in again.retired.values()} == {first: 201.0 + GRACE}


async def test_back_at_the_first_broker_too_late_is_a_third_trigger() -> None:
    store = Store()
    identities = Identities(store, grace=10.0)
    first = (await identities.claim([Claim(key("a"), "one")], 100.0)).uids[key("a")]
    second = (await identities.claim([Claim(key("a"), "two")], 200.0)).uids[key("a")]
    late = 200.1 + KEPT
    back = await identities.claim([Claim(key("a"), "one")], late)
    assert back.uids[key("a")] not in {first, second}
    assert {retired.uid: retired.at for retired in back.retired.values()} == {first: 200.0, second: late}


async def test_the_time_away_counts_from_when_it_was_gone() -> None:
    store = Store()
    identities = Identities(store, grace=10.0)
    first = (await identities.claim([Claim(key("a"), "one")], 100.0)).uids[key("a")]
    await identities.claim([], 200.0)
    await identities.claim([Claim(key("a"), "two")], 205.0)
    assert (await identities.claim([Claim(key("a"), "one")], 211.0)).uids[key("a")] != first


async def test_what_was_forgotten_does_not_come_back() -> None:
    store = Store()
    identities = Identities(store)
    first = (await identities.claim([Claim(key("a"), "one")], 100.0)).uids[key("a")]
    await identities.claim([Claim(key("a"), "two")], 200.0)
    await identities.forget(first)
    back = await identities.claim([Claim(key("a"), "one")], 201.0)
    assert back.uids[key("a")] != first
    assert first not in back.retired


async def test_documents_that_kept_no_broker_of_former_ones_are_still_read() -> None:
    store = Store()
    body = (
        b'{"format":1,"group":"eventing.knative.dev","kind":"Trigger","namespace":"default","name":"a",'
        b'"uid":"u2","fixed":"two","former":[{"uid":"u1","at":100.0}]}'
    )
    await store.put(COLLECTION, document_name(key("a")), body)
    kept = await Identities(store).claim([Claim(key("a"), "two")], 101.0)
    assert kept.uids == {key("a"): "u2"}
    moved = await Identities(store).claim([Claim(key("a"), "one")], 102.0)
    assert moved.uids[key("a")] not in {"u1", "u2"}
    assert {retired.uid: retired.at for retired in moved.retired.values()} == {"u1": 100.0, "u2": 102.0}
    assert (await Identities(store).claim([Claim(key("a"), "two")], 103.0)).uids == {key("a"): "u2"}


async def test_forgetting() -> None:
    store = Store()
    identities = Identities(store)
    uid = (await identities.claim([Claim(key("a"))], 100.0)).uids[key("a")]
    await identities.forget(uid)
    assert (await identities.claim([Claim(key("a"))], 101.0)).uids[key("a")] == uid, "one in use is not forgotten"
    await identities.claim([], 200.0)
    await identities.forget(uid)
    await identities.forget("never heard of")
    assert store.documents == {}
    assert (await identities.claim([Claim(key("a"))], 201.0)).uids[key("a")] != uid


async def test_core_kinds_own_nothing_in_storage() -> None:
    store = Store()
    secret = key("s", "Secret", "")
    first = await Identities(store).claim([Claim(secret)], 1.0)
    assert store.documents == {}
    assert (await Identities(store).claim([Claim(secret)], 2.0)).uids == first.uids


async def test_many_processes_agree() -> None:
    store = Store()
    claims = [Claim(key(f"t{number}"), "b") for number in range(50)]
    found = await asyncio.gather(*(Identities(store).claim(claims, 100.0 + number) for number in range(5)))
    assert all(one.uids == found[0].uids for one in found)
    assert store.conflicts > 0, "the race did not happen"
    assert len(store.documents) == 50


async def test_retiring_and_claiming_at_once_loses_no_uid() -> None:
    store = Store()
    uid = (await Identities(store).claim([Claim(key("a"))], 1.0)).uids[key("a")]
    for _ in range(5):
        claimed, _ = await asyncio.gather(Identities(store).claim([Claim(key("a"))], 2.0), Identities(store).claim([], 2.0))
        assert claimed.uids[key("a")] == uid


async def test_an_entry_of_a_newer_format_is_refused() -> None:
    for body in (b'{"format": 2}', b"not json", b'{"format": 1}', b"[]"):
        store = Store()
        await store.put(COLLECTION, document_name(key("a")), body)
        with pytest.raises(ChannelUnsupported, match="Trigger"):
            await Identities(store).claim([Claim(key("a"))], 1.0)


async def test_a_channel_that_is_down_is_said_plainly() -> None:
    store = Store()
    identities = Identities(store)
    store.down = True
    with pytest.raises(ChannelUnavailable):
        await identities.claim([Claim(key("a"))], 1.0)
    store.down = False

    async def put_fails(*_args: object, **_more: object) -> Document:
        raise ChannelUnavailable("down")

    store.put = put_fails  # type: ignore[method-assign]
    with pytest.raises(ChannelUnavailable):
        await identities.claim([Claim(key(f"{number}")) for number in range(100)], 1.0)


async def test_over_a_real_channel(tmp_path: Path) -> None:
    channel = open_channel("memory://", ChannelContext(data_dir=tmp_path))
    await channel.open()
    try:
        claims = [Claim(key(f"t{number}"), "b") for number in range(200)]
        one, two = await asyncio.gather(*(Identities(channel.documents).claim(claims, 1.0) for _ in range(2)))
        assert one.uids == two.uids
        gone = await Identities(channel.documents).claim(claims[1:], 2.0)
        uid = one.uids[key("t0")]
        assert list(gone.retired) == [uid]
        await Identities(channel.documents).forget(uid)
        assert (await Identities(channel.documents).claim(claims, 3.0)).uids[key("t0")] != uid
    finally:
        await channel.close()


def test_claims_of_objects(apply) -> None:  # type: ignore[no-untyped-def]
    loaded = apply(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: t}\n"
        "spec: {broker: b, subscriber: {uri: 'http://h/'}}\n---\n"
        "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: b}\n"
    )
    assert claims_of(loaded.objects) == [Claim(key("t"), "b"), Claim(key("b", "Broker"))]
