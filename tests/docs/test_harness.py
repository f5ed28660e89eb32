"""The harness itself, on small documents: those that hold and those that don't."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.blocks import BadDocument, blocks, commands
from tests.docs.ports import namespace_command, other_ports, rewrite
from tests.docs.runner import BlockFailed, run_document

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, text: str) -> Path:
    document, folder = tmp_path / "sample.md", tmp_path / "folder"
    document.write_text(text, encoding="utf-8")
    folder.mkdir()
    run_document(document, folder, own_network=False)
    return folder


def test_blocks_are_found_with_their_marks() -> None:
    found = blocks(
        "d.md",
        """\
Text with ``` in it.

1. A list:

   <!-- expect: one -->
   <!-- expect: two: three -->
   <!-- exit: 3 -->
   ```bash
   echo one
     echo two
   ```

~~~~text
```bash
not a block
```
~~~~
<!-- an ordinary comment -->
```Python
print(1)
```
""",
    )
    assert [(block.line, block.language, block.text) for block in found] == [
        (8, "bash", "echo one\n  echo two\n"),
        (13, "text", "```bash\nnot a block\n```\n"),
        (19, "python", "print(1)\n"),
    ]
    assert (found[0].expect, found[0].exit) == (("one", "two: three"), 3)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```bash\necho\n", "no end"),
        ("```bahs\necho\n```\n", "unknown language 'bahs'"),
        ("<!-- no-run: because -->\n\n```bash\necho\n```\n", "directly above"),
        ("<!-- no-run: because -->\n", "directly above"),
        ("<!-- no-run -->\n```bash\necho\n```\n", "needs a value"),
        ("<!-- no-run:  -->\n```bash\necho\n```\n", "needs a value"),
        ("<!-- norun: because -->\n```bash\necho\n```\n", "unknown mark 'norun'"),
        ("<!-- exit: 1 -->\n<!-- exit: 2 -->\n```bash\necho\n```\n", "twice"),
        ("<!-- exit: one -->\n```bash\necho\n```\n", "a number"),
        ("<!-- file: ../up -->\n```yaml\na: 1\n```\n", "within the working folder"),
        ("<!-- file: /etc/x -->\n```yaml\na: 1\n```\n", "within the working folder"),
        ("<!-- background: soon -->\n```bash\necho\n```\n", "ready-line or wait-for"),
        ("<!-- file: a -->\n<!-- no-run: not now -->\n```bash\necho\n```\n", "exclude"),
        ("<!-- expect: a -->\n```yaml\na: 1\n```\n", "isn't run"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_line(text: str, problem: str) -> None:
    with pytest.raises(BadDocument, match=rf"^d\.md:\d+: .*{problem}"):
        blocks("d.md", text)


def test_a_console_session_runs_what_follows_the_prompt() -> None:
    (block,) = blocks("d.md", "```console\n$ echo one \\\n    two\none two\n$ cat <<E \\\n> x\n```\n")
    assert commands(block) == "echo one \\\n    two\ncat <<E \\\nx\n"
    (block,) = blocks("d.md", "```console\nno prompt\n```\n")
    with pytest.raises(BadDocument, match=r"d\.md:1"):
        commands(block)


def test_blocks_share_folder_variables_and_files(tmp_path: Path) -> None:
    folder = run(
        tmp_path,
        """\
<!-- file: sub/greeting -->
```text
hello
```
```bash
export NAME=reader
cd sub
```
<!-- expect: hello reader -->
```bash
echo "$(cat greeting) $NAME"
echo "$PWD" > where
```
<!-- expect: /sub -->
```python
print(open("sub/where").read())
```
""",
    )
    assert (folder / "sub" / "greeting").read_text() == "hello\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```bash\nfalse\ntrue\n```\n", r"sample\.md:1: ended with 1 instead of 0"),
        ("```bash\nfalse | true\n```\n", "ended with 1"),
        ("```bash\necho $UNSET\n```\n", "unbound"),
        ("```bash\nno-such-command\n```\n", "not found"),
        ("<!-- exit: 3 -->\n```bash\ntrue\n```\n", "ended with 0 instead of 3"),
        ("<!-- expect: other -->\n```bash\necho one\n```\n", "does not hold 'other'\none"),
        ("```python\nraise SystemExit(4)\n```\n", "ended with 4"),
        ("```json\n{\n```\n", "no JSON"),
        ("```yaml\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: b}\nspec: {typo: 1}\n```\n", "typo"),
        ("<!-- file: bad.yaml -->\n```yaml\napiVersion: v1\nkind: Secret\nmetadata: {nam: b}\n```\n", "Secret"),
        ("<!-- background: ready-line -->\n```bash\necho gone; exit 5\n```\n", "ended with 5 before it was ready\ngone"),
        ("<!-- background: ready-line -->\n```bash\necho '{\"ready\": true}'; exit 6\n```\n```bash\nsleep 1\n```\n", "ended"),
    ],
)
def test_a_document_that_does_not_hold_fails(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BlockFailed, match=problem):
        run(tmp_path, text)


def test_what_is_marked_is_not_run(tmp_path: Path) -> None:
    folder = run(tmp_path, "<!-- no-run: needs a cluster -->\n```bash\ntouch ran\n```\n```yaml\nfragment: of a manifest\n```\n")
    assert not (folder / "ran").exists()


SERVER = """\
<!-- background: wait-for=http://127.0.0.1:8080/ -->
```bash
echo $$ > pid
exec python -m http.server 8080 --bind 127.0.0.1
```
<!-- expect: pid -->
```bash
python -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8080/").read())'
bash -c 'trap "" TERM; exec sleep 60' & echo $! > other
```
"""


def await_end(pid: int) -> None:
    """What was killed takes a moment to go."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([process], [], [], 20)
        assert ended, f"process {pid} still runs"
    finally:
        os.close(process)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes that are no children, which takes Linux")
@pytest.mark.parametrize("ending", ["", "```bash\nfalse\n```\n"])
def test_background_processes_serve_and_end(tmp_path: Path, ending: str) -> None:
    if ending:
        with pytest.raises(BlockFailed):
            run(tmp_path, SERVER + ending)
    else:
        run(tmp_path, SERVER)
    for name in ("pid", "other"):
        await_end(int((tmp_path / "folder" / name).read_text()))


def test_each_document_has_a_network_of_its_own(tmp_path: Path) -> None:
    network = namespace_command()
    if network is None:
        pytest.skip("this system allows no network namespaces; ports are rewritten instead")
    document = tmp_path / "sample.md"
    document.write_text(SERVER)
    runner = [*network, sys.executable, "-m", "tests.docs.runner", str(document)]
    with ExitStack() as stack:
        processes = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            command = [*runner, str(tmp_path / name), "--own-network"]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
            stack.callback(process.terminate)
            processes.append(process)
        outputs = [process.communicate(timeout=90)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs


def test_ports_are_rewritten_together() -> None:
    text = """\
<!-- background: wait-for=http://localhost:9000/healthz -->
```bash
python -m http.server 9000
```
<!-- expect: port 9000 -->
```bash
eventing serve --port 8085 --control-port=18081
curl http://127.0.0.1:9000/90001 http://localhost:8081/v1.9000 -d 8080 # 1.9000
```
"""
    found = blocks("d.md", text)
    ports = other_ports(found)
    assert set(ports) == {"8080", "8081", "8085", "9000", "18081"}
    assert len(set(ports.values())) == 5
    fixed = {"8080": "1", "8081": "2", "8085": "3", "9000": "4", "18081": "5"}
    first, second = rewrite(found, fixed)
    assert first.background == "wait-for=http://localhost:4/healthz"
    assert first.text == "python -m http.server 4\n"
    assert second.expect == ("port 4",)
    assert second.text == (
        "eventing serve --port 3 --control-port=5\ncurl http://127.0.0.1:4/90001 http://localhost:2/v1.9000 -d 1 # 1.9000\n"
    )
    assert rewrite(found, {}) == found


def test_files_beside_a_page_are_rewritten_with_it(tmp_path: Path) -> None:
    document, folder = tmp_path / "sample.md", tmp_path / "folder"
    folder.mkdir()
    (folder / "manifest.yaml").write_text("uri: http://127.0.0.1:9000/\n")
    document.write_text("```bash\ngrep -q 'http://127.0.0.1:9000/$' manifest.yaml\n```\n")
    run_document(document, folder, own_network=False)
    assert ":9000/" not in (folder / "manifest.yaml").read_text()
