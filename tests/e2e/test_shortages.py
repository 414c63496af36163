"""A machine that lacks something, or has much of everything: descriptors, disk space, a thousand watchers."""

from __future__ import annotations

import os
import resource
import socket
import time
from pathlib import Path

import psutil
import pytest

from harness import PATIENCE, Daemon, child_command, eventually
from tests.e2e.recording import assert_each_spawn_has_one_reap, barrier, pids_in, up


def squeeze(daemon: Daemon, spare: int) -> tuple[int, int]:
    """Leave the daemon only ``spare`` free descriptors; returns the limits it had.

    Numbers that are free below its highest one are counted, too.
    """
    taken = sorted(int(fd) for fd in os.listdir(f"/proc/{daemon.pid}/fd"))
    limit, free = 0, 0
    while limit in taken or free < spare:
        free += limit not in taken
        limit += 1
    before: tuple[int, int] = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    return before


def release(daemon: Daemon, limits: tuple[int, int]) -> None:
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)


CAPTURED = "stdout_stream.filename = {dir}/out\n"


@pytest.mark.parametrize("spare", [0, 1, 2, 3])
@pytest.mark.parametrize("options", [CAPTURED, "rlimit_core = 0\n"], ids=["captured", "limited"])
def test_without_descriptors_it_lives_retries_and_recovers(tmp_path: Path, spare: int, options: str) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 3\nrespawn_backoff.stable = 0\nmax_retry = 2\n" + options
    with Daemon(tmp_path, ini + "respawn_backoff.cap = 0.3\n") as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            limits = squeeze(daemon, spare)
            for pid in daemon.pids("web"):
                os.kill(pid, 9)
            events.wait_event("web", "reap", 3)
            daemon.call("incr", name="web", nb=6)
            eventually(lambda: "error in 'web'" in daemon.log)
            for _ in range(20):
                assert daemon.call("status")["status"] == "ok"
            release(daemon, limits)
            eventually(lambda: len(daemon.pids("web")) == 9)
        assert_recovered(daemon)


def test_workers_that_need_no_descriptor_are_started_and_noticed_without_one(tmp_path: Path) -> None:
    ini = "check_delay = 60\n[watcher:web]\ncmd = sleep 98765\nnumprocesses = 3\nrespawn_backoff.stable = 0\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            limits = squeeze(daemon, 0)
            for round_ in (1, 2):  # the second generation has no pidfd
                for pid in daemon.pids("web"):
                    os.kill(pid, 9)
                events.wait_event("web", "reap", 3 * round_)
                eventually(lambda: len(daemon.pids("web")) == 3)
            release(daemon, limits)
        assert_recovered(daemon)


def assert_recovered(daemon: Daemon) -> None:
    """All is as if there had never been a shortage; workers that were started in it, too."""
    before = daemon.pids("web")
    assert daemon.status("web") == "active"
    assert daemon.call("restart", name="web", waiting=True)["status"] == "ok"
    assert len(daemon.pids("web")) == len(before)
    assert not set(daemon.pids("web")) & set(before)
    assert "please report" not in daemon.log
    assert "internal error" not in daemon.log


@pytest.mark.parametrize("spare", [0, 1, 2])
def test_without_descriptors_stopping_still_works(tmp_path: Path, spare: int) -> None:
    command = child_command("forks_grandchild", "{dir}/ready", 2)
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {command}\ngraceful_timeout = 0.5\n") as daemon:
        pids = pids_in(tmp_path / "ready")
        daemon.tree()
        limits = squeeze(daemon, spare)
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert not psutil.pid_exists(pids[0])
        release(daemon, limits)


def test_without_descriptors_it_ends_on_sigterm(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 5\n") as daemon:
        up(daemon, "web")
        eventually(lambda: len(daemon.pids("web")) == 5)
        daemon.tree()
        squeeze(daemon, 0)
        daemon.signal(15)
        assert daemon.wait() == 0


def test_connections_beyond_the_limit_do_no_harm(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n", transport="tcp") as daemon:
        up(daemon, "web")
        limits = squeeze(daemon, 5)
        port = int(daemon.endpoint.rpartition(":")[2])
        idle = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(40)]
        assert daemon.call("status")["status"] == "ok"
        for raw in idle:
            raw.close()
        release(daemon, limits)
        daemon.caller.close()
        daemon._caller = None
        assert daemon.call("status")["status"] == "ok"
        assert daemon.poll() is None


def test_a_full_disk_does_not_keep_anybody_from_stopping(tmp_path: Path) -> None:
    """Peers E 3: a full disk made it impossible to stop."""
    ini = f"[circus]\nlogoutput = /dev/full\n[watcher:web]\ncmd = {child_command('floods_stdout', 0)}\n"
    ini += "stdout_stream.filename = /dev/full\nstderr_stream.filename = /dev/full\ngraceful_timeout = 2\n"
    with Daemon(tmp_path, ini + "[watcher:other]\ncmd = sleep 98765\n") as daemon:
        up(daemon, "web", "other")
        for _ in range(5):
            assert daemon.call("restart", name="other", waiting=True)["status"] == "ok"
        assert daemon.call("restart", name="web", waiting=True)["status"] == "ok"
        daemon.tree()
        daemon.signal(15)
        assert daemon.wait() == 0


def test_a_thousand_watchers(tmp_path: Path) -> None:
    """Start, list, look at, signal, stop all of them, in seconds."""
    number = 1000
    ini = "".join(f"[watcher:w{n}]\ncmd = sleep 98765\n" for n in range(number))
    began = time.monotonic()
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: daemon.call("numprocesses")["numprocesses"] == number, 2 * PATIENCE, interval=0.1)
        started = time.monotonic() - began
        statuses = daemon.call("status")["statuses"]
        assert list(statuses.values()).count("active") == number
        assert len(daemon.call("list")["watchers"]) == number + 1
        began = time.monotonic()
        infos = daemon.call("stats")["infos"]
        assert sum(len(each) for each in infos.values()) == number
        looked = time.monotonic() - began
        with daemon.events() as events:
            began = time.monotonic()
            assert daemon.call("restart", name="w1*", waiting=True)["status"] == "ok"
            barrier(daemon, events)
            assert sum(event.name == "start" for event in events.heard) == 111
        restarted = time.monotonic() - began
        daemon.tree()
        began = time.monotonic()
        daemon.signal(15)
        assert daemon.wait(2 * PATIENCE) == 0
        stopped = time.monotonic() - began
        figures = f"start {started:.2f} s, stats {looked:.3f} s, restart of 111 {restarted:.2f} s, stop {stopped:.2f} s"
        print(figures)
        assert started < 20, figures
        assert looked < 5, figures
        assert restarted < 5, figures
        assert stopped < 20, figures


def test_a_thousand_processes_of_one_watcher(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\nautostart = False\n") as daemon, daemon.events() as events:
        daemon.call("set", name="web", options={"numprocesses": 400}, waiting=True)
        assert daemon.call("start", name="web", waiting=True)["status"] == "ok"
        assert len(daemon.pids("web")) == 400
        assert daemon.call("kill", name="web", waiting=True)["status"] == "ok"
        eventually(lambda: len(daemon.pids("web")) == 400)
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        barrier(daemon, events)
        assert_each_spawn_has_one_reap(events.heard)
