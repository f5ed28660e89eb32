"""`python -m eventing serve` as a child process, on ports that stay the same however often it is restarted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.http import Answer, call
from tests.support.manifest import document
from tests.support.metrics import Page
from tests.support.ports import ReservedPort
from tests.support.wait import eventually

READY_SECONDS = 30.0
END_SECONDS = 45.0


class Died(AssertionError):
    """The process ended before it was ready."""


class EventingProcess:
    """``manifest``: objects, or text as it is. ``options`` follow those for ports and data folder. One process at a time; its
    standard error is collected over all runs."""

    def __init__(
        self,
        folder: Path,
        manifest: Sequence[Mapping[str, Any]] | str,
        *options: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data_dir = folder / "data"
        self._ports = (ReservedPort(), ReservedPort())
        self.port, self.control_port = (port.number for port in self._ports)
        self.options = list(options)
        self.environment = dict(environment or {})
        self.allow_traceback = False
        self._manifest = folder / "manifest.yaml"
        self._stderr = folder / "stderr.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.write(manifest)

    def write(self, manifest: Sequence[Mapping[str, Any]] | str) -> None:
        """Replace the manifest, for the next start."""
        self._manifest.write_text(manifest if isinstance(manifest, str) else document(manifest))

    # Its life.

    def spawn(self, *, fault: str = "") -> None:
        """Start it without waiting. ``fault``: see `EVENTING_FAULT`."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self._close()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVENTING_")}
        environment |= self.environment
        if fault:
            environment["EVENTING_FAULT"] = fault
        with self._stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "eventing", "serve", str(self._manifest)),
                    *("--data-dir", str(self.data_dir)),
                    *("--port", str(self.port), "--control-port", str(self.control_port)),
                    *self.options,
                ],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    async def ready(self, timeout: float = READY_SECONDS) -> dict[str, Any]:
        """Wait for the ready line. Raises `Died`; AssertionError where it takes too long."""
        process = self.process
        assert process.stdout is not None
        reading = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
        done, _ = await asyncio.wait([reading], timeout=timeout)
        if not done:
            process.kill()  # ends the thread that reads
            await reading
            raise AssertionError(f"not ready within {timeout:g} s\n{self.tail()}")
        line = reading.result()
        if not line:
            raise Died(f"ended with {await self.wait()} before it was ready\n{self.tail()}")
        told = json.loads(line)
        assert told["ready"] is True, told
        self.port, self.control_port = told["port"], told["controlPort"]
        return dict(told)

    async def start(self, *, fault: str = "", timeout: float = READY_SECONDS) -> float:
        """Start and wait until it is ready; the seconds it took."""
        began = time.monotonic()
        self.spawn(fault=fault)
        await self.ready(timeout)
        return time.monotonic() - began

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was never started"
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def wait(self, timeout: float = END_SECONDS) -> int:
        """Its exit code, negative for a signal. Raises AssertionError."""
        await eventually(lambda: self.process.poll() is not None, timeout, "the end of the process")
        return int(self.process.returncode)

    async def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.process.kill()
        assert await self.wait() == -signal.SIGKILL, f"it had ended by itself\n{self.tail()}"

    async def terminate(self, timeout: float = END_SECONDS) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return await self.wait(timeout)

    def end(self) -> None:
        """However it is: end it by its id, let go of everything. Raises AssertionError for a traceback on standard error."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        self._close()
        for port in self._ports:
            port.close()
        if not self.allow_traceback:
            assert "Traceback" not in self.stderr(), self.tail()

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    # What it says and serves.

    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace") if self._stderr.exists() else ""

    def stderr_from(self, start: int) -> tuple[str, int]:
        """Whole lines from this byte on, and the byte behind them."""
        if not self._stderr.exists():
            return "", start
        with self._stderr.open("rb") as file:
            file.seek(start)
            lines, _, _rest = file.read().rpartition(b"\n")
        return lines.decode(errors="replace"), start + len(lines) + bool(lines)

    def tail(self) -> str:
        return self.stderr()[-3000:]

    def rss(self) -> int:
        """Bytes of memory it holds now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process has no memory any more")

    def cpu(self) -> float:
        """Processor seconds used so far: what a start costs, however busy the machine is (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def url(self, broker: str = "default") -> str:
        return f"http://127.0.0.1:{self.port}/default/{broker}"

    async def post(self, headers: Mapping[str, str], body: bytes = b"", *, path: str = "/default/default") -> Answer:
        return await call(self.port, "POST", path, headers, body)

    async def control(self, path: str) -> Answer:
        return await call(self.control_port, "GET", path)

    async def metrics(self) -> Page:
        answer = await self.control("/metrics")
        assert answer.status == 200, answer.text
        return Page.parse(answer.text)

    async def status(self, kind: str, name: str, group: str = "eventing.knative.dev/v1") -> dict[str, Any]:
        answer = await self.control(f"/apis/{group}/namespaces/default/{kind}/{name}")
        assert answer.status == 200, answer.text
        return dict(answer.json()["status"])

    async def condition(self, kind: str, name: str, type_: str = "Ready") -> dict[str, str]:
        status = await self.status(kind, name)
        return next(condition for condition in status["conditions"] if condition["type"] == type_)
