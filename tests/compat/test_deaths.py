"""Processes that end by themselves, do not want to end, or never begin: events, exit codes, states."""

from __future__ import annotations

import signal
import socket

from compat.comparison import CLOCK_SECTION
from harness import child_command, eventually

TICKING = "\n[circus]\ncheck_delay = 0.3\n"


def test_own_death(duo):
    duo.start(
        f"""{TICKING}
        [watcher:web]
        cmd = {child_command("prints_last_words")}
        numprocesses = 2
        close_child_stdout = True
        """.replace("\n        ", "\n")
        + CLOCK_SECTION
    )
    ready(duo, "web", 2)
    duo.after_a_check()
    duo.call("signal", name="web", pid="{pid:web:0}", signum="TERM")
    duo.events("web.reap", "web.spawn")
    duo.after_a_check()
    duo.call("signal", name="web", pid="{pid:web:0}", signum="KILL")
    duo.events("web.reap", "web.spawn")
    duo.call("status", name="web")
    duo.call("list", name="web")


def ready(duo, watcher, count):
    """Wait until that many processes sleep: the programs have then set up their signal handlers."""

    def asleep(side):
        eventually(lambda: sum(p.status() == "sleeping" and len(p.cmdline()) > 1 for p in side.daemon.tree()) >= count)
        eventually(lambda: len(side.daemon.pids(watcher)) >= count)
        eventually(lambda: all(handles_term(pid) for pid in side.daemon.pids(watcher)))

    duo.on_both(asleep)


def handles_term(pid):
    """Whether a process catches or ignores SIGTERM; proc(5)."""
    with open(f"/proc/{pid}/status") as status:
        masks = dict(line.split(":\t") for line in status if line.startswith(("SigCgt", "SigIgn")))
    return any(int(mask, 16) & 1 << signal.SIGTERM - 1 for mask in masks.values())


def test_no_respawn(duo):
    duo.start(f"{TICKING}\n[watcher:web]\ncmd = sleep 98765432\nnumprocesses = 2\nrespawn = False\n" + CLOCK_SECTION)
    duo.call("list", name="web")
    duo.after_a_check()
    duo.call("signal", name="web", pid="{pid:web:0}", signum="KILL")
    duo.events("web.reap")
    duo.call("status", name="web")
    duo.call("list", name="web")
    duo.after_a_check()
    duo.call("signal", name="web", signum="KILL")
    duo.events("web.reap", "web.stop")
    duo.call("status", name="web")
    duo.call("start", name="web", waiting=True)
    duo.events("web.start")
    duo.call("list", name="web")


def test_tasks_that_run_once(duo):
    """Each is run once although it has ended before the next is started, and what comes after is started, too."""
    duo.start("[watcher:once]\ncmd = sh -c 'echo done >> {dir}/told'\nnumprocesses = 2\nwarmup_delay = 1\n"
              "respawn = False\npriority = 9\n[watcher:web]\ncmd = sleep 98765432\n")
    duo.on_both(lambda side: side.daemon.wait_status("web", "active"))
    duo.on_both(lambda side: side.daemon.wait_status("once", "stopped"))
    duo.call("list", name="web")
    duo.observe("runs", lambda side: (side.daemon.directory / "told").read_text())


def test_stubborn_process(duo):
    duo.start(f"[watcher:web]\ncmd = {child_command('ignores_term')}\ngraceful_timeout = 0.4\n")
    ready(duo, "web", 1)
    duo.call("list", name="web")
    duo.call("stop", name="web", waiting=True)
    duo.events("web.stop")
    duo.call("start", name="web", waiting=True)
    ready(duo, "web", 1)
    duo.events("web.start")
    duo.call("set", name="web", options={"graceful_timeout": 0}, waiting=True)
    duo.call("restart", name="web", waiting=True)
    duo.events("web.start")


def test_nothing_to_run(duo):
    duo.start("[watcher:web]\ncmd = /no/such/program\nmax_retry = 3\nautostart = False\nretry_in = 1\n")
    duo.call("start", name="web", waiting=True)
    duo.events("web.stop")
    duo.call("status", name="web")
    duo.call("list", name="web")
    duo.observe("warnings", lambda side: side.daemon.log.count("[WARNING] error in 'web': "))
    duo.observe("stopped line", lambda side: side.daemon.log.count("web stopped"))


def test_no_directory_to_run_in(duo):
    duo.start("[watcher:web]\ncmd = sleep 1\nworking_dir = /no/such/dir\nmax_retry = 1\nautostart = False\n")
    duo.call("start", name="web", waiting=True)
    duo.events("web.stop")
    duo.call("status", name="web")


def test_age_limit(duo):
    duo.start(f"{TICKING}\n[watcher:web]\ncmd = sleep 98765432\nmax_age = 4\nmax_age_variance = 0\n")
    duo.call("list", name="web")
    duo.events("web.kill", "web.spawn", ours=["web.reap"])
    duo.call("status", name="web")


def test_stop_signal(duo):
    duo.start(
        f"[watcher:web]\ncmd = {child_command('ignores_term')}\nstop_signal = SIGINT\ngraceful_timeout = 5\n"
        "[watcher:usr]\ncmd = sleep 98765432\nstop_signal = usr1\n"
    )
    ready(duo, "web", 1)
    duo.call("list", name="web")
    duo.call("stop", name="web", waiting=True)
    duo.events("web.stop")
    duo.call("stop", name="usr", waiting=True)
    duo.events("usr.stop")


def test_family(duo):
    family = child_command("forks_grandchild", "{dir}/family", 1)
    duo.start(f"[watcher:web]\ncmd = {family}\nstop_children = True\ngraceful_timeout = 1\n")
    duo.on_both(lambda side: eventually(lambda: len(side.daemon.tree()) == 2))
    duo.call("stats", name="web")
    duo.call("signal", name="web", pid="{pid:web:0}", signum="CHLD", children=True)
    duo.call("signal", name="web", pid="{pid:web:0}", signum="CHLD", recursive=True)
    duo.call("signal", name="web", pid="{pid:web:0}", childpid=1, signum="CHLD")
    duo.call("signal", name="web", signum="KILL", children=True)
    duo.on_both(lambda side: eventually(lambda: len(alive(side)) == 1))
    duo.ctl("list", "web")


def alive(side):
    return [process for process in side.daemon.tree() if process.status() != "zombie"]


def test_on_demand(duo):
    served = child_command("serves_socket", "$(circus.sockets.door)", "{dir}/ready", 1)
    # The worker is started by a check, and long gone at the next one: see Duo.after_a_check.
    duo.start(
        f"""
[circus]
check_delay = 2

[socket:door]
path = {{dir}}/door

[watcher:web]
cmd = {served}
use_sockets = True
on_demand = True
"""
    )
    duo.call("status", name="web")

    def knock(side):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.settimeout(15)
            visitor.connect(str(side.daemon.directory / "door"))
            return visitor.recv(100).decode().isdigit()

    duo.observe("knock", knock)
    duo.events("web.reap")
    duo.wait_status("web", "stopped")
    duo.call("start", name="web", waiting=True)


def test_stubborn_singleton(duo):
    duo.start(
        f"{TICKING}\n[watcher:solo]\ncmd = {child_command('ignores_term')}\nsingleton = True\ngraceful_timeout = 2\n"
    )
    ready(duo, "solo", 1)
    duo.call("list", name="solo")
    duo.call("kill", name="solo")
    duo.call("list", name="solo")
    duo.events("solo.kill", "solo.kill", "solo.spawn")
