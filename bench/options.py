"""The command line, and the bounds of what may be asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cases import CASES
from bench.through import Amount

_ABOUT = """Measures `eventing serve` as a program of its own, with a load generator and subscribers that are not the limit.
Cases run in turn with the base case (base, case, base, case ...); what is shown are medians. docs/performance.md says what each
case means and how to read the table. Ends with 1 where an event was lost or refused, or a run failed."""
_MOST_EVENTS = 5_000_000
_MOST_TRIGGERS = 100_000


@dataclass(frozen=True, slots=True)
class Options:
    """``cases``: in the table's order. ``parked``: events of the case `parked`. ``triggers``: how many in
    the case `start`, in turn."""

    cases: tuple[str, ...]
    pairs: int
    amount: Amount
    parked: int
    triggers: tuple[int, ...]
    channel: str | None
    data_dir: Path | None
    json: Path | None
    keep: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Raises SystemExit for what can't be, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=_ABOUT,
        epilog="cases:\n" + "\n".join(f"  {case.name:<14} {case.about}" for case in CASES.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--case", action="append", choices=tuple(CASES), metavar="NAME", help="only this case; may be repeated")
    parser.add_argument("--pairs", type=int, help="runs of each case and of its base (default: 5)")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--seconds", type=float, help="how long each run is loaded (default: 3)")
    amount.add_argument("--events", type=int, help="send so many events in each run instead")
    parser.add_argument("--parked", type=int, help="events of the case parked (default: 1000000)")
    parser.add_argument("--triggers", help="numbers of the case start, comma-separated (default: 1,1000,10000)")
    parser.add_argument("--quick", action="store_true", help="one pair, a second each, 20,000 parked: rough figures")
    parser.add_argument("--channel", metavar="URL", help="as for `eventing serve` (default: its own default)")
    parser.add_argument("--data-dir", type=Path, metavar="FOLDER", help="on the disk to measure (default: the temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there, with machine and versions")
    parser.add_argument("--keep", action="store_true", help="leave stores and logs of the engine behind")
    given = parser.parse_args(arguments)
    pairs = given.pairs if given.pairs is not None else 1 if given.quick else 5
    seconds = given.seconds if given.seconds is not None else 1.0 if given.quick else 3.0
    parked = given.parked if given.parked is not None else 20_000 if given.quick else 1_000_000
    counts = (given.triggers or "1,1000,10000").split(",")
    if not all(count.isascii() and count.isdigit() and 1 <= int(count) <= _MOST_TRIGGERS for count in counts):
        parser.error(f"--triggers: numbers from 1 to {_MOST_TRIGGERS}, comma-separated")
    for name, value, least, most in (
        ("--pairs", pairs, 1, 100),
        ("--seconds", seconds, 0.1, 600),
        ("--events", given.events if given.events is not None else 1, 1, _MOST_EVENTS),
        ("--parked", parked, 1, _MOST_EVENTS),
    ):
        if not least <= value <= most:
            parser.error(f"{name} is from {least} to {most}")
    for option, path in (("--data-dir", given.data_dir), ("--json", given.json.parent if given.json is not None else None)):
        if path is not None and not path.is_dir():
            parser.error(f"{option}: {path} is no folder")
    chosen = tuple(name for name in CASES if given.case is None or name in given.case)
    return Options(
        cases=chosen,
        pairs=pairs,
        amount=Amount(seconds, given.events),
        parked=parked,
        triggers=tuple(int(count) for count in counts),
        channel=given.channel,
        data_dir=given.data_dir,
        json=given.json,
        keep=given.keep,
    )
