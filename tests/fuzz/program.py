"""The program under test, watched from outside: memory, descriptors, its log."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.fuzz.findings import DIED, Findings
from tests.fuzz.model import MAX_BODY
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess

MIB = 1024 * 1024
SLACK = 32 * MIB
"""How much more memory it may hold late in a run than early: what its caches and allocator grow by."""
MAX_DESCRIPTORS = 1200
_FAULT = re.compile(r"Traceback|failed inside|internal|could not be read|handler failed|never retrieved|was never awaited", re.I)


def start(folder: Path, sink: int) -> EventingProcess:
    """Not started yet. ``sink``: the subscribers' port. What `some` wants is in `tests.fuzz.model.matches`."""
    url = f"http://127.0.0.1:{sink}"
    some = [
        {"prefix": {"type": "org.fuzz."}},
        {"not": {"exact": {"source": "/not"}}},
        {"any": [{"suffix": {"type": "x"}}, {"exact": {"mark": "5"}}]},
    ]
    manifest = [
        broker("fuzz"),
        trigger("all", f"{url}/all", broker="fuzz"),
        trigger("json", f"{url}/json", broker="fuzz", delivery={"format": "json"}),
        trigger("some", f"{url}/some", broker="fuzz", filters=some),
    ]
    return EventingProcess(folder, manifest, "--max-event-size", str(MAX_BODY))


@dataclass(slots=True)
class Watch:
    """Samples of the process; `look` now and then, `end` at the end."""

    process: EventingProcess
    findings: Findings
    rss: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    _read: int = 0

    def look(self) -> None:
        if not self.process.alive:
            self.findings.add(DIED, self.process.tail())
            return
        if Path("/proc/self/fd").exists():
            self.rss.append(self.process.rss())
            self.descriptors.append(len(os.listdir(f"/proc/{self.process.pid}/fd")))
            if self.descriptors[-1] > MAX_DESCRIPTORS:
                self.findings.add("descriptors", f"{self.descriptors[-1]} are open")
        self.read_log()

    async def end(self) -> int | None:
        """The exit code of the process, None where it died before; and what the whole run shows."""
        self.look()
        code = await self.process.terminate() if self.process.alive else None
        if code:
            self.findings.add("the exit code", f"{code} {self.process.tail()}")
        self.read_log()
        self.judge()
        return code

    def read_log(self) -> None:
        new, self._read = self.process.stderr_from(self._read)
        for line in new.splitlines():
            if _FAULT.search(line) or _level(line) in {"error", "critical"}:
                self.findings.add("the log", line[:1000])

    def judge(self) -> None:
        """Whether memory grew, from the second quarter of the samples to the last: the first one warms it up."""
        quarter = len(self.rss) // 4
        if quarter:
            early, late = median(self.rss[quarter : 2 * quarter]), median(self.rss[-quarter:])
            if late - early > SLACK:
                self.findings.add("memory grows", f"from {early / MIB:.0f} to {late / MIB:.0f} MiB")


def _level(line: str) -> str:
    try:
        return str(json.loads(line).get("level", "")).lower()
    except (ValueError, AttributeError):
        return ""
