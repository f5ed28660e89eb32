"""The SDK clients, built once per version of their sources and kept outside the repository.

`EVENTING_TEST_CACHE` names the folder, else `eventing-tests` in the user's cache folder. Builds are guarded by a file lock, so
that several processes of one or many test runs may ask at the same time. `python -m tests.interop.toolchain` builds all
beforehand.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BUILD_SECONDS = 900


class ToolMissing(Exception):
    """A program that a client is built with isn't installed. ``tool``: its name in `EVENTING_TEST_REQUIRE`."""

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(reason)
        self.tool = tool


@dataclass(frozen=True, slots=True)
class Recipe:
    """``tool``: as `EVENTING_TEST_REQUIRE` names it. ``programs``: what must be on the PATH. ``build``: from a copy of the
    sources, in which it runs, into an empty folder."""

    tool: str
    programs: tuple[str, ...]
    install: str
    build: Callable[[Path, Path], None]


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command[:2])} ended with {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")


def _go(sources: Path, built: Path) -> None:
    _run("go", "build", "-mod=readonly", "-o", str(built / "client"), ".", cwd=sources)


def _node(sources: Path, built: Path) -> None:
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=sources)
    shutil.copytree(sources, built, dirs_exist_ok=True, symlinks=True)


def _java(sources: Path, built: Path) -> None:
    libraries = built / "libs"
    _run("mvn", "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={libraries}", cwd=sources)
    files = sorted(str(path.relative_to(sources)) for path in (sources / "src").rglob("*.java"))
    options = ("--release", "17", "-encoding", "UTF-8", "-nowarn", "-cp", f"{libraries}/*", "-d", str(built / "classes"))
    _run("javac", *options, *files, cwd=sources)


RECIPES = {
    "go": Recipe("go", ("go",), "Go 1.23 or newer", _go),
    "js": Recipe("node", ("node", "npm"), "Node.js 20 or newer with npm", _node),
    "java": Recipe("java", ("java", "javac", "mvn"), "a JDK 17 or newer and Maven", _java),
}


def cache() -> Path:
    named = os.environ.get("EVENTING_TEST_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eventing-tests"


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "node_modules" not in path.parts)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(folder):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def built(language: str) -> Path:
    """The folder with the client in this language, built now where it isn't yet. Raises `ToolMissing`; AssertionError with
    the end of the output where the build fails."""
    recipe, sources = RECIPES[language], HERE / language
    missing = [program for program in recipe.programs if shutil.which(program) is None]
    if missing:
        raise ToolMissing(recipe.tool, f"the {language} client needs {', '.join(missing)}: install {recipe.install}")
    target = cache() / f"interop-{language}-{_fingerprint(sources)}"
    if target.exists():
        return target
    with _locked(cache() / f"interop-{language}.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache()) as work:
                copy, made = Path(work, "sources"), Path(work, "built")
                for path in _sources(sources):
                    destination = copy / path.relative_to(sources)
                    destination.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, destination)
                made.mkdir()
                recipe.build(copy, made)
                made.rename(target)
    return target


def main() -> int:
    """Build all that can be built here. 1 where one that `EVENTING_TEST_REQUIRE` names can't."""
    required = os.environ.get("EVENTING_TEST_REQUIRE", "").split(",")
    code = 0
    for language in RECIPES:
        try:
            print(f"{language}: {built(language).name}", flush=True)
        except ToolMissing as missing:
            print(f"{language}: {missing}", file=sys.stderr, flush=True)
            code |= missing.tool in required
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            print(f"{language}: {error}", file=sys.stderr, flush=True)
            code = 1
    return code


if __name__ == "__main__":
    # Whoever ends this process ends the build it waits for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise SystemExit(main())
