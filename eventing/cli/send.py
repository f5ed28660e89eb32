"""`eventing send`: one event over HTTP, with the standard library's client so that it stands on its own."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from eventing.cli.output import print_json, print_line
from eventing.errors import DeliveryFailed
from eventing.event import AttributeValue, Event

_OF_OPTIONS = ("specversion", "id", "source", "type", "subject", "datacontenttype")


def send(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to, such as http://127.0.0.1:8080/default/default.")],
    type_: Annotated[str, typer.Option("--type", help="What happened.", envvar="EVENTING_SEND_TYPE")],
    source: Annotated[str, typer.Option("--source", help="Where it happened, a URI-reference.", envvar="EVENTING_SEND_SOURCE")],
    *,
    id_: Annotated[str | None, typer.Option("--id", help="Default: a random UUID.", envvar="EVENTING_SEND_ID")] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.", envvar="EVENTING_SEND_SUBJECT")] = None,
    data: Annotated[
        str | None, typer.Option(help="The payload; @FILE reads a file, - standard input.", envvar="EVENTING_SEND_DATA")
    ] = None,
    content_type: Annotated[
        str | None, typer.Option(help="Of the payload. Default: application/json.", envvar="EVENTING_SEND_CONTENT_TYPE")
    ] = None,
    ext: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A further attribute; may be repeated.")] = None,
    structured: Annotated[
        bool, typer.Option("--structured", help="Send JSON instead of headers and payload.", envvar="EVENTING_SEND_STRUCTURED")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the answer.", envvar="EVENTING_SEND_TIMEOUT")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.", envvar="EVENTING_JSON")] = False,
) -> None:
    """Send one event. Exit 0 if it was accepted, else exit 1 and the reason."""
    from eventing.bindings import rules
    from eventing.bindings.http import encode_binary, encode_structured
    from eventing.cli.post import parse_url, post

    target = parse_url(url)
    payload = _read(data)
    attributes: dict[str, AttributeValue] = {
        "specversion": "1.0",
        "id": id_ or str(uuid.uuid4()),
        "source": source,
        "type": type_,
    }
    if subject is not None:
        attributes["subject"] = subject
    if payload is not None:
        attributes["datacontenttype"] = content_type or _json_type(payload)
    elif content_type is not None:
        raise typer.BadParameter("needs --data", param_hint="--content-type")
    attributes.update(_extensions(ext or []))
    event = Event(attributes, payload)
    rules.check(event)
    headers, body = encode_structured(event) if structured else encode_binary(event)
    try:
        answer = post(target, headers, body, timeout)
    except DeliveryFailed as error:
        if as_json:
            print_json({"accepted": False, "id": event.id, "status": getattr(error, "status", None), "error": str(error)})
        raise
    if as_json:
        print_json({"accepted": True, "id": event.id, "status": answer.status, "error": None})
    else:
        print_line(f"{answer.status} {answer.phrase}")


def _read(data: str | None) -> bytes | None:
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{data[1:]} can't be read: {error.strerror}", param_hint="--data") from error


def _json_type(payload: bytes) -> str:
    """JSON is what is assumed, so JSON it must be: an event that lies about its payload fails far from here."""
    try:
        json.loads(payload)
    except ValueError:
        raise typer.BadParameter("is not JSON; name its type with --content-type", param_hint="--data") from None
    return "application/json"


def _extensions(pairs: list[str]) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--ext")
        if name in _OF_OPTIONS:
            raise typer.BadParameter(f"{name} has an option of its own or can't be set", param_hint="--ext")
        if name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--ext")
        found[name] = value
    return found
