"""A real HTTP server that answers as told and keeps what it got; the command line called in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from eventing.cli import main


class Run(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    def call(*arguments: str) -> Run:
        code = main(arguments)
        out, err = capsys.readouterr()
        return Run(code, out, err)

    return call


@dataclass
class Sink:
    """``answer``: raw bytes, written as they are; None: never answered until the test is over."""

    port: int = 0
    answer: bytes | None = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/default/default"


@pytest.fixture
def sink() -> Iterator[Sink]:
    told, over = Sink(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            told.arrived.set()
            self.close_connection = True
            if told.answer is None:
                over.wait(30)
            else:
                self.wfile.write(told.answer)

        def log_message(self, *_: object) -> None:
            """Not on standard error."""

    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        stack.callback(over.set)
        yield told
