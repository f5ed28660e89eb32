"""Collects which requirements the tests of a run proved, and holds docs/conformance.md to it."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.requirements.catalogue import read
from tests.requirements.document import DOCUMENT, PREFACE, ROOT, Case, render, verdict

OPTION = "--write-conformance"
_WORSE = {"passed": 0, "skipped": 1, "failed": 2}


class ConformanceReport:
    """One run. After one of all tests the document must say what the run showed; with the option it is written anew, if all
    tests passed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._sections = read()
        self._known = {requirement.id for section in self._sections for requirement in section.requirements}
        self._outcomes: dict[str, str] = {}
        self._proves: dict[str, tuple[str, ...]] = {}
        self._cut_short = ""
        self._message = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            ids = list(dict.fromkeys(id_ for mark in item.iter_markers("requirement") for id_ in mark.args))
            unknown = sorted(set(ids) - self._known)
            if unknown:
                raise pytest.UsageError(f"{item.nodeid}: no requirement is called {', '.join(unknown)}")
            if ids:
                item.user_properties.append(("requirement", ",".join(ids)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._cut_short = f"{report.nodeid} could not be read"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if str(report.when) == "???":  # what pytest-xdist tells of a process that died
            self._cut_short = f"a process died in {report.nodeid}"
        ids = next((str(value) for name, value in report.user_properties if name == "requirement"), "")
        if not ids:
            return
        self._proves[report.nodeid] = tuple(ids.split(","))
        before = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = max(before, report.outcome, key=_WORSE.__getitem__)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workerinput"):
            return
        writes = self._config.getoption(OPTION)
        name = DOCUMENT.relative_to(ROOT)
        skipped = [node for node, outcome in self._outcomes.items() if outcome == "skipped"]
        if partial := self._partial(session):
            if writes:
                self._fail(session, f"{name} is not written: {partial}")
            return
        if skipped and not writes:
            self._message = f"{name} is not checked: {len(skipped)} tests of requirements were skipped, {skipped[0]} among them"
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
        elif not writes:
            self._fail(session, f"{name} is not what this run showed: run pytest {OPTION}")
        elif session.testsfailed:
            self._fail(session, f"{name} is not written: tests failed")
        else:
            DOCUMENT.write_text(text, encoding="utf-8")
            self._message = f"{name} written"

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

    def _partial(self, session: pytest.Session) -> str:
        """Why this was no run of all tests; empty if it was one."""
        option = self._config.option
        if self._config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
            return "only some tests were asked for"
        for chosen in ("keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "collectonly"):
            if getattr(option, chosen, None):
                return f"only some tests were asked for ({chosen})"
        if self._cut_short:
            return self._cut_short
        ended = session.exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        return "the run ended early" if ended or session.shouldfail or session.shouldstop else ""

    def _fail(self, session: pytest.Session, message: str) -> None:
        self._message = message
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _present() -> str:
    return DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
