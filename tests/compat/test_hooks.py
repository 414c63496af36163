"""Hooks: when they run, what they are given, and what their results do."""

from __future__ import annotations

import json

import pytest

from compat.comparison import CLOCK_SECTION

HOOKS = """
import json, os

def note(watcher, arbiter, hook_name, **extra):
    with open("calls", "a") as file:
        file.write(json.dumps([hook_name, watcher.name, arbiter is not None, extra]) + "\\n")
    return True

def refuse(watcher, arbiter, hook_name, **extra):
    note(watcher, arbiter, hook_name, **extra)
    return False

def nothing(watcher, arbiter, hook_name, **extra):
    pass

def fail(watcher, arbiter, hook_name, **extra):
    raise ValueError("no luck")
"""
ALL = (
    "before_start", "after_start", "before_stop", "after_stop", "before_spawn", "after_spawn", "before_signal",
    "after_signal", "before_reap", "after_reap",
)  # fmt: skip


def start(duo, *hooks, extra=""):
    lines = "\n".join(f"hooks.{hook}" for hook in hooks)
    duo.prepare(
        f"[circus]\ncheck_delay = 0.3\n[watcher:web]\ncmd = sleep 98765432\nautostart = False\n{lines}\n{extra}"
    )

    def begin(side):
        (side.daemon.directory / "myhooks.py").write_text(HOOKS)
        side.start()

    duo.on_both(begin)


def calls(side):
    """What the hooks were given."""
    path = side.daemon.directory / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    shown = []
    for hook, watcher, arbiter, extra in map(json.loads, lines):
        extra = {key: side.names.pid(item) if "pid" in key else item for key, item in extra.items()}
        if "time" in extra:
            extra["time"] = type(extra["time"]).__name__
        shown.append([hook, watcher, arbiter, extra])
    return shown


def test_all_hooks_of_a_life(duo):
    start(duo, *(f"{hook} = myhooks.note" for hook in ALL))
    duo.call("start", name="web", waiting=True)
    duo.events("web.start")
    duo.observe("calls of start", calls)
    duo.call("signal", name="web", signum="CHLD")
    duo.events("web.hook_success", "web.hook_success", label="of a signal")
    duo.observe("calls of signal", calls)
    duo.call("stop", name="web", waiting=True)
    duo.events("web.stop")
    duo.observe("calls of stop", calls)


def test_hooks_of_an_own_death(duo):
    start(duo, *(f"{hook} = myhooks.note" for hook in ALL), extra=CLOCK_SECTION)
    duo.call("start", name="web", waiting=True)
    duo.events("web.start")
    duo.observe("calls of start", calls)
    duo.after_a_check()
    duo.on_both(lambda side: __import__("os").kill(side.daemon.pids("web")[0], 9))
    duo.events("web.reap", "web.spawn")
    duo.observe("calls of death", calls)


def test_hooks_of_a_reload(duo):
    start(duo, *(f"{hook} = myhooks.note" for hook in ALL), extra="send_hup = False")
    duo.call("start", name="web", waiting=True)
    duo.events("web.start")
    duo.call("reload", name="web", sequential=True, waiting=True)
    duo.events("web.reload")
    duo.observe("calls", calls)


RESULTS = ("refuse", "nothing", "fail", "fail, True", "refuse, True")


@pytest.mark.parametrize("hook", ["before_start", "after_start", "before_spawn", "after_spawn"])
def test_start_hooks_that_do_not_agree(duo, hook):
    sections = "".join(
        f"[watcher:w{number}]\ncmd = sleep 98765432\nautostart = False\ngraceful_timeout = 1\n"
        f"hooks.{hook} = myhooks.{result}\nhooks.after_stop = myhooks.note\n"
        for number, result in enumerate(RESULTS)
    )
    start(duo, extra=sections)
    for number, result in enumerate(RESULTS):
        goes_on = result == "fail, True"
        duo.call("start", name=f"w{number}", waiting=True)
        duo.wait_status(f"w{number}", "active" if goes_on else "stopped")
        if goes_on:
            ending = "start"
        elif hook == "before_start":
            ending = "hook_failure" if "fail" in result else "hook_success"
        else:
            ending = "stop"
        duo.events(f"w{number}.{ending}", label=result)
        duo.call("list", name=f"w{number}")


@pytest.mark.parametrize("result", ["refuse", "fail"])
def test_stop_hooks_that_do_not_agree(duo, result):
    hooks = [hook for hook in ALL if "stop" in hook or "signal" in hook or "reap" in hook]
    start(duo, *(f"{hook} = myhooks.{result}" for hook in hooks), extra="graceful_timeout = 0.4")
    duo.call("start", name="web", waiting=True)
    duo.events("web.start")
    duo.call("stop", name="web", waiting=True)
    duo.events("web.stop", label="all")
    duo.call("status", name="web")
    duo.observe("failures in the log", lambda side: side.daemon.log.count("failed"))


def test_set_hooks(duo):
    start(duo, "before_start = myhooks.refuse")
    duo.call("set", name="web", options={"hooks.before_start": "myhooks.note"}, waiting=True)
    duo.call("set", name="web", options={"hooks.before_start": "myhooks.missing"}, waiting=True)
    duo.call("set", name="web", options={"hooks": {"after_start": "myhooks.note,true"}}, waiting=True)
    duo.events("web.updated", "web.updated")
    duo.call("start", name="web", waiting=True)
    duo.events("web.start")
    duo.observe("calls", calls)


def test_extended_stats(duo):
    start(duo, "extended_stats = myhooks.note")
    duo.call("start", name="web", waiting=True)
    duo.call("stats", name="web", extended=True)
    duo.observe("called", lambda side: [call[:3] for call in calls(side)])
