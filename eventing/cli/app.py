"""The commands as a table. A command's module is imported only when the command is used: `eventing --help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from eventing.cli import starting


class Entry(NamedTuple):
    """``target``: module and function. ``help``: one line for the list of commands. ``takes_signals``: the command itself
    decides what a signal does once it can; until then `starting` does."""

    target: str
    help: str
    takes_signals: bool = False


COMMANDS: Mapping[str, Entry] = {
    "serve": Entry("eventing.cli.serve:serve", "Run brokers, triggers and sources from manifests.", takes_signals=True),
    "validate": Entry("eventing.cli.validate:validate", "Check manifests; exit 1 and name every fault."),
    "send": Entry("eventing.cli.send:send", "Send one event."),
    "demo": Entry("eventing.cli.demo:demo", "See it work, without any setup."),
    "version": Entry("eventing.cli.version:version", "Print the version."),
}


class LazyGroup(TyperGroup):
    """Knows its commands by name; loads one when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(130) from None


class PlainCommand(TyperCommand):
    """Ended by signals as any program is."""

    def invoke(self, ctx: Any) -> Any:
        starting.release()
        return super().invoke(ctx)


def load(name: str, entry: Entry) -> TyperCommand:
    """Import the command's function and make a command of it."""
    module, _, function = entry.target.partition(":")
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(name, cls=TyperCommand if entry.takes_signals else PlainCommand)(getattr(import_module(module), function))
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)
    return command


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; the exit code. Usage errors are printed here and give 2; what a command raises comes through."""
    root = typer.Typer(
        cls=LazyGroup,
        name="eventing",
        help="Knative Eventing's model without Kubernetes.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )
    root.callback()(_nothing)
    command = typer.main.get_command(root)
    try:
        command.main(args=None if arguments is None else list(arguments), prog_name="eventing")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


def _nothing() -> None:
    pass
