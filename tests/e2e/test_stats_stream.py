"""circusd-stats beside a real circusd: who is told of, what is remembered, what is answered."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from circus.stats.client import StatsClient
from harness import PATIENCE, Caller, Daemon, child_command, eventually
from harness.daemon import free_port
from harness.installation import OURS
from tests.e2e.recording import up

INTERVAL = 0.2
STATS = f"statsd = True\nstats_interval = {INTERVAL}\n"
#: Where it does not matter how regular the ticks are.
OFTEN = 0.05
QUICK_STATS = f"statsd = True\nstats_interval = {OFTEN}\n"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

Tick = dict[tuple[str, str | None], dict[str, Any]]


class Reader:
    """Reads the stream tick by tick: all messages of one instant, by (watcher, subtopic)."""

    def __init__(self, daemon: Daemon) -> None:
        self.client = StatsClient(daemon.stats_endpoint, context=daemon.context)
        self.messages = self.client.iter_messages()
        self.ahead: tuple[str, str | None, dict[str, Any]] | None = None

    def tick(self) -> Tick:
        """The next complete instant."""
        while True:
            found = self._instant()
            if ("circus", None) in found:  # the first one may have begun before we listened
                return found

    def _instant(self) -> Tick:
        found: Tick = {}
        instant = None
        while True:
            watcher, subtopic, stat = self.ahead or self._next()
            self.ahead = None
            if instant is not None and stat["time"] != instant:
                self.ahead = watcher, subtopic, stat
                return found
            instant = stat["time"]
            assert (watcher, subtopic) not in found, "told twice in one tick"
            found[watcher, subtopic] = stat

    def _next(self) -> tuple[str, str | None, dict[str, Any]]:
        if not self.client.pubsub_socket.poll(PATIENCE * 1000):
            pytest.fail("the stream is silent")
        return next(self.messages)

    def pids(self, watcher: str) -> list[int]:
        """Those told of in the next tick."""
        return pids_of(self.tick(), watcher)


def pids_of(tick: Tick, watcher: str) -> list[int]:
    found = sorted(int(subtopic) for name, subtopic in tick if name == watcher and subtopic is not None)
    assert (watcher, None) in tick, "nothing is told of it yet"
    assert sorted(tick[watcher, None]["pid"]) == found, "the sum does not agree with its parts"
    return found


@contextlib.contextmanager
def reading(daemon: Daemon) -> Iterator[Reader]:
    reader = Reader(daemon)
    try:
        yield reader
    finally:
        reader.client.stop()


def settle_on(reader: Reader, watcher: str, wanted: list[int]) -> None:
    """Wait until exactly those are told of, and see that it stays so."""
    eventually(lambda: reader.pids(watcher) == sorted(wanted), interval=0)
    for _ in range(3):
        assert reader.pids(watcher) == sorted(wanted)


def test_every_process_in_every_tick_whatever_its_watcher_is_called(tmp_path: Path) -> None:
    ini = (
        "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 40\n"
        "[watcher:Web App.x]\ncmd = sleep 98765\nnumprocesses = 5\n"
        "[watcher:web.1]\ncmd = sleep 98765\n"
        "[watcher:off]\ncmd = sleep 98765\nautostart = False\n"
    )
    with Daemon(tmp_path, STATS + ini) as daemon, reading(daemon) as reader:
        up(daemon, "web", "web app.x", "web.1")
        wanted = {name: sorted(daemon.pids(shown)) for name, shown in
                  (("web", "web"), ("web_app.x", "web app.x"), ("web.1", "web.1"))}
        eventually(lambda: all(pids_of(tick := reader.tick(), name) == pids for name, pids in wanted.items()) and tick,
                   interval=0)
        times = []
        for _ in range(8):
            tick = reader.tick()
            for name, pids in wanted.items():
                assert pids_of(tick, name) == pids
            assert tick["off", None]["pid"] == []
            assert tick["off", None]["status"] == "stopped"
            assert {name for name, _ in tick} == {*wanted, "off", "probe", "circus"}
            times.append(tick["web", None]["time"])
        periods = [after - before for before, after in pairwise(times)]
        assert sorted(periods)[len(periods) // 2] == pytest.approx(INTERVAL, rel=0.6)
        roles = {stat["name"]: int(pid) for (name, pid), stat in tick.items() if name == "circus" and pid is not None}
        assert set(roles) == {"circusd", "circusd-stats"}
        assert roles["circusd"] == daemon.pid
        info = tick["web", str(wanted["web"][0])]
        assert (info["watcher"], info["state"], info["restarts"], info["name"]) == ("web", "running", 0, None)
        assert tick["web_app.x", None]["watcher"] == "Web App.x"
        assert info["rss"] == pytest.approx(psutil.Process(info["pid"]).memory_info().rss, rel=0.5)
        assert info["fds"] == psutil.Process(info["pid"]).num_fds()
        assert info["uptime"] == pytest.approx(info["age"], abs=0.5)


def test_no_stale_pid_whatever_is_done_to_the_processes(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 4\nrespawn_backoff.stable = 0.05\n"
    with Daemon(tmp_path, QUICK_STATS + ini) as daemon, reading(daemon) as reader:
        up(daemon, "web")
        settle_on(reader, "web", daemon.pids("web"))
        victim = daemon.pids("web")[0]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(pids := daemon.pids("web")) == 4 and victim not in pids)
        settle_on(reader, "web", daemon.pids("web"))
        assert reader.tick()["web", None]["restarts"] == 1
        for command, properties in (
            ("restart", {}), ("reload", {}), ("decr", {"nb": 2}), ("incr", {"nb": 3}), ("kill", {"signum": 9}),
        ):
            daemon.call(command, name="web", waiting=True, **properties)
            eventually(lambda: len(daemon.pids("web")) == daemon.call("numprocesses", name="web")["numprocesses"])
            settle_on(reader, "web", daemon.pids("web"))
        daemon.call("stop", name="web", waiting=True)
        settle_on(reader, "web", [])
        assert reader.tick()["web", None]["status"] == "stopped"
        daemon.call("start", name="web", waiting=True)
        settle_on(reader, "web", daemon.pids("web"))
        daemon.call("rm", name="web", waiting=True)
        eventually(lambda: ("web", None) not in reader.tick(), interval=0)
        daemon.call("add", name="late comer", cmd="sleep 98765", start=True, waiting=True)
        eventually(lambda: len(pids_of(tick, "late_comer")) == 1 if ("late_comer", None) in (tick := reader.tick())
                   else False, interval=0)
        statsd = next(int(pid) for (name, pid), stat in reader.tick().items() if stat.get("name") == "circusd-stats")
        kept = [path for path in open_files(statsd) if path.startswith("/proc/")]
        assert len(kept) <= 2 * 3 + 2, kept  # the newcomer, circusd and itself


def open_files(pid: int) -> list[str]:
    """What a process has open; what it closes meanwhile is left out."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def test_children_are_added_up(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sh -c 'sleep 98765 & sleep 98765 & wait'\nstop_children = True\n"
    with Daemon(tmp_path, QUICK_STATS + ini) as daemon, reading(daemon) as reader:
        up(daemon, "web")

        def told() -> dict[str, Any]:
            return next(stat for (name, pid), stat in reader.tick().items() if name == "web" and pid is not None)

        eventually(lambda: ("web", None) in (tick := reader.tick()) and len(pids_of(tick, "web")) == 1, interval=0)
        eventually(lambda: told()["children_count"] == 2, interval=0)
        assert told()["children_rss"] > 100_000
        assert told()["children_cpu"] == 0.0


def test_connections_that_wait(tmp_path: Path) -> None:
    port = free_port()
    ini = (
        f"[socket:http]\nhost = 127.0.0.1\nport = {port}\nbacklog = 32\n"
        "[socket:local]\npath = {dir}/app.sock\n"
        "[watcher:web]\ncmd = sleep 98765\nuse_sockets = True\n"
    )
    with Daemon(tmp_path, QUICK_STATS + ini) as daemon, reading(daemon) as reader:
        up(daemon, "web")
        listed = {sock["name"]: sock["fd"] for sock in daemon.call("listsockets")["sockets"]}

        def told(name: str) -> dict[str, Any] | None:
            return reader.tick().get(("sockets", str(listed[name])))

        eventually(lambda: told("http"), interval=0)
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(str(tmp_path / "app.sock"))  # the first to come: it is there when all the others are
            visitors = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
            arrived = []

            def five() -> bool:
                stat = told("http")
                assert stat is not None
                arrived.append(stat["reads"])
                return bool(stat["queue"] == 5)

            eventually(five, interval=0)
            tick = reader.tick()
            assert sum(arrived) == 5
            http, unix, whole = (tick["sockets", str(listed["http"])], tick["sockets", str(listed["local"])],
                                 tick["sockets", None])
            assert (http["reads"], http["backlog"], http["address"], http["name"]) == (
                0, 32, f"127.0.0.1:{port}", "http"
            )
            assert (unix["queue"], unix["address"]) == (1, f"{tmp_path}/app.sock")
            assert whole["addresses"] == [unix["address"], http["address"]] or len(whole["addresses"]) == 2
        for visitor in visitors:
            visitor.close()


def test_the_past_is_there_the_moment_a_dashboard_opens(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 3\n[watcher:web app.x]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, STATS + ini) as daemon, reading(daemon) as reader:
        up(daemon, "web", "web app.x")
        settle_on(reader, "web", daemon.pids("web"))
        ticks = [tick := reader.tick() for _ in range(5)]
        where = tick["circus", None]["query_endpoint"]
        assert where == f"{daemon.stats_endpoint}.query"
        caller = Caller(daemon.context, where)
        try:
            reply = caller.call("history", name="web")
            assert (reply["status"], reply["interval"]) == ("ok", INTERVAL)
            pid = daemon.pids("web")[0]
            assert set(reply["series"]) == {"web", *(f"web.{each}" for each in daemon.pids("web"))}
            web, worker = reply["series"]["web"], reply["series"][f"web.{pid}"]
            assert len(web["time"]) == len(web["cpu"]) == len(web["rss"]) == len(web["count"]) >= 5
            assert web["count"][-1] == 3
            assert worker["rss"][-1] > 0
            assert web["time"] == sorted(web["time"])
            times = [each["web", None]["time"] for each in ticks]
            assert [at for at in web["time"] if times[0] <= at <= times[-1]] == times
            since = web["time"][-2]
            later = caller.call("history", name="web", since=since)["series"]["web"]
            assert later["time"][0] == web["time"][-1]
            assert set(caller.call("history", pid=pid)["series"]) == {f"web.{pid}"}
            assert "web_app.x" in caller.call("history", name="Web App.x")["series"]
            assert {"web", "web_app.x", "circus", f"circus.{daemon.pid}"} <= set(caller.call("history")["series"])
            assert caller.call("history", resolution="minute")["interval"] == 60.0
            snapshot = caller.call("snapshot")
            assert snapshot["stats"][f"stat.web.{pid}"]["pid"] == pid
            assert caller.call("endpoints")["query_endpoint"] == where
            for properties in ({"resolution": "hour"}, {"since": "now"}, {"name": 7}, {"pid": "x"}, {"pid": True}):
                refused = caller.call("history", **properties)
                assert (refused["status"], refused["errno"]) == ("error", 3)
            memory = caller.call("memory", pids=[pid, os.getpid(), 2**22 + 1])["memory"]
            assert 0 < memory[str(pid)]["uss"] <= memory[str(pid)]["pss"]
            assert memory[str(os.getpid())] is memory[str(2**22 + 1)] is None  # nothing is told of others
            assert caller.call("memory", pids=[])["memory"] == {}
            for pids in (None, "1", [True], ["1"], [1] * 1000):
                assert caller.call("memory", pids=pids)["errno"] == 3
            assert caller.call("nonsense")["errno"] == 2
        finally:
            caller.close()
        with daemon.context.socket(zmq.REQ) as request:  # any language's simplest client
            request.linger = 0
            request.connect(where)
            request.send_json({"id": 1, "command": "HISTORY", "properties": None})
            assert request.poll(5000)
            assert request.recv_json()["status"] == "ok"
            request.send(b"nonsense")
            assert request.poll(5000)
            assert request.recv_json()["errno"] == 1


def test_a_tcp_stream_has_its_query_port_chosen_by_the_system(tmp_path: Path) -> None:
    with Daemon(tmp_path, QUICK_STATS + "[watcher:web]\ncmd = sleep 98765\n", transport="tcp") as daemon, \
            reading(daemon) as reader:
        up(daemon, "web")
        where = reader.tick()["circus", None]["query_endpoint"]
        assert where.startswith("tcp://127.0.0.1:")
        assert where != daemon.stats_endpoint
        caller = Caller(daemon.context, where)
        try:
            assert caller.call("endpoints")["stats_endpoint"] == daemon.stats_endpoint
        finally:
            caller.close()


def test_metrics(tmp_path: Path) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    port = free_port()
    ini = f"metrics_endpoint = 127.0.0.1:{port}\n[watcher:web app.x]\ncmd = sleep 98765\nnumprocesses = 2\n"
    with Daemon(tmp_path, QUICK_STATS + ini) as daemon, reading(daemon) as reader:
        up(daemon, "web app.x")
        settle_on(reader, "web_app.x", daemon.pids("web app.x"))
        assert reader.tick()["circus", None]["metrics_endpoint"] == f"http://127.0.0.1:{port}/metrics"
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
        )
        with urllib.request.urlopen(request, timeout=10) as page:
            text = page.read().decode()
        found = {
            (sample.name, sample.labels.get("watcher"), sample.labels.get("wid")): sample.value
            for family in parser.text_string_to_metric_families(text) for sample in family.samples
        }
        assert found["circus_watcher_processes", "web app.x", None] == 2
        assert found["circus_worker_resident_memory_bytes", "web app.x", "2"] > 0
        assert found["circus_worker_start_time_seconds", "web app.x", "1"] == pytest.approx(time.time(), abs=60)
        assert found["circus_event_loop_stall_seconds", None, None] > 0
        assert found["circus_up", None, None] == 1


# -- daemons that go, and come ----------------------------------------------------------------------------


@contextlib.contextmanager
def stats_by_hand(daemon: Daemon, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """circusd-stats as its own program beside a daemon that runs none."""
    log = daemon.directory / "stats.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            OURS.command(
                "circus.stats", "--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint, "--statspoint",
                daemon.stats_endpoint, "--interval", str(OFTEN), *arguments,
            ),
            cwd="/",  # what works in the daemon's directory counts as left behind by it
            env=OURS.environment({}), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_new_daemon_at_the_same_place_is_noticed(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\n[watcher:{}]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini.format("old")) as daemon, stats_by_hand(daemon), reading(daemon) as reader:
        up(daemon, "web", "old")
        settle_on(reader, "web", daemon.pids("web"))
        before = daemon.pids("web")
        daemon.stop()
        daemon.write(ini.format("new"))
        daemon.start()
        up(daemon, "web", "new")
        reader.client.stop()  # the harness closes what it lends when a daemon stops
        with reading(daemon) as again:
            settle_on(again, "web", daemon.pids("web"))
            tick = again.tick()
            assert ("old", None) not in tick
            assert ("new", None) in tick
            assert not set(before) & set(pids_of(tick, "web"))
            assert str(daemon.pid) in {pid for name, pid in tick if name == "circus"}


def test_it_ends_when_the_daemon_that_started_it_is_killed(tmp_path: Path) -> None:
    with Daemon(tmp_path, QUICK_STATS + "[watcher:web]\ncmd = sleep 98765\n") as daemon, reading(daemon) as reader:
        up(daemon, "web")
        tick = reader.tick()
        statsd = next(int(pid) for (name, pid), stat in tick.items() if stat.get("name") == "circusd-stats")
        daemon.kill()
        eventually(lambda: not psutil.pid_exists(statsd) or psutil.Process(statsd).status() == "zombie")
        eventually(lambda: "is gone; ending" in daemon.log)
        eventually(lambda: not (tmp_path / "sta.query").exists())
        daemon.stop(check=False)  # its workers run on: nobody was there to end them


def test_signals(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n") as daemon, \
            stats_by_hand(daemon) as process, reading(daemon) as reader:
        reader.tick()
        for signum in (signal.SIGHUP, signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(signum)
            reader.tick()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        log = (tmp_path / "stats.log").read_text()
        assert "Starting the stats streamer" in log
        assert "Stats streamer stopped" in log
        assert "Traceback" not in log
        assert "Warning" not in log


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--statspoint", "ipc:///nowhere/at/all"], 1, "No such file"),
        (["--interval", "0"], 2, "between"),
        (["--interval", "x"], 2, "invalid"),
        (["--nonsense"], 2, "--nonsense"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    done = subprocess.run(
        OURS.command("circus.stats", *arguments), cwd=tmp_path, env=OURS.environment({}), capture_output=True,
        text=True, timeout=20, check=False,
    )
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_metrics_endpoint_costs_the_metrics_only(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n") as daemon, \
            stats_by_hand(daemon, "--metrics", "nonsense") as process, reading(daemon) as reader:
        assert reader.tick()["circus", None]["metrics_endpoint"] is None
        assert process.poll() is None
        assert "'nonsense' is not http://HOST:PORT/PATH" in (tmp_path / "stats.log").read_text()


def test_output_that_was_lost_is_told(tmp_path: Path) -> None:
    ini = (
        f"[watcher:web]\ncmd = {child_command('writes_lines', 'x', 5, 0, 0, 1)}\nstdout_stream.class = FileStream\n"
        "stdout_stream.filename = /dev/full\nrespawn = False\n"
    )
    with Daemon(tmp_path, QUICK_STATS + ini) as daemon, reading(daemon) as reader:
        eventually(lambda: reader.tick().get(("web", None), {}).get("dropped", 0) > 0, interval=0)


def test_stats_of_very_many_does_not_hold_the_daemon_up(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 250\n[watcher:one]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web", "one")
        everything = daemon.call("stats")
        assert {name: len(infos) for name, infos in everything["infos"].items()} == {"web": 250, "one": 1, "probe": 0}
        assert "waiting" not in everything
        told = daemon.call("stats", name="web")
        assert set(map(int, told["info"])) == set(daemon.pids("web"))
        assert all(info["wid"] for info in told["info"].values())
        output = daemon.ctl("stats", "web")
        assert len(output.out.splitlines()) == 251
        rosters = daemon.call("dstats", watchers=True)["watchers"]
        assert set(map(int, rosters["web"]["workers"])) == set(daemon.pids("web"))
        assert rosters["web"]["status"] == "active"
        assert rosters["probe"] == {
            "res_name": "probe", "status": "stopped", "numprocesses": 1, "restarts": 0, "dropped": 0, "workers": {},
        }
