"""Links within the repository lead somewhere, and no page says what only holds on one machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_blocks import DOCUMENTS

ROOT = Path(__file__).parents[2]
PAGES = sorted({*DOCUMENTS, "CHANGELOG.md"})


def prose(name: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^\s*(```|~~~).*?^\s*\1\s*$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(name: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(name.relative_to(ROOT).as_posix()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(name: str) -> list[str]:
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        if not target.exists() or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    assert broken(name) == []


def test_there_are_links() -> None:
    assert sum(len(re.findall(r"\]\(", prose(name))) for name in PAGES) > 40


@pytest.mark.parametrize("name", PAGES)
def test_no_path_of_one_machine(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:home|root|Users|work|tmp)/[\w.-]+", text) == []
