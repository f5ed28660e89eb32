"""`python -m bench` works from end to end, tells what goes wrong, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.wait import eventually

ROOT = Path(__file__).parents[2]
SECONDS = 100
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the benchmark reads /proc, which is Linux")


class Bench:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.data, self.json = folder / "data", folder / "bench.json"
        self.data.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench", "--data-dir", str(self.data), "--json", str(self.json), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def ended(self) -> tuple[int, str, str]:
        """Code, table, and what was told meanwhile."""
        table, told = await asyncio.to_thread(self.process.communicate, timeout=SECONDS)
        return self.process.returncode, table, told

    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.json.read_text()))

    def engines(self) -> list[int]:
        """Processes of the engine that it started, by what stands in their command lines. One that is just being started still
        shows the benchmark's own."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != self.process.pid:
                try:
                    line = Path(f"/proc/{name}/cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.data).encode() in line and b"\0serve\0" in line:
                    found.append(int(name))
        return found

    def assert_nothing_is_left(self) -> None:
        assert self.engines() == []
        assert list(self.data.iterdir()) == []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Any]:
    started: list[Bench] = []

    def start(*arguments: str) -> Bench:
        started.append(Bench(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        engines = one.engines()
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
        for pid in engines:
            os.kill(pid, signal.SIGKILL)


THROUGH = {
    "rate",
    "seconds",
    "events",
    "p50_ms",
    "p99_ms",
    "cpu_us",
    "load_cpu_us",
    "rss_idle_mb",
    "rss_mb",
    "rss_peak_mb",
    "ready_s",
}


async def test_it_measures_and_tells_where(bench: Any) -> None:
    cases = ("direct", "base", "ten", "ordered", "batch", "half")
    run = bench("--pairs", "1", "--events", "200", *(word for case in cases for word in ("--case", case)))
    code, table, told = await run.ended()
    assert code == 0, told + table
    found = run.document()
    assert found["failed"] is False
    assert tuple(found["cases"]) == cases
    assert {"cpu", "cores", "kernel", "file_system", "fsync_ms", "python", "uvloop", "sqlite", "commit", "dirty"} <= set(
        found["machine"]
    )
    assert "synchronous=FULL" in found["durability"][0]
    for name, case in found["cases"].items():
        assert [one["pair"] for one in case["runs"]] == [0]
        figures = case["runs"][0]["figures"]
        if name == "direct":
            assert {"rate", "load_cpu_us", "p50_ms"} <= set(figures)
            assert "cpu_us" not in figures
        elif not case["runs"][0]["refused"]:
            assert set(figures) >= THROUGH, name
            assert figures["events"] == 200
            assert figures["repeats"] == 0
            assert [one["case"] for one in case["base_runs"]] == ([case["against"]] if case["against"] else [])
    assert "delivery_rate" in found["cases"]["ten"]["medians"]
    assert "late_p99_ms" in found["cases"]["half"]["medians"]
    for name in ("base", "ten", "batch"):
        assert any(line.startswith(f"{name} ") for line in table.splitlines()), table
    run.assert_nothing_is_left()


async def test_it_parks_events_and_drains_them_and_times_starts(bench: Any) -> None:
    run = bench("--quick", "--case", "start", "--case", "parked", "--events", "100", "--parked", "1200", "--triggers", "1,20")
    code, table, told = await run.ended()
    assert code == 0, told + table
    cases = run.document()["cases"]
    assert {"open_1_s", "ready_1_s", "open_20_s", "ready_20_s", "rss_20_mb"} <= set(cases["start"]["medians"])
    parked = cases["parked"]["medians"]
    assert parked["parked"] == parked["drained"] == 1500  # whole batches of 500
    assert {"park_rate", "drain_rate", "healthy_before_p99_ms", "healthy_during_p99_ms", "rss_idle_mb", "rss_mb"} <= set(parked)
    run.assert_nothing_is_left()


@pytest.mark.parametrize("fault", ["dead", "limited"])
async def test_a_neighbour_with_a_fault_is_no_fault_of_the_run(bench: Any, fault: str) -> None:
    run = bench("--pairs", "1", "--events", "300", "--case", fault)
    code, table, told = await run.ended()
    assert code == 0, told + table
    found = run.document()
    assert [one["case"] for one in found["other_runs"]] == ["five-peak"]
    assert [one["case"] for one in found["cases"][fault]["base_runs"]] == ["five"]
    assert found["cases"][fault]["medians"]["parked"] > 0  # the fifth subscriber's
    run.assert_nothing_is_left()


async def test_an_engine_that_does_not_start_is_told_and_fails_the_run(bench: Any) -> None:
    run = bench("--pairs", "1", "--events", "50", "--case", "base", "--case", "start", "--channel", "nonsense://x")
    code, table, _ = await run.ended()
    assert code == 1
    assert "base (pair 1): FAILED: it ended with 1 before it was ready" in table
    assert "nonsense" in table
    found = run.document()
    assert found["failed"] is True
    assert found["cases"]["base"]["medians"] == {}
    run.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interruption_ends_everything_it_started(bench: Any, number: signal.Signals) -> None:
    run = bench("--pairs", "1", "--seconds", "90", "--case", "base")
    await eventually(run.engines, 30, "the engine of the benchmark")
    run.process.send_signal(number)
    code, _, told = await run.ended()
    assert code == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    assert run.document()["cases"] == {"base": {**run.document()["cases"]["base"], "runs": []}}
    run.assert_nothing_is_left()


async def test_stores_and_logs_are_kept_where_that_is_asked_for(bench: Any) -> None:
    run = bench("--pairs", "1", "--events", "20", "--case", "base", "--keep")
    code, _, told = await run.ended()
    assert code == 0
    (folder,) = run.data.iterdir()
    assert f"kept: {folder}" in told
    assert (folder / "run-0" / "data" / "events.db").exists()
    assert "ready" in (folder / "run-0" / "stderr.log").read_text()
    assert run.engines() == []
