"""The SDK clients that can run here."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import pytest

from tests.interop.client import NAMES, SdkClient
from tests.interop.toolchain import HERE, ToolMissing, built

_NODE = ("node", "--max-http-header-size=1048576")
_JAVA = ("java", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def _open(name: str) -> SdkClient:
    """Raises `ToolMissing`."""
    match name:
        case "python":
            return SdkClient(name, [sys.executable, str(HERE / "python" / "client.py")])
        case "go":
            return SdkClient(name, [str(built("go") / "client")], ("binary", "structured", "batch"))
        case "js":
            return SdkClient(name, [*_NODE, str(built("js") / "client.mjs")])
        case _:
            folder = built("java")
            binding = {"java": "basic", "vertx": "vertx"}[name]
            return SdkClient(name, [*_JAVA, "-cp", f"{folder}/classes:{folder}/libs/*", "interop.Main", binding])


def do_without(missing: ToolMissing) -> NoReturn:
    """Skips the test; fails it where `EVENTING_TEST_REQUIRE` names the tool."""
    if missing.tool in os.environ.get("EVENTING_TEST_REQUIRE", "").split(","):
        pytest.fail(str(missing))
    pytest.skip(str(missing))


class Sdks:
    """Opened when first asked for, closed at the end."""

    def __init__(self) -> None:
        self._open: dict[str, SdkClient | ToolMissing] = {}

    def get(self, name: str) -> SdkClient:
        """Skips the test where a tool is missing; fails it where `EVENTING_TEST_REQUIRE` names the tool."""
        found = self.find(name)
        if isinstance(found, SdkClient):
            return found
        do_without(found)

    def find(self, name: str) -> SdkClient | ToolMissing:
        if name not in self._open:
            try:
                self._open[name] = _open(name)
            except ToolMissing as missing:
                self._open[name] = missing
        return self._open[name]

    def available(self) -> dict[str, SdkClient]:
        return {name: found for name in NAMES if isinstance(found := self.find(name), SdkClient)}

    def forget(self) -> None:
        """What the receivers got until now."""
        for found in self._open.values():
            if isinstance(found, SdkClient):
                found.forget()

    def close(self) -> None:
        for found in self._open.values():
            if isinstance(found, SdkClient):
                found.close()
