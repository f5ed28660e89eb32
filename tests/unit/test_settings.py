"""Options that can't be used are refused before anything starts, each by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventing.errors import InvalidSetting
from eventing.settings import MAX_EVENT_SIZE, Settings, parse_folder, parse_size


def refusal(settings: Settings) -> str:
    with pytest.raises(InvalidSetting) as caught:
        settings.check()
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://h:99999",
        "http://h:0",
        "http://h:x",
        "http://[::1",
        "http://h..x",
        "http://",
        "//h",
        "h.example",
        "ftp://h",
        "http://h/?a",
        "http://h?",
        "http://h/#",
        "http://h /",
        "http://ü.example",
        "",
    ],
)
def test_public_urls_refused(url: str) -> None:
    assert refusal(Settings(public_url=url)).startswith("--public-url: ")


@pytest.mark.parametrize(
    "url",
    ["http://user:hunter2@h/", "http://hunter2@h", "http://u:hunter2@h:99999", "ftp://u:hunter2@h", "http://u:hunter2@[::1"],
)
def test_a_password_in_the_public_url_is_refused_and_not_repeated(url: str) -> None:
    reason = refusal(Settings(public_url=url))
    assert reason.startswith("--public-url: ")
    assert "hunter2" not in reason


@pytest.mark.parametrize("url", ["http://h", "https://events.example/base/", "http://[::1]:8080", "http://127.0.0.1:1"])
def test_public_urls(url: str) -> None:
    Settings(public_url=url).check()


def test_the_event_size_is_bounded() -> None:
    Settings(max_event_size=parse_size("1GiB", "--max-event-size")).check()
    assert refusal(Settings(max_event_size=MAX_EVENT_SIZE + 1)) == "--max-event-size: at most 1GiB"
    assert "64KiB" in refusal(Settings(max_event_size=64 * 1024 - 1))


def test_the_secrets_folder_must_be_one(tmp_path: Path) -> None:
    Settings(secrets_dir=tmp_path).check()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none", tmp_path / ("x" * 300)):
        assert refusal(Settings(secrets_dir=path)) == f"--secrets-dir {path}: is no folder"


def test_an_empty_path_is_not_the_working_directory() -> None:
    assert parse_folder(".", "--data-dir") == Path()
    with pytest.raises(InvalidSetting, match="--data-dir: must not be empty"):
        parse_folder("", "--data-dir")
