"""`eventing send` against a real server."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from eventing.bindings.http import decode
from eventing.event import Event
from tests.unit.cli.conftest import Run, Sink

Cli = Callable[..., Run]
NEEDED = ("--type", "com.example.ping", "--source", "/tests")


def received(sink: Sink) -> Event:
    ((_, headers, body),) = sink.requests
    (event,) = decode([(name.encode(), value.encode("latin-1")) for name, value in headers.items()], body)
    return event


def test_the_least_that_is_needed(run: Cli, sink: Sink) -> None:
    assert run("send", sink.url, *NEEDED) == Run(0, "202 accepted\n", "")
    event = received(sink)
    assert sink.requests[0][0] == "/default/default"
    assert (event.type, event.source, event.data) == ("com.example.ping", "/tests", None)
    assert uuid.UUID(event.id).version == 4


@pytest.mark.parametrize("mode", [[], ["--structured"]])
def test_everything(run: Cli, sink: Sink, mode: list[str]) -> None:
    given = ["--id", "1", "--subject", "Grüße", "--data", '{"a": 1}', "--ext", "trace=a b", "--ext", "time=2026-01-01T00:00:00Z"]
    assert run("send", sink.url, *NEEDED, *given, *mode).code == 0
    event = received(sink)
    assert dict(event.attributes) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/tests",
        "type": "com.example.ping",
        "subject": "Grüße",
        "datacontenttype": "application/json",
        "trace": "a b",
        "time": "2026-01-01T00:00:00Z",
    }
    assert json.loads(event.data or b"") == {"a": 1}
    assert (sink.requests[0][1]["content-type"] == "application/cloudevents+json") == bool(mode)


def test_data_from_a_file(run: Cli, sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"\x00\xff")
    assert run("send", sink.url, *NEEDED, "--data", f"@{tmp_path / 'photo'}", "--content-type", "image/png").code == 0
    event = received(sink)
    assert (event.data, event.datacontenttype) == (b"\x00\xff", "image/png")


def test_data_from_standard_input(run: Cli, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[1, 2]")))
    assert run("send", sink.url, *NEEDED, "--data", "-").code == 0
    assert received(sink).data == b"[1, 2]"


def test_options_from_the_environment(run: Cli, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTING_SEND_TYPE", "from.env")
    monkeypatch.setenv("EVENTING_SEND_SOURCE", "/env")
    monkeypatch.setenv("EVENTING_SEND_SUBJECT", "s")
    assert run("send", sink.url).code == 0
    assert (received(sink).type, received(sink).source, received(sink).subject) == ("from.env", "/env", "s")


def test_a_refusal_tells_status_and_reason(run: Cli, sink: Sink) -> None:
    body = b"attribute type: must not be empty\nsecond line"
    sink.answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    told = run("send", sink.url, *NEEDED)
    assert told.code == 1
    assert told.out == ""
    assert told.err == f"eventing: refused with 400 Bad Request by 127.0.0.1:{sink.port}: attribute type: must not be empty\n"


def test_a_refusal_in_json_tells_its_message(run: Cli, sink: Sink) -> None:
    body = b'{"kind": "Status", "message": "no such broker"}'
    sink.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert run("send", sink.url, *NEEDED).err.endswith("404 Not Found by 127.0.0.1:" + f"{sink.port}: no such broker\n")


def test_the_server_cannot_write_to_the_terminal_as_it_likes(run: Cli, sink: Sink) -> None:
    sink.answer = b"HTTP/1.1 503 \x1b[31m\r\nContent-Length: 11\r\n\r\n\x1b]0;owned\x07x"
    told = run("send", sink.url, *NEEDED)
    assert told.code == 1
    assert told.err.rstrip("\n").isprintable()


def test_a_redirect_is_not_followed(run: Cli, sink: Sink) -> None:
    sink.answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    assert run("send", sink.url, *NEEDED).code == 1
    assert len(sink.requests) == 1


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b""])
def test_an_answer_that_is_not_http(run: Cli, sink: Sink, answer: bytes) -> None:
    sink.answer = answer
    told = run("send", sink.url, *NEEDED)
    assert told.code == 1
    assert f"the answer from 127.0.0.1:{sink.port} is not HTTP or is cut short" in told.err or "failed" in told.err


def test_no_answer_in_time(run: Cli, sink: Sink) -> None:
    sink.answer = None
    told = run("send", sink.url, *NEEDED, "--timeout", "0.05")
    assert told == Run(1, "", f"eventing: no complete answer from 127.0.0.1:{sink.port} in 0.05 s\n")


def test_nobody_listens(run: Cli) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        told = run("send", f"http://127.0.0.1:{port}/", *NEEDED)
    assert told == Run(1, "", f"eventing: connection refused by 127.0.0.1:{port}\n")


def test_tls_against_a_server_without(run: Cli, sink: Sink) -> None:
    told = run("send", sink.url.replace("http:", "https:"), *NEEDED, "--timeout", "5")
    assert told.code == 1
    assert told.err.startswith(f"eventing: TLS with 127.0.0.1:{sink.port} failed")


def test_a_name_that_cannot_be_one(run: Cli) -> None:
    told = run("send", f"http://{'a' * 70}.invalid/", *NEEDED)
    assert told.code == 1
    assert "can't be the name of a host" in told.err or "has no address" in told.err


def test_json_output(run: Cli, sink: Sink) -> None:
    assert json.loads(run("send", sink.url, *NEEDED, "--id", "1", "--json").out) == {
        "accepted": True,
        "id": "1",
        "status": 202,
        "error": None,
    }
    sink.answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    told = run("send", sink.url, *NEEDED, "--id", "1", "--json")
    assert told.code == 1
    assert json.loads(told.out)["status"] == 503
    assert not json.loads(told.out)["accepted"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--ext", "Bad=1"], 1, "Bad"),
        (["--ext", "data=1"], 1, "data"),
        (["--ext", "time=yesterday"], 1, "time"),
        (["--subject", ""], 1, "subject"),
        (["--ext", "a\x07b=1"], 1, "a-z"),
        (["--ext", "n"], 2, "NAME=VALUE"),
        (["--ext", "type=x"], 2, "type"),
        (["--ext", "a=1", "--ext", "a=2"], 2, "twice"),
        (["--data", "{"], 2, "--content-type"),
        (["--data", "@/does/not/exist"], 2, "No such file"),
        (["--content-type", "text/plain"], 2, "--data"),
        (["--timeout", "0"], 2, "--timeout"),
        (["--unknown"], 2, "--unknown"),
    ],
)
def test_what_is_refused_before_anything_is_sent(run: Cli, sink: Sink, arguments: list[str], code: int, words: str) -> None:
    told = run("send", sink.url, *NEEDED, *arguments)
    assert told.code == code
    assert words in told.err
    assert told.out == ""
    assert sink.requests == []


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://host/", "http:///path", "http://host:99999/", "http://user:s3cret@host/", "http://host/a b"]
)
def test_addresses_that_are_refused(run: Cli, url: str) -> None:
    told = run("send", url, *NEEDED)
    assert told.code == 2
    assert "URL" in told.err
    assert "s3cret" not in told.err


def test_an_interrupt_ends_quietly_with_130(sink: Sink) -> None:
    sink.answer = None
    command = [sys.executable, "-m", "eventing", "send", sink.url, *NEEDED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert sink.arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
