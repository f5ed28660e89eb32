"""What the benchmark tells: medians of the runs that count, and every failure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench.cases import CASES
from bench.load import Load
from bench.machine import file_system
from bench.messages import Shape
from bench.options import Options, parse
from bench.parking import account
from bench.programme import Outcome
from bench.report import document, paired, table
from bench.sink import Sink
from bench.site import Run, audit, busy
from bench.slow_disk import NoShim, shim

MACHINE = {"cpu": "some", "commit": None}


def run(case: str, pair: int, **figures: float) -> Run:
    return Run(case, pair, figures)


def outcome() -> Outcome:
    found = Outcome()
    found.cases["ten"] = [run("ten", 0, rate=50.0, cpu_us=9.0), run("ten", 1, rate=40.0), run("ten", 2, rate=1.0)]
    found.bases["ten"] = [run("base", 0, rate=100.0, cpu_us=8.0), run("base", 1, rate=100.0), run("base", 2, rate=100.0)]
    found.cases["ten"][2].failures.append("an event is gone")
    found.before.append(run("five-peak", 0, rate=3.0))
    return found


def test_a_failed_run_is_told_and_counts_nowhere() -> None:
    text = table(outcome(), MACHINE)
    line = next(line for line in text.splitlines() if line.startswith("ten"))
    assert line.split()[1] == "45"  # the median of 50 and 40
    assert " 0.45 " in line
    assert "ten (pair 3): FAILED: an event is gone" in text
    assert outcome().failed
    assert outcome().rates("ten") == [50.0, 40.0]
    assert outcome().rates("base") == [100.0] * 3


def test_pairs_of_which_one_failed_or_was_refused_are_not_compared() -> None:
    case = [run("ten", number, rate=number) for number in range(4)]
    base = [run("base", number, rate=10 + number) for number in range(4)]
    case[0].failures.append("gone")
    base[1].failures.append("gone")
    case[2].refused = True
    assert paired(case, base) == ([{"rate": 3}], [{"rate": 13}])


def test_the_document_holds_every_run_and_where_it_was_made() -> None:
    options = parse(["--case", "ten", "--events", "5"])
    told = json.loads(document(outcome(), MACHINE, options))
    assert told["failed"] is True
    assert told["machine"] == MACHINE
    assert told["options"]["events"] == 5
    assert told["cases"]["ten"]["medians"]["rate"] == 45.0
    assert [one["pair"] for one in told["cases"]["ten"]["base_runs"]] == [0, 1, 2]
    assert told["cases"]["ten"]["runs"][2]["failures"] == ["an event is gone"]
    assert told["other_runs"][0]["case"] == "five-peak"


def audited(sink: Sink, sent: int) -> Run:
    found, load = Run("base"), Load(Shape(64), 1)
    load.number = load.accepted = sent
    audit(found, load, [sink], None, faulty=False)
    return found


async def test_an_event_that_never_came_fails_the_run() -> None:
    sink = Sink(64)
    for number in (0, 1, 3):
        sink.came(b"%08x-%016x" % (number, 1), 64)
    assert audited(sink, 4).failures == ["sink: 1 of 4 events never came, the first is 2"]
    sink.came(b"%08x-%016x" % (2, 1), 64)
    assert audited(sink, 4).failures == []
    assert audited(sink, 3).failures == ["sink: 4 different events came of 3 that were sent"]


async def test_a_refused_event_fails_the_run_and_a_repeat_is_told() -> None:
    sink, load, found = Sink(64), Load(Shape(64), 1), Run("base")
    load.number, load.accepted, load.refused = 3, 2, {503: 1}
    for number in (0, 1, 1):
        sink.came(b"%08x-%016x" % (number, 1), 64)
    audit(found, load, [sink], None, faulty=False)
    assert found.failures == ["events were refused: 1 with 503"]
    assert found.figures["repeats"] == 1


@pytest.mark.parametrize(("waiting", "failures"), [(2, 0), (1, 1)])
async def test_a_parked_event_that_neither_came_nor_waits_fails_the_run(waiting: int, failures: int) -> None:
    back, many, found = Sink(64), Load(Shape(64), 1), Run("parked")
    many.number = 4
    for number in (0, 2):
        back.came(b"%08x-%016x" % (number, 1), 64)
    account(found, back, many, waiting)
    assert len(found.failures) == failures
    assert len(found.notes) == 1 - failures
    assert all("of 4 parked events 2 were delivered and 1 wait" in failure for failure in found.failures)


def test_every_case_runs_by_default_and_its_partners_exist() -> None:
    options = parse([])
    assert options == Options(tuple(CASES), 5, options.amount, 1_000_000, (1, 1000, 10_000), None, None, None, False)
    assert {case.against for case in CASES.values()} <= {None, *CASES}
    assert all(CASES[case.of].kind == "closed" for case in CASES.values() if case.share)


def test_cases_run_in_the_order_of_the_table() -> None:
    assert parse(["--case", "ten", "--case", "direct"]).cases == ("direct", "ten")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--case", "nonsense"],
        ["--pairs", "0"],
        ["--pairs", "101"],
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--events", "0"],
        ["--events", "5", "--seconds", "5"],
        ["--parked", "99999999"],
        ["--triggers", "1,x"],
        ["--triggers", "0"],
        ["--json", "no/such/folder/file.json"],
        ["--data-dir", "no/such/folder"],
    ],
)
def test_what_is_out_of_bounds_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert arguments[-2 if len(arguments) == 2 else 0].lstrip("-") in capsys.readouterr().err


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    inner = tmp_path / "in side"
    inner.mkdir()
    mounts = "\n".join(
        [
            "/dev/root / ext4 rw 0 0",
            f"tmpfs {str(inner).replace(' ', chr(92) + '040')} tmpfs rw 0 0",
            f"/dev/middle {tmp_path} xfs rw 0 0",
            f"/dev/other {tmp_path}-other btrfs rw 0 0",
        ]
    )
    assert file_system(inner / "data", mounts) == ("tmpfs", "tmpfs")
    assert file_system(tmp_path, mounts) == ("xfs", "/dev/middle")


def test_what_others_do_with_the_machine_is_told() -> None:
    assert "something else" not in table(outcome(), MACHINE)
    found = outcome()
    found.bases["ten"][0].figures["others_cores"] = 1.25
    assert "in 1 runs something else used the machine (up to 1.2 cores)" in table(found, MACHINE)


def test_idle_time_and_waiting_for_the_disk_is_no_use_of_the_machine() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    text = (
        f"cpu  {1 * ticks} {2 * ticks} {4 * ticks} {8 * ticks} {16 * ticks} {32 * ticks} {64 * ticks} {128 * ticks} 0 0\ncpu0 1\n"
    )
    assert busy(text) == 1 + 2 + 4 + 32 + 64 + 128


async def test_the_slow_disk_is_tried_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        environment = await shim(tmp_path)
    except NoShim as error:
        assert "compiler" in str(error)  # noqa: PT017 - where there is none, that is what is told
        return
    assert str(tmp_path) in environment["LD_PRELOAD"]
    monkeypatch.setattr("bench.slow_disk._SOURCE", "int nothing;\n")
    with pytest.raises(NoShim, match="no effect"):
        await shim(tmp_path)
