"""`eventing send` against a running server, and a webhook of GitHub from its signature to a subscriber."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import eventing
from tests.support.fixtures import Listen, Make
from tests.support.manifest import broker, trigger
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

PAYLOADS = Path(__file__).parents[1] / "data/github/webhooks-examples-7.6.1.json.gz"
SECRET = "a-secret-of-some-length"


async def test_eventing_send(make: Make, listen: Listen, tmp_path: Path) -> None:
    subscriber = await listen()
    engine = make([broker(), trigger("t", subscriber.url)])
    await engine.start()
    common = ("--type", "order.placed", "--source", "/shop", "--ext", "tenant=a b")
    for id_, more in {"one": (), "two": ("--structured",), "three": ("--subject", "42")}.items():
        run = await eventing("send", engine.url(), *common, "--id", id_, "--data", '{"n": 1}', *more, cwd=tmp_path)
        assert (run.code, run.err) == (0, ""), run
        assert "202" in run.out
    await subscriber.until_done(["one", "two", "three"], 20)
    for received in subscriber.received:
        assert received.type == "order.placed"
        assert received.headers["ce-tenant"] == "a%20b"
        assert json.loads(received.body) == {"n": 1}
    refused = await eventing("send", engine.url("absent"), *common, cwd=tmp_path)
    assert refused.code == 1
    assert "404" in refused.err
    assert refused.out == ""
    await engine.terminate()
    down = await eventing("send", engine.url(), *common, cwd=tmp_path)
    assert down.code == 1
    assert "refused" in down.err


def github_source(name: str, key: str) -> dict[str, Any]:
    """Its secret is in the file `github/KEY` of the secrets folder."""
    return {
        "apiVersion": "sources.knative.dev/v1alpha1",
        "kind": "GitHubSource",
        "metadata": {"name": name},
        "spec": {
            "ownerAndRepository": "Codertocat/Hello-World",
            "secretToken": {"secretKeyRef": {"name": "github", "key": key}},
            "sink": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}},
        },
    }


async def test_secret_files_are_rotated_and_one_that_does_not_answer_stops_nothing(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "secrets/github"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "fifo")
    (folder / "token").write_text("before\n")
    engine = make(
        [broker(), github_source("stuck", "fifo"), github_source("works", "token")], "--secrets-dir", str(folder.parent)
    )
    await engine.start()

    async def status(name: str, key: str) -> int:
        body = b"{}"
        headers = {
            "content-type": "application/json",
            "x-github-event": "push",
            "x-github-delivery": "d",
            "x-hub-signature-256": "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest(),
        }
        return (await engine.post(headers, body, path=f"/default/githubsources/{name}")).status

    assert await status("stuck", "before") == 503
    assert await status("works", "before") == 202

    async def rotated() -> bool:
        return await status("works", "after") == 202

    (folder / "new").write_text("after\n")
    (folder / "new").rename(folder / "token")
    await eventually(rotated, 20, "the new secret counts")
    assert await status("works", "before") == 403
    assert await engine.terminate() == 0


async def test_a_github_webhook_end_to_end(make: Make, listen: Listen) -> None:
    subscriber = await listen()
    source = {
        "apiVersion": "sources.knative.dev/v1alpha1",
        "kind": "GitHubSource",
        "metadata": {"name": "hello"},
        "spec": {
            "ownerAndRepository": "Codertocat/Hello-World",
            "secretToken": {"secretKeyRef": {"name": "github", "key": "token"}},
            "sink": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}},
        },
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "github"}, "stringData": {"token": SECRET}}
    engine = make([broker(), secret, source, trigger("pushes", subscriber.url, types=["dev.knative.source.github.push"])])
    await engine.start()
    status = await engine.status("githubsources", "hello", "sources.knative.dev/v1alpha1")
    path = status["address"]["url"].partition(f":{engine.port}")[2]
    examples = json.loads(gzip.decompress(PAYLOADS.read_bytes()))
    body = json.dumps(examples["push"][0]).encode()

    def headers(id_: str, key: str) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "x-github-event": "push",
            "x-github-delivery": id_,
            "x-hub-signature-256": "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest(),
        }

    forged = await engine.post(headers("forged", "guessed"), body, path=path)
    assert forged.status == 403
    assert (await engine.post(headers("genuine", SECRET), body, path=path)).status == 202
    await subscriber.until_done(["genuine"], 20)
    (received,) = subscriber.received
    assert received.type == "dev.knative.source.github.push"
    assert received.headers["ce-source"] == "https://github.com/Codertocat/Hello-World"
    assert received.body == body
    page = await engine.metrics()
    assert page.total("eventing_source_events_total", source="default/hello", outcome="sent") == 1
    assert page.total("eventing_source_events_total", source="default/hello", outcome="bad_signature") == 1
    assert SECRET not in engine.stderr()
