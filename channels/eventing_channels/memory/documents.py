"""Documents in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from eventing.errors import Conflict
from eventing.ports.documents import Change, Document


class MemoryDocuments:
    """See `eventing.ports.documents.Documents`. A deletion stays as a change without document, so that a watch sees it."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._revision = 0
        self._changes: dict[str, dict[str, Change]] = {}
        self._wakes: set[asyncio.Event] = set()

    def wake(self) -> None:
        for event in self._wakes:
            event.set()

    async def get(self, collection: str, name: str) -> Document | None:
        self._check_open()
        change = self._changes.get(collection, {}).get(name)
        return change.document if change is not None else None

    async def list(self, collection: str) -> tuple[Sequence[Document], int]:
        self._check_open()
        documents = [change.document for change in self._changes.get(collection, {}).values() if change.document is not None]
        return sorted(documents, key=lambda document: document.name), self._revision

    async def put(self, collection: str, name: str, body: bytes, expected: int | None = None) -> Document:
        self._check(collection, name, expected)
        document = Document(name, bytes(body), self._revision + 1)
        self._note(collection, name, document)
        return document

    async def delete(self, collection: str, name: str, expected: int | None = None) -> None:
        if self._check(collection, name, expected):
            self._note(collection, name, None)

    async def watch(self, collection: str, after: int) -> AsyncIterator[Change]:
        wake = asyncio.Event()
        self._wakes.add(wake)
        try:
            while True:
                self._check_open()
                wake.clear()
                changes = sorted(
                    (change for change in self._changes.get(collection, {}).values() if change.version > after),
                    key=lambda change: change.version,
                )
                for change in changes:
                    yield change
                    after = change.version
                if not changes:
                    await wake.wait()
        finally:
            self._wakes.discard(wake)

    def _check(self, collection: str, name: str, expected: int | None) -> int:
        self._check_open()
        change = self._changes.get(collection, {}).get(name)
        version = change.document.version if change is not None and change.document is not None else 0
        if expected is not None and expected != version:
            now = f"has version {version}" if version else "does not exist"
            raise Conflict(f"{collection}/{name} {now}, expected {expected or 'none'}")
        return version

    def _note(self, collection: str, name: str, document: Document | None) -> None:
        self._revision += 1
        self._changes.setdefault(collection, {})[name] = Change(name, document, self._revision)
        self.wake()
