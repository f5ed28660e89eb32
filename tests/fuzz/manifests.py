"""Manifests: valid ones, spoiled as text and as values."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from tests.fuzz.mutate import scramble

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        "",
        "x",
        "a/b",
        "PT1S",
        "P1Y",
        "PT0.2S",
        "exponential",
        "http://[::1",
        "http://a.example/%zz",
        [],
        {},
    ),
    *(
        ["x"],
        {"x": "y"},
        {"x": None},
        "Trigger",
        "v1",
        "\ud800",
        "\x00",
        "é",
        "x" * 300,
        [[]],
        {"uri": 5},
        "http://user:secret@a.example/",
    ),
    *(
        {"exact": {}},
        {"exact": {"type": ""}},
        {"cesql": "a ="},
        {"cesql": "type = 'x' AND"},
        {"not": {}},
        {"all": [{"exact": {"A": "x"}}]},
    ),
)
_TEXTS = (
    b"--- !!python/object:x {}\n",
    b"a: &a [*a, *a]\n",
    b"a: &a {b: 1}\nc: {<<: *a}\n",
    b"? [a, b]\n: c\n",
    b"x: 1\nx: 2\n",
    b"%YAML 9.9\n---\n",
    b"a: " + b"[" * 2000,
    b"a: !!binary x\nb: !!timestamp 2026-99-99\n",
    b"a: 0x1F\nb: 1_000\nc: 1:30\nd: .nan\ne: ~\nf: yes\n",
    b"\t- x\n",
    b"\xff\xfe",
    b"a: |2\n  x\n",
    b'"\\ud800": "\\x00"\n',
    b"- " * 3000,
)


def make(seed: int, number: int) -> bytes:
    """The manifest that a seed and a number stand for."""
    rng = random.Random(f"manifest {seed}/{number}")
    documents = [_object(rng) for _ in range(rng.choice((1, 1, 2, 4)))]
    for document in documents:
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            _spoil(rng, document)
    text = "\n---\n".join(json.dumps(one, ensure_ascii=rng.random() < 0.5) for one in documents).encode("utf-8", "surrogatepass")
    which = rng.random()
    if which < 0.3:
        for _ in range(rng.choice((1, 1, 3, 8))):
            text = scramble(rng, text)
    elif which < 0.4:
        text = rng.choice(
            (rng.choice(_TEXTS) + b"---\n" + text, text + b"\n---\n" + rng.choice(_TEXTS), rng.choice(_TEXTS), rng.randbytes(60))
        )
    return text


def _value(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(_VALUES))  # else a case would spoil the values of the next


def _object(rng: random.Random) -> dict[str, Any]:
    destination = rng.choice(
        (
            {"uri": "http://127.0.0.1:9/x"},
            {"ref": {"apiVersion": "v1", "kind": "Service", "name": "s"}, "uri": "/path"},
            {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "b"}},
        )
    )
    delivery = {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT1S", "timeout": "PT5S", "deadLetterSink": destination}
    kind = rng.choice(("Broker", "Trigger", "Trigger", "Trigger", "Service", "Secret", "GitHubSource", "Deployment", "Channel"))
    version = {
        "Broker": "eventing.knative.dev/v1",
        "Trigger": "eventing.knative.dev/v1",
        "GitHubSource": "sources.knative.dev/v1alpha1",
    }
    spec: dict[str, Any] = {
        "Broker": {"delivery": delivery},
        "Trigger": {
            "broker": "b",
            "subscriber": destination,
            "filter": {"attributes": {"type": "x", "ext": ""}},
            "filters": [
                {"any": [{"exact": {"type": "x"}}, {"not": {"prefix": {"source": "/a"}}}]},
                {"cesql": "type LIKE 'a%' AND EXISTS x"},
            ],
            "delivery": delivery,
        },
        "Service": {"type": "ExternalName", "externalName": "a.example", "ports": [{"port": 80}]},
    }.get(kind, {"x": 1})
    annotations = {
        "eventing-engine.dev/max-in-flight": "3",
        "eventing-engine.dev/order": "key",
        "eventing-engine.dev/rate": "6/m",
        "eventing.knative.dev/injection": "enabled",
    }
    metadata = {
        "name": rng.choice(("a", "b", "s", "x-1")),
        "namespace": "default",
        "annotations": annotations,
        "labels": {"a": "b"},
    }
    if rng.random() < 0.5:
        del metadata["annotations"]
    return {"apiVersion": version.get(kind, "v1"), "kind": kind, "metadata": metadata, "spec": spec}


def _spoil(rng: random.Random, document: dict[str, Any]) -> None:
    """Change a value somewhere: replaced, removed, renamed or added."""
    place: Any = document
    while True:
        inner = [
            value for value in (place.values() if isinstance(place, dict) else place) if isinstance(value, dict | list) and value
        ]
        if not inner or rng.random() < 0.35:
            break
        place = rng.choice(inner)
    if isinstance(place, list):
        place[rng.randrange(len(place))] = _value(rng)
        return
    name = rng.choice(list(place)) if place else "x"
    which = rng.random()
    if which < 0.5:
        place[name] = _value(rng)
    elif which < 0.65:
        place.pop(name, None)
    elif which < 0.85:
        place[rng.choice((name.upper(), name + "s", name[:-1], "x", "", "spec", "é", "a b"))] = place.get(name)
    else:
        place[rng.choice(("broker", "filter", "retry", "name", "uri", "x"))] = _value(rng)
