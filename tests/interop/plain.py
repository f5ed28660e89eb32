"""HTTP and CloudEvents without any SDK and without the project: what stands on the wire, read and written the naive way."""

from __future__ import annotations

import base64
import json
import queue
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

from tests.interop.samples import Sample
from tests.support.http import request

WAIT = 30.0
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True, slots=True)
class Message:
    """``headers``: names in lower case; values as ISO 8859-1 has the bytes."""

    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    @property
    def structured(self) -> bool:
        return dict(self.headers).get("content-type", "").lower().startswith("application/cloudevents")


def _decoded(value: str) -> str:
    value = value.strip(" \t")
    if re.fullmatch(r'"(?:[^"\\]|\\.)*"', value):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    if re.search("%(?![0-9A-Fa-f]{2})", value):
        raise ValueError("a percent sign that encodes nothing")
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), value.encode("latin-1"))
    return raw.decode()


def decoded_headers(message: Message) -> dict[str, str]:
    """Those of the event: attributes, and the content type."""
    named = {name: _decoded(value) for name, value in message.headers if name.startswith("ce-")}
    return named | {name: value for name, value in message.headers if name == "content-type"}


def encoded(text: str) -> str:
    """As the HTTP binding has it in 3.1.3.2."""
    return quote(text, safe=_SAFE)


def decoded(text: str) -> str:
    """What a receiver makes of a value that stands in a header as it is. Raises ValueError."""
    return _decoded(text.encode().decode("latin-1"))


def text_of(value: object) -> str:
    """The canonical string of an attribute's JSON value. Raises ValueError."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bool | int):
        raise ValueError(f"no attribute's value: {type(value)}")
    return json.dumps(value)


def read(message: Message) -> dict[str, Any]:
    """Attributes and data as `tests.interop.client` tells them. A batch: its only event. Raises ValueError for no event."""
    if not message.structured:
        headers = decoded_headers(message)
        content_type = headers.pop("content-type", None)
        attributes = {name[3:]: text for name, text in headers.items()}
        if content_type is not None:
            attributes["datacontenttype"] = content_type
        data = {"base64": base64.b64encode(message.body).decode()} if message.body else None
        return {"path": message.path, "attributes": attributes, "data": data}
    event = json.loads(message.body)
    if isinstance(event, list):
        (event,) = event
    if "data" in event and "data_base64" in event:
        raise ValueError("both data and data_base64")
    data = None
    if "data_base64" in event:
        data = {"base64": event.pop("data_base64")}
    elif "data" in event:
        value = event.pop("data")
        data = {"json": value} if is_json(event.get("datacontenttype")) else {"text": value}
    attributes = {name: text_of(value) for name, value in event.items() if value is not None}
    return {"path": message.path, "attributes": attributes, "data": data}


def is_json(content_type: str | None) -> bool:
    """JSON format 3.1: an absent one is JSON."""
    return content_type is None or bool(re.match(r"[^;]*[/+]json\s*(;|$)", content_type, re.I))


def write(event: Sample, mode: str) -> tuple[dict[str, str], bytes]:
    """Headers and body as the HTTP binding and the JSON format have them."""
    data = event.data
    if mode == "structured":
        document: dict[str, Any] = {}
        for name, attribute in event.attributes.items():
            typed = attribute.type in {"Integer", "Boolean"}
            document[name] = json.loads(attribute.text) if typed else attribute.text
        if data is not None:
            document |= {"data_base64": data["base64"]} if "base64" in data else {"data": next(iter(data.values()))}
        return {"content-type": "application/cloudevents+json"}, json.dumps(document, separators=(",", ":")).encode()
    headers = {f"ce-{name}": encoded(attribute.text) for name, attribute in event.attributes.items()}
    content_type = headers.pop("ce-datacontenttype", None)
    if content_type is not None:
        headers["content-type"] = event.attributes["datacontenttype"].text
    return headers, body_of(data)


def body_of(data: Mapping[str, Any] | None) -> bytes:
    if data is None:
        return b""
    if "json" in data:
        return json.dumps(data["json"]).encode()
    return base64.b64decode(data["base64"]) if "base64" in data else str(data["text"]).encode()


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """The status."""
    where = urlsplit(url)
    assert where.port is not None
    return request(where.port, "POST", where.path, headers, body).status


class PlainListener:
    """Keeps what comes in; answers 204."""

    def __init__(self) -> None:
        self.received: queue.Queue[Message] = queue.Queue()
        kept = self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = self.headers["Content-Length"]
                body = self._chunked() if length is None else self.rfile.read(int(length))
                kept.put(Message(self.path, [(name.lower(), value) for name, value in self.headers.items()], body))
                self.send_response(204)
                self.end_headers()

            def _chunked(self) -> bytes:
                if self.headers["Transfer-Encoding"] is None:
                    return b""
                whole = bytearray()
                while size := int(self.rfile.readline(), 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return bytes(whole)

            def log_message(self, *_: object) -> None:
                """Not on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def next_received(self) -> Message:
        """Raises AssertionError."""
        try:
            return self.received.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"nothing came within {WAIT:g} s") from None

    def forget(self) -> None:
        """What came until now."""
        while not self.received.empty():
            self.received.get()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
