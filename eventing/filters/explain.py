"""Why an event matches a filter or doesn't, for a person to read."""

from __future__ import annotations

from dataclasses import dataclass

from eventing.event import Event
from eventing.filters.base import Filter
from eventing.filters.cesql.filter import Cesql
from eventing.filters.cesql.reason import reason
from eventing.filters.dialects import All, Any, Attributes, Everything, Exact, Not, Pairs, Prefix, Suffix

_SHOWN = 120
_ALTERNATIVES = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """``matched``: what `Filter.matches` says. ``reason``: one line naming the condition that decided. It quotes context
    attributes, shortened, and never the payload."""

    matched: bool
    reason: str


def explain(filter_: Filter, event: Event) -> Verdict:
    """The verdict on this event, as `Filter.matches` gives it, with the reason."""
    match filter_:
        case Everything():
            return Verdict(True, "there is no filter, every event matches")
        case Exact(pairs):
            return _compared(pairs, event, "exactly")
        case Prefix(pairs):
            return _compared(pairs, event, "starting with")
        case Suffix(pairs):
            return _compared(pairs, event, "ending with")
        case Attributes(pairs):
            return _compared(pairs, event, "exactly", any_value=True)
        case All(filters):
            return _all(filters, event)
        case Any(filters):
            return _any(filters, event)
        case Cesql(expression=expression):
            return Verdict(filter_.matches(event), reason(expression, event))
        case Not(inner):
            verdict = explain(inner, event)
            return Verdict(not verdict.matched, f"{verdict.reason}, {'excluded by' if verdict.matched else 'wanted by'} `not`")
        case _:
            matched = filter_.matches(event)
            name = type(filter_).__name__
            return Verdict(matched, f"the condition of {name} {'holds' if matched else 'does not hold'}")


def _compared(pairs: Pairs, event: Event, relation: str, *, any_value: bool = False) -> Verdict:
    held: list[str] = []
    for name, wanted in pairs:
        text = event.text(name)
        if text is None:
            return Verdict(False, f"{name} is missing")
        if any_value and not wanted:
            held.append(f"{name} is there")
            continue
        if not _holds(text, wanted, relation):
            return Verdict(False, f"{name} is {_shown(text)}, not {relation} {_shown(wanted)}")
        held.append(f"{name} is {_shown(text)}, {relation} {_shown(wanted)}")
    return Verdict(True, _listed(held, " and "))


def _holds(text: str, wanted: str, relation: str) -> bool:
    if relation == "starting with":
        return text.startswith(wanted)
    if relation == "ending with":
        return text.endswith(wanted)
    return text == wanted


def _all(filters: tuple[Filter, ...], event: Event) -> Verdict:
    held: list[str] = []
    for filter_ in filters:
        verdict = explain(filter_, event)
        if not verdict.matched:
            return verdict
        held.append(verdict.reason)
    return Verdict(True, _listed(held, " and "))


def _any(filters: tuple[Filter, ...], event: Event) -> Verdict:
    failed: list[str] = []
    for filter_ in filters:
        verdict = explain(filter_, event)
        if verdict.matched:
            return verdict
        failed.append(verdict.reason)
    return Verdict(False, f"none of {len(failed)} alternatives holds: {_listed(failed, '; ')}")


def _listed(reasons: list[str], between: str) -> str:
    rest = len(reasons) - _ALTERNATIVES
    return between.join(reasons[:_ALTERNATIVES]) + (f"{between}{rest} more" if rest > 0 else "")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
