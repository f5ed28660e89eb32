"""The requirements that the tests speak of, read from `catalogue.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("catalogue.toml")
LEVELS = ("MUST", "SHOULD", "MAY", "Knative", "ours")


@dataclass(frozen=True, slots=True)
class Requirement:
    """``level``: the specification's word; `Knative` for behaviour that its users rely on, `ours` where the texts leave room.
    ``deviation``: what differs here and why, empty where nothing does."""

    id: str
    level: str
    text: str
    source: str
    deviation: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    letter: str
    title: str
    requirements: tuple[Requirement, ...]


def read() -> tuple[Section, ...]:
    """All sections in the file's order. Raises `ValueError` for an entry that lacks something."""
    sections = []
    for letter, entries in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        title = entries.pop("title")
        requirements = tuple(Requirement(id=f"{letter}{number}", **entry) for number, entry in entries.items())
        for requirement in requirements:
            if requirement.level not in LEVELS or not requirement.text or not requirement.source:
                raise ValueError(f"{requirement.id} needs one of the levels {LEVELS}, a text and a source")
        sections.append(Section(letter, title, requirements))
    return tuple(sections)
