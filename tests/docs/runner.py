"""Runs the blocks of one document as a reader would: one after the other, in one folder, with one environment.

`python -m tests.docs.runner DOCUMENT FOLDER [--own-network]` exits 0, or 1 with what failed and its output.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.docs.blocks import RUN, BadDocument, Block, blocks, commands
from tests.docs.ports import other_ports, raise_loopback, rewrite, rewrite_files

BLOCK_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
SHOWN_OUTPUT = 4_000

_REMEMBER = 'trap \'code=$?; { export -p; printf "cd %q\\n" "$PWD"; } > "$_STATE"; exit $code\' EXIT\n'
_RECALL = '[ ! -f "$_STATE" ] || . "$_STATE"\nset -euo pipefail\n'


class BlockFailed(Exception):
    """A block did not do what its document says."""


class Reader:
    """Somebody who follows a document. Use as a context manager: everything that was started ends with it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._hidden = folder.parent / f"{folder.name}.run"
        self._hidden.mkdir()
        self._environment = {**environment, "_STATE": str(self._hidden / "state"), "HOME": str(self._hidden), "LANG": "C.UTF-8"}
        self._started: list[tuple[Block, subprocess.Popen[bytes], Path]] = []
        self._count = 0

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        processes = [process for _, process, _ in self._started]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def read(self, block: Block) -> None:
        """Do what the block says. Raises `BlockFailed`, `BadDocument`."""
        if block.no_run is not None:
            return
        if block.file is not None:
            path = self._folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if block.language in RUN and block.file is None:
            self._shell(block)
        elif block.language == "python":
            if block.file is None:
                self._finish(block, [sys.executable, "-c", block.text])
            else:
                compile(block.text, block.place, "exec")
        elif block.language == "json":
            try:
                json.loads(block.text)
            except ValueError as error:
                raise BlockFailed(f"{block.place}: no JSON: {error}") from None
        elif block.language == "yaml" and block.text.lstrip().startswith("apiVersion"):
            path = self._hidden / "block.yaml"
            path.write_text(block.text, encoding="utf-8")
            self._finish(block, [sys.executable, "-m", "eventing", "validate", str(path)])

    def check_background(self) -> None:
        """What runs in the background must not have failed. Raises `BlockFailed`."""
        for block, process, output in self._started:
            if block.background is not None and process.poll() not in {None, 0}:
                raise BlockFailed(f"{block.place}: ended early with {process.returncode}\n{_tail(output)}")

    def background_output(self) -> str:
        return "".join(
            f"--- {block.place}\n{_tail(output)}" for block, _, output in self._started if block.background is not None
        )

    def _shell(self, block: Block) -> None:
        if block.background is None:
            self._finish(block, ["bash", "-c", _RECALL + _REMEMBER + commands(block)])
            return
        process, output = self._start(block, ["bash", "-c", _RECALL + commands(block)])
        deadline = time.monotonic() + BLOCK_SECONDS
        while not _is_ready(block.background, output):
            if process.poll() is not None:
                raise BlockFailed(f"{block.place}: ended with {process.returncode} before it was ready\n{_tail(output)}")
            if time.monotonic() > deadline:
                raise BlockFailed(f"{block.place}: not ready after {BLOCK_SECONDS:.0f} s\n{_tail(output)}")
            time.sleep(POLL_SECONDS)
        self._expect(block, output)

    def _finish(self, block: Block, command: Sequence[str]) -> None:
        process, output = self._start(block, command)
        try:
            code = process.wait(BLOCK_SECONDS)
        except subprocess.TimeoutExpired:
            raise BlockFailed(f"{block.place}: still running after {BLOCK_SECONDS:.0f} s\n{_tail(output)}") from None
        if code != block.exit:
            raise BlockFailed(f"{block.place}: ended with {code} instead of {block.exit}\n{_tail(output)}")
        self._expect(block, output)

    def _start(self, block: Block, command: Sequence[str]) -> tuple[subprocess.Popen[bytes], Path]:
        self._count += 1
        path = self._hidden / f"output-{self._count}"
        with path.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append((block, process, path))
        return process, path

    @staticmethod
    def _expect(block: Block, output: Path) -> None:
        text = output.read_text(encoding="utf-8", errors="replace")
        for wanted in block.expect:
            if wanted not in text:
                raise BlockFailed(f"{block.place}: the output does not hold {wanted!r}\n{_tail(output)}")


def environment() -> dict[str, str]:
    """A reader's: the project's commands first on the path, nothing set that changes how `eventing` behaves."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "TMPDIR", "TERM", "USER"}}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}


def run_document(document: Path, folder: Path, *, own_network: bool) -> None:
    """Run all blocks in ``folder``. Raises `BlockFailed` at the first that fails, `BadDocument`."""
    found = blocks(document.name, document.read_text(encoding="utf-8"))
    surroundings = environment()
    if not own_network:
        ports = other_ports(found)
        found = rewrite(found, ports)
        rewrite_files(folder, ports)
        surroundings |= {"EVENTING_PORT": ports["8080"], "EVENTING_CONTROL_PORT": ports["8081"]}
    with Reader(folder, surroundings) as reader:
        try:
            for block in found:
                reader.read(block)
            reader.check_background()
        except BlockFailed as error:
            raise BlockFailed(f"{error}\n{reader.background_output()}") from None


def _is_ready(condition: str, output: Path) -> bool:
    if condition == "ready-line":
        return any(_says_ready(line) for line in output.read_text(encoding="utf-8", errors="replace").splitlines())
    try:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(condition.removeprefix("wait-for="), timeout=5) as answer:
            return bool(200 <= answer.status < 300)
    except (OSError, urllib.error.URLError):
        return False


def _says_ready(line: str) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("ready") is True


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-SHOWN_OUTPUT:].rstrip() + "\n"


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit("stopped")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the blocks of a document.")
    parser.add_argument("document", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--own-network", action="store_true", help="this process has a network namespace of its own")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    if options.own_network:
        raise_loopback()
    try:
        run_document(options.document, options.folder, own_network=options.own_network)
    except (BlockFailed, BadDocument) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
