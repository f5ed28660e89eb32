"""The objects over HTTP: read-only, in the paths and shapes of the Kubernetes API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from eventing.api.errors import Refusal
from eventing.api.selectors import selector
from eventing.api.table import head, included, row, wants_table
from eventing.resources.conditions import timestamp
from eventing.resources.kind_table import Key, ResourceKind
from eventing.resources.store import ObjectStore, StoredObject

_JSON = "application/json"
_CHUNK = 100


def resources_router(store: ObjectStore) -> APIRouter:
    """Lists (of a namespace, of all) and single objects, with `/status`; core kinds under `/api/v1`."""
    router = APIRouter()

    def kind_of(group: str, version: str, plural: str) -> ResourceKind:
        kind = store.kinds.by_plural(group, version, plural)
        if kind is None:
            raise Refusal(404, "the server could not find the requested resource")
        return kind

    def page(request: Request, kind: ResourceKind, namespace: str | None) -> Response:
        if request.query_params.get("continue"):
            raise Refusal(400, "the query parameter continue is not supported")
        if request.query_params.get("watch", "false") not in {"false", "0", ""}:
            raise Refusal(400, "watch is not supported over HTTP")
        query = request.query_params
        chosen = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        found = [stored for stored in store.list(kind.group, kind.kind, namespace) if chosen(stored)]
        if wants_table(request.headers.get("accept", "")):
            return table(request, kind, found)
        listed = {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": {"resourceVersion": str(store.version)}}
        return StreamingResponse(_listed(listed, "items", found, written), media_type=_JSON)

    def table(request: Request, kind: ResourceKind, found: Sequence[StoredObject]) -> Response:
        include, now = included(request.query_params.get("includeObject")), store.now()
        rows = _listed(head(kind, store.version), "rows", found, lambda stored: row(stored, written(stored), now, include))
        return StreamingResponse(rows, media_type=_JSON)

    def single(request: Request, kind: ResourceKind, namespace: str, name: str) -> Response:
        stored = store.get(Key(kind.group, kind.kind, namespace, name))
        if stored is None:
            resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
            details = {"name": name, "group": kind.group, "kind": kind.plural}
            raise Refusal(404, f'{resource} "{name}" not found', {key: value for key, value in details.items() if value})
        if wants_table(request.headers.get("accept", "")):
            return table(request, kind, [stored])
        return Response(msgspec.json.encode(written(stored)), media_type=_JSON)

    def with_status(kind: ResourceKind) -> ResourceKind:
        if not kind.has_status:
            raise Refusal(404, "the server could not find the requested resource")
        return kind

    @router.get("/apis/{group}/{version}/{plural}")
    async def list_all(request: Request, group: str, version: str, plural: str) -> Response:
        return page(request, kind_of(group, version, plural), None)

    @router.get("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
    async def list_one(request: Request, group: str, version: str, namespace: str, plural: str) -> Response:
        return page(request, kind_of(group, version, plural), namespace)

    @router.get("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}")
    async def get(request: Request, group: str, version: str, namespace: str, plural: str, name: str) -> Response:
        return single(request, kind_of(group, version, plural), namespace, name)

    @router.get("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}/status")
    async def get_status(request: Request, group: str, version: str, namespace: str, plural: str, name: str) -> Response:
        return single(request, with_status(kind_of(group, version, plural)), namespace, name)

    @router.get("/api/v1/{plural}")
    async def list_core(request: Request, plural: str) -> Response:
        return page(request, kind_of("", "v1", plural), None)

    @router.get("/api/v1/namespaces/{namespace}/{plural}")
    async def list_core_one(request: Request, namespace: str, plural: str) -> Response:
        return page(request, kind_of("", "v1", plural), namespace)

    @router.get("/api/v1/namespaces/{namespace}/{plural}/{name}")
    async def get_core(request: Request, namespace: str, plural: str, name: str) -> Response:
        return single(request, kind_of("", "v1", plural), namespace, name)

    return router


def written(stored: StoredObject) -> dict[str, Any]:
    """The object as the API shows it. Secret values aren't in it: they never enter `Resource.raw`."""
    raw = stored.resource.raw
    body = dict(raw)
    body["metadata"] = {
        **raw["metadata"],
        "uid": stored.uid,
        "resourceVersion": str(stored.version),
        "generation": stored.generation,
        "creationTimestamp": timestamp(stored.created),
    }
    if stored.status:
        body["status"] = dict(stored.status)
    return body


async def _listed(
    outer: dict[str, Any], name: str, found: Sequence[StoredObject], shown: Callable[[StoredObject], dict[str, Any]]
) -> AsyncIterator[bytes]:
    """In pieces, with a pause for the loop between them: the data plane may share it. ``name``: of the list within ``outer``."""
    yield msgspec.json.encode(outer)[:-1] + f',"{name}":['.encode()
    for start in range(0, len(found), _CHUNK):
        chunk = found[start : start + _CHUNK]
        yield (b"," if start else b"") + b",".join(msgspec.json.encode(shown(stored)) for stored in chunk)
        await asyncio.sleep(0)
    yield b"]}"
