"""Discovery: what kinds there are, as `kubectl` asks before anything else."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from eventing.api.errors import Refusal
from eventing.resources.kind_table import KindTable, ResourceKind


def discovery_router(kinds: KindTable) -> APIRouter:
    """`/api`, `/api/v1`, `/apis`, `/apis/{group}` and `/apis/{group}/{version}`."""
    router = APIRouter()

    @router.get("/api")
    async def versions() -> dict[str, Any]:
        return {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"]}

    @router.get("/api/v1")
    async def core() -> dict[str, Any]:
        return _resources("v1", [kind for kind in kinds if not kind.group])

    @router.get("/apis")
    async def groups() -> dict[str, Any]:
        names = sorted({group for group, _ in kinds.groups()})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(kinds, name) for name in names]}

    @router.get("/apis/{group}")
    async def group(group: str) -> dict[str, Any]:
        if not any(group == known for known, _ in kinds.groups()):
            raise Refusal(404, "the server could not find the requested resource")
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(kinds, group)}

    @router.get("/apis/{group}/{version}")
    async def resources(group: str, version: str) -> dict[str, Any]:
        found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
        if not found or not group:
            raise Refusal(404, "the server could not find the requested resource")
        return _resources(f"{group}/{version}", found)

    return router


def _group(kinds: KindTable, group: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for name, version in kinds.groups() if name == group]
    return {"name": group, "versions": versions, "preferredVersion": versions[-1]}


def _resources(group_version: str, kinds: list[ResourceKind]) -> dict[str, Any]:
    listed: list[dict[str, Any]] = []
    for kind in kinds:
        entry: dict[str, Any] = {
            "name": kind.plural,
            "singularName": kind.kind.lower(),
            "namespaced": True,
            "kind": kind.kind,
            "verbs": ["get", "list"],
        }
        listed.append(entry | _optional(kind))
        if kind.has_status:
            listed.append(entry | {"name": f"{kind.plural}/status", "singularName": "", "verbs": ["get"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _optional(kind: ResourceKind) -> dict[str, Any]:
    lists = {"shortNames": list(kind.short), "categories": list(kind.categories)}
    return {name: values for name, values in lists.items() if values}
