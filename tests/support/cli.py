"""One run of the command line to its end, as a user would."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    code: int
    out: str
    err: str


async def eventing(
    *arguments: str, cwd: Path, input: str | None = None, environment: Mapping[str, str] | None = None, timeout: float = 60
) -> Run:
    """`python -m eventing ARGUMENTS`. A traceback on standard error fails the test, whatever the test is about; so does a
    command that doesn't end (it is ended then)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTING_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "eventing", *arguments],
        cwd=cwd,
        env={**clean, **(environment or {})},
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Run(done.returncode, done.stdout, done.stderr)
