"""`python -m tests.fuzz`: long runs by hand, and single cases again."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop

from tests.fuzz.campaign import Campaign
from tests.fuzz.model import judge
from tests.fuzz.session import make


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; 0: until --cases are done")
    parser.add_argument("--cases", type=int, help="how many at most")
    parser.add_argument("--seed", type=int, help="of the whole run; printed where it isn't given")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--only", type=int, help="this case alone, with what is sent and what is expected")
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    tell = _printer()
    tell(f"seed {seed}")
    if options.only is not None:
        _show(seed, options.only)
        options.first, options.cases, options.seconds = options.only, 1, 0.0
    if not options.seconds and options.cases is None:
        parser.error("--seconds 0 needs --cases")
    with tempfile.TemporaryDirectory(prefix="eventing-fuzz-") as folder:
        campaign = Campaign(
            Path(folder), seed, cases=options.cases, seconds=options.seconds or None, first=options.first, tell=tell
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            summary = runner.run(campaign.run())
    tell(summary.line())
    for kind, count in campaign.findings.kinds.most_common():
        tell(f"{count} x {kind}")
    return 1 if campaign.findings else 0


def _printer() -> Callable[[str], None]:
    def tell(line: str) -> None:
        print(line, flush=True)

    return tell


def _show(seed: int, number: int) -> None:
    session = make(seed, number)
    for piece in session.pieces[:30]:
        print(f"  > {piece[:700]!r}")
    for message in session.stream.messages:
        verdict = judge(message)
        print(f"  {sorted(verdict.statuses)} {verdict.why} {verdict.events!r:.2000}")
    print(f"  {session.ending.name} {session.stream.stop} {session.stream.why}")


if __name__ == "__main__":
    sys.exit(main())
