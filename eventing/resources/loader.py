"""Manifest files to documents: which files, how large, in which encoding."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import BinaryIO

from eventing.errors import Fault
from eventing.resources.json_loader import json_document
from eventing.resources.nodes import Document, Unreadable
from eventing.resources.yaml_loader import documents

MAX_FILE = 8 * 1024 * 1024
"""Bytes of one file."""
SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class ObjectDocument:
    """One object as written, with where."""

    file: str
    document: Document


def load(
    paths: Sequence[str], faults: list[Fault], stdin: Callable[[], BinaryIO], max_file: int = MAX_FILE
) -> Iterator[ObjectDocument]:
    """Every object of the files, folders (their `*.yaml`, `*.yml`, `*.json` in the order of their names, not below) and
    standard input (`-`) in ``paths``, the items of a `kind: List` one by one. What can't be read (pipes and devices are not)
    is added to ``faults``, and the rest is still given out."""
    for file, open_ in _files(paths, faults, stdin):
        try:
            with open_() as stream:
                data = stream.read(max_file + 1)
        except OSError as error:
            faults.append(Fault(f"can't be read: {error.strerror or 'input/output error'}", file=file))
            continue
        if len(data) > max_file:
            faults.append(Fault(f"is larger than {max_file} bytes", file=file))
            continue
        try:
            for document in _parse(file, data):
                yield from _objects(file, document, faults)
        except Unreadable as error:
            faults.append(Fault(error.reason, file=file, line=error.line))


def _files(
    paths: Sequence[str], faults: list[Fault], stdin: Callable[[], BinaryIO]
) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    seen_stdin = False
    for text in paths:
        if text == "-":
            if seen_stdin:
                faults.append(Fault("standard input is given twice", file="-"))
                continue
            seen_stdin = True
            yield "-", stdin
            continue
        path = FilePath(text)
        try:
            inside = sorted(child for child in path.iterdir() if child.suffix in SUFFIXES) if path.is_dir() else [path]
        except OSError as error:
            faults.append(Fault(f"can't be read: {error.strerror or 'input/output error'}", file=text))
            continue
        if not inside:
            faults.append(Fault("holds no manifests (*.yaml, *.yml, *.json)", file=text))
        for file in inside:
            yield str(file), _opener(file)


def _opener(path: FilePath) -> Callable[[], BinaryIO]:
    def open_() -> BinaryIO:
        # To open a pipe waits for its writer, and to read a device may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is no regular file; a pipe is read as standard input, -")
        return path.open("rb")

    return open_


def _parse(file: str, data: bytes) -> Iterator[Document]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    if file.endswith(".json"):
        if text.strip():
            yield json_document(text)
    else:
        yield from documents(text)


def _objects(file: str, document: Document, faults: list[Fault]) -> Iterator[ObjectDocument]:
    value = document.value
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        faults.append(Fault(f"an object must be a mapping, not {kind}", file=file, line=document.root.line))
        return
    if value.get("kind") != "List" or value.get("apiVersion") != "v1":
        yield ObjectDocument(file, document)
        return
    items = value.get("items")
    if not isinstance(items, list):
        faults.append(
            Fault("must be a list of objects", file=file, line=document.line(("items",)), object_="List", field="items")
        )
        return
    for index in range(len(items)):
        item = document.at(("items", index))
        if isinstance(item.value, dict) and item.value.get("kind") == "List":
            faults.append(
                Fault(
                    "a List within a List isn't allowed", file=file, line=item.root.line, object_="List", field=f"items[{index}]"
                )
            )
        elif item.value is not None:
            yield from _objects(file, item, faults)
