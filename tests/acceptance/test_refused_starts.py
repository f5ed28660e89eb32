"""What a new user gets wrong at the start: exit 1 or 2 with one clear line, no ready line, nothing started."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support.cli import Run, eventing
from tests.support.fixtures import Make
from tests.support.manifest import broker, document, trigger

pytestmark = pytest.mark.acceptance

GOOD = document([broker(), trigger("t", "http://127.0.0.1:9/")])


async def serve(tmp_path: Path, *arguments: str, manifest: str | None = GOOD) -> Run:
    """Run `serve` where it is expected to refuse."""
    if manifest is not None:
        (tmp_path / "m.yaml").write_text(manifest)
        arguments = ("m.yaml", *arguments)
    ports = [] if "--port" in arguments else ["--port", "0"]
    ports += [] if "--control-port" in arguments else ["--control-port", "0"]
    run = await eventing("serve", *arguments, *ports, cwd=tmp_path)
    assert run.out == "", "no ready line"
    assert run.code in {1, 2}
    assert run.err.strip(), "a reason"
    return run


@pytest.mark.parametrize("option", ["--port", "--control-port"])
async def test_a_port_in_use(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = await serve(tmp_path, option, port)
    assert run.code == 1
    assert f"{option} {port}" in run.err
    assert "in use" in run.err


async def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    run = await serve(tmp_path, "absent.yaml", manifest=None)
    assert run.code == 1
    assert "absent.yaml" in run.err
    assert "No such file" in run.err or "does not exist" in run.err


async def test_a_manifest_that_can_t_be_read(tmp_path: Path) -> None:
    # A link to itself: also root can't read that.
    os.symlink("loop.yaml", tmp_path / "loop.yaml")
    run = await serve(tmp_path, "loop.yaml", manifest=None)
    assert run.code == 1
    assert "loop.yaml" in run.err


async def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    run = await serve(tmp_path, "pipe.yaml", manifest=None)
    assert run.code == 1
    assert run.err.startswith("pipe.yaml: can't be read: it is no regular file")
    assert run.err == (await eventing("validate", "pipe.yaml", cwd=tmp_path)).err
    # The same in a folder.
    assert "pipe.yaml: can't be read" in (await eventing("validate", ".", cwd=tmp_path)).err


MANIFESTS = {
    "no YAML": ("apiVersion: [", "m.yaml"),
    "unknown field": (GOOD.replace('"subscriber"', '"subscribr"'), "subscribr"),
    "bad filter": (document([broker(), trigger("t", "http://127.0.0.1:9/", filters=[{"exakt": {"type": "a"}}])]), "exakt"),
    "duplicate key": ("apiVersion: eventing.knative.dev/v1\nkind: Broker\nkind: Broker\nmetadata: {name: a}\n", "line 3"),
    "duplicate object": (document([broker(), broker()]), "Broker/default"),
    "unknown kind of ours": (GOOD.replace('"Broker"', '"Brokker"'), "Brokker"),
    "typo in an annotation of ours": (document([broker(), trigger("t", "http://127.0.0.1:9/", pausd="true")]), "pausd"),
    "no subscriber": (document([broker(), trigger("t", "")]), "subscriber"),
}


@pytest.mark.parametrize("what", MANIFESTS)
async def test_a_faulty_manifest(what: str, tmp_path: Path) -> None:
    manifest, named = MANIFESTS[what]
    run = await serve(tmp_path, manifest=manifest)
    assert run.code == 1
    assert run.err.startswith("m.yaml: ")
    assert named in run.err
    assert run.err == (await eventing("validate", "m.yaml", cwd=tmp_path)).err
    assert not (tmp_path / ".eventing").exists()


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    run = await serve(tmp_path, "--data-dir", "data")
    assert run.code == 1
    assert "data" in run.err
    assert "folder" in run.err or "directory" in run.err
    assert (tmp_path / "data").read_text() == "not a folder"


async def test_a_data_folder_of_another_process(tmp_path: Path, make: Make) -> None:
    engine = make(GOOD)
    await engine.start()
    run = await serve(tmp_path, "--data-dir", str(engine.data_dir))
    assert run.code == 1
    assert f"pid {engine.pid}" in run.err
    assert engine.alive
    assert (await engine.control("/healthz")).status == 200


async def test_a_store_that_is_no_database_is_kept(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    text = "this is nobody's database, and it must stay as it is\n" * 200
    (tmp_path / "data" / "events.db").write_text(text)
    run = await serve(tmp_path, "--data-dir", "data")
    assert run.code == 1
    assert "events.db" in run.err
    assert (tmp_path / "data" / "events.db").read_text() == text


OPTIONS = {
    "control host": (("--control-host", "0.0.0.0"), ("--control-host 0.0.0.0", "loopback")),
    "unknown channel": (("--channel", "carrier-pigeon://coop"), ("carrier-pigeon", "sqlite")),
    "unknown channel option": (("--channel", "sqlite:?min-fre=1MiB"), ("min-fre", "min-free")),
    "channel host": (("--channel", "sqlite://relative.db"), ("three slashes",)),
    "workers": (("--workers", "2"), ("--workers 2", "sqlite")),
    "size": (("--max-event-size", "much"), ("--max-event-size", "much")),
    "too small": (("--max-event-size", "1KiB"), ("--max-event-size", "64KiB")),
    "time": (("--drain-timeout", "soon"), ("--drain-timeout", "soon")),
    "half of TLS": (("--tls-cert", "c.pem"), ("--tls-key",)),
    "TLS file": (("--tls-cert", "c.pem", "--tls-key", "k.pem"), ("c.pem",)),
    "public URL": (("--public-url", "events.example"), ("--public-url",)),
    "public URL's port": (("--public-url", "http://h:99999"), ("--public-url", "65535")),
    "public URL's password": (("--public-url", "http://u:p@h/"), ("--public-url", "password")),
    "too large": (("--max-event-size", "1025MiB"), ("--max-event-size", "1GiB")),
    "data folder without a name": (("--data-dir", ""), ("--data-dir", "empty")),
    "secrets folder without a name": (("--secrets-dir", ""), ("--secrets-dir", "empty")),
    "secrets folder that is not there": (("--secrets-dir", "nope"), ("--secrets-dir nope", "folder")),
    "log level": (("--log-level", "loud"), ("--log-level", "loud")),
    "one port for two": (("--port", "19999", "--control-port", "19999"), ("--port and --control-port",)),
    "no number": (("--port", "http"), ("--port",)),
    "unknown option": (("--prot", "1"), ("--prot",)),
}


@pytest.mark.parametrize("what", OPTIONS)
async def test_an_option_that_can_t_be_used(what: str, tmp_path: Path) -> None:
    options, named = OPTIONS[what]
    run = await serve(tmp_path, *options)
    for words in named:
        assert words in run.err
    assert not (tmp_path / ".eventing").exists()


async def test_no_object_is_told_from_no_manifest(make: Make) -> None:
    engine = make("# nothing yet\n")
    await engine.start()
    assert await engine.terminate() == 0
    assert "the manifests hold no object" in engine.stderr()
    assert "no manifest was given" not in engine.stderr()


async def test_port_0_picks_free_ports_and_says_which(make: Make) -> None:
    engine = make(GOOD, "--port", "0", "--control-port", "0")
    asked = {engine.port, engine.control_port}
    await engine.start()
    assert len({engine.port, engine.control_port}) == 2
    assert not asked & {engine.port, engine.control_port}
    assert (await engine.control("/healthz")).status == 200
    assert await engine.terminate() == 0
