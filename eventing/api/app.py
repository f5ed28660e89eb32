"""The control plane's HTTP application."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from fastapi import FastAPI

import eventing
from eventing.api.deliveries import deliveries_router
from eventing.api.discovery import discovery_router
from eventing.api.errors import install
from eventing.api.health import health_router
from eventing.api.resources import resources_router
from eventing.ports.channel import Channel
from eventing.resources.identity import Retired
from eventing.resources.store import ObjectStore


def create_app(
    store: ObjectStore,
    *,
    ready: Callable[[], tuple[bool, Sequence[str]]],
    metrics: Callable[[], tuple[bytes, str]],
    channel: Channel | None = None,
    retired: Callable[[], Collection[Retired]] = lambda: (),
) -> FastAPI:
    """The read-only resource API, discovery, health and metrics.

    ``ready``: whether everything given at start was decided upon, and what is still waited for (`resources.readiness`).
    ``metrics``: the page and its content type. ``channel``: whose backlogs and dead letters are shown; ``retired``: objects
    that are gone, whose letters may be left. No page of documentation is served: its scripts would come from elsewhere.
    """
    app = FastAPI(
        title="eventing", version=eventing.__version__, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    install(app)
    app.include_router(health_router(ready=ready, metrics=metrics))
    app.include_router(discovery_router(store.kinds))
    if channel is not None:
        app.include_router(deliveries_router(store, channel, retired))
    app.include_router(resources_router(store))
    return app
