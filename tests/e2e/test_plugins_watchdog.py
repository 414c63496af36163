"""WatchDog under a real circusd, with workers that send heart beats by UDP."""

from __future__ import annotations

from pathlib import Path

from harness import child_command, eventually
from harness.daemon import free_port
from tests.e2e.plugged import lines_with, plugged, plugin_pid
from tests.e2e.recording import of, up


def test_a_worker_that_falls_silent_is_replaced_and_no_other_one(tmp_path: Path) -> None:
    port = free_port()
    workers = (
        f"[watcher:Beating Hearts]\ncmd = {child_command('beats', port, '{dir}/ready-PID')}\nnumprocesses = 2\n"
        "[watcher:other]\ncmd = sleep 98765\n"
    )
    # Three seconds of silence: a healthy one may have to wait for a CPU, and a new one has to start.
    options = {"port": port, "loop_rate": 0.3, "max_count": 10, "watchers_regex": "beating",
               "watchers_stop_signal": "KILL"}  # fmt: skip
    daemon = plugged(tmp_path, "circus.plugins.watchdog.WatchDog", options, workers)
    with daemon, daemon.events() as events:
        up(daemon, "Beating Hearts", "other", "plugin:it")
        dog = plugin_pid(daemon)
        healthy, sick = daemon.pids("beating hearts")
        for pid in (healthy, sick):
            eventually((tmp_path / f"ready-{pid}").exists)
        eventually(lambda: lines_with(daemon, f"process {sick} of beating hearts is expected"))
        daemon.call("signal", name="beating hearts", pid=sick, signum="USR1")
        (reap,) = events.wait_event("beating_hearts", "reap")
        assert (reap.pid, reap.payload["exit_code"], reap.payload["expected"]) == (sick, -9, True)
        eventually(lambda: len(daemon.pids("beating hearts")) == 2)
        assert healthy in daemon.pids("beating hearts")
        # Its successor is known by its spawn event.
        (successor,) = set(daemon.pids("beating hearts")) - {healthy}
        eventually((tmp_path / f"ready-{successor}").exists)
        daemon.call("signal", name="beating hearts", pid=successor, signum="USR1")
        eventually(lambda: successor not in daemon.pids("beating hearts"))
        assert healthy in daemon.pids("beating hearts")
        assert plugin_pid(daemon) == dog
        assert not of(events.heard, "other", "reap")
        assert not lines_with(daemon, "Traceback")
