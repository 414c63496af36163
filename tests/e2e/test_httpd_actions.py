"""circus-httpd: what is done through the API happens, and is told as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from circus.base.convert import to_signum
from circus.ctl.arguments import parse_arguments
from circus.ctl.vocabulary import Vocabulary
from harness import PATIENCE, Daemon, child_command, eventually
from harness.daemon import free_port
from tests.e2e.console import Console, console_of
from tests.unit.top.fakedaemon import FakeDaemon

INI = """
[watcher:web]
cmd = sleep 98765
numprocesses = 2
[watcher:Blank Name]
cmd = sleep 98765
[watcher:one]
cmd = sleep 98765
singleton = True
[watcher:off]
cmd = sleep 98765
autostart = False
[watcher:crash]
cmd = sh -c 'echo no such table; exit 3'
respawn_backoff.base = 20
"""


def said(daemon: Daemon, line: str) -> Any:
    """The request that a circusctl line makes."""
    words = shlex.split(line)
    assert words[:3] == ["circusctl", "--endpoint", daemon.endpoint]
    vocabulary = Vocabulary()
    parsed = parse_arguments(words[1:], vocabulary)["args"]
    return vocabulary[parsed.command].message(*parsed.args, **parsed.opts)


def test_every_action_has_its_effect_and_tells_its_line(tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"
    with Daemon(tmp_path, "capture = True\n" + INI) as daemon, console_of(daemon, "--audit-log", audit) as console:
        ada = console.admin()
        console.online(ada)

        def do(path: str, **body: Any) -> dict[str, Any]:
            return ada.api(f"/watchers/{path}", body)

        told = do("web/stop")
        assert (told["outcome"], told["status"], told["text"]) == ("ok", "stopped", "web is stopped")
        assert daemon.pids("web") == []
        assert said(daemon, told["circusctl"]) == {
            "command": "stop", "properties": {"name": "web", "waiting": True, "match": "glob"},
        }  # fmt: skip
        told = do("WEB/start")
        assert told["text"].startswith("WEB is active with 2 of 2 processes (started ")
        assert sorted(told["pids"]) == sorted(daemon.pids("web"))
        before = daemon.pids("web")
        do("web/restart")
        assert not set(before) & set(daemon.pids("web"))
        before = daemon.pids("web")
        assert do("web/reload")["outcome"] == "ok"
        assert not set(before) & set(daemon.pids("web"))
        assert do("web/incr", nb=2)["numprocesses"] == 4
        assert len(daemon.pids("web")) == 4
        assert do("web/decr")["numprocesses"] == 3
        assert "singleton" in do("one/incr")["text"]
        victim = daemon.pids("web")[0]
        told = do("web/kill", pid=victim, signum="KILL", graceful_timeout=1)
        assert victim not in daemon.pids("web")
        assert said(daemon, told["circusctl"])["properties"] == {
            "name": "web", "pid": str(victim), "signum": "KILL", "graceful_timeout": 1.0, "waiting": True,
        }  # fmt: skip
        victim = daemon.pids("web")[0]
        told = do("web/signal", pid=victim, signum="USR1")
        assert said(daemon, told["circusctl"])["properties"]["signum"] == "USR1"
        eventually(lambda: victim not in daemon.pids("web"))
        assert do("Blank%20Name/stop")["status"] == "stopped"
        assert do("blank_name/start")["status"] == "active"
        assert do("web/stop", waiting=False)["outcome"] == "pending"

        def has_failed() -> bool:
            """Whether the shell ended before the console looked, 0.4 s after its start."""
            told = do("crash/restart")
            assert told["outcome"] == "failed"
            return "0 of 1 process" in told["text"]

        eventually(has_failed)
        why = ada.api("/watchers/crash/why?lines=3")
        assert why["exits"][-1]["lines"] == ["no such table"]

        refused = ada.api("/watchers/nobody/stop", {}, status=404)
        assert refused["detail"] == "program nobody not found"
        assert "circusctl" in refused
        ada.api("/watchers/web/kill", {"pid": "x"}, status=422)
        ada.api("/watchers/web/kill", {"nonsense": 1}, status=422)
        ada.api("/watchers/web/signal", {}, status=422)
        ada.api("/watchers/web/signal", {"signum": "NOSUCH"}, status=422)
        entries = [json.loads(line) for line in audit.read_text().splitlines()]
        done = [(entry["action"], entry["target"].partition(" ")[2], entry["outcome"]) for entry in entries]
        assert ("stop", "web", "ok") in done
        assert ("stop", "nobody", "failed: program nobody not found") in done
        assert {entry["user"] for entry in entries if entry["action"] == "stop"} == {"link user"}
        assert audit.stat().st_mode & 0o077 == 0


def test_all_at_once(tmp_path: Path) -> None:
    ini = INI.partition("[watcher:crash]")[0]
    with Daemon(tmp_path, ini, probe=False) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        before = daemon.pids("web")
        told = ada.api("/reload", {})
        assert told["circusctl"].endswith(" reload --waiting")
        assert not set(before) & set(daemon.pids("web"))
        told = ada.api("/stop", {})
        assert (told["outcome"], told["text"]) == ("ok", "4 of 4 watchers are stopped")
        assert set(daemon.call("status")["statuses"].values()) == {"stopped"}
        told = ada.api("/start", {})
        assert told["text"] == "3 of 4 watchers are active; not so: off"
        told = ada.api("/restart", {})
        assert said(daemon, told["circusctl"])["properties"]["match"] == "regex"
        assert daemon.status("off") == "stopped"  # as circusctl does: only one that is named by itself is started
        pid = daemon.pid
        assert ada.api("/restart", {"daemon": True})["outcome"] == "pending"
        daemon.wait_status("off", "stopped")
        assert daemon.pid == pid
        console.online(ada)


LOOPS = """
[watcher:web]
cmd = sleep 98765
[watcher:loops]
cmd = sh -c 'exit 3'
numprocesses = 2
max_retry = -1
"""


def test_what_never_comes_up_is_told_soon_and_by_name(tmp_path: Path) -> None:
    with Daemon(tmp_path, LOOPS, probe=False) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        eventually(lambda: len(daemon.call("why", name="loops")["exits"]) > 3)
        before = daemon.pids("web")
        began = time.monotonic()
        told = ada.api("/watchers/loops/incr", {})
        assert told["outcome"] in ("failed", "partial")
        # It depends on the moment whether all of them ever ran together, which is what the daemon waits for.
        assert re.search(r"loops (does not come up: .*; circusd goes on trying|is active with \d of 3 .* in a row)",
                         told["text"])  # fmt: skip
        assert told["circusctl"].endswith("incr --waiting loops")
        for command in ("reload", "restart"):
            told = ada.api(f"/{command}", {})
            assert told["outcome"] == "partial"
            assert "loops" in told["text"]
        assert time.monotonic() - began < PATIENCE
        assert not set(before) & set(daemon.pids("web"))


def test_what_runs_for_a_moment_only_is_not_told_as_done(tmp_path: Path) -> None:
    """All of its workers run when circusd answers, and when the console looks for the first time."""
    ini = LOOPS.replace("sh -c 'exit 3'", "sh -c 'sleep 0.6; exit 3'")
    with Daemon(tmp_path, ini, probe=False) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        eventually(lambda: len(daemon.call("why", name="loops")["exits"]) > 3)
        for command in ("reload", "restart"):
            told = ada.api(f"/{command}", {})
            assert told["outcome"] == "partial", told
            assert "loops" in told["text"]


def test_what_takes_its_time_is_told_as_pending(tmp_path: Path) -> None:
    ini = f"[watcher:slow]\ncmd = {child_command('ignores_term', '{dir}/ready')}\ngraceful_timeout = 5\n"
    with Daemon(tmp_path, ini, probe=False) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        eventually((tmp_path / "ready").exists)
        told = ada.api("/watchers/slow/stop", {"timeout": 0.5}, status=202)
        assert told["outcome"] == "pending"
        assert "slow: " in told["text"]
        daemon.wait_status("slow", "stopped")


def test_options_are_planned_then_set(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sh -c 'exec sleep 98765' --token=abc\n[env:web]\nDB_PASSWORD = hunter2\nPLAIN = x\n"
    with Daemon(tmp_path, ini) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        told = ada.api("/watchers/web/options")
        mask = told["options"]["env"]["DB_PASSWORD"]
        assert "hunter2" not in json.dumps(ada.api("/watchers/web"))
        assert told["options"]["env"]["PLAIN"] == "x"
        assert told["options"]["cmd"] == f"sh -c 'exec sleep 98765' --token={mask}"
        assert told["secrets"] == ["cmd", "env.DB_PASSWORD"]
        assert ada.api("/watchers/web/options?reveal=true")["options"]["env"]["DB_PASSWORD"] == "hunter2"
        assert any(entry["action"] == "reveal" for entry in ada.api("/audit")["entries"])

        def put(options: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
            return ada.api("/watchers/web", {"options": options, **more}, "PUT", status)

        before = daemon.pids("web")
        wanted = {
            "numprocesses": "2", "graceful_timeout": 3, "env": {"DB_PASSWORD": mask, "PLAIN": "y"}, "colour": "red",
            "max_retry": "x", "warmup_delay": None, "send_hup": False, "name": "new",
        }  # fmt: skip
        plan = put(wanted, dry_run=True)
        effects = {change["option"]: (change["from"], change["to"], change["on_change"]) for change in plan["changes"]}
        assert effects["numprocesses"] == (1, 2, "reconcile")
        assert effects["graceful_timeout"] == (30.0, 3.0, "nothing")
        assert effects["env"][1:] == ({"DB_PASSWORD": mask, "PLAIN": "y"}, "roll")
        assert "send_hup" not in effects
        assert "warmup_delay" not in effects
        assert set(plan["errors"]) == {"colour", "max_retry", "name"}
        assert plan["replaces_processes"] is True
        assert daemon.pids("web") == before
        refused = put(wanted, 422)
        assert set(refused["errors"]) == {"colour", "max_retry", "name"}
        put({"env": {"NEW_PASSWORD": mask}}, 422)
        put({"singleton": True, "numprocesses": 2}, 422)
        put({"cmd": 5}, dry_run=True)
        done = put({key: wanted[key] for key in ("numprocesses", "graceful_timeout", "env")})
        assert done["outcome"] == "ok"
        assert "hunter2" not in json.dumps(done)
        failed = put({"working_dir": "/no/such/directory"}, status=409)
        assert "hunter2" not in json.dumps(failed)
        assert failed["detail"] != "server error"
        assert len(daemon.pids("web")) == 2
        options = daemon.call("options", name="web")["options"]
        assert options["env"]["DB_PASSWORD"] == "hunter2"
        assert options["env"]["PLAIN"] == "y"
        assert put({"numprocesses": 2})["text"] == "nothing to change"
        env = Path(f"/proc/{daemon.pids('web')[0]}/environ").read_bytes()
        assert b"DB_PASSWORD=hunter2" in env


def test_a_watcher_comes_and_goes(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        wanted = {"name": "late", "cmd": "sleep 98764", "options": {"numprocesses": 2, "env": {"A": "1"}}}
        plan = ada.api("/watchers", {**wanted, "dry_run": True})
        assert plan["errors"] == {}
        assert "late" not in daemon.call("list")["watchers"]
        bad = ada.api("/watchers", {"name": "web", "cmd": "x", "options": {"numproceses": 2}, "dry_run": True})
        assert set(bad["errors"]) == {"name", "numproceses"}
        assert bad["problems"][0]["hint"] == "did you mean numprocesses?"
        ada.api("/watchers", {"name": "web", "cmd": "x"}, status=422)
        ada.api("/watchers", {"name": "x"}, status=422)
        done = ada.api("/watchers", wanted, status=201)
        assert done["text"].startswith("late is active with 2 of 2 processes")
        assert len(done["circusctl"].splitlines()) == 3
        pids = daemon.pids("late")
        gone = ada.api("/watchers/late", method="DELETE")
        assert gone["text"] == "late was removed"
        assert "late" not in daemon.call("list")["watchers"]
        assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        ada.api("/watchers/late", method="DELETE", status=404)
        done = ada.api("/watchers", {"name": "bad", "cmd": "/no/such/program"}, status=201)
        assert done["outcome"] == "failed"
        assert done["text"].startswith("bad was added, but could not be started")
        ada.api("/watchers", {"name": "quiet", "cmd": "sleep 98764", "start": False}, status=201)
        assert daemon.status("quiet") == "stopped"
        ada.api("/watchers", {"name": "left", "cmd": "sleep 98764"}, status=201)
        [pid] = daemon.pids("left")
        assert "left running" in ada.api("/watchers/left?nostop=1", method="DELETE")["text"]
        os.kill(pid, signal.SIGKILL)


def test_a_daemon_that_knows_no_dry_run_is_not_asked_for_one(tmp_path: Path) -> None:
    """Circus 0.19.0 would reload its configuration."""
    (tmp_path / "d").mkdir()
    with FakeDaemon(tmp_path / "d", streams=False, is_old=True) as old:
        console = Console(tmp_path, "--endpoint", old.control).start()
        try:
            ada = console.admin()
            console.online(ada)
            refused = ada.api("/reloadconfig", {"dry_run": True}, status=409)
            assert "cannot tell beforehand" in refused["detail"]
            assert old.asked("reloadconfig") == []
        finally:
            assert console.stop() == 0


def test_the_configuration_is_reloaded_after_its_plan(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        told = ada.api("/reloadconfig", {"dry_run": True})
        assert (told["plan"], told["text"]) == ([], "nothing to do")
        daemon.write(INI.replace("watcher:off", "watcher:fresh"))
        told = ada.api("/reloadconfig", {"dry_run": True})
        assert len(told["plan"]) == 2
        assert "off" in daemon.call("list")["watchers"]
        done = ada.api("/reloadconfig", {})
        assert done["outcome"] == "ok"
        assert set(daemon.call("list")["watchers"]) >= {"fresh", "web"}
        daemon.write("[watcher:web]\ncmd = sleep 1\nnumprocesses = many\n")
        refused = ada.api("/reloadconfig", {"dry_run": True}, status=None)
        assert refused["status"] in (409, 422, 500)
        assert "many" in refused["detail"]


def test_what_is_read(tmp_path: Path) -> None:
    port = free_port()
    ini = (
        f"statsd = True\nstats_interval = 0.2\ncapture = True\n[socket:http]\nhost = 127.0.0.1\nport = {port}\n"
        "[watcher:srv]\ncmd = sleep 98765 $(circus.sockets.http)\nuse_sockets = True\n"
        "[watcher:all]\ncmd = sleep 98765\nuse_sockets = True\n"
        "[plugin:flap]\nuse = circus.plugins.flapping.Flapping\nattempts = 7\n"
        f"[watcher:talk]\ncmd = {child_command('writes_lines', 'line', 5, 0, 0, 1)}\n"
    )
    with Daemon(tmp_path, ini) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        [sock] = ada.api("/sockets")["sockets"]
        assert (sock["name"], sock["address"], sock["family"]) == ("http", f"127.0.0.1:{port}", "ipv4")
        assert sock["consumers"] == ["all", "srv"]
        [plugin] = ada.api("/plugins")["plugins"]
        assert (plugin["name"], plugin["use"]) == ("plugin:flap", "circus.plugins.flapping.Flapping")
        assert plugin["options"]["attempts"] in (7, "7")
        told = ada.api("/globals")
        assert told["options"]["endpoint"] == daemon.endpoint
        assert told["circusd"]["pid"] == daemon.pid

        def lines(most: int) -> list[str]:
            return [line["text"] for line in ada.api(f"/watchers/talk/logs?lines={most}&stream=stdout")["lines"]]

        eventually(lambda: len(lines(9)) == 5)
        newest = lines(3)
        assert len(newest) == 3
        assert newest[-1].startswith("line")
        text = ada.get("/api/v1/logs?watchers=talk&download=1")
        assert text.headers["Content-Disposition"].startswith("attachment")
        assert len(text.text.splitlines()) == 5
        assert ada.get("/api/v1/logs?format=text").status == 200
        ada.api("/watchers/srv/logs?pid=1", status=404)
        events = ada.api("/events?limit=500")["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        older = ada.api(f"/events?before={events[4]['seq']}&limit=2")["events"]
        assert [event["seq"] for event in older] == [3, 4]
        assert {event["watcher"] for event in ada.api("/events?name=srv")["events"]} == {"srv"}
        assert {event["event"] for event in ada.api("/events?events=spawn,start")["events"]} == {"spawn", "start"}

        def measured() -> list[Any]:
            told = ada.api("/watchers/srv/stats")["series"]
            assert len(told["time"]) > 2
            assert {len(column) for column in told.values()} == {len(told["time"])}
            assert told["count"][-1] == 1
            return list(told["time"])

        times = eventually(measured)
        assert times == sorted(times)
        assert ada.api("/watchers/srv/stats?resolution=minute")["resolution"] == "minute"
        told = ada.api("/watchers")
        names = [watcher["name"] for watcher in told["watchers"]]
        assert set(names) == {"srv", "all", "talk", "plugin:flap", "probe"}
        assert told["totals"]["watchers"] == 5
        told = ada.api("/watchers/srv")
        assert [worker["pid"] for worker in told["workers"].values()] == daemon.pids("srv")
        assert ada.api("/stats")["circus"]["circusd"]["pid"] == daemon.pid
        schema = ada.api("/schema/options")
        options = {option["name"]: option for option in schema["options"]}
        assert options["numprocesses"]["type"] == "integer"
        assert options["cmd"]["required"]
        assert options["shell_args"]["fixed"]
        assert all(to_signum(name) for name in schema["signals"])
        parser = pytest.importorskip("prometheus_client.openmetrics.parser")
        text = ada.get("/metrics", Accept="application/openmetrics-text").text
        found = {
            (sample.name, sample.labels.get("watcher")): sample.value
            for family in parser.text_string_to_metric_families(text) for sample in family.samples
        }
        assert found["circus_watcher_processes", "srv"] == 1
        assert found["circus_up", None] == 1
        assert ada.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_wrong_requests_are_answered_in_kind(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        stop = "/api/v1/watchers/off/stop"
        for status, answer in (
            (400, ada.request("POST", stop, "{")),
            (400, ada.request("POST", stop, '{"waiting": NaN}')),
            (422, ada.request("POST", stop, "[]")),
            (415, ada.request("POST", stop, "{}", Content_Type="text/html")),
            (400, ada.get("/api/v1/watchers?colour=red")),
            (400, ada.get("/api/v1/watchers?endpoint=a&endpoint=b")),
            (400, ada.get("/api/v1/events?limit=many")),
            (404, ada.get("/api/v1/watchers?endpoint=nosuch")),
            (404, ada.get("/api/v1/watchers/%00")),
            (400, ada.get("/api/v1/watchers/%ff")),
            (405, ada.request("PATCH", "/api/v1/watchers/web", {})),
            (405, ada.request("PUT", stop, {})),
            (404, ada.get("/api/v2/watchers")),
        ):
            assert answer.status == status or (status, answer.status) == (404, 400), answer
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json["status"] == answer.status
            assert answer.json["detail"]
        assert ada.request("PUT", stop, {}).headers["Allow"] == "POST"
        assert ada.request("POST", stop, "[" * 100_000).status in (400, 413)
        huge = ada.request("POST", "/api/v1/watchers", {"name": "x", "cmd": "y" * 200_000})
        assert huge.status == 422


def test_the_old_addresses(tmp_path: Path) -> None:
    import base64

    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            at = "/" + alphabet(daemon.endpoint.encode()).decode()
            page = f"/watcher/{told['id']}/web"
            for path, target in (
                (f"{at}/watcher/web/", page), (f"{at}/watcher/web/switch_status/", page),
                (f"{at}/reloadconfig/", "/reload"),
                (f"{at}/watcher/web/process/kill/{daemon.pids('web')[0]}/", page), (f"{at}/sockets/",
                f"/sockets?e={told['id']}"),
                ("/disconnect/", "/connect"),
            ):  # fmt: skip
                answer = ada.get(path)
                assert (answer.status, answer.headers["Location"]) == (302, target)
        assert daemon.status("web") == "active"
        at = "/" + base64.b64encode(daemon.endpoint.encode()).decode()
        form = {"Content_Type": "application/x-www-form-urlencoded", "X_CSRF_Token": None}
        assert ada.request("POST", f"{at}/watcher/web/switch_status/", "", **form).status == 403
        assert daemon.status("web") == "active"
        token = f"_csrf={ada.csrf}"
        answer = ada.request("POST", f"{at}/watcher/web/switch_status/", token, **form)
        assert (answer.status, answer.headers["Location"]) == (302, f"/watcher/{told['id']}/web")
        assert daemon.status("web") == "stopped"
        assert ada.api("/session")["messages"] == ["status switched"]
        ada.request("POST", f"{at}/watcher/web/switch_status/", token, **form)
        assert daemon.status("web") == "active"
        ada.request("POST", f"{at}/watcher/web/process/incr/", token, **form)
        assert len(daemon.pids("web")) == 3
        ada.request("POST", f"{at}/watcher/web/process/decr/", token, **form)
        victim = daemon.pids("web")[0]
        ada.request("POST", f"{at}/watcher/web/process/kill/{victim}/", token, **form)
        eventually(lambda: victim not in daemon.pids("web"))
        added = ada.request("POST", f"{at}/add_watcher/", f"{token}&name=Fresh&cmd=sleep+98765&numprocesses=1", **form)
        assert added.headers["Location"] == f"/watcher/{told['id']}/fresh"
        assert "fresh" in daemon.call("list")["watchers"]
        wrong = ada.request("POST", f"{at}/watcher/nobody/process/incr/", token, **form)
        assert wrong.headers["Location"] == "/"
        assert ada.api("/session")["messages"][-1] == "An error happened: program nobody not found"
        assert ada.get("/bm9uc2Vuc2U=/watcher/web/").status == 404
        assert ada.request("POST", "/disconnect/", token, **form).status == 405
