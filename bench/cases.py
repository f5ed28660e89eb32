"""The table of cases: what each one is, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bench.messages import Shape

BASE = "base"
Kind = Literal["direct", "closed", "scheduled", "parked", "start"]
Fault = Literal["", "dead", "slow", "limited"]


@dataclass(frozen=True, slots=True)
class Case:
    """``matching``/``others``: triggers that want the events, and triggers that want something else.

    ``kind``: `closed` sends as fast as the engine answers, `scheduled` at the rate ``share`` times what the closed case ``of``
    reached; the others are programs of their own. ``against``: the case that runs in turn with it. ``fault``: what is wrong with
    the last of the subscribers. ``judged``: of how many subscribers rate and latency are told, the first ones.
    """

    name: str
    about: str
    kind: Kind = "closed"
    against: str | None = BASE
    shape: Shape = field(default_factory=Shape)
    matching: int = 1
    others: int = 0
    connections: int = 64
    share: float = 0.0
    of: str = BASE
    fault: Fault = ""
    judged: int = 0
    ordered: bool = False
    slow_disk: bool = False
    once: bool = False
    """Whether it takes so long that it runs once, however many pairs there are."""


def _five(name: str, about: str, fault: Fault = "") -> Case:
    against = "five" if fault else None
    return Case(name, about, "scheduled", against, matching=5, judged=4, share=0.5, of="five-peak", fault=fault)


_KIB = 1024
CASES = {
    case.name: case
    for case in (
        Case("direct", "the load straight into the sink, without the engine: what the tools can do", "direct", None),
        Case(BASE, "1 trigger, 1 KiB binary, 64 connections", against=None),
        Case("ten", "10 matching triggers", matching=10),
        Case("thousand", "1,000 triggers of which one matches", others=999),
        Case("ten-thousand", "10,000 triggers of which one matches", others=9_999),
        Case("ordered", "order: key, 1,024 keys", shape=Shape(keyed=True), ordered=True),
        Case("256b", "256 bytes of data", shape=Shape(256)),
        Case("10k", "10 KiB of data", shape=Shape(10 * _KIB)),
        Case("64k", "64 KiB of data", shape=Shape(64 * _KIB)),
        Case("structured", "structured mode", shape=Shape(mode="structured")),
        Case("batch", "batches of 20", shape=Shape(mode="batch", batch=20)),
        Case("half", "at half the rate of the base", "scheduled", None, share=0.5),
        Case("five-peak", "5 matching triggers, as fast as it goes", against=None, matching=5),
        _five("five", "5 triggers at half of that"),
        _five("dead", "the same, one subscriber refuses connections", "dead"),
        _five("slow", "the same, one subscriber takes 3 s", "slow"),
        _five("limited", "the same, one subscriber answers 429 with Retry-After: 1", "limited"),
        Case("slow-disk", "fsync takes 50 ms longer", slow_disk=True),
        Case("slow-disk-256", "the same with 256 connections", connections=256, slow_disk=True),
        Case("start", "from start to open and to Ready, with 1, 1,000 and 10,000 triggers", "start", None),
        Case(
            "parked",
            "many events parked for a dead subscriber, which comes back",
            "parked",
            None,
            shape=Shape(256),
            share=0.25,
            once=True,
        ),
    )
}
