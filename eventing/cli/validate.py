"""`eventing validate`: the command around `eventing.resources.validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from eventing.cli.output import print_json
from eventing.errors import InvalidManifest


def validate(
    manifests: Annotated[list[str], typer.Argument(metavar="MANIFEST...", help="YAML files or folders; - is standard input.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON on stdout.", envvar="EVENTING_JSON")] = False,
) -> None:
    """Check manifests. Silent and exit 0, or exit 1 and every fault on standard error:

    FILE: KIND/NAME: FIELD: reason (line N)
    """
    from eventing.resources.validate import validate as check
    from eventing.runtime.plugins import source_plugins

    try:
        check(manifests, source_plugins())
    except InvalidManifest as error:
        if not as_json:
            raise
        keys = ("file", "object", "field", "reason", "line")
        print_json([{key: getattr(fault, key) for key in keys} for fault in error.faults])
        raise typer.Exit(1) from None
    if as_json:
        print_json([])
