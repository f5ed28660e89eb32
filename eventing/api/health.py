"""Health and metrics of the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response


def health_router(*, ready: Callable[[], tuple[bool, Sequence[str]]], metrics: Callable[[], tuple[bytes, str]]) -> APIRouter:
    """`/healthz` (the process answers), `/readyz` (200 or 503, the body lists what is waited for) and `/metrics`.

    ``metrics``: the page and its content type.
    """
    router = APIRouter()

    @router.get("/healthz")
    @router.get("/livez")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @router.get("/readyz")
    async def readyz() -> Response:
        is_ready, waiting = ready()
        return JSONResponse({"ready": is_ready, "waitingFor": list(waiting)}, 200 if is_ready else 503)

    @router.get("/metrics")
    async def scrape() -> Response:
        # In a thread: with very many triggers it takes long, and events are taken by this loop.
        page, content_type = await asyncio.to_thread(metrics)
        return Response(page, headers={"content-type": content_type})

    return router
