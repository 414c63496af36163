"""Stopping means all of it: children, grandchildren, those who ignore signals, those who detached themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from harness import Daemon, child_command, eventually
from harness.processes import is_alive
from tests.e2e.recording import of, pid_in, pids_in, told, up

DOUBLE_FORK = """
import os, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        with open(sys.argv[1] + ".part", "w") as file:
            file.write("%d" % os.getpid())
        os.rename(sys.argv[1] + ".part", sys.argv[1])
        time.sleep(98765)
    os._exit(0)
os.wait()
time.sleep(98765)
"""


def assert_all_gone(pids: list[int]) -> None:
    assert not [pid for pid in pids if psutil.pid_exists(pid) and is_alive(psutil.Process(pid))]


@pytest.mark.parametrize("stop_children", [True, False])
@pytest.mark.parametrize("mode", ["plain", "session", "ignore"])
def test_stop_ends_the_whole_tree(tmp_path: Path, mode: str, stop_children: bool) -> None:
    """Row 6: even a plain ``sleep`` below a worker survived, and nothing was killed after the timeout."""
    command = child_command("forks_grandchild", "{dir}/ready", 3, mode)
    ini = f"[watcher:web]\ncmd = {command}\nstop_children = {stop_children}\ngraceful_timeout = 0.5\n"
    with Daemon(tmp_path, ini) as daemon:
        pids = pids_in(tmp_path / "ready")
        assert len(pids) == 4
        daemon.tree()
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert_all_gone(pids)


def test_stop_children_tells_a_kill_of_each_member(tmp_path: Path) -> None:
    command = child_command("forks_grandchild", "{dir}/ready", 2)
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {command}\nstop_children = True\n") as daemon:
        pids = pids_in(tmp_path / "ready")
        with daemon.events() as events:
            assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
            told(daemon, events, "web")
            assert sorted(event.pid or 0 for event in of(events.heard, "web", "kill")) == sorted(pids)
            assert [event.pid for event in of(events.heard, "web", "reap")] == [pids[0]]


def test_a_double_fork_in_the_session_does_not_escape(tmp_path: Path) -> None:
    program = tmp_path / "double_fork.py"
    program.write_text(DOUBLE_FORK)
    command = child_command("ready").rpartition(" ")[0]  # the interpreter and its options
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {command} {program} {{dir}}/ready\n") as daemon:
        grandchild = pid_in(tmp_path / "ready")
        daemon.tree()
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert_all_gone([grandchild])


def test_kill_with_a_timeout_as_text_kills_and_the_stop_after_it_works(tmp_path: Path) -> None:
    """Row 4: it poisoned the process, and the next stop hung the daemon for good."""
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {child_command('ignores_term', '{dir}/ready')}\n") as daemon:
        pid = pid_in(tmp_path / "ready")
        assert daemon.ctl("kill", "web", "--graceful_timeout", "0.2", "--waiting").rc == 0
        eventually(lambda: daemon.pids("web") not in ([], [pid]))
        assert_all_gone([pid])
        assert daemon.call("kill", name="web", graceful_timeout="0.2", waiting=True)["status"] == "ok"
        assert daemon.call("kill", name="web", graceful_timeout="soon")["errno"] == 3
        (tmp_path / "ready").unlink()
        daemon.call("set", name="web", options={"graceful_timeout": 0.2}, waiting=True)
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert daemon.status("web") == "stopped"


def test_a_child_that_is_stopped_by_a_signal_does_not_block_the_daemon(tmp_path: Path) -> None:
    """Row 5: circusd blocked for ever on a child that did not end; SIGSTOP makes one that takes no SIGTERM."""
    ini = "[watcher:web]\ncmd = sleep 98765\ngraceful_timeout = 0.5\n[watcher:other]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web", "other")
        pid = daemon.pids("web")[0]
        os.kill(pid, signal.SIGSTOP)
        daemon.call("stop", name="web")
        assert daemon.call("restart", name="other", waiting=True)["status"] == "ok"
        daemon.wait_status("web", "stopped")
        assert_all_gone([pid])


def test_a_worker_collected_by_somebody_else_is_noticed(tmp_path: Path) -> None:
    """Row 5: no blocking wait for a status that will never come (a hook, here, takes it away)."""
    (tmp_path / "thief.py").write_text(
        "import os\n"
        "def steal(watcher, arbiter, hook_name, pid, **kw):\n"
        "    os.kill(pid, 9)\n"
        "    try:\n"
        "        os.waitpid(pid, 0)\n"
        "    except ChildProcessError:\n"
        "        pass\n"
        "    return True\n"
    )
    ini = "[watcher:web]\ncmd = sleep 98765\nhooks.after_spawn = thief.steal\nautostart = False\nrespawn = False\n"
    python_path = f"{tmp_path}:{Path(__file__).parents[2]}"
    with Daemon(tmp_path, ini, variables={"PYTHONPATH": python_path}) as daemon, daemon.events() as events:
        daemon.call("start", name="web")
        daemon.wait_status("web", "stopped")
        assert "reap" in told(daemon, events, "web")
        assert daemon.call("status")["status"] == "ok"


def test_restart_and_reload_leave_no_part_of_the_old_tree(tmp_path: Path) -> None:
    command = child_command("forks_grandchild", "{dir}/ready-PID", 2)
    ini = f"[watcher:web]\ncmd = {command}\nreload_overlap = 0.1\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        for command in ("restart", "reload", "kill"):
            first = daemon.pids("web")[0]
            old = pids_in(tmp_path / f"ready-{first}")
            daemon.tree()
            assert daemon.call(command, name="web", waiting=True)["status"] == "ok"
            assert_all_gone(old)
            eventually(lambda: daemon.pids("web"))
