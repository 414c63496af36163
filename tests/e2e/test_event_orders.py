"""The order of events for each operation (spec wire.md 7, "Recorded orders"), on a real daemon.

Where the order of Circus 0.19 had no ``reap``, ours has exactly one for each process (user-asks row 18).
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.recording import assert_each_spawn_has_one_reap, of, pid_in, told, up

PAIR = """
[watcher:web]
cmd = sleep 98765
numprocesses = 2
autostart = False
reload_overlap = 0.05
graceful_timeout = 5
"""


def play(tmp_path: Path, *calls: tuple[str, dict[str, object]], ini: str = PAIR, watcher: str = "web") -> list[str]:
    """Event names of ``watcher`` during the last of ``calls``; all of them are waited for."""
    with Daemon(tmp_path, ini) as daemon, daemon.events() as events:
        for command, properties in calls:
            told(daemon, events, watcher)
            events.clear()
            reply = daemon.call(command, waiting=True, **properties)
            assert reply["status"] == "ok", reply
        return told(daemon, events, watcher)


START = ("start", {"name": "web"})
ONE = PAIR.replace("numprocesses = 2", "numprocesses = 1")


def test_start(tmp_path: Path) -> None:
    assert play(tmp_path, START) == ["spawn", "spawn", "start"]


def test_stop(tmp_path: Path) -> None:
    assert play(tmp_path, START, ("stop", {"name": "web"})) == ["kill", "kill", "reap", "reap", "stop"]


@pytest.mark.parametrize("call", [("restart", {"name": "web"}), ("reload", {"name": "web", "graceful": False})])
def test_restart(tmp_path: Path, call: tuple[str, dict[str, object]]) -> None:
    expected = ["kill", "kill", "reap", "reap", "stop", "spawn", "spawn", "start"]
    assert play(tmp_path, START, call) == expected


def test_graceful_reload(tmp_path: Path) -> None:
    found = play(tmp_path, START, ("reload", {"name": "web"}))
    assert found == ["spawn", "spawn", "kill", "kill", "reap", "reap", "reload"]


def test_sequential_reload(tmp_path: Path) -> None:
    found = play(tmp_path, START, ("reload", {"name": "web", "sequential": True}))
    assert found == ["kill", "reap", "spawn", "kill", "reap", "spawn", "reload"]


def test_reload_by_hup(tmp_path: Path) -> None:
    catcher = child_command("catches_hup", tmp_path / "trace", tmp_path / "ready")
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {catcher}\nsend_hup = True\n") as daemon:
        pid_in(tmp_path / "ready")
        with daemon.events() as events:
            assert daemon.call("reload", name="web", waiting=True)["info"]["kept"] == daemon.pids("web")
            assert told(daemon, events, "web") == ["reload"]


def test_reload_of_a_stopped_watcher(tmp_path: Path) -> None:
    assert play(tmp_path, ("reload", {"name": "web"}), ini=ONE) == ["spawn", "start", "reload"]


def test_incr(tmp_path: Path) -> None:
    assert play(tmp_path, START, ("incr", {"name": "web"})) == ["spawn"]


def test_decr(tmp_path: Path) -> None:
    assert play(tmp_path, START, ("decr", {"name": "web"})) == ["kill", "reap"]


def test_kill_command(tmp_path: Path) -> None:
    found = play(tmp_path, START, ("kill", {"name": "web"}))
    assert found[:2] == ["kill", "kill"]
    assert sorted(found[2:]) == ["reap", "reap", "spawn", "spawn"]


def test_rm(tmp_path: Path) -> None:
    assert play(tmp_path, START, ("rm", {"name": "web"}), ini=ONE) == ["remove", "kill", "reap", "stop"]


def test_add_and_start(tmp_path: Path) -> None:
    added = ("add", {"name": "new", "cmd": "sleep 98765", "start": True})
    assert play(tmp_path, added, ini="", watcher="new") == ["add", "spawn", "start"]


def test_stop_of_a_stopped_watcher_is_silent(tmp_path: Path) -> None:
    assert play(tmp_path, ("stop", {"name": "web"})) == []


def test_set_tells_updated(tmp_path: Path) -> None:
    assert play(tmp_path, START, ("set", {"name": "web", "options": {"graceful_timeout": 3}})) == ["updated"]


def test_stubborn_process_is_killed_twice_and_dies_of_nine(tmp_path: Path) -> None:
    ini = f"[watcher:web]\ncmd = {child_command('ignores_term', '{dir}/ready')}\ngraceful_timeout = 0.2\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            pid_in(tmp_path / "ready")
            assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
            assert told(daemon, events, "web") == ["kill", "kill", "reap", "stop"]
            assert of(events.heard, "web", "reap")[0].payload["exit_code"] == -9


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_signal_death_is_reaped_and_replaced(tmp_path: Path, signum: int) -> None:
    with Daemon(tmp_path, ONE.replace("autostart = False", "respawn_backoff.stable = 0")) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            os.kill(daemon.pids("web")[0], signum)
            events.wait_event("web", "spawn")
            assert told(daemon, events, "web") == ["reap", "spawn"]
            assert of(events.heard, "web", "reap")[0].payload["exit_code"] == -signum


def test_own_death_is_reaped_and_replaced(tmp_path: Path) -> None:
    ini = f"[watcher:web]\ncmd = {child_command('exits_on_file', '{dir}/go', '{dir}/ready-PID', 3)}\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            (tmp_path / "go").touch()
            events.wait_event("web", "spawn")
            (tmp_path / "go").unlink(missing_ok=True)
            names = [event.name for event in events.heard if event.watcher == "web"]
            assert names[:2] == ["reap", "spawn"]
            assert of(events.heard, "web", "reap")[0].payload["exit_code"] == 3


def test_death_without_respawn_stops_the_watcher(tmp_path: Path) -> None:
    ini = f"[watcher:web]\ncmd = {child_command('exits_on_file', '{dir}/go', '{dir}/ready')}\nrespawn = False\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            (tmp_path / "go").touch()
            daemon.wait_status("web", "stopped")
            assert told(daemon, events, "web") == ["reap", "stop"]


def test_spawn_impossible_ends_in_stop_alone(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = no-such-program\nmax_retry = 2\nautostart = False\nrespawn_backoff.base = 0.01\n"
    with Daemon(tmp_path, ini) as daemon, daemon.events() as events:
        assert daemon.call("start", name="web", waiting=True)["status"] == "error"
        assert told(daemon, events, "web") == ["stop"]


def test_max_age_spawns_before_it_kills(tmp_path: Path) -> None:
    ini = ONE.replace("autostart = False", "max_age = 1\nmax_age_variance = 0")
    with Daemon(tmp_path, ini) as daemon, daemon.events() as events:
        up(daemon, "web")
        events.wait_event("web", "reap")
        names = [event.name for event in events.heard if event.watcher == "web"]
        end = names.index("reap") + 1  # the next one may have come of age
        assert names[:end][-3:] == ["spawn", "kill", "reap"]


def test_stop_of_several_signals_all_first_lowest_priority_value_first(tmp_path: Path) -> None:
    slow = child_command("prints_last_words", "{dir}/ready-PID", 0, 0.2)
    sections = [f"[watcher:w{n}]\ncmd = {slow}\npriority = {n}\nclose_child_stdout = True\n" for n in (1, 2, 3)]
    with Daemon(tmp_path, "\n".join(sections)) as daemon:
        up(daemon, "w1", "w2", "w3")
        for n in (1, 2, 3):
            pid = daemon.pids(f"w{n}")[0]
            eventually((tmp_path / f"ready-{pid}").exists)
        with daemon.events() as events:
            assert daemon.call("stop", waiting=True)["status"] == "ok"
            told(daemon, events, "w1")
            found = [(event.watcher, event.name) for event in events.heard]
    assert found[:3] == [("w1", "kill"), ("w2", "kill"), ("w3", "kill")]
    for watcher in ("w1", "w2", "w3"):
        assert [name for who, name in found[3:] if who == watcher] == ["reap", "stop"]


def test_every_process_is_reaped_once_whatever_ended_it(tmp_path: Path) -> None:
    """Row 18: exit codes are not lost, and ``expected``, ``cause``, ``wid`` and ``uptime`` tell the story."""
    with Daemon(tmp_path, PAIR + "respawn_backoff.stable = 0\n") as daemon, daemon.events() as events:
        def call(command: str, **properties: object) -> None:
            assert daemon.call(command, name="web", waiting=True, **properties)["status"] == "ok"

        call("start")
        call("incr")
        call("decr")
        call("reload")
        call("reload", sequential=True)
        victim = daemon.pids("web")[0]
        os.kill(victim, signal.SIGUSR1)
        events.wait_for(lambda heard: any(e.name == "reap" and e.pid == victim for e in heard))
        call("kill")
        call("restart")
        call("stop")
        told(daemon, events, "web")
        heard = events.heard
        reaps = of(heard, "web", "reap")
        spawns = {event.pid: event for event in of(heard, "web", "spawn")}
    assert_each_spawn_has_one_reap(heard)
    for reap in reaps:
        payload = reap.payload
        assert payload["wid"] == spawns[reap.pid].payload["wid"]
        assert 0 <= payload["uptime"] < 60
        assert payload["expected"] is (reap.pid != victim)
        assert payload["exit_code"] == (-signal.SIGUSR1 if reap.pid == victim else -signal.SIGTERM)
    assert next(e.payload["cause"] for e in reaps if e.pid == victim) == "killed by SIGUSR1"
    causes = {e.payload["cause"] for e in reaps if e.pid != victim}
    assert {"decr command", "reload command", "kill command", "restart command", "stop command"} <= causes
