"""Documents: small named values with versions and a watch. Objects and their identities live here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """``version``: the store's revision at which it was written; rises over all documents of the collection."""

    name: str
    body: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """``document`` is None where the name was deleted; ``version`` is the revision of the change."""

    name: str
    document: Document | None
    version: int


class Documents(Protocol):
    async def get(self, collection: str, name: str) -> Document | None: ...

    async def list(self, collection: str) -> tuple[Sequence[Document], int]:
        """All documents by name, and the revision this list is at, from which to watch."""
        ...

    async def put(self, collection: str, name: str, body: bytes, expected: int | None = None) -> Document:
        """Write. ``expected``: the version it must have now; 0: it must not exist; None: whatever it is.
        Raises `Conflict`, `ChannelUnavailable`."""
        ...

    async def delete(self, collection: str, name: str, expected: int | None = None) -> None:
        """Delete; a missing one is a no-op unless ``expected`` says a version. Raises `Conflict`, `ChannelUnavailable`."""
        ...

    def watch(self, collection: str, after: int) -> AsyncIterator[Change]:
        """Changes after that revision, in order, without end; several changes of one name may be seen as its last one.
        Ends with `ChannelClosed` at close."""
        ...
