"""An SDK in a process of its own, told over standard input what to send, telling over standard output what it received.

Every line is a JSON object. First `{"port": N}`: the SDK's own receiver listens there, on any path. Then, for each line in:

    {"do": "send", "url": URL, "mode": "binary" | "structured" | "batch", "events": [EVENT, ...]}
        {"status": N}, or {"refused": REASON} where the SDK or its transport can't do it
    {"do": "reply", "mode": "binary" | "structured", "events": [EVENT]}
        {"ready": true} or {"refused": REASON}; from now on requests for `/reply` are answered with this event

and without being asked, for each request that came in:

    {"received": {"path": PATH, "attributes": {NAME: CANONICAL TEXT}, "data": DATA}}
    {"received": {"path": PATH, "refused": REASON, "headers": [[NAME, VALUE], ...], "body": BASE64}}

An EVENT has `attributes`, {NAME: {"type": CLOUDEVENTS TYPE, "text": CANONICAL TEXT}}, and `data`: null, {"json": VALUE},
{"text": TEXT} or {"base64": BASE64}, whichever the SDK calls it.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

WAIT = 30.0

# `java` is cloudevents-http-basic, `vertx` is cloudevents-http-vertx.
NAMES = ("python", "go", "js", "java", "vertx")
MODES = [*((name, mode) for name in NAMES for mode in ("binary", "structured")), ("go", "batch")]


class SdkClient:
    """``modes``: those that the SDK can send in. Ended by `close`."""

    def __init__(self, name: str, command: Sequence[str], modes: Sequence[str] = ("binary", "structured")) -> None:
        self.name, self.modes = name, tuple(modes)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.received: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.port = int(self._answer()["port"])
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "received" in told:
                self.received.put(told["received"])
            else:
                self._answers.put(told)

    def _answer(self) -> dict[str, Any]:
        try:
            return self._answers.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"no word from {self.name} within {WAIT:g} s; exit code {self._process.poll()}") from None

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def send(self, url: str, mode: str, *events: dict[str, Any]) -> dict[str, Any]:
        return self._ask(do="send", url=url, mode=mode, events=events)

    def reply_with(self, mode: str, event: dict[str, Any]) -> dict[str, Any]:
        return self._ask(do="reply", mode=mode, events=[event])

    def next_received(self) -> dict[str, Any]:
        """The next request that came in, waited for. Raises AssertionError."""
        try:
            return self.received.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"{self.name} received nothing within {WAIT:g} s") from None

    def forget(self) -> None:
        """What came until now."""
        while not self.received.empty():
            self.received.get()

    def close(self) -> None:
        """Ends when its input does; else by its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._reader.join()
        self._process.stdout.close()
