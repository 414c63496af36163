"""The core in one interpreter: clocks that jump, parts that fail, wishes that come too soon."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from typing import Any

import psutil
import pytest

import circus.supervision
from circus.exc import CircusError, Superseded
from circus.model import steps
from circus.process import Process
from circus.story import explain, story
from harness.stage import SLEEP


async def until(condition: Any) -> None:
    """Wait for a condition; the stage has the time limit."""
    while not condition():
        await asyncio.sleep(0.005)


#: What ran below the test process before the test: servers of the harness, that other modules of tests have started.
BEFORE: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def _remember_who_was_there() -> None:
    BEFORE.clear()
    BEFORE.update(psutil.Process().children(recursive=True))


def living_children() -> list[psutil.Process]:
    found = set(psutil.Process().children(recursive=True)) - BEFORE
    return [child for child in found if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


# -- clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_is_set_changes_nothing(stage, monkeypatch, jump):
    """Row 29: with the clock set back there was no supervision until it caught up, and max_age was wrong."""
    real = time.time

    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": SLEEP, "name": "web", "respawn_backoff.stable": 0, "graceful_timeout": 5},
            {"cmd": SLEEP, "name": "aged", "max_age": 1, "max_age_variance": 0, "reload_overlap": 0.0},
            {"cmd": SLEEP, "name": "slow", "warmup_delay": 0.05, "numprocesses": 3},
            check_delay=0.05,
        )
        launched = time.monotonic()  # before "aged" is one second old at the earliest
        await arbiter.start()
        web, aged, slow = (arbiter.get_watcher(name) for name in ("web", "aged", "slow"))
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        began = time.monotonic()
        [first] = web.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: web.pids not in ([first], []))
        assert time.monotonic() - began < 5
        await until(lambda: len(aged.pids) == 1)  # it may be replaced just now
        [young] = aged.pids
        await until(lambda: aged.pids not in ([young], []) and len(aged.pids) == 1)
        assert time.monotonic() - launched > 0.5
        assert all(0 <= info["age"] < 60 for info in web.info().values())
        await slow.restart()
        await web.stop()
        assert web.is_stopped()

    stage.run(scenario())


# -- parts that fail ------------------------------------------------------------------------------------------------


#: A watcher whose workers never run together: each has ended before the next is started.
LOOPS = {"cmd": "false", "name": "loops", "numprocesses": 2, "warmup_delay": 0.02, "priority": 9}


def test_a_watcher_that_never_comes_up_keeps_no_other_one_from_running(stage):
    async def scenario():
        arbiter = stage.arbiter(LOOPS, {"cmd": SLEEP, "name": "web"})
        await arbiter.start()
        web = arbiter.get_watcher("web")
        for again in (arbiter.restart, arbiter.reload, lambda: arbiter.reload(graceful=False)):
            [before] = web.pids
            await again()
            assert web.is_active()
            [after] = web.pids
            assert after != before
        await arbiter.start_watchers()
        assert arbiter.get_watcher("loops").status() == "starting"

    stage.run(scenario())


def test_all_who_wait_for_a_watcher_that_does_not_come_up_have_their_turn(stage):
    async def scenario():
        told = stage.directory / "go"
        loops = {**LOOPS, "cmd": f"sh -c 'until test -e {told}; do sleep 0.01; done'", "warmup_delay": 600}
        arbiter = stage.arbiter(loops, {"cmd": SLEEP, "name": "web"})
        starts = [arbiter.start(), arbiter.start_watchers()]
        await until(lambda: arbiter.get_watcher("loops").pids)
        assert not arbiter.get_watcher("web").pids
        told.touch()
        await asyncio.gather(*starts)
        assert arbiter.get_watcher("web").is_active()

    stage.run(scenario())


def test_a_warm_up_is_told_as_such(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", "numprocesses": 2, "warmup_delay": 600})
        started = arbiter.start()
        web = arbiter.get_watcher("web")
        await until(lambda: web.pids)
        told = explain(web)
        assert told["reason"] == "1 of 2 processes running"
        assert re.fullmatch(r"worker 2 is started in .*: warmup_delay", told["next"])
        await web.stop()
        await started

    stage.run(scenario())


def test_a_reload_still_tells_what_was_called_off(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web"}, {**LOOPS, "cmd": SLEEP})
        await arbiter.start()
        loops, web = arbiter.get_watcher("loops"), arbiter.get_watcher("web")
        before = loops.pids, web.pids
        loops.cmd = "false"
        with pytest.raises(CircusError, match="loops: reload called off, the old workers stay"):
            await arbiter.reload()
        assert loops.pids == before[0]
        assert web.pids != before[1]

    stage.run(scenario())


def test_tasks_that_run_once_are_run_once_each_and_those_behind_them_have_their_turn(stage):
    """With a warm-up they were run again and again, and nothing of lower priority was ever started."""
    told = stage.directory / "told"

    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": f"sh -c 'echo $(circus.wid) >> {told}'", "name": "once", "numprocesses": 3,
             "warmup_delay": 0.1, "respawn": False, "priority": 9},
            {"cmd": SLEEP, "name": "web"},
        )
        await arbiter.start()
        assert arbiter.get_watcher("web").is_active()
        await until(lambda: arbiter.get_watcher("once").is_stopped())

    stage.run(scenario())
    assert sorted(told.read_text().split()) == ["1", "2", "3"]


def test_a_publisher_that_fails_does_not_keep_workers_from_stopping(stage):
    class Broken:
        closed = False

        def send_multipart(self, frames):
            raise RuntimeError("no")

    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", "numprocesses": 2})
        await arbiter.start()
        [web] = arbiter.watchers
        web.evpub_socket = Broken()
        await web.restart()
        assert len(web.pids) == 2
        await web.stop()
        assert web.is_stopped()
        assert not living_children()

    stage.run(scenario())


def test_a_member_of_a_tree_that_is_not_ours_to_signal_is_left_and_the_rest_is_stopped(stage, monkeypatch, caplog):
    """A set-uid program below a worker of an unprivileged daemon."""

    def refused(ref, signum):
        raise PermissionError(1, "Operation not permitted")

    async def scenario():
        command = "sh -c 'sleep 98765 & sleep 98765 & wait'"
        arbiter = stage.arbiter({"cmd": command, "name": "web", "stop_children": True, "graceful_timeout": 0.3})
        await arbiter.start()
        [web] = arbiter.watchers
        await until(lambda: len(living_children()) == 3)
        left = [child for child in living_children() if child.pid not in web.pids]
        monkeypatch.setattr(circus.supervision, "signal_ref", refused)
        stopping = web.stop()
        await until(lambda: not psutil.pid_exists(web.pids[0]) if web.pids else True)
        assert "another user" in caplog.text
        for child in left:
            child.kill()
        await stopping
        assert web.is_stopped()

    stage.run(scenario())


def test_a_pipe_that_cannot_be_read_is_a_failed_start_and_no_process_is_left(stage):
    class NoRedirector:
        def __init__(self, *args, **kw):
            pass

        def start(self):
            pass

        def stop(self):
            pass

        def add_redirections(self, process):
            raise OSError(24, "Too many open files")

        def remove_redirections(self, process):
            pass

    async def scenario():
        arbiter = stage.arbiter(
            {"cmd": SLEEP, "name": "web", "stdout_stream": {"class": "StdoutStream"}, "autostart": False}
        )
        await arbiter.start()
        [web] = arbiter.watchers
        web._redirector_class = NoRedirector
        starting = web.start()
        await until(lambda: web.supervision.machine._shortages > 1)
        await until(lambda: not living_children())
        assert web.pids == []
        await web.stop()
        with pytest.raises(Superseded):
            await starting

    stage.run(scenario())


def test_an_error_inside_the_machine_is_told_with_the_story_and_the_daemon_goes_on(stage, caplog):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web"}, {"cmd": SLEEP, "name": "other"})
        await arbiter.start()
        web, other = arbiter.get_watcher("web"), arbiter.get_watcher("other")
        web.supervision.feed(object())
        assert "internal error" in caplog.text
        await other.restart()
        await web.restart()
        assert web.is_active()

    stage.run(scenario())


# -- too soon -------------------------------------------------------------------------------------------------------


def test_a_stop_before_the_program_of_a_worker_runs_leaves_no_process(stage):
    """Limits are set by a small program in between; a stop at that moment forgot the process."""

    async def scenario():
        options = {"rlimits": {"core": 0}, "numprocesses": 3, "autostart": False}
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", **options})
        await arbiter.start()
        [web] = arbiter.watchers
        too_soon = 0
        for _ in range(8):
            starting = web.start()
            while not web.pids:
                await asyncio.sleep(0)
            too_soon += not web.active_pids()
            await web.stop()
            with pytest.raises(Superseded):
                await starting
            assert web.is_stopped()
            assert web.pids == []
            await until(lambda: not living_children())
        assert too_soon, "the moment was never met"
        await web.start()
        assert len(web.active_pids()) == 3

    stage.run(scenario())


def test_wishes_that_come_in_one_turn_are_all_answered(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", "reload_overlap": 0.0})
        await arbiter.start()
        [web] = arbiter.watchers
        verbs = (web.start, web.restart, web.reload, web.stop, web.start, web.incr, web.decr, web.kill_processes)
        answers = await asyncio.gather(*(verb() for verb in verbs), return_exceptions=True)
        assert all(not isinstance(each, Exception) or isinstance(each, Superseded) for each in answers)
        await until(lambda: web.is_active() and len(web.pids) == 1)
        assert len(living_children()) == 1

    stage.run(scenario())


def test_hundreds_of_spawns_leave_the_loop_its_turns(stage, monkeypatch):
    """Starting many must not keep commands and deaths from being served."""
    spawn = Process.spawn
    spawned = 0

    def slow_spawn(self):
        nonlocal spawned
        spawned += 1
        time.sleep(0.002)
        spawn(self)

    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", "numprocesses": 100, "autostart": False})
        await arbiter.start()
        [web] = arbiter.watchers
        monkeypatch.setattr(Process, "spawn", slow_spawn)
        starting = asyncio.ensure_future(web.start())
        most = before = 0
        while not starting.done():
            await asyncio.sleep(0)
            most, before = max(most, spawned - before), spawned
        assert len(web.pids) == 100
        # Counted, not timed: how long it takes is up to what else the machine does.
        assert most < 25, f"{most} processes were started in one turn of the loop"

    stage.run(scenario())


# -- the story ------------------------------------------------------------------------------------------------------


def test_a_watcher_knows_what_happened_to_it(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", "respawn_backoff.stable": 0})
        await arbiter.start()
        [web] = arbiter.watchers
        [first] = web.pids
        os.kill(first, signal.SIGUSR1)
        await until(lambda: web.pids not in ([first], []))
        await web.stop()
        told = "\n".join(str(line) for line in story(web.supervision))
        assert "start" in told
        assert f"worker 1 (pid {first}) killed by SIGUSR1" in told
        assert "stop" in told

    stage.run(scenario())


def test_events_say_why(stage):
    async def scenario():
        arbiter = stage.arbiter({"cmd": SLEEP, "name": "web", "respawn_backoff.stable": 0, "graceful_timeout": 5})
        heard: list[Any] = []
        await arbiter.start()
        arbiter.bus.subscribe(lambda frames: heard.append((frames[0].decode().rpartition(".")[2], frames[1])))
        [web] = arbiter.watchers
        [first] = web.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: web.pids not in ([first], []))
        told = dict(heard)
        assert b"killed by SIGKILL" in told["reap"]
        assert f"replaces pid {first}".encode() in told["spawn"]
        await web.restart(cause="because of the test")
        assert b"because of the test" in dict(heard)["stop"]
        assert web.supervision.machine.stage is steps.Stage.UP

    stage.run(scenario())
