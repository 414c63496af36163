"""``why`` on a real daemon: for each way in which a watcher can be up or down, what an operator is told."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from harness import Daemon, child_command, eventually
from tests.e2e.recording import pid_in, up

CALLER = "circusctl root@db1 pid 42"
HOOKS = """
import os, time
HERE = os.path.dirname(os.path.abspath(__file__))
def refuse(watcher, arbiter, hook_name, **kw):
    return None
def fail(watcher, arbiter, hook_name, **kw):
    raise RuntimeError("the database is gone")
def think(watcher, arbiter, hook_name, **kw):
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
    return True
"""


def why(daemon: Daemon, watcher: str = "web", **properties: Any) -> dict[str, Any]:
    reply = daemon.call("why", name=watcher, **properties)
    assert reply["status"] != "error", reply
    return reply


def text_of(reply: dict[str, Any]) -> str:
    return "\n".join(entry["text"] for entry in reply["story"])


def ask(daemon: Daemon, command: str, **properties: Any) -> None:
    """A command from a client that says who it is."""
    message = {"command": command, "properties": {"waiting": True, **properties}, "caller": CALLER}
    reply = daemon.caller.request(message)
    assert reply is not None
    assert reply["status"] == "ok", reply


def web(options: str = "", cmd: str = "sleep 98765") -> str:
    return f"[watcher:web]\ncmd = {cmd}\ngraceful_timeout = 5\n{options}\n"


def hooked(tmp_path: Path, options: str) -> Daemon:
    (tmp_path / "whyhooks.py").write_text(HOOKS)
    variables = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    return Daemon(tmp_path, web(options), variables=variables)


# -- stopped ------------------------------------------------------------------------------------------


def test_never_started(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("autostart = False")) as daemon:
        reply = why(daemon)
        assert (reply["status"], reply["stage"], reply["wanted"]) == ("stopped", "idle", "stopped")
        assert reply["since"] is None
        assert reply["cause"] == "autostart is off, and nobody has started it"
        assert reply["next"] == "nothing, until somebody starts it: circusctl start web"
        ask(daemon, "add", name="new one", cmd="sleep 98765")
        reply = why(daemon, "new one")
        assert reply["cause"] == f"add command ({CALLER}); nobody has started it since"
        assert reply["next"].endswith("circusctl start 'new one'")


def test_stopped_by_an_operator(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("numprocesses = 2")) as daemon:
        up(daemon, "web")
        began = time.time()
        ask(daemon, "stop", name="web")
        reply = why(daemon)
        assert (reply["status"], reply["wanted"], reply["cause"]) == ("stopped", "stopped", f"stop command ({CALLER})")
        assert began <= reply["since"] <= time.time()
        assert [each["expected"] for each in reply["exits"]] == [True, True]
        assert f"stop asked for: stop command ({CALLER})" in text_of(reply)
        text = daemon.ctl("why", "web").out
        assert text.startswith("web is stopped since ")
        assert f"cause  stop command ({CALLER})" in text
        assert "though" not in text
        ask(daemon, "stop", name="web")
        assert why(daemon)["since"] == reply["since"], "a second stop changes nothing"


def test_gave_up(tmp_path: Path) -> None:
    ini = web("max_retry = 2\nrespawn_backoff.base = 0.01\nautostart = False", cmd="no-such-program")
    with Daemon(tmp_path, ini) as daemon:
        daemon.call("start", name="web", waiting=True)
        reply = why(daemon)
        assert (reply["status"], reply["wanted"]) == ("stopped", "running")
        assert "no-such-program" in reply["cause"]
        assert reply["reason"] == "Circus gave up after 2 failed starts in a row (max_retry is 2)"
        assert "mended" in reply["next"]
        assert "no-such-program" in reply["spawn_error"]["text"]
        assert "though it was to be running" in daemon.ctl("why", "web").out
        stop = daemon.call("events", name="web", events=["stop"])["events"][-1]
        assert stop["cause"] == reply["cause"], "the event explains it as well"


def test_stopped_by_hooks(tmp_path: Path) -> None:
    for hook, function, said in [
        ("before_start", "refuse", "hook before_start (whyhooks.refuse) refused: it returned a false value, or none"),
        ("before_spawn", "refuse", "hook before_spawn (whyhooks.refuse) refused: it returned a false value, or none"),
        ("after_start", "fail", "hook after_start (whyhooks.fail) failed: the database is gone"),
        ("after_spawn", "fail", "hook after_spawn (whyhooks.fail) failed: the database is gone"),
    ]:
        directory = tmp_path / hook
        directory.mkdir()
        with hooked(directory, f"hooks.{hook} = whyhooks.{function}\nautostart = False") as daemon:
            daemon.call("start", name="web", waiting=True)
            daemon.wait_status("web", "stopped")
            reply = why(daemon)
            assert reply["cause"] == said
            assert reply["wanted"] == "running"
            assert [answer["name"] for answer in reply["hooks"]] == [hook]
            answer = "refused" if function == "refuse" else "failed: the database is gone"
            assert f"hook {hook} {answer}" in text_of(reply)


def test_respawn_off(tmp_path: Path) -> None:
    ini = web("respawn = False", cmd=child_command("exits_on_file", "{dir}/go", "{dir}/ready", 3))
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        pid = pid_in(tmp_path / "ready")
        (tmp_path / "go").touch()
        daemon.wait_status("web", "stopped")
        reply = why(daemon)
        assert reply["cause"] == "respawn is off"
        [end] = reply["exits"]
        assert (end["pid"], end["exit"], end["exit_code"], end["expected"]) == (pid, "exited with 3", 3, False)


def test_an_exit_code_that_is_final(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("stop_exit_codes = 78", cmd="sh -c 'echo no such option; exit 78'")) as daemon:
        eventually(lambda: why(daemon)["stage"] == "idle" and why(daemon)["exits"])
        reply = why(daemon)
        assert (reply["status"], reply["wanted"]) == ("stopped", "running")
        assert "exited with 78" in reply["cause"]
        assert "mended" in reply["next"]
        [end] = reply["exits"]
        assert (end["exit_code"], end["expected"]) == (78, False)


def test_the_last_words_of_a_worker(tmp_path: Path) -> None:
    options = "capture = True\nrespawn_backoff.base = 30"
    with Daemon(tmp_path, web(options, cmd="sh -c 'echo one; echo two; echo three >&2; exit 1'")) as daemon:
        eventually(lambda: why(daemon)["exits"])
        [end] = why(daemon)["exits"]
        assert sorted(end["lines"]) == ["one", "three", "two"]
        assert len(why(daemon, lines=1)["exits"][0]["lines"]) == 1
        assert why(daemon, lines=0)["exits"][0]["lines"] == []
        assert "    | three" in daemon.ctl("why", "web").out


def test_output_that_was_dropped(tmp_path: Path) -> None:
    options = "stdout_stream.filename = /dev/full\nstderr_stream.filename = {dir}/errors"
    with Daemon(tmp_path, web(options, cmd="sh -c 'echo lost; echo kept >&2; exec sleep 98765'")) as daemon:
        eventually(lambda: "streams" in why(daemon))
        lost = {"dropped": 5, "to": "FileStream /dev/full", "stuck": None}
        assert why(daemon)["streams"] == {"stdout": lost}
        line = "\nOutput\n  stdout  FileStream /dev/full: 5B dropped since it was opened\n\n"
        assert line in daemon.ctl("why", "web").out


def test_on_demand(tmp_path: Path) -> None:
    options = "on_demand = True\nuse_sockets = True\nstdin_socket = door\n[socket:door]\npath = {dir}/door"
    with Daemon(tmp_path, web(options)) as daemon:
        daemon.settle()
        reply = why(daemon)
        assert (reply["status"], reply["cause"]) == ("stopped", "on_demand: it is started by a connection")
        assert reply["next"] == "the next connection on socket door starts it"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "door"))
            up(daemon, "web")
        reply = why(daemon)
        assert (reply["wanted"], reply["cause"]) == ("running", "connection on socket door")
        ask(daemon, "stop", name="web")
        assert "circusctl start web" in why(daemon)["next"], "a connection does not bring back what was stopped by hand"


def test_stopped_before_its_turn_came(tmp_path: Path) -> None:
    first = "[watcher:first]\ncmd = sleep 98765\npriority = 9\nhooks.before_start = whyhooks.think\n"
    with hooked(tmp_path, "autostart = True\n" + first) as daemon:
        reply = why(daemon)
        assert (reply["cause"], reply["next"]) == ("daemon start", "it is started when its turn comes")
        ask(daemon, "stop", name="web")
        assert why(daemon)["cause"] == f"stop command ({CALLER})"
        (tmp_path / "go").touch()


# -- running ------------------------------------------------------------------------------------------


def test_running_fine(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("numprocesses = 2")) as daemon:
        up(daemon, "web")
        reply = why(daemon)
        assert (reply["status"], reply["stage"], reply["wanted"], reply["cause"]) == (
            "active", "up", "running", "daemon start",
        )  # fmt: skip
        assert (reply["reason"], reply["next"]) == ("2 of 2 processes running", "nothing: it runs")
        assert (reply["next_try"], reply["backoff"], reply["exits"]) == (None, None, [])
        assert [(w["wid"], w["pid"], w["state"]) for w in reply["workers"]] == [
            (wid, pid, "running") for wid, pid in enumerate(daemon.pids("web"), 1)
        ]
        assert all(0 <= worker["age"] < 60 for worker in reply["workers"])


def test_in_back_off(tmp_path: Path) -> None:
    ini = web("respawn_backoff.base = 30\nrespawn_backoff.cap = 60", cmd="sh -c 'exit 3'")
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        eventually(lambda: why(daemon)["next_try"] is not None)
        reply = why(daemon)
        assert reply["backoff"] == 30
        assert 0 < reply["next_try"] - time.time() <= 33
        assert reply["reason"] == "0 of 1 process running; worker 1 ended too soon 1 time in a row"
        assert reply["next"].startswith("next try in ")
        assert reply["exits"][0]["exit"] == "exited with 3"
        text = daemon.ctl("why", "web").out
        assert "exited with 3 after" in text
        assert "by itself" in text


def test_a_death_after_a_good_life_is_in_the_log_and_once_in_the_story(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("respawn_backoff.stable = 0.1")) as daemon:
        up(daemon, "web")
        [pid] = daemon.pids("web")
        eventually(lambda: why(daemon)["workers"][0]["age"] > 0.2)
        os.kill(pid, signal.SIGKILL)
        line = f"web.1 (pid {pid}) killed by SIGKILL after "
        eventually(lambda: line in daemon.log)
        reply = eventually(lambda: (told := why(daemon))["exits"] and told)
        assert "; it is replaced" in daemon.log.partition(line)[2].splitlines()[0]
        assert not any(line in str(told) for told in reply["story"])


def test_a_start_that_is_tried_again(tmp_path: Path) -> None:
    ini = web("max_retry = 5\nrespawn_backoff.base = 30", cmd="no-such-program")
    with Daemon(tmp_path, ini) as daemon:
        daemon.wait_status("web", "starting")
        eventually(lambda: "spawn_error" in why(daemon))
        reply = why(daemon)
        assert reply["reason"].startswith("0 of 1 process running; try 1 of 5 failed: ")
        assert 0 < reply["next_try"] - time.time() <= 33


def test_who_killed_it(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("respawn_backoff.stable = 0")) as daemon:
        up(daemon, "web")
        [first] = daemon.pids("web")
        os.kill(first, signal.SIGKILL)
        eventually(lambda: daemon.pids("web") not in ([], [first]))
        [end] = why(daemon)["exits"]
        assert (end["pid"], end["exit"], end["cause"]) == (first, "killed by SIGKILL", "killed by SIGKILL")
        assert "not by Circus" in end["hint"]
        [second] = daemon.pids("web")
        assert why(daemon)["workers"][0]["why"] == f"replaces pid {first}, which was killed by SIGKILL"
        ask(daemon, "signal", name="web", signum="USR1")
        eventually(lambda: daemon.pids("web") not in ([], [second]))
        reply = why(daemon)
        assert reply["exits"][-1]["cause"] == f"signal command ({CALLER})"
        assert "hint" not in reply["exits"][-1]
        assert f"SIGUSR1 sent to pid {second}: signal command ({CALLER})" in text_of(reply)


def test_replaced_because_of_its_age(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("max_age = 1\nmax_age_variance = 0\nreload_overlap = 0")) as daemon:
        up(daemon, "web")
        [first] = daemon.pids("web")
        eventually(lambda: any(end["pid"] == first for end in why(daemon)["exits"]))
        reply = why(daemon)
        assert reply["exits"][0]["cause"] == "max_age"
        assert any("reached max_age" in worker["why"] for worker in reply["workers"])
        assert reply["next"] == "a worker is replaced when it is 1 s old (max_age)"


# -- in between ---------------------------------------------------------------------------------------


def test_a_hook_that_thinks(tmp_path: Path) -> None:
    with hooked(tmp_path, "hooks.before_start = whyhooks.think") as daemon:
        eventually(lambda: why(daemon)["stage"] == "asking")
        reply = why(daemon)
        assert reply["status"] == "stopped"
        assert reply["reason"].startswith("hook before_start has been thinking for ")
        assert reply["reason"].endswith(" of its 60 s")
        assert "though" not in daemon.ctl("why", "web").out
        (tmp_path / "go").touch()
        up(daemon, "web")


def test_stopping_and_the_escalation(tmp_path: Path) -> None:
    ini = web(cmd=child_command("ignores_term", "{dir}/ready")).replace("= 5", "= 30")
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        pid = pid_in(tmp_path / "ready")
        daemon.call("restart", name="web")
        reply = why(daemon)
        assert (reply["status"], reply["reason"]) == ("stopping", "1 process not gone yet")
        assert reply["next"].startswith("SIGKILL in ")
        assert reply["next"].endswith("then it is started: restart command")
        daemon.call("kill", name="web", graceful_timeout=0.1)
        eventually(lambda: daemon.pids("web") not in ([], [pid]))
        [end] = why(daemon)["exits"]
        assert (end["exit"], end["expected"]) == ("killed by SIGKILL", True)
        assert end["cause"] == "restart command, SIGKILL because it did not end in time"
        daemon.call("set", name="web", options={"graceful_timeout": 0.1}, waiting=True)  # the next one is as stubborn


def test_the_last_ends_that_nobody_asked_for_are_kept_apart(tmp_path: Path) -> None:
    with Daemon(tmp_path, web("numprocesses = 12\nrespawn_backoff.stable = 0")) as daemon:
        up(daemon, "web")
        [victim, *_] = daemon.pids("web")
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(set(daemon.pids("web")) - {victim}) == 12)
        ask(daemon, "stop", name="web")
        reply = why(daemon)
        assert [end["pid"] for end in reply["exits"] if not end["expected"]] == [victim]
        assert len([end for end in reply["exits"] if end["expected"]]) == 10
        assert "10 workers ended, or more: stop command" in text_of(reply)


def test_nobody(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        assert daemon.call("why", name="zz")["reason"] == "program zz not found"
        refused = daemon.ctl("why", "zz")
        assert (refused.rc, refused.out, refused.err) == (3, "", "error: program zz not found\n")
        assert daemon.ctl("why").rc == 1
