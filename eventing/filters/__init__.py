"""Trigger filters: compiled once, indexed, never failing open."""

from __future__ import annotations

from eventing.filters.base import Filter
from eventing.filters.cesql import Cesql
from eventing.filters.compile import DIALECTS, MAX_CONDITIONS, MAX_DEPTH, Compiler, Place, compile_filter
from eventing.filters.dialects import All, Any, Attributes, Everything, Exact, Not, Prefix, Suffix
from eventing.filters.explain import Verdict, explain
from eventing.filters.index import FilterIndex

__all__ = [
    "DIALECTS",
    "MAX_CONDITIONS",
    "MAX_DEPTH",
    "All",
    "Any",
    "Attributes",
    "Cesql",
    "Compiler",
    "Everything",
    "Exact",
    "Filter",
    "FilterIndex",
    "Not",
    "Place",
    "Prefix",
    "Suffix",
    "Verdict",
    "compile_filter",
    "explain",
]
