"""Reloads: the new generation has to prove itself before the old one goes, and a singleton never runs twice."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.recording import barrier, lines_of, of, pid_in, told, up

BAD_MSG_DATA_ERROR = 6


def switchable(tmp_path: Path, text: str = "#!/bin/sh\nexec sleep 98765\n") -> Path:
    """A program that can be replaced, at once and as a whole, by a bad version of itself."""
    program, new = tmp_path / "program", tmp_path / "program.new"
    new.write_text(text)
    new.chmod(0o755)
    return new.replace(program)


@pytest.mark.parametrize("bad", ["#!/bin/sh\nexit 3\n", "#!/no/such/interpreter\n"], ids=["ends", "cannot start"])
@pytest.mark.parametrize("sequential", [False, True], ids=["surge", "sequential"])
def test_a_new_generation_that_fails_is_called_off(tmp_path: Path, bad: str, sequential: bool) -> None:
    """Row 16: the old workers were killed, and then there was none."""
    program = switchable(tmp_path)
    ini = f"[watcher:web]\ncmd = {program}\nnumprocesses = 3\nmax_retry = 2\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        # Time for a bad one to end in; one by one it is the pause between two starts.
        daemon.call("set", name="web", options={"reload_overlap": 5, "warmup_delay": 3}, waiting=True)
        before = daemon.pids("web")
        eventually(lambda: all(psutil.Process(pid).name() == "sleep" for pid in before))  # the script has been read
        switchable(tmp_path, bad)
        reply = daemon.call("reload", name="web", sequential=sequential, waiting=True)
        assert (reply["status"], reply["errno"]) == ("error", BAD_MSG_DATA_ERROR), reply
        left = eventually(lambda: set(now := daemon.pids("web")) <= set(before) and now)
        # One by one the first victim is gone before its successor can fail.
        assert len(left) >= (2 if sequential else 3)
        assert daemon.status("web") == "active"
        switchable(tmp_path)
        daemon.call("set", name="web", options={"reload_overlap": 0.4, "warmup_delay": 0.1}, waiting=True)
        reply = daemon.call("reload", name="web", waiting=True)
        assert reply["status"] == "ok", reply
        assert not set(daemon.pids("web")) & set(before)
        assert len(daemon.pids("web")) == 3


@pytest.mark.parametrize("sequential", [False, True])
def test_a_singleton_never_runs_twice(tmp_path: Path, sequential: bool) -> None:
    """Row 17."""
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\nsingleton = True\n") as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            reply = daemon.call("reload", name="web", sequential=sequential, waiting=True)
            assert reply["status"] == "ok"
            assert told(daemon, events, "web") == ["kill", "reap", "spawn", "reload"]


def test_worker_ids_alternate_between_generations(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\nreload_overlap = 0\n") as daemon:
        up(daemon, "web")
        seen = []
        for _ in range(3):
            assert daemon.call("reload", name="web", waiting=True)["status"] == "ok"
            info = daemon.call("stats", name="web")["info"].values()
            seen.append(sorted(each["wid"] for each in info))
        assert seen == [[3, 4], [1, 2], [3, 4]]


def test_the_reply_tells_who_went_and_who_came(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\nreload_overlap = 0\n") as daemon:
        up(daemon, "web")
        before = daemon.pids("web")
        info = daemon.call("reload", name="web", waiting=True)["info"]
        assert info == {"stopped": sorted(before), "started": sorted(daemon.pids("web")), "kept": []}


def test_hup_reloads_what_runs_and_starts_nothing(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nreload_overlap = 0\n"
    ini += f"[watcher:hup]\ncmd = {child_command('catches_hup', '{dir}/trace', '{dir}/ready')}\nsend_hup = True\n"
    ini += "[watcher:lazy]\ncmd = sleep 98765\nautostart = False\n[watcher:stopped]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini) as daemon:
        kept = pid_in(tmp_path / "ready")
        up(daemon, "web", "stopped")
        daemon.call("stop", name="stopped", waiting=True)
        with daemon.events() as events:
            daemon.signal(signal.SIGHUP)
            events.wait_event("web", "reload")
            events.wait_event("hup", "reload")
            eventually(lambda: lines_of(tmp_path / "trace") == [f"{kept} SIGHUP"])
            assert told(daemon, events, "lazy") == told(daemon, events, "stopped") == []
        assert daemon.pids("hup") == [kept]
        assert daemon.call("reload", waiting=True)["status"] == "ok"
        assert daemon.status("stopped") == daemon.status("lazy") == "stopped"


def test_a_reload_during_a_reload_joins_it(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\nreload_overlap = 0.3\n") as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            daemon.caller.cast("reload", name="web")  # the other follows before this one can be over
            assert daemon.call("reload", name="web", waiting=True)["status"] == "ok"
            assert told(daemon, events, "web").count("reload") == 1
            assert told(daemon, events, "web").count("spawn") == 2


def test_usr1_opens_log_files_again(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sh -c 'while :; do echo tick; sleep 0.02; done'\nstdout_stream.filename = {dir}/out\n"
    with Daemon(tmp_path, ini + "stop_children = True\n") as daemon:
        eventually((tmp_path / "out").exists)
        eventually(lambda: lines_of(tmp_path / "out"))
        (tmp_path / "out").rename(tmp_path / "out.1")
        daemon.signal(signal.SIGUSR1)
        eventually(lambda: lines_of(tmp_path / "out"))


@pytest.mark.parametrize("variance", [0, 1])
def test_max_age_keeps_the_full_count_all_the_time(tmp_path: Path, variance: int) -> None:
    """Row 30: processes were killed before their replacements existed, and the variance was drawn at each look."""
    ini = "[circus]\ncheck_delay = 60\n[watcher:web]\ncmd = sleep 98765\nautostart = False\nnumprocesses = 3\n"
    ini += f"max_age = 1\nmax_age_variance = {variance}\nreload_overlap = 0.1\n"
    with Daemon(tmp_path, ini) as daemon, daemon.events() as events:
        before = set(daemon.call("start", name="web", waiting=True)["info"]["started"])
        fewest = 3

        def all_replaced() -> bool:
            nonlocal fewest
            pids = daemon.pids("web")
            fewest = min(fewest, len(pids))
            return not before & set(pids)

        eventually(all_replaced, interval=0.02)
        assert fewest == 3
        barrier(daemon, events)
        reaps = [event for event in of(events.heard, "web", "reap") if event.pid in before]
        assert len(reaps) == 3
        assert all(event.payload["expected"] and event.payload["cause"] == "max_age" for event in reaps)
        ages = [event.payload["uptime"] for event in reaps]
        assert min(ages) >= 1.0
        assert max(ages) < 1.0 + variance + 5
