"""A daemon under load for a while: nothing is lost, nothing leaks, and the loop never stands still."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import Caller, Daemon, eventually
from tests.e2e.recording import assert_each_spawn_has_one_reap, barrier

SECONDS = float(os.environ.get("CIRCUS_SOAK_SECONDS", "8"))
WATCHERS = 50
#: The loop may not be held up longer than that (seconds), on a machine that has nothing else to do.
LONGEST_STALL = 0.05
#: What tells whether it has: a process that wants to wake up every two milliseconds, and says how late it was at worst.
METRONOME = """
import select, time
worst = 0.0
while True:
    before = time.monotonic()
    if select.select([0], [], [], 0.002)[0]:
        print(worst)
        break
    worst = max(worst, time.monotonic() - before - 0.002)
"""


def configuration() -> str:
    """Watchers of all kinds. Their processes cost next to nothing, so that the daemon is what is measured."""
    ini = "[circus]\ncheck_delay = 0.5\n[socket:s]\nhost = 127.0.0.1\nport = 0\n"
    # A pause without a process of its own: read with a time limit from a pipe that nobody writes to.
    chatty = "bash -c 'exec 3<> {dir}/silence; while :; do echo some output for a log; read -t 0.02 -u 3; done'"
    for number in range(WATCHERS):
        kind = number % 5
        command = {2: chatty, 3: "sh -c 'exit 1'"}.get(kind, "sleep 98765")
        ini += f"[watcher:w{number}]\ncmd = {command}\nnumprocesses = {1 + number % 3}\npriority = {number}\n"
        ini += "respawn_backoff.stable = 0.2\nreload_overlap = 0.05\ngraceful_timeout = 2\nstop_children = True\n"
        if kind == 2:
            ini += f"stdout_stream.filename = {{dir}}/log{number}\nstdout_stream.max_bytes = 10000\n"
            ini += "stdout_stream.backup_count = 2\n"
        elif kind == 3:
            ini += "respawn_backoff.cap = 1\n"
        elif kind == 4:
            ini += "use_sockets = True\nmax_age = 2\nmax_age_variance = 1\n"
    return ini


class Metronome:
    """Measures how late the machine lets a process run."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", METRONOME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> float:
        """The worst lateness in seconds."""
        out, _ = self._process.communicate(timeout=10)
        return float(out)


def put_first(pid: int) -> None:
    """Let a process run before others, where we may."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) - 10)


class Crowd:
    """Clients that want something all the time, each on a thread and a connection of its own."""

    def __init__(self, daemon: Daemon, count: int) -> None:
        self.daemon, self.end = daemon, threading.Event()
        self.asked: Counter[str] = Counter()
        self.slowest = 0.0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._live, args=(seed,)) for seed in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.end.set()
        for thread in self._threads:
            thread.join()

    def _live(self, seed: int) -> None:
        rng = random.Random(seed)
        caller = Caller(self.daemon.context, self.daemon.endpoint)
        try:
            while not self.end.is_set():
                self._act(rng, caller)
        except Exception as error:
            self.failures.append(repr(error))
        finally:
            caller.close()

    def _act(self, rng: random.Random, caller: Caller) -> None:
        name = f"w{rng.randrange(WATCHERS)}"
        command = rng.choice(
            ["restart", "reload", "incr", "decr", "stop", "start", "kill", "signal", "set"]
            + ["stats", "list", "status", "numprocesses", "options", "dstats"] * 2
        )
        properties: dict[str, Any] = {"name": name}
        if command in ("dstats", "status") or (command == "stats" and rng.random() < 0.1):
            properties = {}
        elif command == "signal":
            properties["signum"] = rng.choice([signal.SIGTERM, signal.SIGKILL])
        elif command == "set":
            properties["options"] = {"numprocesses": rng.randrange(1, 4)}
        elif command == "reload":
            properties["sequential"] = rng.random() < 0.3
        began = time.monotonic()
        reply = caller.call(command, **properties)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.asked[command] += 1
        if reply["status"] == "error" and reply["errno"] not in (3, 5):
            self.failures.append(f"{command} {properties}: {reply}")
        time.sleep(rng.random() * 0.02)


def descriptors(daemon: Daemon) -> list[str]:
    """What each open descriptor of the daemon is, without numbers."""
    found = []
    for name in os.listdir(f"/proc/{daemon.pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{daemon.pid}/fd/{name}").partition("[")[0].rstrip("0123456789:"))
        except OSError:
            continue
    return found


@pytest.mark.alone
@pytest.mark.soak
@pytest.mark.slow
def test_fifty_watchers_churning(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "silence")
    with Daemon(tmp_path, configuration()) as daemon, daemon.events() as events:
        # Tests that run beside this one are no part of the daemon's day, and its beginning none of this.
        put_first(daemon.pid)
        begun_with = daemon.call("dstats")["info"]["loop_stall_max"]

        def at_rest() -> bool:
            return set(daemon.call("status")["statuses"].values()) == {"stopped"}

        assert daemon.call("stop", waiting=True)["status"] == "ok"
        eventually(at_rest)
        barrier(daemon, events)
        events.clear()
        daemon.call("dstats")  # keeps one descriptor, for the next time
        before = Counter(descriptors(daemon))
        memory = psutil.Process(daemon.pid).memory_info().rss
        metronome = Metronome()
        put_first(metronome.pid)
        assert daemon.call("start", waiting=True)["status"] == "ok"
        crowd = Crowd(daemon, 4)
        try:
            end = time.monotonic() + SECONDS
            rng = random.Random(99)
            while time.monotonic() < end:
                events.wait_for(lambda heard: True)  # read what was published, lest the queue grows
                victims = [process for process in psutil.Process(daemon.pid).children() if rng.random() < 0.05]
                for victim in victims:
                    try:
                        victim.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1]))
                    except psutil.NoSuchProcess:
                        continue
                time.sleep(0.1)
        finally:
            crowd.stop()
            late = metronome.stop()
        assert not crowd.failures, crowd.failures[:5]
        info = daemon.call("dstats")["info"]
        assert daemon.call("stop", waiting=True)["status"] == "ok"
        eventually(at_rest)
        eventually(lambda: not psutil.Process(daemon.pid).children())
        barrier(daemon, events)
        assert_each_spawn_has_one_reap(events.heard)
        spawns = sum(event.name == "spawn" for event in events.heard)
        eventually(lambda: not Counter(descriptors(daemon)) - before or no(Counter(descriptors(daemon)) - before))
        grown = psutil.Process(daemon.pid).memory_info().rss - memory
        figures = (
            f"{SECONDS:g} s: {spawns} workers, {sum(crowd.asked.values())} requests, slowest answer "
            f"{crowd.slowest * 1000:.0f} ms, longest stall {info['loop_stall_max'] * 1000:.1f} ms "
            f"(the machine itself: {late * 1000:.1f} ms), {grown / 1e6:.1f} MB more"
        )
        print(figures, file=sys.__stderr__)
        for word in ("Traceback", "internal error", "please report", "could not be carried out"):
            assert word not in daemon.log, daemon.log[daemon.log.index(word) - 500 :][:3000]
        assert spawns > 100
        assert grown < 30e6, figures
        # What others on the machine take is not the daemon's fault; its turns are cut into several by them.
        stall = info["loop_stall_max"]
        assert stall == begun_with or stall < LONGEST_STALL + 3 * max(0.0, late - 0.005), figures


def no(leaked: Counter[str]) -> bool:
    raise AssertionError(f"descriptors left open: {leaked}")
