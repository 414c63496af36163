"""One operation while another one is under way; replies that are not waited for; signals to the daemon."""

from __future__ import annotations

import signal

import pytest

from harness import DaemonFailed, child_command, eventually

#: Seconds; what a test does while the watcher stops has to be done by then.
GRACE = 4
SLOW = f"""
[watcher:slow]
cmd = {child_command("ignores_term", "{dir}/slow")}
graceful_timeout = {GRACE}

[watcher:other]
cmd = sleep 98765432
graceful_timeout = 1
"""


@pytest.fixture
def slow(duo):
    duo.start(SLOW)
    duo.on_both(lambda side: eventually((side.daemon.directory / "slow").exists))
    return duo


def test_queries_while_stopping(slow):
    slow.call("list", name="slow")
    slow.call("stop", name="slow")
    slow.call("status", name="slow")
    slow.call("list", name="slow")
    slow.call("numprocesses", name="slow")
    slow.call("options", name="other")
    slow.call("signal", name="other", signum="CHLD")
    slow.call("kill", name="other", pid=1)
    slow.events("slow.stop")
    slow.call("status", name="slow")


def test_commands_on_another_watcher(slow):
    slow.call("stop", name="slow")
    slow.call("restart", name="other", waiting=True)
    slow.call("incr", name="other")
    slow.call("set", name="other", options={"warmup_delay": 0})
    slow.call("add", name="new", cmd="sleep 98765439")
    slow.call("status", name="slow")
    slow.wait_settled("slow")


def test_commands_on_the_same_watcher(slow):
    slow.call("stop", name="slow")
    slow.call("start", name="slow")
    slow.wait_settled("slow")
    slow.call("status", name="slow")


def test_commands_that_concern_everything(slow):
    slow.call("stop", name="slow")
    slow.call("reload")
    slow.call("restart", name="*")
    slow.wait_settled("slow")


def test_texts_of_a_refusal(slow):
    slow.call("quit")
    slow.call("restart", name="other")
    slow.call("reloadconfig")
    slow.call("list")
    slow.observe("exit code", lambda side: side.daemon.wait())


@pytest.mark.parametrize("signum", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_signals_that_end_the_daemon(duo, signum):
    duo.start("[watcher:web]\ncmd = sleep 98765432\n")
    duo.on_both(lambda side: side.daemon.signal(getattr(signal, signum)))
    duo.observe("exit code", lambda side: side.daemon.wait())
    duo.observe(
        "log",
        lambda side: [line for line in messages(side) if "Got" in line or "stop" in line or "exit" in line],
    )


def messages(side):
    """The log lines of the daemon without their times and pids."""
    return [line.split("] ", 1)[-1] for line in side.daemon.log.splitlines()]


def test_signals_that_do_not_end_the_daemon(duo):
    duo.start("[watcher:web]\ncmd = sleep 98765432\n")
    duo.call("list", name="web")
    duo.on_both(lambda side: side.daemon.signal(signal.SIGWINCH))
    duo.on_both(lambda side: eventually(lambda: "SIGWINCH" in side.daemon.log or "SIG_WINCH" in side.daemon.log))
    duo.call("list", name="web")
    duo.on_both(lambda side: side.daemon.signal(signal.SIGHUP))
    duo.events("web.reload", "web.kill")


def test_a_stop_signal_during_a_slow_stop_is_not_lost(slow):
    slow.call("stop", name="slow")
    slow.on_both(lambda side: side.daemon.signal(signal.SIGTERM))
    slow.observe("ends", ends)


def ends(side):
    """Whether the daemon ends within a few graceful timeouts."""
    try:
        return side.daemon.wait(2 * GRACE)
    except DaemonFailed:
        return "still runs"
