"""Identities: the uid of an object outlives the process, so that a restart from YAML isn't a new trigger (DATAPATH 11)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from eventing.errors import ChannelUnsupported, Conflict
from eventing.ports.documents import Document, Documents
from eventing.resources.kind_table import BROKER, Key
from eventing.resources.model import Resource, TriggerSpec

COLLECTION: Final = "identities"
GRACE = 3600.0
"""Seconds during which an object gone from the manifests may come back as itself."""
KEPT: Final = 7 * 86400.0
"""Seconds for which a trigger that went to another broker may come back, and for which what it owes at the first is kept there:
as long as a delivery may wait where no `delivery` says less (DATAPATH 5)."""

_AT_ONCE = 64
_FORMAT = 1
_NAMESPACE = uuid.UUID("6c0b7bd3-5a0f-4f0c-9f59-3a5f4e6d0d3e")


@dataclass(frozen=True, slots=True)
class Claim:
    """An object that wants its uid. ``fixed``: what can't change in it without making it another object (a trigger's broker:
    its backlog lies there)."""

    key: Key
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class Retired:
    """A uid whose object is gone from the manifests since ``at``, seconds since the epoch. ``keep``: seconds for which what is
    stored under it is kept at least."""

    key: Key
    uid: str
    at: float
    keep: float = 0.0


@dataclass(frozen=True, slots=True)
class Moved:
    """A trigger whose `spec.broker` was changed while it stood in the manifests, which Kubernetes would refuse. ``key`` names it
    before and after. ``uid``, ``was``: of the trigger as it was before, and its broker's name; ``now``: its broker's name today,
    empty where it is gone. ``at``: when it was found, seconds since the epoch."""

    key: Key
    uid: str
    was: str
    now: str
    at: float


@dataclass(frozen=True, slots=True)
class Identified:
    """``uids``: of the claimed objects. ``retired``: by uid, whatever is not claimed and not forgotten. ``moved``: those of the
    retired that went to another broker."""

    uids: Mapping[Key, str]
    retired: Mapping[str, Retired]
    moved: Sequence[Moved] = ()


class _Former(msgspec.Struct, frozen=True, omit_defaults=True):
    """``fixed`` is empty in documents of earlier versions, which didn't keep it: such a one ends with its grace time. ``moved``:
    it was not gone from the manifests; its ``fixed`` was changed."""

    uid: str
    at: float
    fixed: str = ""
    moved: bool = False


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document. ``uid`` is empty where only former ones are left; ``retired``: since when it is gone."""

    format: int
    group: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    fixed: str = ""
    retired: float | None = None
    former: tuple[_Former, ...] = ()

    @property
    def key(self) -> Key:
        return Key(self.group, self.kind, self.namespace, self.name)


def claims_of(objects: Iterable[Resource]) -> list[Claim]:
    """The claims of accepted objects."""
    return [
        Claim(resource.key, resource.spec.broker_name if isinstance(resource.spec, TriggerSpec) else "") for resource in objects
    ]


class Identities:
    """The uids over a channel's documents, one document per name. Several processes may do this at once: each change is
    conditional on the version that was read, and a `Conflict` reads again."""

    def __init__(self, documents: Documents, *, grace: float = GRACE) -> None:
        self._documents = documents
        self._grace = grace

    async def claim(self, claims: Sequence[Claim], now: float) -> Identified:
        """Give every claimed object its uid, new ones a new one; whatever is known and not claimed becomes retired, and a
        retired one that is claimed within the grace time is itself again, also one that another of the same name and with
        another ``fixed`` has stood in for (a trigger that went to another broker and came back).

        Core kinds (Secret, Service) own nothing in storage: their uid is derived from the name and not kept.
        Raises `ChannelUnavailable`, `ChannelUnsupported` (an entry of a newer format).
        """
        wanted = {claim.key: claim for claim in claims if claim.key.group}
        known = {entry.key: (entry, document.version) for entry, document in await self._list()}
        held = _held((entry for entry, _ in known.values()), now)
        entries: list[_Entry] = []
        todo = iter(wanted.keys() | known.keys())

        async def settle() -> None:
            for key in todo:
                entry = await self._settle(key, wanted.get(key), known.get(key), now, KEPT if key in held else self._grace)
                entries.append(entry)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(_AT_ONCE, len(wanted) + len(known))):
                    tasks.create_task(settle())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        uids = {claim.key: _derived(claim.key) for claim in claims if not claim.key.group}
        uids |= {entry.key: entry.uid for entry in entries if entry.key in wanted}
        held = _held(entries, now)
        retired = {old.uid: old for entry in entries for old in _retired(entry, held)}
        return Identified(uids, retired, [moved for entry in entries for moved in _moved(entry)])

    async def forget(self, uid: str) -> None:
        """Drop a retired uid once nothing is stored under it; one that is in use again is left alone.
        Raises as `claim` does."""
        for entry, document in await self._list():
            if any(retired.uid == uid for retired in _retired(entry)):
                await self._change(entry.key, (entry, document.version), lambda now: _without(now, uid))
                return

    async def _settle(self, key: Key, claim: Claim | None, known: tuple[_Entry, int] | None, now: float, grace: float) -> _Entry:
        if claim is None:
            return await self._change(key, known, lambda entry: _retire(entry, now))
        fresh = str(uuid.uuid4())
        return await self._change(key, known, lambda entry: _claim(entry, claim.fixed, fresh, now, grace))

    async def _change(self, key: Key, known: tuple[_Entry, int] | None, change: Callable[[_Entry], _Entry]) -> _Entry:
        name = document_name(key)
        while True:
            entry, version = known or (_Entry(_FORMAT, key.group, key.kind, key.namespace, key.name), 0)
            changed = change(entry)
            if changed == entry:
                return entry
            try:
                if changed.uid or changed.former:
                    await self._documents.put(COLLECTION, name, msgspec.json.encode(changed), expected=version)
                elif version:
                    await self._documents.delete(COLLECTION, name, expected=version)
            except Conflict:
                document = await self._documents.get(COLLECTION, name)
                known = (_decode(document), document.version) if document is not None else None
                continue
            return changed

    async def _list(self) -> list[tuple[_Entry, Document]]:
        documents, _ = await self._documents.list(COLLECTION)
        return [(_decode(document), document) for document in documents]


def document_name(key: Key) -> str:
    """`Kind.group/namespace/name`."""
    return f"{key.kind}.{key.group}/{key.namespace}/{key.name}"


def _decode(document: Document) -> _Entry:
    try:
        version = msgspec.json.decode(document.body, type=dict[str, object]).get("format")
        if version != _FORMAT:
            raise ChannelUnsupported(f"the identity of {document.name} has format {version}, this program knows {_FORMAT}")
        return msgspec.json.decode(document.body, type=_Entry)
    except msgspec.MsgspecError as error:
        raise ChannelUnsupported(f"the identity of {document.name} can't be read: {error}") from None


def _retired(entry: _Entry, held: Collection[Key] = ()) -> list[Retired]:
    found = [Retired(entry.key, former.uid, former.at, KEPT if former.moved else 0.0) for former in entry.former]
    if entry.uid and entry.retired is not None:
        found.append(Retired(entry.key, entry.uid, entry.retired, KEPT if entry.key in held else 0.0))
    return found


def _held(entries: Iterable[_Entry], now: float) -> set[Key]:
    """The brokers at which triggers that went elsewhere may still be owed something: the data lies there."""
    return {
        Key(BROKER.group, BROKER.kind, entry.namespace, former.fixed)
        for entry in entries
        for former in entry.former
        if former.moved and now - former.at <= KEPT
    }


def _moved(entry: _Entry) -> list[Moved]:
    here = entry.fixed if entry.uid and entry.retired is None else ""
    return [Moved(entry.key, former.uid, former.fixed, here, former.at) for former in entry.former if former.moved]


def _retire(entry: _Entry, now: float) -> _Entry:
    return entry if not entry.uid or entry.retired is not None else msgspec.structs.replace(entry, retired=now)


def _claim(entry: _Entry, fixed: str, fresh: str, now: float, grace: float) -> _Entry:
    former = entry.former
    if entry.uid:
        in_time = entry.retired is None or now - entry.retired <= grace
        if in_time and entry.fixed == fixed:
            return msgspec.structs.replace(entry, retired=None)
        here = entry.retired is None
        former = (*former, _Former(entry.uid, now if entry.retired is None else entry.retired, entry.fixed, moved=here))
    back = next((old for old in reversed(former) if old.fixed == fixed and now - old.at <= (KEPT if old.moved else grace)), None)
    if back is not None:
        rest = tuple(old for old in former if old is not back)
        return msgspec.structs.replace(entry, uid=back.uid, fixed=fixed, retired=None, former=rest)
    return msgspec.structs.replace(entry, uid=fresh, fixed=fixed, retired=None, former=former)


def _without(entry: _Entry, uid: str) -> _Entry:
    former = tuple(old for old in entry.former if old.uid != uid)
    if entry.uid == uid and entry.retired is not None:
        return msgspec.structs.replace(entry, uid="", fixed="", retired=None, former=former)
    return msgspec.structs.replace(entry, former=former)


def _derived(key: Key) -> str:
    return str(uuid.uuid5(_NAMESPACE, document_name(key)))
