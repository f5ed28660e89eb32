"""docs/conformance.md: every requirement with its cases and their result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.requirements.catalogue import Requirement, Section

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"
PREFACE = Path(__file__).with_name("preface.txt")


@dataclass(frozen=True, slots=True)
class Case:
    """One test that ran. ``file``: below the repository. ``name``: its function. ``outcome``: `passed`, `failed`, `skipped`."""

    file: str
    name: str
    outcome: str

    @property
    def sentence(self) -> str:
        return self.name.removeprefix("test_").replace("_", " ")


def verdict(requirement: Requirement, cases: Sequence[Case]) -> str:
    """`fails`, `not run`, `open` (neither a case nor a deviation), `deviates` or `holds`."""
    outcomes = {case.outcome for case in cases}
    if "failed" in outcomes:
        return "fails"
    if "skipped" in outcomes:
        return "not run"
    if requirement.deviation:
        return "deviates"
    return "holds" if cases else "open"


def render(sections: Sequence[Section], cases: Mapping[str, Sequence[Case]], preface: str) -> str:
    """The document. ``cases``: by requirement's id."""
    lines = [preface.strip(), "", *_summary(sections, cases)]
    for section in sections:
        lines += ["", f"## {section.letter}. {section.title}"]
        for requirement in section.requirements:
            lines += ["", *_entry(requirement, cases.get(requirement.id, ()))]
    return "\n".join(lines) + "\n"


def _summary(sections: Sequence[Section], cases: Mapping[str, Sequence[Case]]) -> list[str]:
    lines = ["| Section | Requirements | Hold | Deviate | Cases |", "| --- | --- | --- | --- | --- |"]
    for section in sections:
        found = [verdict(one, cases.get(one.id, ())) for one in section.requirements]
        number = len({(case.file, case.name) for one in section.requirements for case in cases.get(one.id, ())})
        where = f"{section.letter}. {section.title}"
        anchor = "".join(c for c in where.lower() if c.isalnum() or c in " -").replace(" ", "-")
        lines.append(f"| [{where}](#{anchor}) | {len(found)} | {found.count('holds')} | {found.count('deviates')} | {number} |")
    return lines


def _entry(requirement: Requirement, cases: Sequence[Case]) -> list[str]:
    lines = [
        f"### {requirement.id}: {verdict(requirement, cases)}",
        "",
        f"{requirement.level}: {requirement.text}",
        f"*{requirement.source}*",
    ]
    if requirement.deviation:
        lines += ["", f"**Deviation.** {requirement.deviation}"]
    if cases:
        lines += ["", *_cases(cases)]
    return lines


def _cases(cases: Iterable[Case]) -> list[str]:
    by_file: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        by_file[case.file][case.sentence].append(case.outcome)
    lines = []
    for file in sorted(by_file):
        lines.append(f"- [{file}](../{file})")
        for sentence, outcomes in sorted(by_file[file].items()):
            bad = sorted(set(outcomes) - {"passed"})
            many = f" ({len(outcomes)} cases)" if len(outcomes) > 1 else ""
            lines.append(f"  - {sentence}{many}{': ' + ', '.join(bad) if bad else ''}")
    return lines
