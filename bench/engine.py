"""The program under test: `eventing serve` as a process of its own, with its processor time and memory."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from bench.http import get
from bench.manifests import text
from bench.ports import HeldPort

START = 120.0
"""Seconds until it must be ready."""
END = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


class EngineFailed(Exception):
    """The engine did not start, or ended; the text holds the end of what it logged."""


class Engine:
    """``folder``: for its store, manifest and log. It is removed at the end."""

    def __init__(
        self,
        folder: Path,
        objects: Iterable[Mapping[str, Any]],
        *,
        channel: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._ports = (HeldPort(), HeldPort())
        self.port, self.control_port = (port.number for port in self._ports)
        self._environment = dict(environment or {})
        self._channel = channel
        self._process: asyncio.subprocess.Process | None = None
        folder.mkdir(parents=True)
        self._manifest = folder / "manifest.yaml"
        self._manifest.write_text(text(objects), encoding="utf-8")

    async def spawn(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVENTING_")}
        channel = ("--channel", self._channel) if self._channel is not None else ()
        with (self.folder / "stderr.log").open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "eventing", "serve", str(self._manifest)),
                *("--data-dir", str(self.folder / "data"), "--drain-timeout", "5s"),
                *("--port", str(self.port), "--control-port", str(self.control_port), *channel),
                env=environment | self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # a Ctrl-C is for the benchmark, which ends it in order
            )

    async def ready(self) -> None:
        """Until every object is Ready. Raises `EngineFailed`."""
        process = self._running()
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START):
                line = await process.stdout.readline()
                if not line:
                    await process.wait()
                    raise EngineFailed(f"it ended with {process.returncode} before it was ready: {self.tail()}")
                assert json.loads(line)["ready"] is True
                while (await get(self.control_port, "/readyz"))[0] != 200:  # noqa: ASYNC110 - another process is asked
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise EngineFailed(f"not ready within {START:g} s: {self.tail()}") from None

    async def start(self) -> float:
        """Start and wait; the seconds until every object is Ready. Raises `EngineFailed`."""
        began = monotonic()
        await self.spawn()
        await self.ready()
        return monotonic() - began

    def check(self) -> None:
        """Raises `EngineFailed` where it ended meanwhile."""
        code = self._running().returncode
        if code is not None:
            raise EngineFailed(f"it ended with {code}: {self.tail()}")

    async def stop(self) -> None:
        """However it is: end it and let go of everything."""
        process = self._process
        try:
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(END):
                        await process.wait()
                finally:
                    if process.returncode is None:
                        process.kill()
                        await asyncio.shield(process.wait())
        except TimeoutError:
            pass  # killed above
        finally:
            for port in self._ports:
                port.close()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        return self._running().pid

    def cpu(self) -> float:
        """Processor seconds used so far, in the program and for it in the kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> tuple[int, int]:
        """Bytes: resident now, and the most so far."""
        return memory(self.pid)

    def tail(self) -> str:
        log = self.folder / "stderr.log"
        return log.read_text(encoding="utf-8", errors="replace")[-2000:].strip() if log.exists() else ""

    async def metrics(self) -> Metrics:
        status, page = await get(self.control_port, "/metrics")
        if status != 200:
            raise EngineFailed(f"/metrics answered {status}")
        return Metrics(page)

    async def durability(self) -> str:
        """Which level its channel states, in its own words; empty where it states none."""
        status, body = await get(self.control_port, "/apis/eventing.knative.dev/v1/namespaces/default/brokers/default")
        if status != 200:
            raise EngineFailed(f"the broker's status answered {status}")
        conditions = json.loads(body)["status"]["conditions"]
        told = (str(one.get("message", "")).partition("durability: ") for one in conditions)
        return next((level for _, found, level in told if found), "")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise EngineFailed("it was never started")
        return self._process


def memory(pid: int) -> tuple[int, int]:
    """Bytes: resident now, and the most so far. Raises `EngineFailed` where the process is gone."""
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in {"VmRSS", "VmHWM"}:
            found[name] = int(value.split()[0]) * 1024
    if len(found) < 2:
        raise EngineFailed("the process ended")
    return found["VmRSS"], found["VmHWM"]


class Metrics:
    """A page of `/metrics`, read line by line: with 10,000 triggers it is large."""

    def __init__(self, page: str) -> None:
        self._lines = [line for line in page.splitlines() if line.startswith("eventing_")]

    def total(self, name: str, *labels: str) -> float:
        """The sum over the series of this name that carry the labels, each written as `name="value"`."""
        found = (line for line in self._lines if line.split("{", 1)[0].split(" ", 1)[0] == name)
        return sum(float(line.rpartition(" ")[2]) for line in found if all(label in line for label in labels))

    def reasons(self, name: str, label: str = "reason") -> dict[str, int]:
        """The sums by one label, without those that are 0."""
        sums: dict[str, int] = {}
        for line in self._lines:
            if line.startswith(name + "{"):
                value = float(line.rpartition(" ")[2])
                word = line.partition(f'{label}="')[2].partition('"')[0]
                if value:
                    sums[word] = sums.get(word, 0) + int(value)
        return sums
