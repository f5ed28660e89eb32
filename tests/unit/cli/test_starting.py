"""A signal that comes while the program is being loaded ends it with one line, at whatever import it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eventing.cli import starting
from tests.unit.cli.conftest import Run

Cli = Callable[..., Run]

# The process sends itself the signal when a module is asked for the first time: as early or late as that, and never in between.
SIGNALLED = """
import os, sys

class At:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.argv[1] = ""
            os.kill(os.getpid(), int(sys.argv[2]))

sys.meta_path.insert(0, At())
from eventing.cli import main
sys.exit(main(sys.argv[3:]))
"""
MANIFEST = """\
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
"""


def signalled(folder: Path, module: str, number: signal.Signals, *arguments: str) -> tuple[int, str, str]:
    """Exit code and outputs of a command that gets the signal while it imports ``module``."""
    (folder / "m.yaml").write_text(MANIFEST)
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, module, str(int(number)), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


SERVE = ["serve", "m.yaml", "--port", "0", "--control-port", "0"]


@pytest.mark.parametrize(
    ("module", "number", "code"),
    [
        ("eventing.cli.starting", signal.SIGINT, 130),
        ("eventing.errors", signal.SIGINT, 130),
        ("eventing.errors", signal.SIGTERM, 143),
        ("typer", signal.SIGTERM, 143),
        ("pydantic_core", signal.SIGINT, 130),
        ("eventing.cli.serve", signal.SIGINT, 130),
        ("eventing.resources.validate", signal.SIGTERM, 143),
        ("eventing.runtime.engine", signal.SIGINT, 130),
        ("eventing.http.server", signal.SIGTERM, 143),
    ],
)
def test_a_signal_during_an_import_ends_it_with_one_line(tmp_path: Path, module: str, number: signal.Signals, code: int) -> None:
    line = f"eventing: {number.name} came before anything had started\n"
    assert signalled(tmp_path, module, number, *SERVE) == (code, "", line)
    assert os.listdir(tmp_path) == ["m.yaml"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_it_is_ready_is_logged_and_stops_it(tmp_path: Path, number: signal.Signals) -> None:
    code, _ready, err = signalled(tmp_path, "eventing.runtime.control", number, *SERVE)
    assert code == 0
    assert f"stopping signal={number.name}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_runs_is_ended_as_any_program(tmp_path: Path, number: signal.Signals) -> None:
    code, out, err = signalled(tmp_path, "eventing.resources.validate", number, "validate", "m.yaml")
    assert (code, out, err) == (130 if number is signal.SIGINT else -signal.SIGTERM, "", "")


def test_handlers_are_given_back(run: Cli) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run("version").code == 0
    assert run("--help").code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_handler_of_somebody_else_is_left_alone() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        starting.guard()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        starting.release()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
