"""Collects which requirements the tests of a run proved, and holds docs/conformance.md to it."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.requirements.catalogue import read
from tests.requirements.document import DOCUMENT, PREFACE, ROOT, Case, render, verdict

OPTION = "--write-conformance"
_WORSE = {"passed": 0, "skipped": 1, "failed": 2}


class ConformanceReport:
    """One run. After one of all tests the document must say what the run showed; with the option it is written anew."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._sections = read()
        self._known = {requirement.id for section in self._sections for requirement in section.requirements}
        self._outcomes: dict[str, str] = {}
        self._proves: dict[str, tuple[str, ...]] = {}
        self._message = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            ids = [id_ for mark in item.iter_markers("requirement") for id_ in mark.args]
            unknown = sorted(set(ids) - self._known)
            if unknown:
                raise pytest.UsageError(f"{item.nodeid}: no requirement is called {', '.join(unknown)}")
            if ids:
                item.user_properties.append(("requirement", ",".join(ids)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ids = next((str(value) for name, value in report.user_properties if name == "requirement"), "")
        if not ids:
            return
        self._proves[report.nodeid] = tuple(ids.split(","))
        before = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = max(before, report.outcome, key=_WORSE.__getitem__)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workerinput") or not self._outcomes:
            return
        writes = self._config.getoption(OPTION)
        if not writes and not self._complete(session):
            return
        cases = self._cases()
        missing = [
            f"{requirement.id} {found}"
            for section in self._sections
            for requirement in section.requirements
            if (found := verdict(requirement, cases.get(requirement.id, ()))) in {"open", "fails", "not run"}
        ]
        if missing:
            self._fail(session, f"requirements without proof: {', '.join(missing)}")
        elif (text := render(self._sections, cases, PREFACE.read_text(encoding="utf-8"))) == _present():
            return
        elif writes:
            DOCUMENT.write_text(text, encoding="utf-8")
            self._message = f"{DOCUMENT.relative_to(ROOT)} written"
        else:
            self._fail(session, f"{DOCUMENT.relative_to(ROOT)} is not what this run showed: run pytest {OPTION}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._message:
            terminalreporter.section("conformance")
            terminalreporter.line(self._message)

    def _cases(self) -> dict[str, list[Case]]:
        cases: dict[str, list[Case]] = defaultdict(list)
        for node, outcome in self._outcomes.items():
            file, _, name = node.partition("::")
            case = Case(file, name.partition("[")[0].rpartition("::")[2] or name, outcome)
            for id_ in self._proves[node]:
                cases[id_].append(case)
        return cases

    def _complete(self, session: pytest.Session) -> bool:
        """Whether all tests were asked for, and those that prove something could run."""
        asked = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS
        option = self._config.option
        return asked and not (option.keyword or option.markexpr or option.lf) and "skipped" not in self._outcomes.values()

    def _fail(self, session: pytest.Session, message: str) -> None:
        self._message = message
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _present() -> str:
    return DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
