"""What pydantic found, in the words of a manifest's author; close to Knative's webhooks where those have words for it.

No message repeats a value that could be a secret: only those of closed lists and bounded numbers are shown.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from eventing.resources.nodes import Path

MAX_FAULTS = 20
"""Of one object; more say nothing new."""

_WANTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def explain(error: ValidationError, model: type[BaseModel], value: object) -> list[tuple[Path, str]]:
    """Path below ``value`` and reason of every error, at most `MAX_FAULTS`."""
    return [
        _fault(detail, model, value)
        for detail in error.errors(include_url=False, include_context=True, include_input=True)[:MAX_FAULTS]
    ]


def _fault(detail: ErrorDetails, model: type[BaseModel], value: object) -> tuple[Path, str]:
    path = _real(detail["loc"], value)
    context: Mapping[str, Any] = detail.get("ctx") or {}
    kind, given = detail["type"], detail.get("input")
    if kind == "refused":
        return path + tuple(step for step in str(context["field"]).split(".") if step), str(context["reason"])
    if kind == "missing":
        return path, "missing field(s)"
    if kind == "extra_forbidden":
        return path, "must not set the field(s): unknown field" + did_you_mean(str(path[-1]), _fields(model, path[:-1]))
    if kind in {"string_type", "string_sub_type"}:
        return path, text_wanted(given)
    if kind in _WANTED:
        quoted = ", without quotes" if isinstance(given, str) and kind in {"int_type", "bool_type", "float_type"} else ""
        return path, f"must be {_WANTED[kind]}{quoted}, not {name_of(given)}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return path, f"invalid value: {given}, must be {words} {context[bound]}"
    if kind == "literal_error":
        shown = repr(given[:40]) if isinstance(given, str) else name_of(given)
        return path, f"invalid value: {shown}, must be {context['expected']}"
    if kind == "string_too_short":
        return path, "must not be empty"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return path, f"must {message[7:]}" if message.startswith("should ") else message


def text_wanted(given: object) -> str:
    """Why a value that isn't text is refused where text is wanted."""
    if given is None:
        return "must be a string, not null"
    if isinstance(given, bool | int | float):
        return f"must be a string, not {name_of(given)}; quote it"
    if isinstance(given, Mapping):
        return "must be a string; quote it if the braces or the colon belong to it (this is a mapping)"
    return f"must be a string, not {name_of(given)}"


def name_of(value: object) -> str:
    """The type of a YAML value in words."""
    if value is None:
        return "null"
    for kind, name in (
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a number"),
        (str, "a string"),
        (Mapping, "a mapping"),
        (list, "a list"),
    ):
        if isinstance(value, kind):
            return name
    return "something else"


def did_you_mean(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """`, did you mean ...?` where a known name is near, else nothing. ``likeness``: from 0, anything, to 1, the same letters."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=likeness)
    return f", did you mean {by_lower[near[0]]!r}?" if near else ""


def _real(loc: tuple[int | str, ...], value: object) -> Path:
    """The steps of pydantic's location that exist in the manifest; it adds steps of its own for unions and keys."""
    path: list[str | int] = []
    for index, step in enumerate(loc):
        if isinstance(value, Mapping) and isinstance(step, str):
            known = step in value
            if known:
                value = value[step]
            elif index + 1 < len(loc) or step == "[key]":
                continue
            # A field that is checked though it isn't given is called by its name in Python.
            path.append(step if known or "_" not in step else to_camel(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
            path.append(step)
    return tuple(path)


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The field names, as manifests spell them, of the model at a path below ``model``."""
    annotation: Any = model
    for step in path:
        found = _model_in(annotation)
        if isinstance(step, int) or found is None:
            annotation = typing.get_args(_without_none(annotation))[-1:] or (annotation,)
            annotation = annotation[0]
            continue
        field = next((info for name, info in found.model_fields.items() if (info.alias or name) == step), None)
        if field is None:
            return []
        annotation = field.annotation
    target = _model_in(annotation)
    return [info.alias or name for name, info in target.model_fields.items()] if target else []


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next((arg for arg in typing.get_args(annotation) if arg is not type(None)), annotation)
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    annotation = _without_none(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
