"""`python -m bench`."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.machine import describe
from bench.options import Options, parse
from bench.programme import Programme, to_stderr
from bench.report import document, table


def main() -> int:
    """The exit code: 0, 1 where a run failed, 130 where it was interrupted."""
    options = parse()
    if not Path("/proc/self/stat").exists():
        to_stderr("python -m bench: processor time and memory are read from /proc, so it runs on Linux only")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="eventing-bench-", dir=options.data_dir))
    try:
        return asyncio.Runner(loop_factory=_loop_factory()).run(_main(options, folder))
    except KeyboardInterrupt:
        return 130
    finally:
        if options.keep:
            to_stderr(f"kept: {folder}")
        else:
            _remove(folder)


async def _main(options: Options, folder: Path) -> int:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    machine = await describe(folder)
    programme = Programme(options, folder, to_stderr)
    code = 130
    try:
        outcome = await programme.run()
        code = 1 if outcome.failed else 0
    except asyncio.CancelledError:
        to_stderr("interrupted: what was measured until now")
    sys.stdout.write(table(programme.outcome, machine))
    if options.json is not None:
        options.json.write_text(document(programme.outcome, machine, options), encoding="utf-8")
    return code


def _remove(folder: Path) -> None:
    import shutil  # noqa: PLC0415

    shutil.rmtree(folder, ignore_errors=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


if __name__ == "__main__":
    raise SystemExit(main())
