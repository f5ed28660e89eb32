"""What holds for the repository as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE_LINES = 400
IGNORED = {
    ".git",
    ".venv",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".import_linter_cache",
    "__pycache__",
    "dist",
}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".cfg", ".sh", ".lock", ""}
MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(?:home|root|Users|work|mnt|private/var)/[\w.-]+")
REGISTRY = re.compile(
    r"https?://[^\s/\"']*(?:registry|pypi|pythonhosted|artifact|nexus|mirror)[^\s/\"']*|https?://[^\s\"']+/simple\b|index-url",
    re.I,
)
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def tracked() -> list[Path]:
    """The repository's files; those of the folder where it is no checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    found = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in found if not IGNORED.intersection(path.relative_to(ROOT).parts)]


FILES = tracked()


def texts() -> list[tuple[str, str]]:
    here = Path(__file__)
    found = (path for path in FILES if path.suffix in TEXT and path != here)
    return [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in found]


def test_no_path_of_a_machine() -> None:
    assert [(name, found.group()) for name, text in texts() for found in MACHINE_PATH.finditer(text)] == []


def test_the_pattern_finds_machine_paths_and_leaves_others() -> None:
    for text in ("/home/ann/x", '"/root/project"', "(/Users/ann)", "cd /work/tree"):
        assert MACHINE_PATH.search(text), text
    for text in ("https://example.com/home/ann", "/homes/x", "$HOME/home/x", "/default/work/x", "docs/work/x"):
        assert not MACHINE_PATH.search(text), text


def test_no_host_of_a_registry_outside_the_lock_file() -> None:
    outside = [(name, found.group()) for name, text in texts() if name != "uv.lock" for found in REGISTRY.finditer(text)]
    assert outside == []


def test_the_pattern_finds_registries_and_leaves_others() -> None:
    for text in ("https://pypi.example.org/x", "http://host:1/root/simple/", "--extra-index-url", "https://npm-registry.example"):
        assert REGISTRY.search(text), text
    for text in ("registry.register()", "https://example.org/registry", "PyPI", "a simple/one"):
        assert not REGISTRY.search(text), text


def test_the_lock_file_names_only_the_public_index() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    hosts = set(re.findall(r"https?://([^/\"]+)/", lock))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}


@pytest.mark.parametrize("top", ["eventing", "channels", "sources"])
def test_files_of_code_stay_readable(top: str) -> None:
    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in FILES
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] == top
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > CODE_LINES
    }
    assert long == {}


def test_every_package_is_typed() -> None:
    for package in ("eventing", "eventing_channels", "eventing_sources"):
        assert files(package).joinpath("py.typed").is_file()
        assert files(package).joinpath("__init__.py").is_file()


def test_every_folder_of_code_is_a_package() -> None:
    code = {
        path.parent
        for path in FILES
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in {"eventing", "channels", "sources"}
    }
    assert sorted(folder for folder in code if not (folder / "__init__.py").is_file()) == []


def test_no_file_beside_tests_hides_a_module_that_others_import() -> None:
    """pytest puts the folder of each test file first on the path of imports."""
    folders = {path.parent for path in FILES if path.name.startswith("test_") or path.name == "conftest.py"}
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    hiding = [path for path in FILES if path.suffix == ".py" and path.parent in folders and path.stem in taken]
    assert [path.relative_to(ROOT).as_posix() for path in hiding] == []


def test_one_version_everywhere() -> None:
    from eventing import __version__

    assert __version__ == VERSION
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_in_place() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_links_between_files_lead_somewhere() -> None:
    pattern = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
    broken = [
        (name, target)
        for name, text in texts()
        if name.endswith(".md")
        for target in pattern.findall(re.sub(r"(?s)```.*?```", "", text))
        if not ((ROOT / name).parent / target).exists()
    ]
    assert broken == []


def test_ci_is_a_script_that_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert not (ROOT / ".python-version").exists()
