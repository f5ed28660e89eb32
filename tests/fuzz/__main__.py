"""Fuzzing by hand: `python -m tests.fuzz`. Long runs against the program or its parsers, and single cases again."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import uvloop

from tests.fuzz import answers, manifests, pure
from tests.fuzz.bounds import Bounds
from tests.fuzz.campaign import Campaign
from tests.fuzz.evil import EvilCampaign
from tests.fuzz.findings import Findings
from tests.fuzz.model import judge
from tests.fuzz.session import make

T = TypeVar("T")
TARGETS = ("ingress", "subscriber", *pure.TARGETS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, default="ingress", help="ingress and subscriber run the program")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; 0: until --cases are done")
    parser.add_argument("--cases", type=int, help="how many at most")
    parser.add_argument("--seed", type=int, help="of the whole run; made up and printed where it isn't given")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--only", type=int, help="this case alone, with what is sent and what is expected")
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    tell(f"target {options.target}, seed {seed}")
    if options.only is not None:
        show(options.target, seed, options.only)
        options.first, options.cases, options.seconds = options.only, 1, 0.0
    if not options.seconds and options.cases is None:
        parser.error("--seconds 0 needs --cases")
    run = run_pure if options.target in pure.TARGETS else run_program
    try:
        findings = run(options.target, seed, Bounds(options.cases, options.seconds or None, options.first))
    except (asyncio.CancelledError, KeyboardInterrupt):
        tell("ended by hand")
        return 2
    for kind, count in findings.kinds.most_common():
        tell(f"{count} x {kind}")
    return 1 if findings else 0


def tell(line: str) -> None:
    print(line, flush=True)


def run_program(target: str, seed: int, bounds: Bounds) -> Findings:
    with tempfile.TemporaryDirectory(prefix="eventing-fuzz-") as folder:
        kind = Campaign if target == "ingress" else EvilCampaign
        campaign = kind(Path(folder), seed, bounds, tell=tell)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            summary = runner.run(ended_by_hand(campaign.run()))
    tell(summary.line())
    return campaign.findings


async def ended_by_hand(run: Coroutine[None, None, T]) -> T:
    """SIGTERM ends the program under test too."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run


def run_pure(target: str, seed: int, bounds: Bounds) -> Findings:
    findings = Findings(seed, tell)
    began = told = time.monotonic()
    number = first = bounds.first
    while bounds.more(number - first, began, findings):
        for problem in pure.run(target, seed, number):
            findings.add(problem.split(":")[0][:60], problem, number)
        number += 1
        if time.monotonic() - told >= 60:
            told = time.monotonic()
            tell(f"{told - began:.0f} s, {number - first} cases")
    tell(f"{time.monotonic() - began:.0f} s, {number - first} cases, findings {len(findings.lines)}")
    return findings


def show(target: str, seed: int, number: int) -> None:
    if target == "manifests":
        tell(manifests.make(seed, number).decode("utf-8", "backslashreplace"))
    elif target in {"answers", "subscriber"}:
        reply = answers.make(seed, number)
        tell(f"{reply!r:.4000}\n{answers.expect(reply)!r:.4000}")
    else:
        session = make(seed, number)
        for piece in session.pieces[:30]:
            tell(f"  > {piece[:700]!r}")
        for message in session.stream.messages:
            verdict = judge(message)
            tell(f"  {sorted(verdict.statuses)} {verdict.why} {verdict.events!r:.2000}")
        tell(f"  {session.ending.name} {session.stream.stop} {session.stream.why}")


if __name__ == "__main__":
    sys.exit(main())
