"""Where the figures come from: figures of one machine compare only with each other."""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.slow_disk import measured_fsync

_ROOT = Path(__file__).parents[1]


async def describe(folder: Path) -> dict[str, Any]:
    """``folder``: on the disk that is measured."""
    return await asyncio.to_thread(_describe, folder)


def _describe(folder: Path) -> dict[str, Any]:
    kind, device = file_system(folder)
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "memory_mb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6),
        "file_system": kind,
        "device": device,
        "fsync_ms": round(measured_fsync(folder), 3),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "uvloop": _version("uvloop"),
        "sqlite": sqlite3.sqlite_version,
        "eventing": _version("eventing-engine"),
        **_commit(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def file_system(folder: Path, mounts: str | None = None) -> tuple[str, str]:
    """Type and device of the mount that a folder is on. ``mounts``: as `/proc/self/mounts` has them."""
    if mounts is None:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    best, found = -1, ("unknown", "unknown")
    place = folder.resolve()
    for line in mounts.splitlines():
        device, point, kind, *_ = line.split(" ")
        path = Path(point.replace("\\040", " "))
        if place.is_relative_to(path) and len(path.parts) >= best:
            best, found = len(path.parts), (kind, device)
    return found


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """The commit, and whether the tree differs from it; both None outside of a checkout."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain").strip())}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603, S607
    return done.stdout
