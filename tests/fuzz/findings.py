"""What a run found, and how to see it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_SHOWN = 20
DIED = "the process died"


@dataclass(slots=True)
class Findings:
    """``seed`` and the number of a case repeat it. ``tell``: called with each of the first few of a kind."""

    seed: int
    tell: Callable[[str], None] = print
    kinds: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, detail: str, number: int | None = None) -> None:
        """``kind``: a few stable words. ``number``: the case."""
        self.kinds[kind] += 1
        if self.kinds[kind] > _SHOWN:
            return
        where = f" [--seed {self.seed} --only {number}]" if number is not None else f" [--seed {self.seed}]"
        line = f"FOUND {kind}: {detail}{where}"
        self.lines.append(line)
        self.tell(line)

    @property
    def hopeless(self) -> bool:
        """So many that going on tells nothing new."""
        return DIED in self.kinds or self.kinds.total() > 500

    def __bool__(self) -> bool:
        return bool(self.kinds)
