"""`eventing serve`: run brokers, triggers and sources from manifests."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eventing.cli.output import print_json

if TYPE_CHECKING:
    from eventing.resources.validate import Loaded
    from eventing.settings import Settings
    from eventing.telemetry.logs import Log

GC_THRESHOLDS = (20_000, 20, 100)
"""For `gc.set_threshold`. Hundreds of objects are alive for each event under way and go by themselves; with Python's 700 the
collector looked at them over and over, and took a tenth of the time. So what is large must not be part of a circle of references
and wait for it: hundreds of such circles may be there before it looks (`tests/integration/test_collector.py`)."""

Manifests = Annotated[
    list[str] | None,
    typer.Argument(help="YAML files or folders of them; - is standard input.", envvar="EVENTING_MANIFESTS", show_default=False),
]


def serve(
    manifests: Manifests = None,
    data_dir: Annotated[
        str, typer.Option(metavar="DIRECTORY", envvar="EVENTING_DATA_DIR", help="Where the embedded channel keeps its file.")
    ] = ".eventing",
    channel: Annotated[
        str, typer.Option(envvar="EVENTING_CHANNEL", help="sqlite (in the data dir), sqlite:///FILE or memory://.")
    ] = "sqlite",
    host: Annotated[str, typer.Option(envvar="EVENTING_HOST", help="Address of the data plane.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="EVENTING_PORT", help="Port of the data plane; 0 picks a free one.")] = 8080,
    public_url: Annotated[
        str | None, typer.Option(envvar="EVENTING_PUBLIC_URL", help="What is published in addresses.", show_default=False)
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(envvar="EVENTING_TLS_CERT", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(envvar="EVENTING_TLS_KEY", help="Its private key, PEM.")] = None,
    control_host: Annotated[
        str, typer.Option(envvar="EVENTING_CONTROL_HOST", help="Address of the control plane: loopback only, for now.")
    ] = "127.0.0.1",
    control_port: Annotated[
        int, typer.Option(envvar="EVENTING_CONTROL_PORT", help="Port of resource API, health and metrics; 0 picks a free one.")
    ] = 8081,
    insecure_control: Annotated[
        bool, typer.Option("--insecure-control", envvar="EVENTING_INSECURE_CONTROL", help="Allow another control address.")
    ] = False,
    max_event_size: Annotated[
        str, typer.Option(envvar="EVENTING_MAX_EVENT_SIZE", help="Largest request body; 64KiB to 1GiB.")
    ] = "1MiB",
    drain_timeout: Annotated[str, typer.Option(envvar="EVENTING_DRAIN_TIMEOUT", help="How long shutting down may take.")] = "30s",
    workers: Annotated[int, typer.Option(envvar="EVENTING_WORKERS", help="Processes; 1 on sqlite and memory.")] = 1,
    secrets_dir: Annotated[
        str | None,
        typer.Option(metavar="DIRECTORY", envvar="EVENTING_SECRETS_DIR", help="Folder with NAME/KEY files for secrets."),
    ] = None,
    log_format: Annotated[str, typer.Option(envvar="EVENTING_LOG_FORMAT", help="text or json, on standard error.")] = "text",
    log_level: Annotated[str, typer.Option(envvar="EVENTING_LOG_LEVEL", help="debug, info, warning or error.")] = "info",
    fault: Annotated[str, typer.Option(envvar="EVENTING_FAULT", hidden=True)] = "",
) -> None:
    """Run brokers, triggers and sources from manifests until SIGTERM or Ctrl-C.

    Prints one line of JSON with the ports once it is ready; logs go to standard error.
    """
    from eventing.settings import Settings, parse_folder, parse_seconds, parse_size

    settings = Settings(
        manifests=tuple(manifests or ()),
        data_dir=parse_folder(data_dir, "--data-dir"),
        channel=channel,
        host=host,
        port=port,
        public_url=public_url,
        tls_cert=tls_cert,
        tls_key=tls_key,
        control_host=control_host,
        control_port=control_port,
        insecure_control=insecure_control,
        max_event_size=parse_size(max_event_size, "--max-event-size"),
        drain_timeout=parse_seconds(drain_timeout, "--drain-timeout"),
        workers=workers,
        secrets_dir=None if secrets_dir is None else parse_folder(secrets_dir, "--secrets-dir"),
        fault=fault,
    )
    settings.check()
    run(settings, log_format, log_level)


def run(settings: Settings, log_format: str, log_level: str) -> None:
    """Everything after the command line. Raises `EventingError` for what stops it from starting."""
    from eventing.errors import InvalidManifest, InvalidSetting
    from eventing.resources.validate import validate
    from eventing.runtime.plugins import source_plugins
    from eventing.settings import is_loopback
    from eventing.telemetry.logs import LEVELS, Log

    if log_format not in {"text", "json"}:
        raise InvalidSetting(f"--log-format {log_format}: it is text or json")
    if log_level not in LEVELS:
        raise InvalidSetting(f"--log-level {log_level}: it is one of {', '.join(LEVELS)}")
    try:
        loaded = validate(settings.manifests, source_plugins())
    except InvalidManifest as error:
        # The same lines as `eventing validate` prints.
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from None
    log = Log(form="json" if log_format == "json" else "text", level=log_level)
    try:
        for remark in loaded.skipped:
            log.info(str(remark))
        for remark in loaded.warnings:
            log.warning(str(remark))
        if not is_loopback(settings.host):
            log.warning(
                "the data plane is served to others without authentication: anyone who reaches it may send events",
                host=settings.host,
            )
        if not loaded.objects:
            why = "the manifests hold no object that is run here" if settings.manifests else "no manifest was given"
            log.warning(f"{why}: nothing is served but health; see eventing serve --help")
        _run_loop(settings, loaded, log)
    finally:
        log.close()


def _run_loop(settings: Settings, loaded: Loaded, log: Log) -> None:
    from eventing.runtime.engine import Ready, serve

    gc.set_threshold(*GC_THRESHOLDS)

    def ready(state: Ready) -> None:
        # What was made for the start stays: the collector needs not look at it again and again.
        gc.collect()
        gc.freeze()
        for name, why in state.not_ready.items():
            log.warning("not ready", object=name, reason=why)
        log.info("ready", url=state.url, control=f"http://{settings.control_host}:{state.control_port}")
        print_json({"ready": True, "port": state.port, "controlPort": state.control_port})

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stopper(stop, log, number.name))
        loop.set_exception_handler(lambda _loop, context: _unhandled(log, context))
        await serve(settings, loaded, log, stop=stop, on_ready=ready)

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except BaseExceptionGroup as group:
        raise first_cause(group) from group


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _unhandled(log: Log, context: dict[str, Any]) -> None:
    from eventing.errors import EventingError

    # The type alone: the text of an exception that nobody foresaw may hold anything.
    # The text of an unknown error may hold anything, payloads too.
    error = context.get("exception")
    told = f"{type(error).__name__}: {error}" if isinstance(error, EventingError | OSError) else type(error).__name__
    log.error("unhandled", what=context["message"], error=told if error is not None else "")


def _stopper(stop: asyncio.Event, log: Log, name: str) -> Callable[[], None]:
    def stopping() -> None:
        if stop.is_set():
            raise SystemExit(1)  # a second signal: now
        log.info("stopping", signal=name)
        stop.set()

    return stopping


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first leaf of an exception group: what a person is told."""
    leaves: Sequence[BaseException] = group.exceptions
    while isinstance(leaves[0], BaseExceptionGroup):
        leaves = leaves[0].exceptions
    return leaves[0]
