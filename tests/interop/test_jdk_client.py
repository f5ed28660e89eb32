"""The client of the JDK as it comes: on plain HTTP it asks for HTTP/2 by `Upgrade: h2c`, with a body right behind."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from eventing.http.server import HttpServer
from eventing.ports.http import Request, Response
from tests.interop.sdks import do_without
from tests.interop.toolchain import ToolMissing
from tests.support.subscriber import Quiet

SOURCE = Path(__file__).parent / "jdk" / "Send.java"
SENT = [
    *(f"{kind}-{number}" for kind in ("length", "chunked") for number in range(3)),
    *(f"many-{n}" for n in range(8)),
    "expecting",
]


@pytest.mark.requirement("I19")
@pytest.mark.parametrize("size", [1, 300_000])
async def test_an_upgrade_that_the_jdk_s_client_asks_for_loses_no_body(size: int) -> None:
    java = shutil.which("java")
    if java is None:
        do_without(ToolMissing("java", "the JDK's client needs java: install a JDK 17 or newer"))
    seen: dict[str, Request] = {}

    def handler(request: Request) -> Response:
        seen[(request.header(b"x-id") or b"").decode()] = request
        return Response(200, (), request.body)

    log = Quiet()
    server = HttpServer(handler, log=log)
    port = await server.start()
    try:
        process = await asyncio.create_subprocess_exec(
            *(java, "-Xmx128m", "-XX:TieredStopAtLevel=1", str(SOURCE), f"http://127.0.0.1:{port}/ns/b", str(size)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), 90)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        await server.close()
    assert process.returncode == 0, err.decode()[-2000:]
    assert out.decode().split("\n") == [*(f"{id_} 200 HTTP_1_1 {size}" for id_ in SENT), ""]
    assert {id_: request.body == b"x" * size for id_, request in seen.items()} == dict.fromkeys(SENT, True)
    asked = [id_ for id_, request in seen.items() if request.header(b"upgrade") == b"h2c"]
    assert {"length-0", "chunked-0"} <= set(asked), "else this proves nothing"
    assert {id_ for id_, request in seen.items() if request.header(b"transfer-encoding")} >= {"chunked-0", "many-1"}
    assert log.lines == []
