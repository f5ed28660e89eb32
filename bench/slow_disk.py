"""A disk whose fsync takes 50 ms longer, without any right on the system: a small library, loaded before all others, waits
before it hands the call on."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

DELAY = 0.05
_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void wait_first(void) {
    struct timespec left = {0, NANOSECONDS};
    while (nanosleep(&left, &left) != 0) {}
}

int fsync(int file) {
    static int (*next)(int);
    if (next == 0) next = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    wait_first();
    return next(file);
}

int fdatasync(int file) {
    static int (*next)(int);
    if (next == 0) next = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    wait_first();
    return next(file);
}
""".replace("NANOSECONDS", str(round(DELAY * 1e9)))
_PROBE = """
import os, sqlite3, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
began = time.perf_counter()
os.fsync(file)
plain = time.perf_counter() - began
database = sqlite3.connect(sys.argv[1] + ".db", isolation_level=None)
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE IF NOT EXISTS probe (id)")
began = time.perf_counter()
database.execute("INSERT INTO probe VALUES (1)")
print(min(plain, time.perf_counter() - began))
"""


class NoShim(Exception):
    """The disk can't be made slow here; the text says why."""


async def shim(folder: Path) -> dict[str, str]:
    """The environment in which fsync is slow, for Python's own calls and for SQLite's: tried before it is given out. Raises
    `NoShim`."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise NoShim("there is no C compiler (cc, gcc or clang) for the library that makes fsync slow")
    source, library = folder / "slow_fsync.c", folder / "slow_fsync.so"
    source.write_text(_SOURCE, encoding="ascii")
    await _run(compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl")
    environment = {
        "LD_PRELOAD": f"{library}{os.pathsep}{os.environ['LD_PRELOAD']}" if "LD_PRELOAD" in os.environ else str(library)
    }
    took = float(await _run(sys.executable, "-c", _PROBE, str(folder / "slow_fsync.probe"), environment=environment))
    if took < DELAY:
        raise NoShim(f"the library has no effect here: fsync took {took * 1e3:.1f} ms")
    return environment


async def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | (environment or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
    except TimeoutError:
        raise NoShim(f"{Path(command[0]).name} did not end within 60 s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode != 0:
        raise NoShim(f"{Path(command[0]).name} ended with {process.returncode}: {errors.decode(errors='replace')[-500:]}")
    return output.decode()


def measured_fsync(folder: Path, times: int = 21) -> float:
    """The median of so many writes of 4 KiB with fsync, in milliseconds."""
    path = folder / "fsync.probe"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return sorted(taken)[times // 2] * 1e3
