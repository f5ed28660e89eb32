"""The Python SDK as a client of the interoperability tests: sends what it is told on standard input, tells on standard output
what it receives. One JSON object a line; tests/interop/client.py describes them."""

from __future__ import annotations

import base64
import http.client
import json
import re
import sys
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_http_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent

_JSON = re.compile(r"[^;]*[/+]json\s*(;|$)", re.IGNORECASE)
_writing = threading.Lock()
_answer: list[HTTPMessage] = []


def tell(line: dict[str, Any]) -> None:
    with _writing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def typed(kind: str, text: str) -> Any:
    """What an attribute of a CloudEvents type is to a Python program."""
    match kind:
        case "Integer":
            return int(text)
        case "Boolean":
            return text == "true"
        case "Binary":
            return base64.b64decode(text)
        case "Timestamp":
            return datetime.fromisoformat(text)
        case _:
            return text


def build(sample: dict[str, Any]) -> CloudEvent:
    attributes = {name: typed(value["type"], value["text"]) for name, value in sample["attributes"].items()}
    data = sample["data"]
    if data is None:
        return CloudEvent(attributes)
    if "base64" in data:
        return CloudEvent(attributes, base64.b64decode(data["base64"]))
    return CloudEvent(attributes, data["text"] if "text" in data else data["json"])


def canonical(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, str) else json.dumps(value)


def describe(event: Any) -> dict[str, Any]:
    attributes = {name: canonical(value) for name, value in event.get_attributes().items() if value is not None}
    data = event.get_data()
    content_type = event.get_datacontenttype()
    told: dict[str, Any] | None
    if data is None:
        told = None
    elif isinstance(data, bytes):
        told = {"base64": base64.b64encode(data).decode()}
    elif isinstance(data, str) and content_type is not None and not _JSON.match(content_type):
        told = {"text": data}
    else:
        told = {"json": data}
    return {"attributes": attributes, "data": told}


def message(mode: str, events: list[dict[str, Any]]) -> HTTPMessage:
    event = build(events[0])
    return to_structured_event(event) if mode == "structured" else to_binary_event(event)


def send(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        made = message(asked["mode"], asked["events"])
        url = urlsplit(asked["url"])
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
        try:
            connection.request("POST", url.path, made.body, made.headers)
            answer = connection.getresponse()
            answer.read()
            return {"status": answer.status}
        finally:
            connection.close()
    except Exception as error:  # noqa: BLE001 - whatever the SDK refuses with is told
        return {"refused": repr(error)}


def reply_with(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        _answer[:] = [message(asked["mode"], asked["events"])]
    except Exception as error:  # noqa: BLE001 - whatever the SDK refuses with is told
        return {"refused": repr(error)}
    return {"ready": True}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            described = describe(from_http_event(HTTPMessage(headers, body)))
        except Exception as error:  # noqa: BLE001 - whatever the SDK refuses with is told
            raw = base64.b64encode(body).decode()
            tell({"received": {"path": self.path, "refused": repr(error), "headers": list(headers.items()), "body": raw}})
            self._answer(400, {}, repr(error).encode())
            return
        tell({"received": {"path": self.path, **described}})
        if self.path == "/reply" and _answer:
            self._answer(200, _answer[0].headers, _answer[0].body)
        else:
            self._answer(204, {}, b"")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not on standard error."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell({"port": server.server_address[1]})
    for line in sys.stdin:
        asked = json.loads(line)
        tell(send(asked) if asked["do"] == "send" else reply_with(asked))


if __name__ == "__main__":
    main()
