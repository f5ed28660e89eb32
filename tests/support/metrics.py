"""A page of `/metrics`, to ask for single values."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Page:
    """``samples``: name, labels, value."""

    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Page:
        return cls([(s.name, dict(s.labels), s.value) for family in text_string_to_metric_families(text) for s in family.samples])

    def total(self, name: str, **labels: str) -> int:
        """The sum over all series that carry these labels; 0 where there are none."""
        return int(
            sum(value for n, ls, value in self.samples if n == name and all(ls.get(key) == want for key, want in labels.items()))
        )

    def trigger(self, name: str, trigger: str, **labels: str) -> int:
        """The same of one trigger in the namespace `default`; ``name`` without the prefix `eventing_`."""
        return self.total(f"eventing_{name}", trigger=f"default/{trigger}", **labels)
