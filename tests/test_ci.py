"""`.ci/run` by itself, with stand-ins for uv and Python: whichever step fails ends the run, which leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.wait import eventually

SCRIPT = Path(__file__).parents[1] / ".ci" / "run"
# Says what it was called with, fails where told to, and makes what later steps call.
UV = """#!/bin/sh
echo "uv $*" >>"$LOG"
case "$*" in
    "run --locked python -c"*) echo 3.11 ;;
    "python find"*) echo "$0" ;;
    *mypy) [ -z "$SLOW" ] || until [ -s "$LOG.pid" ]; do sleep 0.05; done ;;
    "venv "*) for made; do :; done; mkdir -p "$made/bin"; ln -s "$TOOL" "$made/bin/eventing" ;;
esac
[ -n "$FAILING" ] || exit 0
case "$*" in *"$FAILING"*) exit 7 ;; esac
"""
TOOL = """#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
case "$*" in *toolchain*) echo $$ >"$LOG.new"; mv "$LOG.new" "$LOG.pid"; [ -z "$SLOW" ] || exec sleep 60 ;; esac
[ -n "$FAILING" ] || exit 0
case "${0##*/} $*" in *"$FAILING"*) exit 7 ;; esac
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    output: str
    calls: list[str]
    builder: int


def ci(folder: Path, failing: str = "", *, slow: bool = False) -> Ran:
    """``failing``: part of the call that ends with 7. ``slow``: the SDK clients take a minute to build."""
    checkout, programs, temporary = folder / "checkout", folder / "env" / "bin", folder / "tmp"
    for made in (checkout / ".ci", programs, temporary):
        made.mkdir(parents=True)
    shutil.copy(SCRIPT, checkout / ".ci" / "run")
    for name, text in (("uv", UV), ("python", TOOL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    log = folder / "log"
    env = {
        **{"PATH": f"{programs}:{os.environ['PATH']}", "LOG": str(log), "TMPDIR": str(temporary), "FAILING": failing},
        **{"UV_PROJECT_ENVIRONMENT": str(folder / "env"), "TOOL": str(programs / "python"), "SLOW": "1" if slow else ""},
    }
    done = subprocess.run(
        [checkout / ".ci" / "run"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=50, check=False
    )
    assert list(temporary.iterdir()) == []
    pid = Path(f"{log}.pid")
    return Ran(done.returncode, done.stdout, log.read_text().splitlines(), int(pid.read_text()) if pid.exists() else 0)


def test_a_run_goes_through_every_step(tmp_path: Path) -> None:
    ran = ci(tmp_path)
    assert ran.code == 0, ran.output
    for call in ("sync --locked", "ruff check", "ruff format --check", "mypy", "lint-imports", "pytest", "build"):
        assert [one for one in ran.calls if call in one], call
    assert "eventing demo" in ran.calls
    assert "python -m tests.interop.toolchain" in ran.calls
    assert [one for one in ran.calls if one.endswith("pytest -q tests/unit tests/conformance")] != []
    assert "s  Python 3.12\n" in ran.output
    assert "s  Python 3.13\n" in ran.output
    assert "Python 3.11" not in ran.output, "the first steps ran with that one"
    assert "FAILED" not in ran.output


@pytest.mark.parametrize(
    ("failing", "step"),
    [
        ("sync", "install"),
        ("ruff check", "lint"),
        ("ruff format", "format"),
        ("mypy", "types"),
        ("lint-imports", "layers"),
        ("toolchain", "SDK clients"),
        ("--locked pytest", "tests"),
        ("build", "wheel"),
        ("eventing version", "wheel"),
        ("eventing demo", "wheel"),
        ("-q tests/unit", "Python 3.12"),
    ],
)
def test_a_step_that_fails_ends_the_run_with_its_code_and_its_name(tmp_path: Path, failing: str, step: str) -> None:
    ran = ci(tmp_path, failing)
    assert ran.code == 7, ran.output
    assert f"FAILED: {step}\n" in ran.output
    # The clients are built beside the steps: when that call is noted says nothing about their order.
    steps = [call for call in ran.calls if "toolchain" not in call]
    assert failing in steps[-1] or step == "SDK clients", "nothing is done after it"


async def test_a_run_that_fails_early_ends_the_builds_in_the_background(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = await asyncio.to_thread(ci, tmp_path, "mypy", slow=True)
    assert ran.code == 7
    assert ran.builder
    await eventually(lambda: gone(ran.builder), 10, "the end of the build")
    assert time.monotonic() - began < 45


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state[:1] in {"", "Z"}
