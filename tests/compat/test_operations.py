"""Commands that change something: their replies, waited for or not, and the events in their order."""

from __future__ import annotations

import signal

import pytest

from compat.comparison import CLOCK_SECTION
from harness import eventually

SLEEPERS = """
[circus]
check_delay = 0.5

[watcher:solo]
cmd = sleep 98765431
singleton = True
graceful_timeout = 2
priority = 2

[watcher:web]
cmd = sleep 98765432
numprocesses = 2
graceful_timeout = 2
priority = 1

[watcher:idle]
cmd = sleep 98765433
autostart = False
graceful_timeout = 2
"""


@pytest.fixture
def sleepers(duo):
    duo.start(SLEEPERS)
    duo.call("list", name="solo")
    duo.call("list", name="web")
    return duo


def test_stop_and_start(sleepers):
    sleepers.call("stop", name="web", waiting=True)
    sleepers.events()
    sleepers.call("status")
    sleepers.call("numprocesses", name="web")
    sleepers.call("stop", name="web", waiting=True)
    sleepers.events(label="stop of what is stopped")
    sleepers.call("start", name="web", waiting=True)
    sleepers.events()
    sleepers.call("start", name="web", waiting=True)
    sleepers.events(label="start of what is started")
    sleepers.call("start", name="WEB")
    sleepers.call("stop", name="Web")
    sleepers.events("web.stop")
    sleepers.call("start", name="web")
    sleepers.events("web.start")
    sleepers.call("start", name="idle", waiting=True)
    sleepers.events()
    sleepers.call("stop", name="zz")
    sleepers.call("start", name="zz", waiting=True)


def test_restart_and_reload(sleepers):
    sleepers.call("restart", name="web", waiting=True)
    sleepers.events()
    sleepers.call("restart", name="solo")
    sleepers.events("solo.start")
    sleepers.call("reload", name="web", waiting=True)
    sleepers.events("web.reload")
    sleepers.call("reload", name="web", waiting=True, sequential=True)
    sleepers.events("web.reload")
    sleepers.call("reload", name="web", waiting=True, graceful=False)
    sleepers.events()
    sleepers.call("reload", name="idle", waiting=True)
    sleepers.events("idle.reload")
    sleepers.call("reload", name="web")
    sleepers.events("web.reload")
    sleepers.call("list", name="web")
    sleepers.call("reload", name="w*")
    sleepers.call("restart", name="zz")
    sleepers.call("restart", name="idle", match="simple", waiting=True)
    sleepers.events()


def test_reload_by_hup(duo):
    duo.start(
        SLEEPERS.replace(
            "[watcher:web]\ncmd = sleep 98765432", "[watcher:web]\nsend_hup = 1\ncmd = nohup sleep 98765432"
        )
    )
    duo.call("list", name="web")
    # nohup has begun its work: before that the signal would end it.
    duo.on_both(lambda side: eventually(lambda: all(map(ignores_hup, side.daemon.pids("web")))))
    duo.call("reload", name="web", waiting=True)
    duo.events("web.reload")
    duo.call("list", name="web")


def ignores_hup(pid):
    """Whether a process ignores SIGHUP; proc(5)."""
    with open(f"/proc/{pid}/status") as status:
        [mask] = [line.split(":\t")[1] for line in status if line.startswith("SigIgn")]
    return bool(int(mask, 16) & 1 << signal.SIGHUP - 1)


def test_all_at_once(sleepers):
    sleepers.call("stop", waiting=True)
    sleepers.events("web.stop", "solo.stop", apart=True)
    sleepers.call("status")
    sleepers.call("start", waiting=True)
    sleepers.events("web.start", "solo.start")
    sleepers.call("status")
    sleepers.call("reload", waiting=True)
    sleepers.events("web.reload", "solo.reload")
    sleepers.call("status")


def test_incr_and_decr(sleepers):
    sleepers.call("incr", name="web", waiting=True)
    sleepers.events("web.spawn")
    sleepers.call("incr", name="web")
    sleepers.events("web.spawn")
    sleepers.call("list", name="web")
    sleepers.call("decr", name="web", nb=2, waiting=True)
    sleepers.events("web.kill", "web.kill")
    sleepers.call("list", name="web")
    sleepers.call("decr", name="web", nb=100, waiting=True)
    sleepers.events("web.kill", "web.kill")
    sleepers.call("status", name="web")
    sleepers.call("list", name="web")
    sleepers.call("incr", name="web", nb=2, waiting=True)
    sleepers.events("web.spawn", "web.spawn")
    sleepers.call("incr", name="web", nb=-1, waiting=True)
    sleepers.events("web.kill")
    sleepers.call("incr", name="web", nb=0, waiting=True)
    sleepers.events(label="nothing to do")
    sleepers.call("incr", name="solo")
    sleepers.call("decr", name="solo", waiting=True)
    sleepers.call("incr", name="idle", waiting=True)
    sleepers.events(label="incr of what is stopped")
    sleepers.call("get", name="idle", keys=["numprocesses"])
    sleepers.call("incr")
    sleepers.call("decr", name="zz")


def test_kill(sleepers):
    sleepers.call("kill", name="solo", waiting=True)
    sleepers.events("solo.kill", "solo.spawn")
    sleepers.call("kill", name="web", pid="{pid:web:0}", signum="KILL", waiting=True)
    sleepers.events("web.kill", "web.spawn")
    sleepers.call("kill", name="web", signum=9)
    sleepers.events("web.spawn", "web.spawn", each=True)
    sleepers.call("kill", name="web", pid=1, waiting=True)
    sleepers.call("kill", name="web", pid="xx")
    sleepers.call("kill", name="web", signum="++")
    sleepers.call("kill", name="web", signum="NOSIG")
    sleepers.call("kill", name="zz")
    sleepers.call("kill", name="zz", waiting=True)
    sleepers.call("kill")
    sleepers.call("kill", name="idle", waiting=True)
    sleepers.events(label="none of these did anything")


def test_signal(duo):
    duo.start(SLEEPERS + CLOCK_SECTION)
    sleepers = duo
    sleepers.call("list", name="solo")
    sleepers.call("list", name="web")
    sleepers.after_a_check()
    sleepers.call("signal", name="web", pid="{pid:web:1}", signum="term")
    sleepers.events("web.reap", "web.spawn")
    sleepers.after_a_check()
    sleepers.call("signal", name="solo", signum=9)
    sleepers.events("solo.reap", "solo.spawn")
    sleepers.call("signal", name="web", signum="CHLD")
    sleepers.call("signal", name="web", signum="SIGCHLD", pid=1)
    sleepers.call("signal", name="web", signum="CHLD", recursive=True)
    sleepers.call("signal", name="web", signum="CHLD", children=True)
    sleepers.call("signal", name="web", signum="CHLD", children=True, pid=1)
    sleepers.call("signal", name="web", signum="CHLD", childpid=1)
    sleepers.call("signal", name="web", signum="CHLD", childpid=1, pid="{pid:web:0}")
    sleepers.call("signal", name="web", signum="++")
    sleepers.call("signal", name="web", signum="NOSIG")
    sleepers.call("signal", name="web")
    sleepers.call("signal", signum=1)
    sleepers.call("signal", name="zz", signum=1)
    sleepers.events(label="none of these did anything")


def test_matching(sleepers):
    sleepers.call("stop", name="[ws]*", waiting=True)
    sleepers.events("web.stop", "solo.stop", apart=True)
    sleepers.call("start", name="W?B", waiting=True)
    sleepers.events("web.start")
    sleepers.call("start", name="s", match="regex", waiting=True)
    sleepers.events("solo.start")
    sleepers.call("stop", name="w*", match="simple")
    sleepers.call("restart", name="x.*", match="regex")
    sleepers.call("restart", name="we[a-c]$", match="regex", waiting=True)
    sleepers.events("web.start")
    sleepers.call("restart", name="web", match="foo")
    sleepers.call("stop", name="(", match="regex")
    sleepers.call("restart", name="[ws]*", waiting=True)
    sleepers.events("web.start", "solo.start", apart=True)


def test_add_and_rm(sleepers):
    sleepers.call("add", name="New One", cmd="sleep 98765439")
    sleepers.events("new_one.add")
    sleepers.call("status", name="new one")
    sleepers.call("options", name="New One")
    sleepers.call("add", name="new one", cmd="sleep")
    sleepers.call("rm", name="New one", waiting=True)
    sleepers.events("new_one.remove")
    sleepers.call("add", name="x", cmd="sleep", args=["98765439"], start=True, waiting=True,
                  options={"numprocesses": 2, "graceful_timeout": 2})  # fmt: skip
    sleepers.events("x.start")
    sleepers.call("list", name="x")
    sleepers.call("rm", name="x", waiting=True)
    sleepers.events("x.stop")
    sleepers.call("list")
    sleepers.call("add", name="y", cmd="sleep 98765439", start=True)
    sleepers.events("y.start")
    sleepers.call("rm", name="y")
    sleepers.events("y.stop")
    sleepers.call("rm", name="zz")
    sleepers.call("rm")
    sleepers.call("rm", name="idle", nostop=True, waiting=True)
    sleepers.events("idle.remove")


def test_add_refused(sleepers):
    sleepers.call("add", name="x")
    sleepers.call("add", cmd="x")
    sleepers.call("add", name="", cmd="sleep 1")
    sleepers.call("add", name="x", cmd="y", options=[1])
    for options in (
        {"numprocesses": "two"}, {"numprocesses": True}, {"warmup_delay": "x"}, {"graceful_timeout": "x"}, {"uid": []},
        {"shell": "x"}, {"env": []}, {"env": {"a": 1}}, {"max_age": "x"}, {"send_hup": 1}, {"stop_signal": "TERM"},
        {"hooks": []}, {"hooks": {"nope": "a.b"}}, {"hooks": {"before_start": "no.such.hook"}}, {"stdout_stream": "x"},
        {"stdout_stream": {}}, {"rlimit_foo": 1}, {"rlimit_nofile": "x"}, {"singleton": True, "numprocesses": 2},
        {"nope": 1}, {"priority": 1}, {"uid": "no-such-user"}, {"gid": "no-such-group"}, {"copy_env": "x"},
        {"max_retry": "x"}, {"respawn": 1}, {"close_child_stdin": "x"}, {"working_dir": "/no/such/dir"}, {"hooks.x": "y"},
    ):  # fmt: skip
        sleepers.call("add", name="x", cmd="sleep 1", options=options)
        sleepers.on_both(lambda side: side.daemon.call("rm", name="x", waiting=True))


def test_set(sleepers):
    sleepers.call("set", name="web", options={"numprocesses": 3}, waiting=True)
    sleepers.events("web.updated", "web.spawn")
    sleepers.call("set", name="web", options={"numprocesses": 1})
    sleepers.events("web.kill", "web.kill")
    sleepers.call(
        "set",
        name="web",
        options={"warmup_delay": 0.01, "graceful_timeout": 1, "send_hup": False},
        waiting=True,
    )
    sleepers.events("web.updated")
    sleepers.call("set", name="web", options={"cmd": "sleep 98765430"}, waiting=True)
    sleepers.events("web.reload")
    sleepers.call("set", name="web", options={"max_age": 0, "env": {"A": "b"}, "args": ""}, waiting=True)
    sleepers.events("web.reload")
    sleepers.call("options", name="web")
    sleepers.call("set", name="idle", options={"cmd": "sleep 98765429", "stop_signal": 2, "shell": False}, waiting=True)
    sleepers.events("idle.updated")
    sleepers.call("set", name="idle", options={"uid": 0, "gid": "0", "working_dir": "/", "stop_children": True})
    sleepers.events("idle.updated")
    sleepers.call("options", name="idle")
    sleepers.call("set", name="solo", options={"numprocesses": 2})
    sleepers.call("set", name="solo", options={"numprocesses": 2}, waiting=True)
    sleepers.call("set", name="idle", options={"numprocesses": -5}, waiting=True)
    sleepers.call("get", name="idle", keys=["numprocesses"])


def test_set_refused(sleepers):
    for options in (
        {"numprocesses": "two"}, {"warmup_delay": "x"}, {"graceful_timeout": "x"}, {"uid": []}, {"uid": "no-such-user"},
        {"gid": "no-such-group"}, {"shell": "x"}, {"env": []}, {"env": {"a": 1}}, {"max_age": "x"}, {"stop_signal": "TERM"},
        {"hooks": {"nope": "a.b"}}, {"hooks.before_start": "no.such.hook"}, {"rlimit_foo": 1}, {"rlimit_nofile": "x"},
        {"nope": 1}, {"priority": 1}, {"use_sockets": True}, {"autostart": False},
    ):  # fmt: skip
        sleepers.call("set", name="idle", options=options, waiting=True)
    sleepers.call("set", name="idle")
    sleepers.call("set", name="idle", options=[])
    sleepers.call("set", options={})
    sleepers.call("set", name="zz", options={})
    sleepers.call("set", name="zz", options={"cmd": "x"})


def test_quit(sleepers):
    sleepers.call("quit", waiting=True)
    sleepers.observe("exit code", lambda side: side.daemon.wait())
