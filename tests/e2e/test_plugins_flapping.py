"""Flapping under a real circusd: workers that crash, siblings that do not, operators who restart."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from harness import Daemon, EventRecorder, child_command, eventually
from tests.e2e.plugged import lines_with, plugged
from tests.e2e.recording import of, told, up

CRASHES = f"""
[watcher:crash]
cmd = {child_command("exits_at_once", 3)}
autostart = False
{{options}}
[watcher:good]
cmd = sleep 98765
numprocesses = 2
reload_overlap = 0.05
[watcher:canary]
cmd = sleep 98764
respawn_backoff.cap = 0.1
"""
#: Deaths enough before the plugin, which may be late, has it stopped; and only those two that it wants.
OFTEN, TWICE = "respawn_backoff.cap = 0.1\n", "respawn_backoff.factor = 50\n"


def flapping(tmp_path: Path, options: str = OFTEN, **plugin: object) -> Daemon:
    section = {"window": 10, "retry_in": 0.3, "max_retry": 2, **plugin}
    watchers = CRASHES.format(options=options)
    return plugged(tmp_path, "circus.plugins.flapping.Flapping", section, watchers, "check_delay = 0.5")


def listening(daemon: Daemon) -> None:
    """Wait until the plugin hears events: it finds that the canary flaps."""
    up(daemon, "good", "plugin:it")

    def hears() -> bool:
        for pid in daemon.pids("canary"):
            with contextlib.suppress(ProcessLookupError):  # the plugin may have had it stopped just now
                os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: pid not in daemon.pids("canary"))
        return bool(lines_with(daemon, "canary: flapping detected"))

    eventually(hears, interval=0.05)


def times(events: EventRecorder, watcher: str, name: str) -> int:
    return len(of(events.heard, watcher, name))


def test_a_crashing_worker_is_stopped_tried_again_and_given_up_and_its_neighbour_is_left_alone(tmp_path: Path) -> None:
    with flapping(tmp_path, TWICE) as daemon:
        listening(daemon)
        before = daemon.pids("good")
        with daemon.events() as events:
            daemon.call("start", name="crash")
            events.wait_event("crash", "stop", 3)
            eventually(lambda: lines_with(daemon, "crash: flapping detected: reached max retry limit"))
            daemon.wait_status("crash", "stopped")
            assert times(events, "crash", "start") >= 2
            assert "stop" not in told(daemon, events, "good")
        assert daemon.pids("good") == before
        told_ = [line.partition("[INFO] ")[2] for line in lines_with(daemon, "crash: flapping")]
        assert told_ == [
            "crash: flapping detected: retry in  0s (attempt number 1)",
            "crash: flapping detected: retry in  0s (attempt number 2)",
            "crash: flapping detected: reached max retry limit",
        ]


def test_what_operators_do_is_no_flapping(tmp_path: Path) -> None:
    with flapping(tmp_path, retry_in=0.1) as daemon, daemon.events() as events:
        listening(daemon)
        for _ in range(2):
            for command in ("restart", "reload", "kill"):
                assert daemon.call(command, name="good", waiting=True)["status"] == "ok"
        eventually(lambda: len(daemon.pids("good")) == 2)
        events.wait_event("good", "reap", 12)
        # The plugin has seen all that when it sees this.
        daemon.call("start", name="crash")
        eventually(lambda: lines_with(daemon, "crash: flapping detected"))
        assert not lines_with(daemon, "good: flapping")
        assert daemon.status("good") == "active"


def test_a_watcher_can_have_its_own_options_and_they_can_be_changed(tmp_path: Path) -> None:
    with flapping(tmp_path, f"{OFTEN}flapping.active = no\n") as daemon, daemon.events() as events:
        listening(daemon)
        daemon.call("start", name="crash")
        events.wait_event("crash", "reap", 8)
        assert not lines_with(daemon, "crash: flapping")
        daemon.config.write_text(daemon.config.read_text().replace("flapping.active = no", "flapping.max_retry = 0"))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        daemon.call("start", name="crash")
        eventually(lambda: lines_with(daemon, "crash: flapping detected: reached max retry limit"))
        daemon.wait_status("crash", "stopped")
