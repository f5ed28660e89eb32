"""Exit codes, errors and what is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import typer

from eventing import __version__
from eventing.cli import app
from eventing.errors import Fault, InvalidManifest, InvalidSetting
from tests.unit.cli.conftest import Run

Cli = Callable[..., Run]
Raise = Callable[[BaseException], None]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Raise:
    """A command `fail` that raises what it is given."""

    def prepare(error: BaseException) -> None:
        def fail() -> None:
            raise error

        monkeypatch.setitem(sys.modules, "failing_command", type("Module", (), {"fail": staticmethod(fail)}))  # type: ignore[arg-type]
        monkeypatch.setattr(app, "COMMANDS", {**app.COMMANDS, "fail": app.Entry("failing_command:fail", "Fail.")})

    return prepare


def test_version(run: Cli) -> None:
    assert run("version") == Run(0, f"eventing {__version__}\n", "")
    assert json.loads(run("version", "--json").out)["version"] == __version__


def test_help_lists_every_command(run: Cli) -> None:
    told = run("--help")
    assert told.code == 0
    for name, entry in app.COMMANDS.items():
        assert f"  {name} " in told.out
        assert entry.help in told.out


@pytest.mark.parametrize("name", list(app.COMMANDS))
def test_every_command_has_help(run: Cli, name: str) -> None:
    told = run(name, "--help")
    assert told.code == 0
    assert f"Usage: eventing {name}" in told.out


def test_usage_errors_are_2(run: Cli) -> None:
    for arguments in (["unknown"], ["version", "extra"], ["--unknown"], []):
        assert run(*arguments).code == 2


def test_an_error_on_purpose_is_one_line(run: Cli, failing: Raise) -> None:
    failing(InvalidSetting("--channel: unknown scheme"))
    assert run("fail") == Run(1, "", "eventing: --channel: unknown scheme\n")


def test_faults_are_printed_one_a_line(run: Cli, failing: Raise) -> None:
    faults = [Fault("bad", file="a.yaml", line=3, object_="Trigger/t", field="spec.x"), Fault("worse", file="b.yaml")]
    failing(InvalidManifest(faults))
    assert run("fail") == Run(1, "", "a.yaml: Trigger/t: spec.x: bad (line 3)\nb.yaml: worse\n")


def test_an_unexpected_error_is_one_line_without_its_text(run: Cli, failing: Raise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENTING_DEBUG", raising=False)
    failing(RuntimeError("payload"))
    told = run("fail")
    assert told.code == 1
    assert told.err.count("\n") == 1
    assert told.err.startswith("eventing: unexpected RuntimeError in fail (test_main.py:")
    assert "payload" not in told.err
    monkeypatch.setenv("EVENTING_DEBUG", "1")
    assert "Traceback" in run("fail").err


def test_an_error_of_the_operating_system_keeps_its_text(run: Cli, failing: Raise) -> None:
    failing(PermissionError(13, "Permission denied", "/data"))
    assert "Permission denied: '/data'" in run("fail").err


def test_an_interrupt_is_130_and_quiet(run: Cli, failing: Raise) -> None:
    failing(KeyboardInterrupt())
    assert run("fail") == Run(130, "", "")


def test_a_command_chooses_its_exit_code(run: Cli, failing: Raise) -> None:
    failing(typer.Exit(7))
    assert run("fail").code == 7


BIG = {"fastapi", "uvicorn", "starlette", "prometheus_client", "uvloop", "yaml", "rich"}


@pytest.mark.parametrize(
    ("arguments", "big"),
    [
        (["--help"], BIG | {"pydantic", "msgspec"}),
        (["version"], BIG | {"msgspec"}),  # typer itself needs pydantic to read options
        (["send", "--help"], BIG | {"msgspec"}),
    ],
)
def test_small_commands_import_nothing_big(arguments: list[str], big: set[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "eventing", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "typer" in imported
    assert not imported & big


@pytest.fixture
def broken_pipe() -> Iterator[int]:
    """A file descriptor whose reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
REFUSED = ["send", "http://127.0.0.1:1/", "--type", "t", "--source", "s"]


def test_an_output_nobody_reads_is_no_complaint(broken_pipe: int) -> None:
    command = [sys.executable, "-m", "eventing", "version"]
    done = subprocess.run(command, stdout=broken_pipe, stderr=subprocess.PIPE, env=BUFFERED, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_output_that_waits_for_nobody_is_no_complaint(broken_pipe: int) -> None:
    code = f"import sys; sys.stdout.write('x'); from eventing.cli import main; sys.exit(main({REFUSED!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=broken_pipe, stderr=subprocess.PIPE, env=BUFFERED, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, b"eventing: connection refused by 127.0.0.1:1\n")


def test_errors_nobody_reads_are_no_complaint(broken_pipe: int) -> None:
    code = f"import sys; from eventing.cli import main; code = main({REFUSED!r}); print('returned', code)"
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=broken_pipe, stdout=subprocess.PIPE, env=BUFFERED, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, b"returned 1\n")
