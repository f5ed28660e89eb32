"""Label and field selectors of lists, as Kubernetes reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from eventing.api.errors import Refusal
from eventing.resources.store import StoredObject

Selector = Callable[[StoredObject], bool]

_KEY = r"(?P<key>[A-Za-z0-9][A-Za-z0-9._/-]*)"
_LABEL_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)\s*{_KEY}|{_KEY.replace('key', 'named')}"
    r"(?:\s*(?P<operator>==|=|!=)\s*(?P<value>[A-Za-z0-9._-]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)",
    re.ASCII,
)
_FIELD_TERM = re.compile(r"(?P<field>[^=!,]+)(?P<operator>==|=|!=)(?P<value>[^=!,]*)", re.ASCII)
_FIELDS: Mapping[str, Callable[[StoredObject], str]] = {
    "metadata.name": lambda stored: stored.key.name,
    "metadata.namespace": lambda stored: stored.key.namespace,
}


def selector(labels: str, fields: str) -> Selector:
    """What both together choose; everything where both are empty. Raises `Refusal`: nothing is left out by a guess."""
    terms = [*_label_terms(labels), *_field_terms(fields)]
    return lambda stored: all(term(stored) for term in terms)


def _label_terms(text: str) -> list[Selector]:
    terms: list[Selector] = []
    at = 0
    while at < len(text):
        match = _LABEL_TERM.match(text, at)
        if match is None:
            raise Refusal(400, f"unable to parse the query parameter labelSelector at character {at + 1}")
        terms.append(_label_term(match))
        at = match.end()
    if text.rstrip().endswith(","):
        raise Refusal(400, f"unable to parse the query parameter labelSelector at character {len(text) + 1}")
    return terms


def _label_term(match: re.Match[str]) -> Selector:
    name = match["key"] or match["named"]
    if match["absent"]:
        return lambda stored: name not in _labels(stored)
    if match["operator"] is None and match["set"] is None:
        return lambda stored: name in _labels(stored)
    values = {match["value"]} if match["operator"] else {value.strip() for value in match["values"].split(",")}
    wanted = match["operator"] in {"=", "=="} or match["set"] == "in"
    # One that hasn't the label differs from every value (Kubernetes, "Labels and Selectors").
    return lambda stored: (_labels(stored).get(name) in values) is wanted


def _field_terms(text: str) -> list[Selector]:
    terms: list[Selector] = []
    for part in text.split(",") if text else ():
        match = _FIELD_TERM.fullmatch(part)
        if match is None:
            raise Refusal(400, "unable to parse the query parameter fieldSelector")
        field = _FIELDS.get(match["field"])
        if field is None:
            raise Refusal(400, f"field label not supported: {match['field'][:100]}")
        terms.append(_equal(field, match["value"], wanted=match["operator"] != "!="))
    return terms


def _equal(field: Callable[[StoredObject], str], value: str, *, wanted: bool) -> Selector:
    return lambda stored: (field(stored) == value) is wanted


def _labels(stored: StoredObject) -> Mapping[str, str]:
    return stored.resource.raw["metadata"].get("labels") or {}
