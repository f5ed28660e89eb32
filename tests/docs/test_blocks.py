"""Every block of the documentation does what the text says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.ports import namespace_command

ROOT = Path(__file__).parents[2]
PATTERNS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "examples/**/README.md")
DOCUMENTS = sorted({path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)})
SECONDS = 280


@pytest.mark.timeout(SECONDS + 40)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document(name: str, tmp_path: Path) -> None:
    document = ROOT / name
    folder = tmp_path / "folder"
    if name.startswith("examples/"):
        shutil.copytree(document.parent, folder)
    else:
        folder.mkdir()
        if (ROOT / "examples").is_dir():
            shutil.copytree(ROOT / "examples", folder / "examples")
    network = namespace_command()
    command = [*(network or ()), sys.executable, "-m", "tests.docs.runner", str(document), str(folder)]
    if network is not None:
        command.append("--own-network")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate(timeout=30)
            pytest.fail(f"{name} took longer than {SECONDS} s\n{output}")
    assert process.returncode == 0, f"{name}\n{output}"


def test_what_is_not_run_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    found = [block for name in DOCUMENTS for block in blocks(name, (ROOT / name).read_text(encoding="utf-8"))]
    skipped = [block for block in found if block.no_run is not None]
    with capsys.disabled():
        for block in skipped:
            print(f"\nnot run: {block.place}: {block.no_run}", end="")
    assert all(len((block.no_run or "").split()) >= 2 for block in skipped), "a reason is more than a word"
