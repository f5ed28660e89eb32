"""A request now and then, for health, readiness and metrics: over a connection of its own, never part of the load."""

from __future__ import annotations

import asyncio


async def get(port: int, path: str, timeout: float = 30.0) -> tuple[int, str]:
    """Status and body. Raises OSError, TimeoutError, and ValueError for what is no answer."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
            answer = await reader.read(-1)
        finally:
            writer.close()
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        raise ValueError(f"no answer to GET {path}")
    return int(head[9:12]), body.decode("utf-8", "replace")
