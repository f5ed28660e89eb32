"""How the SDK clients are built: once, whole or not at all, and never without a word where a tool is missing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.interop import toolchain
from tests.interop.sdks import Sdks
from tests.interop.toolchain import Recipe, ToolMissing, built, main


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EVENTING_TEST_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("language", "install"), [("go", "install Go 1"), ("js", "install Node"), ("java", "a JDK 17 or newer")])
@pytest.mark.usefixtures("no_tools")
def test_a_missing_tool_is_told_with_what_to_install(language: str, install: str) -> None:
    with pytest.raises(ToolMissing, match=install):
        built(language)


@pytest.mark.usefixtures("no_tools")
def test_a_missing_tool_skips_and_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTING_TEST_REQUIRE", "sqlite,java")
    with pytest.raises(pytest.skip.Exception, match="install Go"):
        Sdks().get("go")
    with pytest.raises(pytest.fail.Exception, match="a JDK 17"):
        Sdks().get("vertx")


@pytest.mark.usefixtures("no_tools")
def test_building_beforehand_fails_only_where_a_missing_tool_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTING_TEST_REQUIRE", "sqlite")
    assert main() == 0
    monkeypatch.setenv("EVENTING_TEST_REQUIRE", "sqlite,node")
    assert main() == 1


def test_a_client_that_many_ask_for_at_once_is_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    builds: list[Path] = []
    together = threading.Barrier(4)

    def build(sources: Path, into: Path) -> None:
        builds.append(into)
        assert (sources / "go.mod").exists()
        (into / "client").write_text("built")

    def ask(_: int) -> Path:
        together.wait(10)
        return built("go")

    monkeypatch.setenv("EVENTING_TEST_CACHE", str(tmp_path))
    monkeypatch.setitem(toolchain.RECIPES, "go", Recipe("go", (), "", build))
    with ThreadPoolExecutor(4) as asking:
        folders = set(asking.map(ask, range(4)))
    assert len(builds) == 1
    (folder,) = folders
    assert (folder / "client").read_text() == "built"


def test_a_failed_build_is_not_taken_for_a_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def build(_sources: Path, into: Path) -> None:
        (into / "half").write_text("")
        raise AssertionError("no such module")

    monkeypatch.setenv("EVENTING_TEST_CACHE", str(tmp_path))
    monkeypatch.setitem(toolchain.RECIPES, "go", Recipe("go", (), "", build))
    for _ in range(2):
        with pytest.raises(AssertionError, match="no such module"):
            built("go")
    assert [path.name for path in tmp_path.iterdir()] == ["interop-go.lock"]
