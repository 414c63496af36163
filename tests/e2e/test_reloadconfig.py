"""reloadconfig and the full restart: as little as possible changes, all of it or nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.recording import lines_of, pid_in, told, up

WEB = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\n"
OTHER = "[watcher:other]\ncmd = sleep 98765\n"


def reloadconfig(daemon: Daemon, ini: str, **properties: Any) -> dict[str, Any]:
    """Write the file and have it read."""
    daemon.write(ini)
    reply: dict[str, Any] = daemon.call("reloadconfig", waiting=True, **properties)
    return reply


def assert_refused(daemon: Daemon, ini: str, word: str) -> None:
    """The file is refused with a reason, and nothing at all has changed."""
    before = {name: daemon.pids(name) for name in daemon.call("list")["watchers"]}
    statuses = daemon.call("status")["statuses"]
    sockets = daemon.call("listsockets")["sockets"]
    options = daemon.call("globaloptions")["options"]
    with daemon.events() as events:
        reply = reloadconfig(daemon, ini)
        assert reply["status"] == "error", reply
        assert word in reply.get("cause", reply["reason"]), reply
        assert {name: daemon.pids(name) for name in daemon.call("list")["watchers"]} == before
        assert all(told(daemon, events, name) == [] for name in before)
    assert daemon.call("status")["statuses"] == statuses
    assert daemon.call("listsockets")["sockets"] == sockets
    assert daemon.call("globaloptions")["options"] == options


# -- watchers --------------------------------------------------------------------------------------------------


def test_an_unchanged_file_changes_nothing(tmp_path: Path) -> None:
    ini = WEB + OTHER + "[socket:s]\nhost = 127.0.0.1\nport = 0\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web", "other")
        before = daemon.pids("web"), daemon.pids("other"), daemon.call("listsockets")["sockets"]
        with daemon.events() as events:
            assert reloadconfig(daemon, "\n; a comment\n" + ini)["status"] == "ok"
            assert told(daemon, events, "web") == told(daemon, events, "other") == []
        assert (daemon.pids("web"), daemon.pids("other"), daemon.call("listsockets")["sockets"]) == before


def test_watchers_come_go_and_change(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB + OTHER + "[watcher:gone]\ncmd = sleep 98765\n") as daemon:
        up(daemon, "web", "other", "gone")
        kept, changed = daemon.pids("web"), daemon.pids("other")
        gone = daemon.tree()
        with daemon.events() as events:
            new = WEB + OTHER.replace("98765", "98766") + "[watcher:new]\ncmd = sleep 98765\n"
            new += "[watcher:lazy]\ncmd = sleep 98765\nautostart = False\n"
            assert reloadconfig(daemon, new)["status"] == "ok"
            assert told(daemon, events, "web") == []
            assert told(daemon, events, "other") == ["kill", "reap", "stop", "spawn", "start"]
            assert told(daemon, events, "gone") == ["kill", "reap", "stop"]
            assert told(daemon, events, "new") == ["spawn", "start"]
        assert daemon.pids("web") == kept
        assert daemon.pids("other") != changed
        statuses = daemon.call("status")["statuses"]
        assert statuses == {
            "web": "active", "probe": "stopped", "other": "active", "new": "active", "lazy": "stopped",
        }  # fmt: skip
        assert len([process for process in gone if process.is_running()]) == 2


def test_a_changed_number_resizes_the_watcher_it_stays_the_same(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        before = daemon.pids("web")
        assert reloadconfig(daemon, WEB.replace("= 2", "= 4"))["status"] == "ok"
        assert daemon.pids("web")[:2] == before
        assert len(daemon.pids("web")) == 4
        assert reloadconfig(daemon, WEB.replace("= 2", "= 1"))["status"] == "ok"
        assert len(daemon.pids("web")) == 1
        assert daemon.call("options", name="web")["options"]["numprocesses"] == 1


def test_what_was_set_at_run_time_survives_a_file_that_did_not_change(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        daemon.call("incr", name="web", waiting=True)
        daemon.call("set", name="web", options={"graceful_timeout": 3}, waiting=True)
        assert reloadconfig(daemon, WEB)["status"] == "ok"
        assert len(daemon.pids("web")) == 3
        assert daemon.call("get", name="web", keys=["graceful_timeout"])["options"] == {"graceful_timeout": 3}
        assert reloadconfig(daemon, WEB.replace("= 2", "= 1"))["status"] == "ok"
        assert len(daemon.pids("web")) == 1


@pytest.mark.parametrize("line", ["flapping.attempts = 3\n", "max_age = 1000\n"])
def test_options_that_are_added_or_removed_are_noticed(tmp_path: Path, line: str) -> None:
    """Row 24."""
    key = line.split(" ")[0]
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        default = daemon.call("options", name="web")["options"].get(key)
        assert reloadconfig(daemon, WEB + line)["status"] == "ok"
        assert str(daemon.call("options", name="web")["options"][key]) in line
        assert reloadconfig(daemon, WEB)["status"] == "ok"
        assert daemon.call("options", name="web")["options"].get(key) == default


def test_a_watcher_that_an_operator_added_goes(tmp_path: Path) -> None:
    """Spec wire.md 5.1: the file says what there is; and this one is not in it."""
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        daemon.call("add", name="extra", cmd="sleep 98765", start=True, waiting=True)
        daemon.tree()
        assert reloadconfig(daemon, WEB)["status"] == "ok"
        assert daemon.call("list")["watchers"] == ["probe", "web"]


def test_an_unchanged_file_leaves_plugins_alone_whatever_the_log_options(tmp_path: Path) -> None:
    """Row 23: with loglevel or logoutput set every reloadconfig restarted all plugins."""
    (tmp_path / "quiet.py").write_text(
        "from circus.plugins import CircusPlugin\n\nclass Quiet(CircusPlugin):\n    name = 'quiet'\n"
    )
    ini = "[circus]\nloglevel = debug\nlogoutput = {dir}/log\n[plugin:quiet]\nuse = quiet.Quiet\nx = 1\n"
    variables = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    with Daemon(tmp_path, ini, variables=variables) as daemon:
        up(daemon, "plugin:quiet")
        before = daemon.pids("plugin:quiet")
        assert "--log-level debug" in daemon.call("options", name="plugin:quiet")["options"]["cmd"]
        assert reloadconfig(daemon, ini)["status"] == "ok"
        assert daemon.pids("plugin:quiet") == before
        assert reloadconfig(daemon, ini.replace("x = 1", "x = 2"))["status"] == "ok"
        assert daemon.pids("plugin:quiet") != before
        assert "--log-level debug" in daemon.call("options", name="plugin:quiet")["options"]["cmd"]


# -- all or nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ini", "word"),
    [
        (WEB + OTHER + "hooks.before_start = no_such_module.hook\n", "no_such_module"),
        (WEB + "nonsense\n", "nonsense"),
        (WEB + OTHER + "numprocesses = many\n", "many"),
        (WEB + OTHER + "[plugin:p]\nuse = no_such_module.Plugin\n", "no_such_module"),
        (WEB + OTHER + "[socket:s]\npath = /no/such/directory/s\n", "/no/such/directory"),
        (WEB + OTHER + "stdout_stream.filename = /no/such/directory/log\n", "/no/such/directory"),
        (WEB + OTHER + "stdin_socket = nothere\n", "socket"),
    ],
    ids=["hook", "syntax", "value", "plugin", "socket", "stream", "unknown socket"],
)
def test_a_file_that_cannot_be_brought_about_touches_nothing(tmp_path: Path, ini: str, word: str) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        assert_refused(daemon, "[circus]\ncheck_delay = 0.77\n" + ini, word)
        assert reloadconfig(daemon, WEB + OTHER)["status"] == "ok"
        up(daemon, "other")


def test_what_was_stopped_for_an_address_runs_again_when_it_cannot_be_had(tmp_path: Path) -> None:
    """The second of two sockets fails after the users of the first were stopped."""
    first = f"[socket:a]\npath = {{dir}}/a\n[watcher:app]\ncmd = {child_command('serves_socket')} $(circus.sockets.a)\n"
    first += "use_sockets = True\n"
    second = first.replace("path = {dir}/a\n", "path = {dir}/a\nbacklog = 3\n")
    second += "[socket:b]\npath = {dir}/taken\n"
    with Daemon(tmp_path, first) as daemon:
        up(daemon, "app")
        (tmp_path / "taken").touch()
        daemon.tree()
        reply = reloadconfig(daemon, second)
        assert reply["status"] == "error"
        up(daemon, "app")
        assert [sock["name"] for sock in daemon.call("listsockets")["sockets"]] == ["a"]
        (tmp_path / "taken").unlink()
        assert reloadconfig(daemon, second)["status"] == "ok"
        up(daemon, "app")
        assert {sock["name"]: sock["backlog"] for sock in daemon.call("listsockets")["sockets"]}["a"] == 3


def test_a_refused_file_leaks_no_descriptor(tmp_path: Path) -> None:
    bad = WEB + "[socket:s]\nhost = 127.0.0.1\nport = 0\n[watcher:n]\ncmd = x\nstdout_stream.filename = {dir}/n\n"
    bad += "[socket:t]\npath = /no/such/directory/s\n"
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        assert reloadconfig(daemon, bad)["status"] == "error"
        before = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        for _ in range(5):
            assert reloadconfig(daemon, bad)["status"] == "error"
        assert len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) == before


def test_a_dry_run_tells_and_does_nothing(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB + OTHER) as daemon:
        up(daemon, "web", "other")
        before = daemon.pids("web"), daemon.pids("other")
        new = "[circus]\ncheck_delay = 0.5\n" + WEB.replace("= 2", "= 3") + "[watcher:new]\ncmd = sleep 1\n"
        daemon.write(new)
        expected = [
            "set global check_delay (5.0 -> 0.5)",
            "remove watcher other (no longer in the file)",
            "resize watcher web (2 -> 3)",
            "add watcher new",
        ]
        assert daemon.call("reloadconfig", dry_run=True)["plan"] == expected
        run = daemon.ctl("reloadconfig", "--dry-run")
        assert (run.rc, run.out.splitlines()) == (0, expected)
        assert (daemon.pids("web"), daemon.pids("other")) == before
        assert daemon.call("globaloptions", option="check_delay")["options"] == {"check_delay": 5.0}
        daemon.write(WEB + OTHER)
        assert daemon.call("reloadconfig", dry_run=True)["plan"] == ["nothing to do"]


def test_a_second_reloadconfig_during_the_first_is_refused_with_the_old_text(tmp_path: Path) -> None:
    stubborn = f"[watcher:s]\ncmd = {child_command('ignores_term', '{dir}/ready')}\ngraceful_timeout = 30\n"
    with Daemon(tmp_path, stubborn + OTHER) as daemon:
        pid = pid_in(tmp_path / "ready")
        daemon.write(OTHER)
        daemon.call("reloadconfig")
        reply = daemon.call("reloadconfig")
        assert (reply["errno"], reply["reason"]) == (5, "arbiter is already running arbiter_reload_config command")
        assert daemon.call("restart", name="other", waiting=True)["status"] == "ok"
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: daemon.call("reloadconfig", waiting=True)["status"] == "ok")


# -- the daemon itself -----------------------------------------------------------------------------------------


def test_settings_of_the_daemon_that_can_change_live_do(tmp_path: Path) -> None:
    """Row 25: any change of ``[circus]`` stopped and restarted everything."""
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        before = daemon.pids("web")
        ini = "[circus]\ncheck_delay = 0.5\nwarmup_delay = 0.1\nloglevel = debug\nlogoutput = {dir}/log\n"
        assert reloadconfig(daemon, ini + WEB)["status"] == "ok"
        assert daemon.pids("web") == before
        assert daemon.call("globaloptions", option="check_delay")["options"] == {"check_delay": 0.5}
        assert any("DEBUG" in line for line in lines_of(tmp_path / "log"))


def test_what_the_command_line_says_about_logging_stays(tmp_path: Path) -> None:
    log = tmp_path / "mine"
    with Daemon(tmp_path, WEB, arguments=("--log-output", str(log), "--log-level", "info")) as daemon:
        up(daemon, "web")
        assert reloadconfig(daemon, "[circus]\nloglevel = debug\nlogoutput = {dir}/other\n" + WEB)["status"] == "ok"
        daemon.call("restart", name="web", waiting=True)
        assert not (tmp_path / "other").exists()
        assert "web started" in lines_of(log)[-1]


def test_other_settings_restart_the_daemon_in_its_process(tmp_path: Path) -> None:
    """Row 25: a full restart where nothing less will do; same pid, everything from the file."""
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        pid, before = daemon.pid, daemon.pids("web")
        daemon.tree()
        assert reloadconfig(daemon, "[circus]\numask = 027\n" + WEB + OTHER)["status"] == "ok"
        up(daemon, "web", "other")
        assert daemon.pid == pid
        assert daemon.poll() is None
        assert daemon.pids("web") != before


def test_restart_without_a_name_reads_the_file_again_in_the_same_process(tmp_path: Path) -> None:
    ini = "[circus]\npidfile = {dir}/pid\n[socket:s]\nhost = 127.0.0.1\nport = 0\n" + WEB
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        daemon.tree()
        for count in (1, 3):
            daemon.write(ini.replace("= 2", f"= {count}") + OTHER)
            assert daemon.call("restart", waiting=True)["status"] == "ok"
            up(daemon, "web", "other")
            assert len(daemon.pids("web")) == count
        assert daemon.poll() is None
        assert pid_in(tmp_path / "pid") == daemon.pid
        assert len({process.pid for process in daemon.tree()}) == 4
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_a_full_restart_leaks_no_descriptor(tmp_path: Path) -> None:
    ini = "[socket:s]\nhost = 127.0.0.1\nport = 0\n" + WEB + "stdout_stream.filename = {dir}/out\n"
    with Daemon(tmp_path, ini) as daemon:
        counts = []
        for _ in range(4):
            up(daemon, "web")
            counts.append(len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())))
            assert daemon.call("restart", waiting=True)["status"] == "ok"
        assert counts[-1] <= counts[1], counts


@pytest.mark.parametrize(
    "ini",
    ["[watcher:web]\nnonsense\n", WEB + "[plugin:p]\nuse = no_such_module.Plugin\n"],
    ids=["syntax", "plugin"],
)
@pytest.mark.parametrize("command", ["restart", "reloadconfig"])
def test_an_invalid_file_is_refused_and_the_daemon_keeps_running(tmp_path: Path, ini: str, command: str) -> None:
    """Row 25; spec lifecycle.md 14.18: it stopped everything and then died with a traceback."""
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        before = daemon.pids("web")
        daemon.write("[circus]\numask = 027\n" + ini)
        for waiting in (True, False):
            reply = daemon.call(command, waiting=waiting)
            assert reply["status"] == "error" or not waiting, reply
        daemon.settle()
        assert daemon.pids("web") == before
        assert daemon.poll() is None
        daemon.write(WEB)
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"


def test_a_full_restart_to_an_endpoint_that_is_taken_is_refused(tmp_path: Path) -> None:
    with Daemon(tmp_path / "one", WEB) as one, Daemon(tmp_path / "two", OTHER) as two:
        up(one, "web")
        before = one.pids("web")
        one.config.write_text(one.config.read_text().replace(one.endpoint, two.endpoint))
        for command in ("restart", "reloadconfig"):
            reply = one.call(command, waiting=True)
            assert reply["status"] == "error", reply
            assert "in use" in str(reply)
        assert one.pids("web") == before
        assert two.call("status")["status"] == "ok"


def test_a_full_restart_moves_to_a_new_endpoint(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        moved = daemon.endpoint + "2"
        daemon.config.write_text(daemon.config.read_text().replace(daemon.endpoint, moved))
        daemon.tree()
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        daemon.caller.close()
        daemon._caller, daemon.endpoint = None, moved
        up(daemon, "web")


def test_watchers_with_streams_can_change_them(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sh -c 'echo here; exec sleep 98765'\nstdout_stream.filename = {dir}/"
    with Daemon(tmp_path, ini + "one\n") as daemon:
        eventually(lambda: lines_of(tmp_path / "one") == ["here"])
        assert reloadconfig(daemon, ini + "two\n")["status"] == "ok"
        eventually(lambda: lines_of(tmp_path / "two") == ["here"])
        assert lines_of(tmp_path / "one") == ["here"]


def test_children_of_changed_watchers_are_told_exactly_once(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon, daemon.events() as events:
        up(daemon, "web")
        for number in range(6):
            command = child_command("exits_on_file", "{dir}/never", f"{{dir}}/ready-{number}")
            assert reloadconfig(daemon, f"[watcher:web]\ncmd = {command}\n")["status"] == "ok"
        names = told(daemon, events, "web")
        assert names.count("reap") == names.count("kill")
        assert daemon.status("web") == "active"


def test_requests_and_subscriptions_survive_a_full_restart(tmp_path: Path) -> None:
    """Nobody has to connect again, and no request is lost between the old life and the new one."""
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        with daemon.events() as events:
            daemon.tree()
            daemon.caller.cast("restart")
            for _ in range(300):
                assert daemon.call("status")["status"] == "ok"
            up(daemon, "web")
            names = told(daemon, events, "web")
            assert names == ["kill", "kill", "reap", "reap", "stop", "spawn", "spawn", "start"]
