"""What Knative has and this engine doesn't yet is refused by name, never skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eventing.errors import Fault

Refused = Callable[[str], list[Fault]]

KINDS = [
    ("messaging.knative.dev/v1", ("Channel", "Subscription", "InMemoryChannel")),
    ("flows.knative.dev/v1", ("Sequence", "Parallel")),
    ("eventing.knative.dev/v1beta3", ("EventType",)),
    ("eventing.knative.dev/v1alpha1", ("EventPolicy", "EventTransform", "RequestReply")),
    ("sources.knative.dev/v1", ("PingSource", "ApiServerSource", "ContainerSource", "SinkBinding")),
    ("sources.knative.dev/v1alpha1", ("IntegrationSource",)),
    ("sinks.knative.dev/v1alpha1", ("JobSink", "IntegrationSink")),
]


@pytest.mark.requirement("O1", "R3")
@pytest.mark.parametrize(("version", "kind"), [(version, kind) for version, kinds in KINDS for kind in kinds])
def test_a_kind_of_knative_that_is_not_served_is_refused_by_name(version: str, kind: str, refused: Refused) -> None:
    [fault] = refused(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{}}\n")
    assert fault.object == f"{kind}/x"
    assert fault.field == "kind"
    assert fault.reason.startswith(f"kind {kind!r} is not known in {version.partition('/')[0]}")
