"""The end of the daemon: shutdown wins over everything, nothing is left behind, and the way is free afterwards."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import Daemon, child_command, eventually
from harness.daemon import free_port
from harness.processes import is_alive
from tests.e2e.recording import pid_in, pids_in, up

STUBBORN = "\n[watcher:stubborn]\ncmd = {command}\ngraceful_timeout = 30\nautostart = {autostart}\n"


def stubborn(*, autostart: bool = True) -> str:
    """A watcher that takes 30 s to stop; ``ready`` appears when its process ignores SIGTERM."""
    return STUBBORN.format(command=child_command("ignores_term", "{dir}/ready"), autostart=autostart)


def terminate_twice(daemon: Daemon) -> None:
    """Two SIGTERM that are noticed as two (the kernel merges those that are pending)."""
    daemon.signal(signal.SIGTERM)
    eventually(lambda: "SIG_TERM" in daemon.log)
    daemon.signal(signal.SIGTERM)


def assert_ends_soon(daemon: Daemon, seconds: float = 8.0) -> None:
    began = time.monotonic()
    assert daemon.wait(seconds) == 0
    assert time.monotonic() - began < seconds


# -- row 1: TERM at any moment ---------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_the_daemon_while_watchers_warm_up(tmp_path: Path, signum: int) -> None:
    ini = "[circus]\nwarmup_delay = 5\n" + "".join(
        f"[watcher:w{n}]\ncmd = sleep 98765\nnumprocesses = 3\nwarmup_delay = 5\n" for n in range(3)
    )
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: daemon.status("w0") == "starting" and daemon.pids("w0"))
        daemon.tree()
        daemon.signal(signum)
        assert_ends_soon(daemon)


def test_sigterm_ends_the_daemon_while_a_start_is_retried(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:bad]\ncmd = no-such-program\nmax_retry = -1\n") as daemon:
        daemon.signal(signal.SIGTERM)
        assert_ends_soon(daemon)


def test_sigterm_during_a_graceful_stop_is_remembered_and_a_second_one_kills(tmp_path: Path) -> None:
    with Daemon(tmp_path, stubborn() + "[watcher:other]\ncmd = sleep 98765\n") as daemon:
        pid_in(tmp_path / "ready")
        up(daemon, "other")
        daemon.call("stop", name="stubborn")
        daemon.wait_status("stubborn", "stopping")
        daemon.tree()
        daemon.signal(signal.SIGTERM)
        daemon.wait_status("other", "stopped")
        assert daemon.poll() is None, "the grace of the stubborn one is not over"
        daemon.signal(signal.SIGTERM)
        assert_ends_soon(daemon)


def test_sigterm_during_a_reload_takes_both_generations_along(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\nreload_overlap = 60\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        daemon.call("reload", name="web")
        eventually(lambda: len(daemon.pids("web")) == 4)
        daemon.tree()
        daemon.signal(signal.SIGTERM)
        assert_ends_soon(daemon)


def test_sigterm_during_a_restart(tmp_path: Path) -> None:
    with Daemon(tmp_path, stubborn()) as daemon:
        pid_in(tmp_path / "ready")
        daemon.call("restart", name="stubborn")
        daemon.wait_status("stubborn", "stopping")
        terminate_twice(daemon)
        assert_ends_soon(daemon)


def test_sigterm_soon_after_a_full_restart_began_is_not_lost(tmp_path: Path) -> None:
    """Between the old life and the new one nobody may drop the signal."""
    ini = "[watcher:web]\ncmd = sleep 98765\n"
    for step in range(8):
        with Daemon(tmp_path / str(step), ini) as daemon:
            up(daemon, "web")
            daemon.tree()
            daemon.call("restart")
            time.sleep(0.004 * step)  # the moment is the point
            daemon.signal(signal.SIGTERM)
            assert_ends_soon(daemon)


def test_sigterm_during_a_full_restart_ends_the_daemon(tmp_path: Path) -> None:
    with Daemon(tmp_path, stubborn()) as daemon:
        pid_in(tmp_path / "ready")
        daemon.call("restart")
        daemon.wait_status("stubborn", "stopping")
        terminate_twice(daemon)
        assert_ends_soon(daemon)


def test_sigterm_during_a_reloadconfig(tmp_path: Path) -> None:
    with Daemon(tmp_path, stubborn()) as daemon:
        pid_in(tmp_path / "ready")
        daemon.write("[watcher:other]\ncmd = sleep 98765\n")
        daemon.call("reloadconfig")
        eventually(lambda: daemon.call("numwatchers")["numwatchers"] == 1)
        daemon.tree()
        terminate_twice(daemon)
        assert_ends_soon(daemon)


@pytest.mark.parametrize("watchers", [0, 4])
def test_sigterm_at_any_moment_of_the_start_leaves_nothing_behind(tmp_path: Path, watchers: int) -> None:
    ini = "".join(f"[watcher:w{n}]\ncmd = sleep 98765\nnumprocesses = 5\n" for n in range(watchers))
    for step in range(1, 14):
        daemon = Daemon(tmp_path / str(step), ini).start(wait=False)
        try:
            time.sleep(0.02 * step)  # the moment is the point
            daemon.tree()
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() in (0, -signal.SIGTERM), daemon.log
            assert "Traceback" not in daemon.log, daemon.log
        finally:
            daemon.stop()


# -- what is left ----------------------------------------------------------------------------------------------


def test_stopping_takes_as_long_as_the_slowest_not_as_the_sum(tmp_path: Path) -> None:
    slow = child_command("prints_last_words", "{dir}/ready-PID", 0, 1)
    ini = "".join(f"[watcher:w{n}]\ncmd = {slow}\nclose_child_stdout = True\n" for n in range(6))
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, *(f"w{n}" for n in range(6)))
        eventually(lambda: len(list(tmp_path.glob("ready-*[0-9]"))) == 6)
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert time.monotonic() - began < 5


def test_a_daemon_that_was_killed_leaves_its_workers(tmp_path: Path) -> None:
    """Row 7: known and documented; nothing can be done inside a process that gets SIGKILL."""
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n") as daemon:
        up(daemon, "web")
        left = daemon.tree()
        daemon.kill()
        assert all(is_alive(process) for process in left)
        assert daemon.stop(check=False) == -signal.SIGKILL


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_the_way_is_free_when_quit_waiting_is_answered(tmp_path: Path, transport: str) -> None:
    """Row 22: a script may start the next daemon at once, with the same endpoints, sockets and pid file."""
    port = free_port()
    ini = f"[circus]\npidfile = {{dir}}/pid\n[socket:web]\nport = {port}\n[watcher:web]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini, transport=transport) as first:
        up(first, "web")
        for _ in range(3):
            assert first.call("quit", waiting=True)["status"] == "ok"
            ended = first._process
            assert ended is not None
            first.start()  # binds the same endpoints
            assert ended.wait(5) == 0
            up(first, "web")


def test_everything_but_the_endpoint_is_given_up_before_quit_waiting_is_answered(tmp_path: Path) -> None:
    """Row 22; the endpoint itself follows within milliseconds: the answer has to leave through it."""
    port = free_port()
    ini = f"[circus]\npidfile = {{dir}}/pid\n[socket:web]\nport = {port}\n[watcher:web]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini, transport="tcp") as daemon:
        up(daemon, "web")
        left = daemon.tree()
        assert daemon.call("quit", waiting=True)["status"] == "ok"
        assert not (tmp_path / "pid").exists()
        assert not any(is_alive(process) for process in left)
        bind_once(port)
        eventually(lambda: bind_once(int(daemon.endpoint.rpartition(":")[2])), 5.0)
        assert_ends_soon(daemon)


def bind_once(port: int) -> bool:
    """Whether the port can be bound; an AssertionError says that it cannot."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError as error:
            raise AssertionError(f"port {port}: {error}") from error
    return True


def test_circusctl_quit_waiting_returns_when_the_port_can_be_bound(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n", transport="tcp") as daemon:
        up(daemon, "web")
        assert daemon.ctl("quit", "--waiting").rc == 0
        bind_once(int(daemon.endpoint.rpartition(":")[2]))
        assert daemon.wait() == 0


def test_the_daemon_ends_cleanly_and_removes_its_files(tmp_path: Path) -> None:
    ini = "[circus]\npidfile = {dir}/pid\n[socket:web]\npath = {dir}/web.sock\n[watcher:web]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        assert (tmp_path / "pid").read_text().strip() == str(daemon.pid)
        assert (tmp_path / "web.sock").exists()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert not (tmp_path / "pid").exists()
        assert not (tmp_path / "web.sock").exists()
        assert "Traceback" not in daemon.log


def test_workers_removed_with_nostop_outlive_the_daemon(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n") as daemon:
        up(daemon, "web")
        pid = daemon.pids("web")[0]
        assert daemon.call("rm", name="web", nostop=True, waiting=True)["status"] == "ok"
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        os.kill(pid, 0)
        daemon.stop(check=False)


def test_a_whole_tree_is_gone_with_the_daemon(tmp_path: Path) -> None:
    ini = f"[watcher:web]\ncmd = {child_command('forks_grandchild', '{dir}/ready', 3)}\n"
    with Daemon(tmp_path, ini) as daemon:
        pids_in(tmp_path / "ready")
        daemon.tree()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert not daemon.leftovers()
