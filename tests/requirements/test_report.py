"""What a run of pytest makes of the marks: the report is tried on small runs of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
OUTSIDE = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST")
CONFTEST = """
from pathlib import Path

import tests.requirements.plugin as plugin
from tests.requirements.catalogue import Requirement, Section

plugin.ROOT = Path(__file__).parent
plugin.DOCUMENT = plugin.ROOT / "report.md"
plugin.read = lambda: (Section("I", "All", (
    Requirement("I1", "MUST", "A rule.", "a text"), Requirement("I2", "MUST", "Another.", "a text", "Not so here."),
)),)


def pytest_addoption(parser):
    parser.addoption(plugin.OPTION, action="store_true")


def pytest_configure(config):
    config.pluginmanager.register(plugin.ConformanceReport(config))
"""
MARKED = """
import os
import pytest

@pytest.mark.requirement("I1")
@pytest.mark.parametrize("number", [1, 2])
def test_a_thing_is_so(number):
    {body}

def test_of_nothing():
    pass
"""
WRITE = "--write-conformance"


class Run:
    """A folder with tests, and a report on two requirements; the second one deviates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = folder / "report.md"
        (folder / "cases").mkdir()
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "pytest.ini").write_text("[pytest]\ntestpaths = cases\nmarkers = requirement(*ids): x\n")
        self.marked()

    def marked(self, body: str = "assert number") -> None:
        self.test("test_marked", MARKED.format(body=body))

    def test(self, name: str, text: str) -> None:
        (self.folder / "cases" / f"{name}.py").write_text(text)

    def pytest(self, *options: str) -> tuple[int, str]:
        """The exit code, and what the section on conformance says."""
        env = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(("-p", "xdist") if "-n" in options else ()), *options],
            cwd=self.folder,
            env={**env, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = done.stdout.splitlines()
        told = [lines[number + 1] for number, line in enumerate(lines) if line.strip("= ") == "conformance"]
        return done.returncode, "".join(told)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def written(run: Run) -> Run:
    assert run.pytest(WRITE) == (0, "report.md written")
    return run


def test_a_run_writes_what_it_showed_and_the_next_one_agrees_in_parallel_too(written: Run) -> None:
    text = written.document.read_text()
    assert "### I1: holds" in text
    assert "  - a thing is so (2 cases)" in text
    assert "### I2: deviates" in text
    for options in ((), ("-n", "2"), ("-n", "2", WRITE)):
        assert written.pytest(*options) == (0, "")
    assert written.document.read_text() == text


def test_a_run_fails_where_the_document_says_something_else_or_is_not_there(written: Run) -> None:
    stale = (1, "report.md is not what this run showed: run pytest --write-conformance")
    written.test("test_more", "import pytest\n\n@pytest.mark.requirement('I2')\ndef test_more():\n    pass\n")
    assert written.pytest() == stale
    assert written.pytest(WRITE) == (0, "report.md written")
    (written.folder / "cases" / "test_more.py").unlink()
    assert written.pytest() == stale
    written.document.unlink()
    assert written.pytest() == stale


def test_a_run_fails_where_a_requirement_has_neither_a_test_nor_a_deviation(written: Run) -> None:
    before = written.document.read_text()
    (written.folder / "cases" / "test_marked.py").unlink()
    written.test("test_more", "def test_more():\n    pass\n")
    for options in ((), (WRITE,)):
        assert written.pytest(*options) == (1, "requirements without proof: I1 open")
    assert written.document.read_text() == before


def test_a_test_that_fails_is_no_proof(written: Run) -> None:
    before = written.document.read_text()
    written.marked("assert number == 1")
    for options in (("-n", "2"), (WRITE,)):
        assert written.pytest(*options) == (1, "requirements without proof: I1 fails")
    assert written.document.read_text() == before


def test_a_run_with_another_failure_or_with_tests_that_can_not_be_read_writes_nothing(run: Run) -> None:
    run.test("test_more", "def test_more():\n    assert False\n")
    assert run.pytest(WRITE) == (1, "report.md is not written: tests failed")
    run.test("test_more", "import no_such_module\n")
    assert run.pytest(WRITE) == (2, "report.md is not written: cases/test_more.py could not be read")
    assert run.pytest("-n", "2", WRITE) == (1, "report.md is not written: cases/test_more.py could not be read")
    assert not run.document.exists()


def test_a_test_that_is_skipped_leaves_the_document_unchecked_aloud_and_is_no_proof(written: Run) -> None:
    before = written.document.read_text()
    written.marked("number == 1 or pytest.skip('no such program')")
    told = (
        "report.md is not checked: 1 tests of requirements were skipped, cases/test_marked.py::test_a_thing_is_so[2] among them"
    )
    assert written.pytest() == (0, told)
    assert written.pytest(WRITE) == (1, "requirements without proof: I1 not run")
    assert written.document.read_text() == before


@pytest.mark.parametrize(
    "options",
    [
        ("-k", "nothing"),
        ("-m", "not requirement"),
        ("--deselect", "cases/test_marked.py::test_of_nothing"),
        ("--ignore", "cases/test_more.py"),
        ("cases",),
        ("--collect-only",),
    ],
)
def test_a_run_of_some_tests_neither_judges_nor_writes_the_document(run: Run, options: tuple[str, ...]) -> None:
    code, told = run.pytest(*options, WRITE)
    assert code == 1
    assert told.startswith("report.md is not written: only some tests were asked for")
    assert not run.document.exists()
    if options[0] in {"-k", "cases"}:
        assert run.pytest(*options) == (0, "")


def test_a_run_that_ends_early_judges_and_writes_nothing(written: Run) -> None:
    before = written.document.read_text()
    written.test("test_a", "def test_a():\n    assert False\n")
    assert written.pytest("-x") == (1, "")
    assert written.pytest("-x", WRITE) == (1, "report.md is not written: the run ended early")
    (written.folder / "cases" / "test_a.py").unlink()
    written.marked("number == 1 or os._exit(1)")
    assert written.pytest("-n", "2") == (1, "")
    assert written.pytest("-n", "2", WRITE)[1].startswith("report.md is not written: a process died in cases/test_marked.py")
    assert written.document.read_text() == before


def test_a_mark_with_a_number_that_no_requirement_has_ends_the_run(run: Run) -> None:
    run.test("test_more", "import pytest\n\n@pytest.mark.requirement('I3')\ndef test_more():\n    pass\n")
    assert run.pytest()[0] == pytest.ExitCode.USAGE_ERROR
