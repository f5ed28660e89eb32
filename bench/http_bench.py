"""What a request costs the data plane's HTTP server and client, in CPU microseconds, on loopback.

`apart`: server and client in a process each, and what each of them used. `both`: in one process.
CPU time compares better than rates, which depend on what else the machine does. The counterpart is this project's own.

    python bench/http_bench.py --what apart both --requests 100000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import sys
import time
from multiprocessing.connection import Connection

from eventing.http import HttpClient, HttpServer, Resolver, ServerLimits
from eventing.ports.http import Request, Response

HEADERS = (
    (b"ce-specversion", b"1.0"),
    (b"ce-id", b"5f0c6f2e-7d4b-4a53-9c55-0d1f7a3f1a11"),
    (b"ce-source", b"/bench/source"),
    (b"ce-type", b"com.example.bench"),
    (b"ce-time", b"2026-01-01T00:00:00.000000Z"),
    (b"content-type", b"application/json"),
)


class Quiet:
    def warning(self, message: str, /, **fields: object) -> None:
        sys.stderr.write(f"{message} {fields}\n")

    error = warning


class Batcher:
    """Answers by a future a little later, many at once, as the ingress does with a batch of appends."""

    def __init__(self, answer: str) -> None:
        self._later = answer == "future"
        self._waiting: list[asyncio.Future[Response]] = []

    def __call__(self, request: Request) -> Response | asyncio.Future[Response]:
        if not self._later:
            return Response(202)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        future: asyncio.Future[Response] = loop.create_future()
        self._waiting.append(future)
        return future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(Response(202))


Used = tuple[float, float]
"""Seconds of CPU in this program and, for it, in the kernel."""


def cpu(since: Used = (0.0, 0.0)) -> Used:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime - since[0], usage.ru_stime - since[1]


def run(main: object, loop: str) -> None:
    factory = asyncio.new_event_loop
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)  # type: ignore[arg-type]


async def send_all(port: int, options: argparse.Namespace) -> float:
    """Returns the seconds it took, without the first requests that open the connections."""
    client = HttpClient(resolver=Resolver(log=Quiet()), log=Quiet())
    url, body = f"http://127.0.0.1:{port}/default/bench", b"x" * options.size
    left = 0

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            response = await client.send(url, HEADERS, body, timeout=60)
            assert response.status == 202

    async def all_of_them(count: int) -> None:
        nonlocal left
        left = count
        async with asyncio.TaskGroup() as group:
            for _ in range(options.connections):
                group.create_task(worker())

    await all_of_them(options.connections * 20)
    options.started()
    start = time.perf_counter()
    await all_of_them(options.requests)
    took = time.perf_counter() - start
    options.stopped()
    await client.close()
    return took


async def serve(pipe: Connection, options: argparse.Namespace) -> None:
    server = HttpServer(Batcher(options.answer), limits=ServerLimits(), log=Quiet())
    pipe.send(await server.start())
    loop = asyncio.get_running_loop()
    before = cpu()
    while True:
        command = await loop.run_in_executor(None, pipe.recv)
        if command == "start":
            before = cpu()
            pipe.send("started")
        elif command == "stop":
            pipe.send(cpu(before))
        else:
            break
    await server.close()


def server_process(pipe: Connection, options: argparse.Namespace) -> None:
    run(serve(pipe, options), options.loop)


def report(what: str, took: float, used: Used, options: argparse.Namespace) -> None:
    row = {
        "what": what,
        "loop": options.loop,
        "answer": options.answer,
        "us_per_request": round(sum(used) / options.requests * 1e6, 1),
        "us_in_kernel": round(used[1] / options.requests * 1e6, 1),
        "per_second": round(options.requests / took),
    }
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def apart(options: argparse.Namespace) -> None:
    """Server and client in a process each."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    plain = argparse.Namespace(answer=options.answer, loop=options.loop)
    process = context.Process(target=server_process, args=(theirs, plain))
    process.start()
    used: dict[str, Used] = {}

    def started() -> None:
        ours.send("start")
        ours.recv()
        used["client"] = cpu()

    def stopped() -> None:
        used["client"] = cpu(used["client"])
        ours.send("stop")
        used["server"] = ours.recv()

    async def main() -> None:
        options.started, options.stopped = started, stopped
        took = await send_all(ours.recv(), options)
        for what in ("server", "client"):
            report(what, took, used[what], options)

    try:
        run(main(), options.loop)
    finally:
        ours.send("end")
        process.join(10)
        if process.is_alive():
            process.terminate()
            process.join()


def together(options: argparse.Namespace) -> None:
    """Both in this process."""
    times: list[Used] = []

    async def main() -> None:
        server = HttpServer(Batcher(options.answer), log=Quiet())
        options.started = options.stopped = lambda: times.append(cpu(times[0] if times else (0.0, 0.0)))
        took = await send_all(await server.start(), options)
        report("both", took, times[1], options)
        await server.close()

    run(main(), options.loop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=("apart", "both"), default=("apart", "both"))
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--size", type=int, default=1024, help="bytes of a body")
    parser.add_argument("--answer", choices=("now", "future"), default="future")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not 0 < options.requests <= 10_000_000 or not 0 < options.connections <= 256 or not 0 <= options.size <= 1024 * 1024:
        parser.error("--requests, --connections or --size is out of bounds")
    for _ in range(options.rounds):
        if "apart" in options.what:
            apart(options)
        if "both" in options.what:
            together(options)


if __name__ == "__main__":
    main()
