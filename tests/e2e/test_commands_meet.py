"""Commands that meet other commands: nothing is refused without need, the newer wish wins, everybody is answered."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import Caller, Daemon, child_command, eventually
from tests.e2e.recording import assert_each_spawn_has_one_reap, barrier, pid_in, told, up

COMMAND_ERROR = 5


def slow_to_stop(name: str, seconds: float = 30) -> str:
    """A watcher whose process ignores SIGTERM; ``ready-NAME`` appears when it does."""
    command = child_command("ignores_term", f"{{dir}}/ready-{name}")
    return f"[watcher:{name}]\ncmd = {command}\ngraceful_timeout = {seconds}\n"


def test_a_slow_stop_of_one_watcher_does_not_touch_others(tmp_path: Path) -> None:
    """Row 2: no command on another watcher is refused or held up."""
    ini = slow_to_stop("slow") + "[watcher:web]\ncmd = sleep 98765\nreload_overlap = 0\n"
    with Daemon(tmp_path, ini) as daemon:
        pid_in(tmp_path / "ready-slow")
        up(daemon, "web")
        daemon.call("stop", name="slow")
        daemon.wait_status("slow", "stopping")
        began = time.monotonic()
        for command, properties in (
            ("incr", {}),
            ("decr", {}),
            ("set", {"options": {"numprocesses": 2}}),
            ("restart", {}),
            ("reload", {}),
            ("kill", {}),
            ("stop", {}),
            ("start", {}),
            ("rm", {}),
        ):
            reply = daemon.call(command, name="web", waiting=True, **properties)
            assert reply["status"] == "ok", (command, reply)
        assert daemon.call("add", name="new", cmd="sleep 98765", start=True, waiting=True)["status"] == "ok"
        assert time.monotonic() - began < 15, "the slow one held them up"
        assert daemon.status("slow") == "stopping"
        daemon.call("kill", name="slow", signum=9)
        daemon.wait_status("slow", "stopped")


def test_death_and_respawn_go_on_while_another_watcher_stops_slowly(tmp_path: Path) -> None:
    with Daemon(tmp_path, slow_to_stop("slow") + "[watcher:web]\ncmd = sleep 98765\n") as daemon:
        pid_in(tmp_path / "ready-slow")
        up(daemon, "web")
        daemon.call("stop", name="slow")
        before = daemon.pids("web")
        with daemon.events() as events:
            daemon.call("signal", name="web", signum=9)
            events.wait_event("web", "spawn")
        assert daemon.status("slow") == "stopping"
        assert daemon.pids("web") != before
        daemon.call("kill", name="slow", signum=9)


def test_equal_restarts_at_once_are_all_answered_ok(tmp_path: Path) -> None:
    """Row 2: three concurrent restarts of one watcher gave one ok and two errors."""
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n") as daemon:
        up(daemon, "web")

        def restart(_: int) -> dict[str, Any]:
            caller = Caller(daemon.context, daemon.endpoint)
            try:
                return caller.call("restart", name="web", waiting=True)
            finally:
                caller.close()

        with ThreadPoolExecutor(5) as pool:
            replies = list(pool.map(restart, range(5)))
        assert [reply["status"] for reply in replies] == ["ok"] * 5, replies
        assert len(daemon.pids("web")) == 1


def waiting_call(daemon: Daemon, pool: ThreadPoolExecutor, command: str, **properties: Any) -> Any:
    """A future of the reply to a waiting request on a connection of its own."""

    def call() -> dict[str, Any]:
        caller = Caller(daemon.context, daemon.endpoint)
        try:
            return caller.call(command, waiting=True, **properties)
        finally:
            caller.close()

    return pool.submit(call)


@pytest.mark.parametrize(
    ("older", "newer", "ends"),
    [("start", "stop", "stopped"), ("restart", "stop", "stopped"), ("stop", "start", "active")],
)
def test_the_newer_wish_replaces_the_older_which_is_told_so(
    tmp_path: Path, older: str, newer: str, ends: str
) -> None:
    with Daemon(tmp_path, slow_to_stop("web")) as daemon, ThreadPoolExecutor(2) as pool:
        pid_in(tmp_path / "ready-web")
        up(daemon, "web")
        if older == "start":
            daemon.call("stop", name="web")
            daemon.call("kill", name="web", signum=9)
            daemon.wait_status("web", "stopped")
            daemon.call("set", name="web", options={"warmup_delay": 30}, waiting=True)
        first = waiting_call(daemon, pool, older, name="web")
        eventually(lambda: daemon.status("web") not in ("active", "stopped"))
        second = waiting_call(daemon, pool, newer, name="web")
        replaced = first.result(20)
        daemon.call("kill", name="web", signum=9)  # the older one lasts until the newer one has come
        done = second.result(20)
        daemon.call("set", name="web", options={"graceful_timeout": 0.2}, waiting=True)
        assert done["status"] == "ok", done
        assert (replaced["status"], replaced["errno"]) == ("error", COMMAND_ERROR)
        assert newer in replaced["reason"]
        assert daemon.status("web") == ends


def test_a_name_is_free_again_at_once_after_rm(tmp_path: Path) -> None:
    with Daemon(tmp_path, slow_to_stop("web", 0.7)) as daemon:
        old = pid_in(tmp_path / "ready-web")
        daemon.tree()
        daemon.call("rm", name="web")
        assert daemon.call("add", name="Web", cmd="sleep 98765", start=True, waiting=True)["status"] == "ok"
        assert old not in daemon.pids("web")
        eventually(lambda: len(daemon.tree()) == 1)
        assert len(daemon.pids("web")) == 1


def test_what_was_stopped_or_removed_before_its_turn_is_not_started(tmp_path: Path) -> None:
    ini = "[circus]\nwarmup_delay = 0.4\n" + "".join(f"[watcher:w{n}]\ncmd = sleep 98765\n" for n in range(5))
    with Daemon(tmp_path, ini) as daemon:
        daemon.wait_status("w0", "active")
        assert daemon.call("stop", name="w2", waiting=True)["status"] == "ok"
        assert daemon.call("rm", name="w3", waiting=True)["status"] == "ok"
        daemon.wait_status("w4", "active")
        assert daemon.call("status")["statuses"] == {
            "w0": "active", "w1": "active", "w2": "stopped", "w4": "active", "probe": "stopped",
        }  # fmt: skip
        assert len(daemon.tree()) == 3


def test_stop_of_all_overtakes_starts_with_long_warmup(tmp_path: Path) -> None:
    ini = "".join(f"[watcher:w{n}]\ncmd = sleep 98765\nnumprocesses = 5\nwarmup_delay = 10\n" for n in range(3))
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: daemon.pids("w0"))
        assert daemon.call("stop", waiting=True)["status"] == "ok"
        assert set(daemon.call("status")["statuses"].values()) == {"stopped"}


def test_queries_are_answered_in_any_state(tmp_path: Path) -> None:
    with Daemon(tmp_path, slow_to_stop("slow")) as daemon:
        pid_in(tmp_path / "ready-slow")
        daemon.call("stop")
        for command, properties in (
            ("status", {}),
            ("list", {}),
            ("list", {"name": "slow"}),
            ("stats", {}),
            ("options", {"name": "slow"}),
            ("numprocesses", {}),
            ("dstats", {}),
            ("globaloptions", {}),
            ("listsockets", {}),
        ):
            assert daemon.call(command, **properties)["status"] in ("ok", "stopping"), command
        daemon.call("kill", name="slow", signum="KILL")


def test_a_full_restart_refuses_commands_with_the_old_text_and_answers_queries(tmp_path: Path) -> None:
    web = "[watcher:web]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, slow_to_stop("slow") + web) as daemon:
        slow = pid_in(tmp_path / "ready-slow")
        daemon.write(web)
        daemon.call("restart")
        reply = daemon.call("start", name="web")
        assert (reply["errno"], reply["reason"]) == (COMMAND_ERROR, "arbiter is restarting...")
        assert daemon.call("status")["status"] == "ok"
        os.kill(slow, signal.SIGKILL)  # nothing but its stubbornness held the restart up
        up(daemon, "web")


def test_quit_refuses_commands_with_the_old_text(tmp_path: Path) -> None:
    with Daemon(tmp_path, slow_to_stop("slow") + "[watcher:web]\ncmd = sleep 98765\n") as daemon:
        slow = pid_in(tmp_path / "ready-slow")
        daemon.call("quit")
        for command in ("start", "reload", "incr", "rm"):
            reply = daemon.call(command, name="web")
            assert (reply["errno"], reply["reason"]) == (
                COMMAND_ERROR, "arbiter is already running arbiter_stop command",
            )  # fmt: skip
        os.kill(slow, signal.SIGKILL)
        assert daemon.wait() == 0


def test_a_storm_of_wishes_ends_in_the_last_one(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 3\nreload_overlap = 0.01\nautostart = False\n"
    with Daemon(tmp_path, ini) as daemon, daemon.events() as events:
        for round_ in range(15):
            for command in ("start", "incr", "restart", "reload", "decr", "stop", "start", "kill", "reload", "stop"):
                daemon.caller.cast(command, name="web", nb=1, sequential=bool(round_ % 2))
        assert daemon.call("start", name="web", waiting=True)["status"] == "ok"
        daemon.call("set", name="web", options={"numprocesses": 2}, waiting=True)
        eventually(lambda: len(daemon.pids("web")) == 2)
        barrier(daemon, events)
        alive = daemon.pids("web")
        assert_each_spawn_has_one_reap(events.heard, alive)
        assert {process.pid for process in daemon.tree()} == set(alive)
        assert told(daemon, events, "web")


def test_the_periodic_check_never_refuses_a_command(tmp_path: Path) -> None:
    """Row 2, decision 2."""
    ini = "[circus]\ncheck_delay = 0.002\n[watcher:web]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        for _ in range(50):
            assert daemon.call("incr", name="web", waiting=True)["status"] == "ok"
            assert daemon.call("decr", name="web", waiting=True)["status"] == "ok"
        assert "already running" not in daemon.log
        assert "please report" not in daemon.log
