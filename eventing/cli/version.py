"""`eventing version`."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from eventing import __version__
from eventing.cli.output import print_json, print_line


def version(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.", envvar="EVENTING_JSON")] = False,
) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__, "python": platform.python_version(), "platform": platform.platform()})
    else:
        print_line(f"eventing {__version__}")
