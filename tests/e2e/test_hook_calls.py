"""Hooks on a real daemon: when they are called, what their answers do, and that a slow one holds up nobody else.

The hooks live in a module in the daemon's directory, as an operator would have them.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.recording import lines_of, of, pid_in, told, up

HOOKS = '''
import json, os, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))

def note(watcher, arbiter, hook_name, **kw):
    known = {"name": watcher.name, "watchers": len(arbiter.watchers), **kw}
    with open(os.path.join(HERE, "calls"), "a") as file:
        file.write(json.dumps([hook_name, known]) + "\\n")
    return True

def refuse(watcher, arbiter, hook_name, **kw):
    return False

def fail(watcher, arbiter, hook_name, **kw):
    raise RuntimeError("no luck")

def wait_for_file(watcher, arbiter, hook_name, **kw):
    open(os.path.join(HERE, "thinking-" + hook_name), "w").close()
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
    return True

def compute(watcher, arbiter, hook_name, **kw):
    open(os.path.join(HERE, "computing"), "w").close()
    while not os.path.exists(os.path.join(HERE, "go")):
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            sum(range(1000))
    return True

async def answer_later(watcher, arbiter, hook_name, **kw):
    import asyncio
    await asyncio.sleep(0.05)
    return True

def extend(watcher, arbiter, hook_name, pid, stats, **kw):
    stats["answer"] = 42
'''

ALL = (
    "before_start",
    "before_spawn",
    "after_spawn",
    "after_start",
    "before_stop",
    "before_signal",
    "after_signal",
    "before_reap",
    "after_reap",
    "after_stop",
)


def hooked(
    tmp_path: Path, *hooks: str, cmd: str = "sleep 98765", grace: float = 5, options: str = "", others: str = ""
) -> Daemon:
    """A daemon with a watcher ``web`` that has the given lines ``NAME = FUNCTION[, flag]`` as hooks."""
    (tmp_path / "myhooks.py").write_text(HOOKS)
    lines = "".join(f"hooks.{hook.replace('= ', '= myhooks.')}\n" for hook in hooks)
    ini = f"[watcher:web]\ncmd = {cmd}\nautostart = False\ngraceful_timeout = {grace}\n{lines}\n{options}\n{others}"
    return Daemon(tmp_path, ini, variables={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"})


def calls(tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    return [tuple(json.loads(line)) for line in lines_of(tmp_path / "calls")]


def test_start_and_stop_call_hooks_in_the_recorded_order(tmp_path: Path) -> None:
    with hooked(tmp_path, *(f"{name} = note" for name in ALL)) as daemon, daemon.events() as events:
        assert daemon.call("start", name="web", waiting=True)["status"] == "ok"
        pid = daemon.pids("web")[0]
        assert told(daemon, events, "web") == [
            "hook_success", "hook_success", "hook_success", "spawn", "hook_success", "start",
        ]  # fmt: skip
        events.clear()
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert told(daemon, events, "web") == [
            "hook_success", "hook_success", "hook_success", "kill", "hook_success", "reap", "hook_success", "stop",
            "hook_success",
        ]  # fmt: skip
    names = [name for name, _ in calls(tmp_path)]
    assert names == list(ALL)
    arguments = dict(calls(tmp_path))
    assert all(each["name"] == "web" and each["watchers"] == 2 for each in arguments.values())
    assert arguments["after_spawn"]["pid"] == pid
    assert (arguments["before_signal"]["pid"], arguments["before_signal"]["signum"]) == (pid, signal.SIGTERM)
    assert arguments["before_reap"]["process_pid"] == pid
    after_reap = arguments["after_reap"]
    assert (after_reap["process_pid"], after_reap["exit_code"]) == (pid, -signal.SIGTERM)
    assert after_reap["process_status"] is None


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("before_start = refuse", ["hook_success"]),
        ("before_spawn = refuse", ["hook_success", "stop"]),
        ("after_spawn = refuse", ["hook_success", "kill", "reap", "stop"]),
        ("after_start = refuse", ["spawn", "hook_success", "kill", "reap", "stop"]),
        ("before_start = fail", ["hook_failure"]),
        ("before_start = fail, true", ["hook_failure", "spawn", "start"]),
        ("after_start = answer_later", ["spawn", "hook_success", "start"]),
    ],
)
def test_an_answer_decides_about_a_start(tmp_path: Path, hook: str, expected: list[str]) -> None:
    with hooked(tmp_path, hook) as daemon, daemon.events() as events:
        daemon.call("start", name="web", waiting=True)
        assert told(daemon, events, "web") == expected
        assert daemon.status("web") == ("active" if "start" in expected else "stopped")
        if "hook_failure" in expected:
            assert of(events.heard, "web", "hook_failure")[0].payload["error"] == "no luck"


def test_a_vetoed_stop_signal_is_followed_by_sigkill_when_grace_is_over(tmp_path: Path) -> None:
    daemon = hooked(tmp_path, "before_signal = refuse", grace=0.2)
    with daemon, daemon.events() as events:
        daemon.call("start", name="web", waiting=True)
        daemon.call("stop", name="web", waiting=True)
        told(daemon, events, "web")
        assert len(of(events.heard, "web", "kill")) == 2
        assert of(events.heard, "web", "reap")[0].payload["exit_code"] == -signal.SIGKILL


def test_a_hook_that_thinks_long_holds_up_its_own_watcher_only(tmp_path: Path) -> None:
    """Row 31."""
    others = "[watcher:other]\ncmd = sleep 98765\nautostart = False\n"
    with hooked(tmp_path, "before_start = wait_for_file", others=others) as daemon:
        daemon.call("start", name="web")
        eventually((tmp_path / "thinking-before_start").exists)
        began = time.monotonic()
        assert daemon.call("start", name="other", waiting=True)["status"] == "ok"
        assert daemon.call("restart", name="other", waiting=True)["status"] == "ok"
        assert daemon.call("stats")["status"] == "ok"
        assert time.monotonic() - began < 10
        assert daemon.status("web") == "stopped"
        (tmp_path / "go").touch()
        daemon.wait_status("web", "active")


def test_a_hook_that_computes_leaves_the_daemon_its_share(tmp_path: Path) -> None:
    """Row 31: threads of Python share one interpreter; a busy hook slows the daemon down, but only a little."""
    others = "[watcher:other]\ncmd = sleep 98765\nnumprocesses = 5\nautostart = False\n"
    with hooked(tmp_path, "before_start = compute", others=others) as daemon:
        daemon.call("start", name="other", waiting=True)
        daemon.call("start", name="web")
        eventually((tmp_path / "computing").exists)
        began = time.monotonic()
        assert daemon.call("restart", name="other", waiting=True)["status"] == "ok"
        restarted = time.monotonic() - began
        assert daemon.status("web") == "stopped", "the hook was over too early to matter"
        assert restarted < 5.0
        (tmp_path / "go").touch()
        up(daemon, "web")


def test_a_hook_that_never_answers_counts_as_failed_after_its_time(tmp_path: Path) -> None:
    """Row 31: ``hook_timeout``."""
    daemon = hooked(tmp_path, "before_start = wait_for_file", options="hook_timeout = 0.2")
    with daemon, daemon.events() as events:
        assert daemon.call("start", name="web", waiting=True)["status"] == "ok"
        assert told(daemon, events, "web") == ["hook_failure"]
        assert "0.2 s" in of(events.heard, "web", "hook_failure")[0].payload["error"]
        assert daemon.status("web") == "stopped"


def test_a_stop_wins_over_a_start_whose_hook_thinks(tmp_path: Path) -> None:
    with hooked(tmp_path, "before_start = wait_for_file") as daemon:
        daemon.call("start", name="web")
        eventually((tmp_path / "thinking-before_start").exists)
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        (tmp_path / "go").touch()
        daemon.settle()
        assert daemon.status("web") == "stopped"


@pytest.mark.parametrize("hook", ["before_start", "after_spawn", "before_spawn"])
def test_sigterm_does_not_wait_for_a_start_hook(tmp_path: Path, hook: str) -> None:
    """Rows 1 and 31: shutdown always wins."""
    with hooked(tmp_path, f"{hook} = wait_for_file") as daemon:
        daemon.call("start", name="web")
        eventually((tmp_path / f"thinking-{hook}").exists)
        daemon.signal(signal.SIGTERM)
        if hook == "after_spawn":  # there is a process: its hook is asked first, unless there is no time
            eventually(lambda: "SIG_TERM" in daemon.log)  # the kernel merges signals that are pending
            daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0  # hooks have a minute


@pytest.mark.parametrize("hook", ["before_stop", "before_reap", "after_stop"])
def test_a_second_sigterm_does_not_wait_for_stop_hooks(tmp_path: Path, hook: str) -> None:
    """Row 1: the second signal escalates, whatever hooks think."""
    with hooked(tmp_path, f"{hook} = wait_for_file") as daemon:
        daemon.call("start", name="web", waiting=True)
        daemon.signal(signal.SIGTERM)
        eventually((tmp_path / f"thinking-{hook}").exists)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_hooks_see_own_deaths_with_their_status(tmp_path: Path) -> None:
    command = child_command("exits_on_file", tmp_path / "die", tmp_path / "ready", 5)
    with hooked(tmp_path, "after_reap = note", cmd=command, options="respawn = False") as daemon:
        daemon.call("start", name="web", waiting=True)
        pid = pid_in(tmp_path / "ready")
        (tmp_path / "die").touch()
        daemon.wait_status("web", "stopped")
    name, arguments = calls(tmp_path)[0]
    assert (name, arguments["process_pid"], arguments["exit_code"]) == ("after_reap", pid, 5)
    assert arguments["process_status"] in (1, 2), "dead, or gone already; None when the daemon has stopped it"


def test_extended_stats_may_add_figures_and_may_fail(tmp_path: Path) -> None:
    with hooked(tmp_path, "extended_stats = extend") as daemon:
        daemon.call("start", name="web", waiting=True)
        info = daemon.call("stats", name="web", extended=True)["info"]
        assert [each["answer"] for each in info.values()] == [42]
        daemon.call("set", name="web", options={"hooks.extended_stats": "myhooks.fail"}, waiting=True)
        reply = daemon.call("stats", name="web", extended=True)
        assert reply["status"] == "ok"
        assert [each["pid"] for each in reply["info"].values()] == daemon.pids("web")


def test_a_module_of_hooks_is_imported_again_by_set(tmp_path: Path) -> None:
    with hooked(tmp_path, "before_start = refuse") as daemon:
        daemon.call("start", name="web", waiting=True)
        assert daemon.status("web") == "stopped"
        module = tmp_path / "myhooks.py"
        module.write_text(module.read_text().replace("return False", "return True"))
        reply = daemon.call("set", name="web", options={"hooks.before_start": "myhooks.refuse"}, waiting=True)
        assert reply["status"] == "ok"
        daemon.call("start", name="web", waiting=True)
        up(daemon, "web")


# -- all of them, blocking, failing, refusing -----------------------------------------------------------------------

STARTING = ("before_start", "before_spawn", "after_spawn", "after_start")
ENDING = ("before_stop", "before_signal", "after_signal", "before_reap", "after_reap", "after_stop")


@pytest.mark.parametrize("hook", STARTING + ENDING)
def test_each_hook_may_think_long_while_everything_else_goes_on(tmp_path: Path, hook: str) -> None:
    others = "[watcher:other]\ncmd = sleep 98765\nautostart = False\n"
    with hooked(tmp_path, f"{hook} = wait_for_file", others=others) as daemon:
        daemon.call("start", name="web")
        if hook in ENDING:
            up(daemon, "web")
            daemon.call("stop", name="web")
        eventually((tmp_path / f"thinking-{hook}").exists)
        why = daemon.call("why", name="web")["reason"]
        assert why.startswith(f"hook {hook} has been thinking for ")
        assert daemon.call("start", name="other", waiting=True)["status"] == "ok"
        assert daemon.call("stop", name="other", waiting=True)["status"] == "ok"
        (tmp_path / "go").touch()
        wanted = "active" if hook in STARTING else "stopped"
        daemon.wait_status("web", wanted)
        eventually(lambda: daemon.call("why", name="web")["stage"] == ("up" if hook in STARTING else "idle"))


@pytest.mark.parametrize("hook", ENDING)
@pytest.mark.parametrize("function", ["fail", "refuse"])
def test_hooks_of_the_end_cannot_keep_a_watcher_up(tmp_path: Path, hook: str, function: str) -> None:
    with hooked(tmp_path, f"{hook} = {function}", grace=0.2) as daemon, daemon.events() as events:
        daemon.call("start", name="web", waiting=True)
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        names = told(daemon, events, "web")
        assert daemon.status("web") == "stopped"
        reported = of(events.heard, "web", "hook_failure" if function == "fail" else "hook_success")
        assert reported
        assert {event.payload["name"] for event in reported} == {hook}
        assert {event.payload["cause"] for event in reported} == {f"hook {hook}"}
        refused = function == "refuse" and hook == "before_signal"
        assert {event.payload["go"] for event in reported} == {not refused}
        assert [name for name in names if not name.startswith("hook")][-2:] == ["reap", "stop"]


@pytest.mark.parametrize("hook", STARTING)
@pytest.mark.parametrize(
    ("function", "flag", "starts"), [("fail", "", False), ("fail", ", true", True), ("refuse", ", true", False)]
)
def test_hooks_of_the_start_decide(tmp_path: Path, hook: str, function: str, flag: str, starts: bool) -> None:
    with hooked(tmp_path, f"{hook} = {function}{flag}") as daemon, daemon.events() as events:
        daemon.call("start", name="web", waiting=True)
        daemon.wait_status("web", "active" if starts else "stopped")
        told(daemon, events, "web")
        answers = [event for event in events.heard if event.name.startswith("hook_")]
        assert [event.payload["go"] for event in answers] == [starts]
        assert all(0 <= event.payload["took"] < 60 for event in answers)
        assert daemon.pids("web") == [] or starts


def test_before_signal_decides_about_the_signal_command(tmp_path: Path) -> None:
    catcher = child_command("catches_hup", tmp_path / "trace", tmp_path / "ready")
    with hooked(tmp_path, "before_signal = refuse", "after_signal = note", cmd=catcher, grace=0.2) as daemon:
        daemon.call("start", name="web", waiting=True)
        pid = pid_in(tmp_path / "ready")
        assert daemon.call("signal", name="web", signum="HUP")["status"] == "ok"
        eventually(lambda: len(calls(tmp_path)) == 1)
        assert calls(tmp_path)[0][1]["signum"] == signal.SIGHUP
        assert lines_of(tmp_path / "trace") == []
        assert daemon.call("set", name="web", options={"hooks.before_signal": "myhooks.note"})["status"] == "ok"
        assert daemon.call("signal", name="web", signum="HUP")["status"] == "ok"
        eventually((tmp_path / "trace").exists)
        daemon.call("set", name="web", options={"hooks.before_signal": "myhooks.refuse"})
        assert daemon.call("signal", name="web", signum="KILL")["status"] == "ok"
        eventually(lambda: pid not in daemon.pids("web"))  # nobody can refuse SIGKILL


@pytest.mark.parametrize("hook", STARTING + ENDING)
def test_each_hook_can_be_set(tmp_path: Path, hook: str) -> None:
    with hooked(tmp_path) as daemon, daemon.events() as events:
        reply = daemon.call("set", name="web", options={f"hooks.{hook}": "myhooks.note"}, waiting=True)
        assert reply["status"] == "ok"
        daemon.call("start", name="web", waiting=True)
        daemon.call("stop", name="web", waiting=True)
        told(daemon, events, "web")
        assert [event.payload["option"] for event in of(events.heard, "web", "updated")] == [f"hooks.{hook}"]
    assert [name for name, _ in calls(tmp_path)] == [hook]


def test_a_hook_that_cannot_be_found_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    with hooked(tmp_path, "before_start = note") as daemon, daemon.events() as events:
        for target in ("myhooks.nothing", "nowhere.at_all", ""):
            reply = daemon.call("set", name="web", options={"hooks.before_start": target}, waiting=True)
            assert reply["status"] == "error", target
        daemon.call("start", name="web", waiting=True)
        assert "updated" not in told(daemon, events, "web")
    assert [name for name, _ in calls(tmp_path)] == ["before_start"]


def test_an_event_of_a_hooks_own_is_numbered_and_has_a_cause(tmp_path: Path) -> None:
    own = "\ndef publish(watcher, **kw):\n    watcher.notify_event('party', {'guests': 3})\n    return True\n"
    with hooked(tmp_path, "before_start = note") as daemon:
        module = tmp_path / "myhooks.py"
        module.write_text(module.read_text() + own)
        daemon.call("set", name="web", options={"hooks.after_start": "myhooks.publish"}, waiting=True)
        daemon.call("start", name="web", waiting=True)
        [event] = daemon.call("events", name="web", events=["party"])["events"]
        assert (event["guests"], event["cause"]) == (3, "published by a hook or a program")
        assert event["seq"] > 0
