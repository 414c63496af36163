"""Workers that end by themselves: replaced at once, but never in a spin, whatever they do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.recording import assert_each_spawn_has_one_reap, barrier, lines_of, of, pid_in, told, up


def test_a_worker_that_lived_is_replaced_within_milliseconds(tmp_path: Path) -> None:
    """Row 13: 3 to 5 seconds with the default configuration."""
    ini = "[circus]\ncheck_delay = 60\n[watcher:web]\ncmd = sleep 98765\nrespawn_backoff.stable = 0.05\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            delays: list[float] = []
            for round_ in range(20):
                if round_ >= 5 and min(delays) < 0.05:
                    break  # more rounds are for a machine that is busy
                first = daemon.pids("web")[0]
                time.sleep(0.06)  # it has to have lived for a while
                began = time.monotonic()
                os.kill(first, signal.SIGKILL)
                events.wait_event("web", "spawn", round_ + 1)
                delays.append(time.monotonic() - began)
        assert min(delays) < 0.05, delays
        assert max(delays) < 10, delays


@pytest.mark.parametrize("code", [0, 1, -11])
def test_a_worker_that_ends_at_once_for_ever_is_tried_slower_and_slower(tmp_path: Path, code: int) -> None:
    """Decision 4: it neither spins nor is given up."""
    ini = f"[watcher:web]\ncmd = {child_command('exits_at_once', code, '{dir}/runs')}\nnumprocesses = 4\n"
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: len(lines_of(tmp_path / "runs")) >= 8)
        time.sleep(0.7)  # long enough for thousands, were it to spin
        assert len(lines_of(tmp_path / "runs")) <= 4 * 8
        assert daemon.status("web") == "active"
        began = time.process_time()
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert time.process_time() - began < 1


def test_a_start_by_an_operator_does_not_wait_for_the_back_off(tmp_path: Path) -> None:
    command = child_command("exits_at_once", 1, "{dir}/runs")
    options = "respawn_backoff.base = 600\nrespawn_backoff.stable = 60\n"  # however long it takes to end
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {command}\n{options}") as daemon:
        eventually(lambda: len(lines_of(tmp_path / "runs")) == 1)
        daemon.settle()
        daemon.call("stop", name="web", waiting=True)
        daemon.call("start", name="web")
        eventually(lambda: len(lines_of(tmp_path / "runs")) == 2)


def test_one_unstable_worker_does_not_slow_down_its_healthy_siblings(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 3\nautostart = False\n"
    with Daemon(tmp_path, ini + "respawn_backoff.stable = 2\nrespawn_backoff.base = 60\n") as daemon:
        first = daemon.call("start", name="web", waiting=True)["info"]["started"][0]
        os.kill(first, signal.SIGKILL)  # young: held back for a minute
        eventually(lambda: len(daemon.pids("web")) == 2)
        time.sleep(2.1)  # now the others are stable
        second = daemon.pids("web")[0]
        os.kill(second, signal.SIGKILL)
        eventually(lambda: second not in daemon.pids("web") and len(daemon.pids("web")) == 2)


def test_without_check_delay_deaths_are_noticed_all_the_same(tmp_path: Path) -> None:
    ini = "[circus]\ncheck_delay = 0\n[watcher:web]\ncmd = sleep 98765\nrespawn_backoff.stable = 0\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            os.kill(daemon.pids("web")[0], signal.SIGKILL)
            events.wait_event("web", "spawn")


def test_a_burst_of_deaths_is_told_completely(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 40\nrespawn_backoff.stable = 0\n"
    with Daemon(tmp_path, ini) as daemon:
        with daemon.events() as events:
            up(daemon, "web")
            eventually(lambda: len(daemon.pids("web")) == 40)
            events.clear()
            victims = daemon.pids("web")
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            events.wait_event("web", "spawn", 40)
            barrier(daemon, events)
            assert sorted(event.pid or 0 for event in of(events.heard, "web", "reap")) == sorted(victims)
        assert len(daemon.pids("web")) == 40


def test_a_worker_that_closes_its_pipes_is_alive(tmp_path: Path) -> None:
    """The end of the output is not the end of the worker."""
    ini = f"[watcher:web]\ncmd = {child_command('closes_pipes', '{dir}/ready', 'bye')}\n"
    ini += "stdout_stream.filename = {dir}/out\nstderr_stream.filename = {dir}/err\n"
    with Daemon(tmp_path, ini) as daemon:
        pid = pid_in(tmp_path / "ready")
        eventually(lambda: lines_of(tmp_path / "out") == ["bye"])
        assert daemon.pids("web") == [pid]
        usage = os.times()
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert os.times().user - usage.user < 1


def test_the_last_words_of_a_worker_are_in_its_log_before_its_reap_is_told(tmp_path: Path) -> None:
    ini = f"[watcher:web]\ncmd = {child_command('prints_last_words', '{dir}/ready', 200000)}\n"
    with Daemon(tmp_path, ini + "stdout_stream.filename = {dir}/out\n") as daemon:
        pid_in(tmp_path / "ready")
        with daemon.events() as events:
            daemon.call("stop", name="web")
            reap = events.wait_event("web", "reap")[0]
            assert reap.payload["exit_code"] == 3
            assert (tmp_path / "out").stat().st_size == 200000 + len("last words\n")


def test_a_flood_of_output_does_not_keep_anybody_waiting(tmp_path: Path) -> None:
    ini = f"[watcher:flood]\ncmd = {child_command('floods_stdout', 0)}\nnumprocesses = 2\ngraceful_timeout = 1\n"
    ini += "stdout_stream.filename = /dev/null\n[watcher:web]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "flood", "web")
        took = []
        for _ in range(40):
            began = time.monotonic()
            assert daemon.call("stats")["status"] == "ok"
            took.append(time.monotonic() - began)
        assert sorted(took)[20] < 1.0, took
        assert max(took) < 6, took
        assert daemon.call("restart", name="flood", waiting=True)["status"] == "ok"


def test_everything_at_once_is_told_once(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 6\nrespawn_backoff.stable = 0\nreload_overlap = 0.01\n"
    with Daemon(tmp_path, ini + "autostart = False\n") as daemon, daemon.events() as events:
        assert daemon.call("start", name="web", waiting=True)["status"] == "ok"
        for round_ in range(12):
            for pid in daemon.pids("web")[round_ % 3 :: 3]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # the daemon was faster
            daemon.caller.cast(("reload", "kill", "decr", "incr", "restart")[round_ % 5], name="web")
        daemon.call("set", name="web", options={"numprocesses": 3}, waiting=True)
        eventually(lambda: len(daemon.pids("web")) == 3 and daemon.status("web") == "active")
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert told(daemon, events, "web")[-1] == "stop"
        assert_each_spawn_has_one_reap(events.heard)
