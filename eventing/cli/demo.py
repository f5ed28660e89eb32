"""`eventing demo`: real GitHub webhooks through a durable broker, on this machine alone."""

from __future__ import annotations

from typing import Annotated

import typer

from eventing.cli.output import print_json, print_line


def demo(
    channel: Annotated[
        str, typer.Option(envvar="EVENTING_CHANNEL", help="As for serve; data goes to a folder of its own.")
    ] = "sqlite",
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document instead of the story.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds after which the demo gives up.")] = 60.0,
) -> None:
    """Run a broker, a GitHub source, triggers and subscribers; send webhooks; show what happened.

    Everything is on loopback, on free ports, in a temporary folder that is removed at the end. One subscriber always fails, so
    that retries and dead letters can be seen. Exits 1 if an event went astray.
    """
    import asyncio

    from eventing.cli.demo_story import Story, tell

    story = Story(channel=channel, timeout=timeout, say=(lambda _line: None) if json else print_line)
    result = asyncio.run(tell(story))
    if json:
        print_json(result.as_json())
    if result.faults:
        if not json:
            for fault in result.faults:
                print_line(f"ASTRAY: {fault}")
        raise typer.Exit(1)
