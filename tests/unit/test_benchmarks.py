"""The arithmetic of the benchmarks' table, and that the floor really starts, answers and quits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import figures, processes, report, run, systems  # noqa: E402
from benchmarks.report import Figure, Goal, Row  # noqa: E402
from benchmarks.wire import Events  # noqa: E402

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux")


def figure(goal: Goal, key: str = "f") -> Figure:
    return Figure(key, "a figure", "ms", goal)


# -- arithmetic ----------------------------------------------------------------------------------------------


def test_median_of_odd_and_even_counts() -> None:
    assert report.median([3, 1, 2]) == 2
    assert report.median(iter([4, 1, 2, 3])) == 2.5


def test_median_and_percentile_of_nothing_are_errors() -> None:
    with pytest.raises(ValueError, match="no values"):
        report.median([])
    with pytest.raises(ValueError, match="no values"):
        report.percentile([], 99)


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert report.percentile(list(range(100, 0, -1)), percent) == expected


def test_ratio_is_none_where_it_means_nothing() -> None:
    assert report.ratio(3.0, 2.0) == 1.5
    assert report.ratio(3.0, 0.0) is None
    assert report.ratio(None, 2.0) is None
    assert report.ratio(3.0, None) is None


# -- goals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "ours", "verdict"),
    [
        (Goal("<=", 1.5), 3.0, "ok"),
        (Goal("<=", 1.5), 3.1, "MISSED"),
        (Goal(">=", 0.8), 1.6, "ok"),
        (Goal(">=", 0.8), 1.5, "MISSED"),
        (Goal("<=", 1.2, stretch=0.6), 1.2, "ok+"),
        (Goal("<=", 1.2, stretch=0.6), 1.3, "ok"),
        (Goal("<=", 0.01, absolute=True), 0.01, "ok"),
        (Goal("<=", 0.01, absolute=True), 0.02, "MISSED"),
    ],
)
def test_verdict_compares_ratio_or_value_with_the_goal(goal: Goal, ours: float, verdict: str) -> None:
    assert Row(figure(goal), {"floor": 2.0, "ours": ours}).verdict() == verdict


def test_absolute_goal_is_judged_when_the_floor_is_zero() -> None:
    assert Row(figure(Goal("<=", 0, absolute=True)), {"floor": 0.0, "ours": 0.0}).verdict() == "ok"


def test_no_verdict_without_ours_or_floor() -> None:
    assert Row(figure(Goal("<=", 1)), {"floor": 2.0}).verdict() == ""
    assert Row(figure(Goal("<=", 1)), {"ours": 2.0}).verdict() == ""


def test_goals_of_the_table_are_those_of_the_plan() -> None:
    goals = {item.key: str(item.goal) for item in figures.FIGURES}
    assert goals == {
        "start_one": "<= 1.3x",
        "start_each": "<= 1.6x",
        "start_cpu": "<= 2x",
        "respawn_p50": "<= 2x",
        "respawn_p99": "<= 3x",
        "respawn_all": "<= 1.6x",
        "reap_p50": "<= 2x",
        "reap_last": "<= 1.6x",
        "reap_lost": "<= 0",
        "numwatchers_p50": "<= 1.3x",
        "numwatchers_rate": ">= 0.6x",
        "list_p50": "<= 1.5x",
        "stats_p50": "<= 3x",
        "circusctl_status": "<= 1.2x (0.6x)",
        "idle_cpu": "<= 0.01",
        "idle_rss": "<= 1.6x",
        "stats_cpu_175": "<= 3x",
        "stats_cpu_1000": "<= 3x",
        "stats_rss": "<= 2.5x",
        "stats_rss_all": "<= 2.5x",
        "stats_missed": "<= 0",
        "logs_one": ">= 0.8x",
        "logs_cpu": "<= 1.3x",
        "logs_twenty": ">= 0.7x",
        "logs_lines": ">= 0.65x",
        "stop_all": "<= 1.6x",
        "quit_all": "<= 1.6x",
    }


# -- table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (0, "0"), (0.0001234, "0.000123"), (0.1234, "0.123"), (1.234, "1.23"), (41.34, "41.3"),
        (1604.2, "1600"), (9.999, "10.0"), (84678, "84700"), (-1.5, "-1.50"),
    ],
)  # fmt: skip
def test_number_has_three_digits_and_no_exponent(value: float | None, text: str) -> None:
    assert report.number(value) == text


def test_rows_are_medians_of_turns_in_the_order_of_the_table() -> None:
    turns = {"b": {"floor": [1.0, 3.0, 2.0], "ours": []}, "a": {"ours": [4.0]}, "unknown": {"ours": [1.0]}}
    goal = Goal("<=", 1)
    rows = report.rows_of([figure(goal, "a"), figure(goal, "b"), figure(goal, "c")], turns)
    assert [(row.figure.key, row.medians) for row in rows] == [("a", {"ours": 4.0}), ("b", {"floor": 2.0})]


def test_table_shows_floor_reference_ours_goal_and_verdict() -> None:
    idle = Goal("<=", 0.01, absolute=True)
    rows = [
        Row(figure(Goal("<=", 1.3)), {"floor": 2.0, "ref": 6.0, "ours": 2.5}),
        Row(Figure("g", "another one", "/s", Goal(">=", 0.6)), {"floor": 100.0, "ours": 50.0}),
        Row(Figure("h", "idle", "s/min", idle), {"floor": 0.0, "ref": 0.11, "ours": 0.001}),
    ]
    cells = [line.split() for line in report.render_table(rows).splitlines()]
    assert cells[2] == ["a", "figure", "ms", "2.00", "3.00x", "2.50", "1.25x", "<=", "1.3x", "ok"]
    assert cells[3] == ["another", "one", "/s", "100", "50.0", "0.500x", ">=", "0.6x", "MISSED"]
    assert cells[4] == ["idle", "s/min", "0", "0.110", "0.00100", "<=", "0.01", "ok"]


def test_columns_line_up() -> None:
    rows = [Row(figure(Goal("<=", 1.3)), {"floor": value, "ours": value * 1000}) for value in (0.5, 12345.0)]
    head, rule, *lines = report.render_table(rows).splitlines()
    assert head.startswith("figure")
    assert len({line.index("<=") for line in lines}) == 1
    assert set(rule) == {"-", " "}


def test_a_probe_is_told_below_the_table_and_takes_no_part_in_it() -> None:
    probed = Figure("h", "idle", "s/min", Goal("<=", 0.01, absolute=True), probe="a loop that wakes up")
    row = Row(probed, {"floor": 0.0, "ours": 0.001, "probe": 0.0461})
    plain = Row(figure(Goal("<=", 1.3)), {"floor": 1.0, "ours": 1.0, "probe": 7.0})
    assert report.remarks([row, plain, Row(probed, {"ours": 0.001})]) == [
        "idle, for comparison: 0.0461 s/min for a loop that wakes up"
    ]
    assert row.verdict() == "ok"
    assert "0.0461" not in report.render_table([row])


def test_summary_names_what_was_missed() -> None:
    good = Row(figure(Goal("<=", 1.3), "good"), {"floor": 1.0, "ours": 1.0})
    bad = Row(figure(Goal("<=", 1.3), "bad"), {"floor": 1.0, "ours": 2.0})
    assert report.summary([good, bad]) == "1 of 2 goals reached; missed: bad"
    assert report.summary([good]) == "1 of 1 goals reached"
    assert "no goal" in report.summary([Row(figure(Goal("<=", 1)), {"floor": 1.0})])


# -- command line --------------------------------------------------------------------------------------------


def test_only_takes_figures_and_workloads() -> None:
    assert [workload.name for workload in figures.chosen(["list_p50", "stop"])] == ["commands", "stop"]
    assert len(figures.chosen([])) == len(figures.WORKLOADS)
    with pytest.raises(ValueError, match=r"no such figure: nope .*stats_p50"):
        figures.chosen(["nope"])


@pytest.mark.parametrize(
    ("option", "value"), [("--only", "nope"), ("--systems", "us"), ("--reference", "nowhere")]
)
def test_wrong_command_line_is_2_and_says_why(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([option, value]) == 2
    assert value in capsys.readouterr().err


# -- the floor itself ----------------------------------------------------------------------------------------


@linux_only
def test_cpu_clock_of_another_process_is_read() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            processes.wait_until(lambda: processes.cpu_seconds(child.pid) > 0.001, 10, "some CPU time")
        finally:
            child.kill()


@linux_only
@pytest.mark.slow
def test_floor_starts_answers_replaces_and_quits(tmp_path: Path) -> None:
    place = systems.Place(tmp_path)
    try:
        with systems.Floor().daemon(place, systems.Job(place.worker(), 3)) as daemon:
            pids = sorted(pid for _, pid in daemon.workers(3))
            daemon.settle()
            control, events = daemon.control, daemon.events()
            try:
                assert control.ask("numwatchers")["numwatchers"] == 1
                assert sorted(control.ask("list", name="w")["pids"]) == pids  # type: ignore[call-overload]
                assert control.ask("list")["watchers"] == ["w"]
                info = control.ask("stats")["infos"]["w"][str(pids[0])]  # type: ignore[index]
                assert (info["pid"], info["children"], info["wid"]) == (pids[0], [], 1)
                with pytest.raises(RuntimeError, match="unknown command"):
                    control.ask("nope")
                assert _death_is_told(daemon, events, pids[0])
                assert daemon.workers(1)[0][1] not in pids
            finally:
                events.close()
            assert control.ask("stop", name="w", waiting=True)["info"] is None
            assert control.ask("list", name="w")["pids"] == []
            assert control.ask("quit", waiting=True)["status"] == "ok"
            daemon.wait_end(10)
            assert daemon.process.wait(5) == 0
    finally:
        place.close()


def _death_is_told(daemon: systems.Daemon, events: Events, victim: int) -> bool:
    """Kill workers until a subscriber hears of it: the first subscription may still be on its way."""
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline:
        os.kill(victim, signal.SIGKILL)
        told = [pid for _, pid in events.reaps(time.perf_counter() + 0.5)]
        if victim in told:
            return True
        victim = daemon.workers(1)[0][1]
    return False


@linux_only
@pytest.mark.slow
def test_run_prints_a_table_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--json", str(out)]
    options = ["--quick", "--systems", "floor", "--only", "stop_all"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "stop 175" in done.stdout
    assert "quit with 175" not in done.stdout
    written = json.loads(out.read_text(encoding="utf-8"))
    assert len(written["figures"]["stop_all"]["turns"]["floor"]) == 1
    assert written["figures"]["stop_all"]["verdict"] == ""
    assert not Path(written["directory"]).exists()
    assert not [pid for pid in processes.parents() if written["directory"] in command_line(pid)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
