"""What the reference pages say in tables is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from eventing.cli.app import COMMANDS, load
from eventing.kinds.duration import parse_duration
from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.outcome import Outcome, classify
from eventing.policy.retry import GiveUp, Retry, next_step

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without the table's head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.split(rf"^#+ {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)[1]
    table: list[list[str]] = []
    for line in section.splitlines():
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            break
    assert len(table) > 2, f"no table under {heading!r} in {page}"
    return table[2:]


def plain(cell: str) -> str:
    return cell.strip("`")


def options() -> dict[str, tuple[str, str]]:
    """Variable and default of each visible option of `serve`, as `serve --help` has them."""
    found = {}
    for parameter in load("serve", COMMANDS["serve"]).params:
        if getattr(parameter, "hidden", False) or "--help" in parameter.opts:
            continue
        name = "MANIFEST ..." if parameter.param_type_name == "argument" else parameter.opts[0]
        default = parameter.default
        found[name] = (str(parameter.envvar), "" if default is None or default is False else str(default))
    return found


def test_every_option_of_serve_is_documented() -> None:
    documented = {plain(row[0]): (plain(row[1]), row[2]) for row in rows("configuration.md", "Options of `serve`")}
    actual = options()
    assert len(actual) > 10
    assert set(documented) == set(actual)
    for name, (variable, default) in actual.items():
        assert documented[name][0] == variable, name
        shown = documented[name][1]
        if default:
            assert shown == f"`{default}`", name
        else:
            assert shown in {"none", "off", "from host and port"}, name


def test_the_help_page_names_each_variable() -> None:
    command = load("serve", COMMANDS["serve"])
    page = command.get_help(click.Context(command, info_name="serve", terminal_width=200, max_content_width=200))
    for row in rows("configuration.md", "Options of `serve`"):
        assert plain(row[1]) in page


def test_retry_schedules() -> None:
    table = rows("delivery.md", "Retries")
    assert len(table) >= 5
    for backoff, delay, retry, waits, total in table:
        policy = DeliveryPolicy(
            retry=int(retry),
            backoff="linear" if plain(backoff) == "linear" else "exponential",
            delay=parse_duration(plain(delay)),
        )
        found = []
        for attempts in range(1, int(retry) + 1):
            step = next_step(policy, attempts, 0.0, 0.0, None)
            assert isinstance(step, Retry)
            found.append(step.due)
        assert isinstance(next_step(policy, int(retry) + 1, 0.0, 0.0, None), GiveUp)
        assert found == pytest.approx([float(wait) for wait in waits.split(",")])
        assert sum(found) == pytest.approx(float(total))


def test_what_an_answer_means() -> None:
    """Every status, by the row of the table that names it."""
    words = {
        "delivered": Outcome.DONE,
        "failed, retried": Outcome.RETRY,
        "refused, not retried": Outcome.REFUSED,
    }
    documented: dict[int, Outcome] = {}
    others: list[tuple[range, Outcome]] = []
    for answer, outcome in rows("delivery.md", "What an answer means"):
        for word in re.findall(r"\b\d{3}\b|\bother \dxx|\b\dxx", answer) if answer[:2] not in {"no", "an", "20"} else []:
            if word.isdigit():
                statuses = range(600, 1000) if "or more" in answer and word == "600" else range(int(word), int(word) + 1)
            else:
                first = int(word[-3]) * 100
                statuses = range(first, first + 100)
                if word.startswith("other"):
                    others.append((statuses, words[outcome]))
                    continue
            documented.update(dict.fromkeys(statuses, words[outcome]))
    for statuses, meant in others:
        for status in statuses:
            documented.setdefault(status, meant)
    assert documented == {status: classify(status) for status in range(100, 1000)}


def test_options_of_the_sqlite_channel(tmp_path: Path) -> None:
    from eventing.errors import InvalidSetting
    from eventing_channels.sqlite.settings import parse

    with pytest.raises(InvalidSetting, match="known: ") as refused:
        parse("sqlite:///x.db?nothing=1", tmp_path)
    known = str(refused.value).partition("known: ")[2].split(", ")
    table = rows("channels/sqlite.md", "Options")
    assert sorted(plain(row[0]) for row in table) == sorted(known)
    written = parse("sqlite:///x.db?" + "&".join(f"{plain(row[0])}={plain(row[1])}" for row in table), tmp_path)
    assert (written.min_free, written.retention, written.max_bytes) == (64 << 20, 3600.0, 10 << 30)
    default = parse("sqlite", tmp_path)
    assert (default.min_free, default.retention, default.max_bytes) == (None, 0.0, None)
    assert default.path == tmp_path / "events.db"
