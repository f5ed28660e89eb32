"""The command line. `main` is the entry point: it turns whatever happens into one clear line and an exit code.

0: done. 1: it could not be done, the reason is on standard error. 2: the command was called wrongly. 130: interrupted.
143: ended by SIGTERM before it had started.

Only what Python has loaded anyway is imported at the top: until `main` runs, signals are Python's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code. ``arguments``: those of the process unless given."""
    try:
        from eventing.cli import starting

        starting.guard()
    except KeyboardInterrupt:
        _say("eventing: SIGINT came before anything had started")
        return 130
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 130
    finally:
        starting.release()
        _let_go_of_broken_pipes()


def _run(arguments: Sequence[str] | None) -> int:
    from eventing.errors import EventingError, InvalidManifest

    try:
        from eventing.cli.app import run

        return run(arguments)
    except InvalidManifest as error:
        _say(*(str(fault) for fault in error.faults))
    except EventingError as error:
        _say(f"eventing: {error}")
        _show_traceback()
    except BrokenPipeError:
        pass  # whoever read our output has seen enough, as in `eventing ... | head`
    except Exception as error:  # noqa: BLE001 - the last boundary: a person gets a line, not a traceback
        _say(f"eventing: unexpected {_describe(error)}; please report it as an issue (EVENTING_DEBUG=1 shows more)")
        _show_traceback()
    return 1


def _describe(error: Exception) -> str:
    """Type and place. The text of an unknown error may hold anything, payloads too; the operating system's doesn't."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name} ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{place}" + (f": {error}" if isinstance(error, OSError) else "")


def _say(*lines: str) -> None:
    try:
        for line in lines:
            print(line, file=sys.stderr)  # noqa: T201
    except OSError:
        return  # nobody reads standard error any more: the exit code is all that is left to say


def _show_traceback() -> None:
    if os.environ.get("EVENTING_DEBUG") == "1":
        import traceback

        traceback.print_exc()


def _let_go_of_broken_pipes() -> None:
    """Flush, so that a reader that went away is noticed here and not by the interpreter, which would complain at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
