"""HTTP with the standard library alone, so that the project's own client and server can't hide each other's faults."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers``: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def request(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, timeout: float = 20
) -> Answer:
    """One request on a connection of its own. Raises OSError, `http.client.HTTPException`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


async def call(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, timeout: float = 20
) -> Answer:
    """`request` in a thread."""
    return await asyncio.to_thread(request, port, method, path, headers, body, timeout)
