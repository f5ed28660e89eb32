"""Log lines: form, safety, repetition, and a standard error that fails."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.telemetry.lines import HIDDEN, MAX_VALUE, SENSITIVE, write_line
from eventing.telemetry.logs import LEVELS, QUEUE_LINES, Log
from eventing.telemetry.repeats import Repeats

ROOT = Path(__file__).parents[3]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_a_line_for_people() -> None:
    fields = {"trigger": "ns/t", "status": 500, "note": 'said "no"', "ready": True, "none": None, "empty": ""}
    assert write_line("text", 0.1234, "warning", "subscriber failed", fields) == (
        "1970-01-01T00:00:00.123Z WARNING subscriber failed "
        'trigger=ns/t status=500 note="said \\"no\\"" ready=true none=null empty=""'
    )


def test_a_line_for_machines() -> None:
    line = write_line(
        "json", 0, "info", "started", {"port": 8080, "level": "own", "ratio": float("nan"), "error": ValueError("bad")}
    )
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.000Z",
        "level": "info",
        "message": "started",
        "port": 8080,
        "level_": "own",
        "ratio": "nan",
        "error": "ValueError: bad",
    }


@given(st.sampled_from(["text", "json"]), st.text(), st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_no_text_makes_a_second_line_or_reaches_the_terminal_raw(form: str, message: str, fields: dict[str, str]) -> None:
    line = write_line("json" if form == "json" else "text", 0, "info", message, dict(fields))
    assert line.isprintable()
    line.encode()
    if form == "json":
        assert json.loads(line)["level"] == "info"


@given(st.text(max_size=MAX_VALUE))
def test_machines_get_the_text_back(value: str) -> None:
    assert json.loads(write_line("json", 0, "info", "m", {"note": value}))["note"] == value


def test_long_values_are_cut() -> None:
    line = write_line("text", 0, "info", "m", {"note": "x" * 100_000})
    assert len(line) < MAX_VALUE + 100
    assert "(100000 characters)" in line


@pytest.mark.parametrize(
    "name", ["secret", "access_token", "password", "Authorization", "data", "event_data", "body", "payload", "api_key"]
)
def test_secrets_and_payloads_are_not_written(name: str) -> None:
    for line in (write_line("text", 0, "info", "m", {name: "s3cret"}), write_line("json", 0, "info", "m", {name: "s3cret"})):
        assert "s3cret" not in line
        assert HIDDEN in line


@pytest.mark.parametrize("name", ["data_dir", "secret_name", "bytes", "trigger", "database"])
def test_other_names_are_written(name: str) -> None:
    assert "value" in write_line("text", 0, "info", "m", {name: "value"})


def log_calls() -> Iterator[tuple[str, str]]:
    """Place and field of every call in our own code that looks like a log line."""
    for package in ("eventing", "channels", "sources"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {*LEVELS, "log"}:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    names = [keyword.arg for keyword in node.keywords if keyword.arg]
                    names += [
                        key.value
                        for argument in node.args
                        if isinstance(argument, ast.Dict)
                        for key in argument.keys
                        if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    ]
                    yield from ((place, name) for name in names)


def test_our_own_code_logs_no_secret_and_no_payload() -> None:
    assert [(place, name) for place, name in log_calls() if SENSITIVE.search(name)] == []


def test_lines_are_written_in_order_and_by_level() -> None:
    stream = io.StringIO()
    log = Log(stream, level="warning", wall=lambda: 0)
    log.debug("one")
    log.info("two")
    log.warning("three", broker="a")
    log.error("four")
    log.close()
    log.close()
    assert [line.split(" ", 1)[1] for line in lines(stream)] == ["WARNING three broker=a", "ERROR four"]


def test_repeated_lines_are_held_back_per_object_and_counted() -> None:
    stream, clock = io.StringIO(), Clock()
    log = Log(stream, form="json", monotonic=clock)
    for status in range(100):
        log.warning("subscriber failed", trigger="ns/a", status=status)
    log.warning("subscriber failed", trigger="ns/b")
    clock.now = 11
    log.info("something else")
    for _ in range(7):
        log.warning("subscriber failed", trigger="ns/a")
    log.close()
    told = [(entry["message"], entry.get("trigger"), entry.get("held_back")) for entry in map(json.loads, lines(stream))]
    assert told == [
        *[("subscriber failed", "ns/a", None)] * 5,
        ("subscriber failed", "ns/b", None),
        ("subscriber failed", "ns/a", 95),
        ("something else", None, None),
        *[("subscriber failed", "ns/a", None)] * 5,
        ("subscriber failed", "ns/a", 2),
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 5)), max_size=200), st.integers(1, 8))
def test_no_repeat_is_forgotten_and_the_table_is_bounded(steps: list[tuple[int, float]], capacity: int) -> None:
    repeats, now, written, told = Repeats(burst=2, period=10, capacity=capacity), 0.0, 0, 0
    for key, wait in steps:
        now += wait
        told += sum(held.count for held in repeats.due(now))
        written += repeats.admit(key, now)
        assert len(repeats._seen) <= capacity
    told += sum(held.count for held in repeats.due(now, everything=True))
    assert written + told == len(steps)


def test_a_broken_pipe_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", buffering=1)
    log = Log(stream)
    for number in range(3):
        log.info("line", object=str(number))
    log.close()
    assert log.lost == 3
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), writing)  # what the stream still holds needs a place to go
    stream.close()


def test_a_closed_standard_error_ends_nothing() -> None:
    stream = io.StringIO()
    log = Log(stream)
    stream.close()
    log.error("line")
    log.close()
    assert log.lost == 1


class Stuck(io.StringIO):
    """A terminal that is held: writing waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.reached = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.let_go.wait(30)
        return super().write(text)


def test_a_stuck_standard_error_stops_nobody_and_says_later_what_was_lost() -> None:
    stream = Stuck()
    log = Log(stream)
    log.info("first")
    assert stream.reached.wait(30)
    for number in range(QUEUE_LINES + 7):
        log.info("line", object=str(number))
    assert log.lost == 7
    stream.let_go.set()
    log.close(timeout=30)
    assert len(lines(stream)) == 1 + 1 + QUEUE_LINES
    assert lines(stream)[1].endswith("WARNING log lines were lost lost=7")


def test_a_line_after_close_is_counted_as_lost() -> None:
    log = Log(io.StringIO())
    log.close()
    log.info("late")
    assert log.lost == 1


def test_libraries_can_be_heard() -> None:
    stream = io.StringIO()
    log = Log(stream, form="json")
    logger = logging.Logger("library")
    logger.addHandler(log.handler())
    logger.warning("two %s", "words")
    logger.warning("wrong %d", "format")
    try:
        raise OSError("disk")
    except OSError:
        logger.exception("failed")
    log.close()
    told = [json.loads(line) for line in lines(stream)]
    assert [(entry["level"], entry["message"], entry["logger"]) for entry in told] == [
        ("warning", "two words", "library"),
        ("warning", "wrong %d", "library"),
        ("error", "failed", "library"),
    ]
    assert told[2]["error"] == "OSError: disk"


def test_nothing_global_is_touched() -> None:
    before = (list(logging.root.handlers), logging.root.level)
    log = Log(io.StringIO())
    log.info("line")
    log.close()
    assert (list(logging.root.handlers), logging.root.level) == before


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        Log(io.StringIO(), level="loud")


def test_the_time_is_rfc_3339_in_utc() -> None:
    assert re.match(r"2026-11-23T07:51:01\.500Z ", write_line("text", 1795420261.5, "info", "m", {}))
