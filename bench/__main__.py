"""`python -m bench`."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.options import Options, parse
from bench.programme import Programme, to_stderr
from bench.report import document, table

INTERRUPTED = 130


def main() -> int:
    """The exit code: 0, 1 where a run failed, 130 where it was interrupted."""
    options = parse()
    if not Path("/proc/self/stat").exists():
        to_stderr("python -m bench: processor time and memory are read from /proc, so it runs on Linux only")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="eventing-bench-", dir=options.data_dir))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_main(options, folder))
    except KeyboardInterrupt:  # so early that nothing was started
        return INTERRUPTED
    finally:
        if options.keep:
            to_stderr(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _main(options: Options, folder: Path) -> int:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    programme = Programme(options, folder, to_stderr)
    machine: dict[str, Any] = {}
    code = INTERRUPTED
    try:
        machine = await describe(folder)
        outcome = await programme.run()
        code = 1 if outcome.failed else 0
    except asyncio.CancelledError:
        to_stderr("interrupted: what was measured until now")
    sys.stdout.write(table(programme.outcome, machine))
    if options.json is not None:
        options.json.write_text(document(programme.outcome, machine, options), encoding="utf-8")
    return code


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


if __name__ == "__main__":
    raise SystemExit(main())
