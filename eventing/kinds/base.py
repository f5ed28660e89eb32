"""What every model of a manifest has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class KindModel(BaseModel):
    """A part of an object: immutable, camelCase in manifests, unknown fields refused, no type coerced.

    Strict, because YAML's types are part of what a user wrote: `retry: "3"` is a slip and is named, not guessed at.
    """

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True, strict=True, allow_inf_nan=False
    )


def refuse(reason: str, *, field: str = "") -> PydanticCustomError:
    """The error that a validator raises for a rule of its own.

    ``reason`` is shown as it is and must hold no secret; ``field`` is the path below the validated value, as it is
    spelled in the manifest (`uri`, `extensions.id`), for validators that look at several fields at once.
    """
    return PydanticCustomError("refused", "{reason}", {"reason": reason, "field": field})


def or_none(value: object) -> object:
    """For optional text, before it is validated: to Kubernetes an empty string is a field that is not there."""
    return None if value == "" else value


def given(value: object) -> object:
    """For required text, before it is validated. Raises what Knative says where it is null or empty."""
    if value is None or value == "":
        raise refuse("missing field(s)")
    return value
