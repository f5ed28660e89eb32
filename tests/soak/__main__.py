"""Mixed load with random faults for as long as one likes: `python -m tests.soak --seconds 3600`. Exit code 1 where anything was
lost, repeated without a crash, left open, or grew."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from tests.fuzz.__main__ import ended_by_hand, tell
from tests.soak.run import Options, Soak


def main() -> int:
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of sending; what is owed then ends within minutes")
    parser.add_argument("--seed", type=int, help="of what is drawn; made up and printed where it isn't given")
    parser.add_argument("--calm", type=float, default=usual.calm, help="the part of it without restarts, from 0 to 1")
    parser.add_argument("--rate", type=float, default=usual.rate, help="events per second")
    parser.add_argument("--triggers", type=int, default=usual.idle, help="so many more that match nothing")
    parser.add_argument("--ordered", action="store_true", help="one trigger asks for order per key")
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    tell(f"seed {seed}")
    chosen = Options(options.seconds, options.calm, options.rate, options.triggers, options.ordered)
    with (
        tempfile.TemporaryDirectory(prefix="eventing-soak-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        try:
            findings, lines = runner.run(ended_by_hand(soak(Path(folder), seed, chosen)))
        except (asyncio.CancelledError, KeyboardInterrupt):
            tell("ended by hand")
            return 2
    for line in lines:
        tell(line)
    for kind, count in findings.most_common():
        tell(f"{count} x {kind}")
    return 1 if findings else 0


async def soak(folder: Path, seed: int, options: Options) -> tuple[Counter[str], list[str]]:
    run = Soak(folder, seed, options, tell=tell)
    await run.run()
    return run.findings.kinds, run.lines()


if __name__ == "__main__":
    sys.exit(main())
