"""Secret files: what is read, when a change counts, and what a file that doesn't answer holds up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventing.resources.kind_table import KindTable
from eventing.resources.store import ObjectStore
from eventing.runtime import secret_files
from eventing.runtime.secret_files import MAX_SECRET, SecretFiles, read_secret
from eventing.runtime.secrets import Secrets

LONG = 30.0
"""Seconds; no test waits for as long."""


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def warning(self, message: str, /, **fields: object) -> None:
        self.lines.append((message, fields))

    error = warning


class Reader:
    """Reads from memory, in the reader's thread; those in ``hanging`` wait until they are let go."""

    def __init__(self) -> None:
        self.values: dict[str, bytes | None] = {}
        self.hanging: set[str] = set()
        self.waiting: set[str] = set()
        self.release = threading.Event()
        self.read: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, path: Path) -> bytes | None:
        with self._changed:
            self.read.append(path.name)
            self._changed.notify_all()
        if path.name in self.hanging:
            with self._changed:
                self.waiting.add(path.name)
                self._changed.notify_all()
            assert self.release.wait(LONG)
        return self.values.get(path.name)

    def until(self, condition: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, LONG)

    def again(self, name: str) -> None:
        """Until a read of the file has begun and ended."""
        count = self.read.count(name)
        self.until(lambda: self.read.count(name) >= count + 2)


Make = Callable[..., SecretFiles]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def make(reader: Reader, log: Log) -> Iterator[Make]:
    made: list[SecretFiles] = []

    def new(*, interval: float = 0.01, patience: float = LONG) -> SecretFiles:
        made.append(SecretFiles(Path("/secrets"), log, interval=interval, patience=patience, read=reader))
        return made[-1]

    yield new
    reader.release.set()
    for files in made:
        files.close(LONG)
        thread = files._thread
        assert thread is None or not thread.is_alive()


def test_regular_files_and_links_to_them(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data/token").write_bytes(b"abc\n\n")
    (tmp_path / "token").symlink_to("..data/token")
    assert read_secret(tmp_path / "token") == b"abc\n"
    (tmp_path / "largest").write_bytes(b"x" * MAX_SECRET)
    assert read_secret(tmp_path / "largest") == b"x" * MAX_SECRET
    (tmp_path / "larger").write_bytes(b"x" * (MAX_SECRET + 1))
    assert read_secret(tmp_path / "larger") is None


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    paths = [tmp_path / "fifo", tmp_path / "link", tmp_path, tmp_path / "absent", Path("/dev/zero")]
    found: list[bytes | None] = []
    thread = threading.Thread(target=lambda: found.extend(map(read_secret, paths)), daemon=True)
    thread.start()
    thread.join(LONG)
    assert found == [None] * 5


def test_a_change_and_a_removal_count_without_being_asked_for(make: Make, reader: Reader) -> None:
    files = make()
    reader.values["k"] = b"one"
    assert files.get("n", "k") == b"one"
    for value in (b"two", None, b"three"):
        reader.values["k"] = value
        reader.again("k")
        reader.again("k")
        assert files.get("n", "k") == value


def test_a_file_that_does_not_answer_holds_up_nobody_who_asks(
    make: Make, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make(patience=0.01)
    reader.hanging.add("hung")
    assert files.get("n", "hung") is None
    monkeypatch.setattr(files, "_patience", "whoever waits again, fails")
    for number in range(100):
        assert files.get("n", f"k{number}") is None
        assert files.get("n", "hung") is None
    reader.values |= {"hung": b"late", "k99": b"after"}
    reader.release.set()
    reader.until(lambda: "k99" in reader.read)
    reader.again("k99")
    assert files.get("n", "k99") == b"after"
    assert files.get("n", "hung") == b"late"


def test_values_stay_while_a_read_hangs_and_the_operator_is_told(
    make: Make, reader: Reader, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make()
    reader.values["k"] = b"secret"
    assert files.get("n", "k") == b"secret"
    reader.hanging.add("k")
    reader.until(lambda: "k" in reader.waiting)
    reader.values["k"] = None
    monkeypatch.setattr(secret_files, "OVERDUE", 0.0)
    assert [files.get("n", "k") for _ in range(3)] == [b"secret"] * 3
    assert log.lines == [("a secret file does not answer; values read before stay in use", {"file": "n/k"})]


def test_the_files_watched_are_bounded(make: Make, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "MAX_FILES", 3)
    files = make(interval=LONG)
    for number in range(10):
        reader.values[f"k{number}"] = b"%d" % number
        assert files.get("n", f"k{number}") == b"%d" % number
    assert [key for _, key in files._values] == ["k7", "k8", "k9"]
    assert files.get("n", "k0") == b"0"


def test_a_read_that_hangs_does_not_keep_it_from_closing(make: Make, reader: Reader) -> None:
    files = make(patience=0.0)
    reader.hanging.add("k")
    assert files.get("n", "k") is None
    reader.until(lambda: reader.read)
    files.close(0.0)
    assert files.get("n", "k") is None
    assert files.get("n", "other") is None
    thread = files._thread
    assert thread is not None
    assert thread.daemon


@pytest.mark.parametrize(("name", "key"), [("..", "k"), ("n", ".."), ("n", "../k"), ("", "k"), ("n", "k\0")])
def test_no_path_leaves_the_folder(name: str, key: str, tmp_path: Path, log: Log) -> None:
    folder = tmp_path / "secrets"
    (folder / "n").mkdir(parents=True)
    for place in (tmp_path / "k", folder / "k", folder / "n" / "k"):
        place.write_bytes(b"value")
    secrets = Secrets(ObjectStore(KindTable({}), lambda: 0.0), folder, log)
    try:
        assert secrets.get("default", name, key) is None
        assert secrets.get("default", "n", "k") == b"value"
    finally:
        secrets.close()
