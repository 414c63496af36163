"""The history of events of a real daemon: who missed something asks for it, and nothing is told twice."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus.model.events import EVENTS
from harness import PATIENCE, Daemon, eventually
from tests.e2e.recording import told, up

WEB = """
[watcher:web]
cmd = sleep 98765
numprocesses = 2
graceful_timeout = 5
reload_overlap = 0
"""


def history(daemon: Daemon, **properties: Any) -> dict[str, Any]:
    reply = daemon.call("events", **properties)
    assert reply["status"] == "ok", reply
    return reply


def test_what_happened_before_anybody_listened_is_told(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        daemon.call("stop", name="web", waiting=True)
        reply = history(daemon, name="web")
        names = [event["event"] for event in reply["events"]]
        assert names == ["spawn", "spawn", "start", "kill", "kill", "reap", "reap", "stop"]
        assert {event["cause"] for event in reply["events"][:3]} == {"daemon start"}
        assert {event["cause"] for event in reply["events"][3:]} == {"stop command"}
        seqs = [event["seq"] for event in reply["events"]]
        assert seqs == sorted(seqs)
        assert reply["first"] == 1
        since = reply["events"][3]["time"]
        later = [event["event"] for event in history(daemon, name="web", since=since)["events"]]
        assert later == ["kill", "kill", "reap", "reap", "stop"]


def test_live_events_and_history_are_the_same(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon, daemon.events() as events:
        before = history(daemon)["last"]
        for command in ("restart", "reload", "incr", "decr", "stop", "start"):
            daemon.call(command, name="web", waiting=True)
        told(daemon, events, "web")
        heard = [(e.payload["seq"], e.name, e.payload) for e in events.heard if e.watcher == "web"]
        kept = history(daemon, since=before, name="web", limit=2000)["events"]
    shown = [
        (e["seq"], e["event"], {key: value for key, value in e.items() if key not in ("watcher", "res_name", "event")})
        for e in kept
    ]
    assert shown == heard


class Follower:
    """One who subscribes first, then asks, then goes on."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.seen: list[int] = []
        self.socket = daemon.context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 0
        self.socket.subscribe(b"watcher.")
        self.socket.connect(daemon.pubsub_endpoint)

    def ask(self) -> None:
        since = self.seen[-1] if self.seen else 0
        while True:
            reply = history(self.daemon, since=since, limit=5)
            self.take([event["seq"] for event in reply["events"]])
            if not reply["more"]:
                return
            since = reply["events"][-1]["seq"]

    def take(self, seqs: list[int]) -> None:
        self.seen += [seq for seq in seqs if not self.seen or seq > self.seen[-1]]

    def listen(self, until: int) -> None:
        while self.seen[-1] < until:
            assert self.socket.poll(PATIENCE * 1000), f"{until} did not come after {self.seen[-1]}"
            _, payload = self.socket.recv_multipart()
            self.take([json.loads(payload)["seq"]])


def test_following_leaves_no_gap_and_tells_nothing_twice(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        follower = Follower(daemon)
        daemon.call("restart", name="web")  # events come while the subscription is on its way, and while we ask
        follower.ask()
        daemon.call("restart", name="web", waiting=True)

        def subscribed() -> bool:
            daemon.settle()
            return bool(follower.socket.poll(50))

        eventually(subscribed, interval=0)
        follower.ask()
        daemon.call("reload", name="web", waiting=True)
        daemon.call("stop", name="web", waiting=True)
        last = history(daemon, limit=1)["last"]
        follower.listen(until=last)
        assert follower.seen == list(range(1, last + 1))
        follower.socket.close()


def test_the_history_is_bounded(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB.replace("numprocesses = 2", "numprocesses = 1\nautostart = False")) as daemon:
        for _ in range(30):
            for _ in range(100):
                daemon.caller.cast("set", name="web", options={"graceful_timeout": 4})
            daemon.call("numwatchers")
        reply = history(daemon, limit=10_000)
        assert reply["last"] >= 3000
        assert len(reply["events"]) == 2000
        assert reply["first"] == reply["last"] - 1999
        assert reply["events"][0]["seq"] == reply["first"]


def test_another_run_of_the_daemon_is_another_history(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, WEB)
    with daemon:
        up(daemon, "web")
        first = history(daemon)["daemon"]
    with daemon:
        up(daemon, "web")
        reply = history(daemon)
        assert reply["daemon"] != first
        assert reply["events"][0]["seq"] == 1


def test_a_daemon_that_starts_over_in_its_process_goes_on_with_its_history(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        before = history(daemon)
        request = {"command": "restart", "properties": {"waiting": True}, "caller": "a test"}
        assert daemon.caller.request(request)
        up(daemon, "web")
        after = history(daemon, since=before["last"], name="web")
        assert after["daemon"] == before["daemon"]
        assert after["events"][0]["cause"] == "restart command (a test)"
        assert [event["event"] for event in after["events"]] == [
            "kill", "kill", "reap", "reap", "stop", "spawn", "spawn", "start",
        ]  # fmt: skip


CALLED = [
    ("stop", {}, "stop"), ("start", {}, "start"), ("restart", {}, "stop"), ("reload", {}, "reload"),
    ("incr", {}, "spawn"),
    ("decr", {}, "reap"), ("kill", {}, "kill"), ("set", {"options": {"graceful_timeout": 4}}, "updated"),
    ("rm", {}, "remove"),
]  # fmt: skip


def test_every_command_is_told_with_its_caller(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon, daemon.events() as events:
        up(daemon, "web")
        for command, properties, event in CALLED:
            events.clear()
            caller = f"tester {command}\n\x1b[31m"
            properties = {"name": "web", "waiting": True, **properties}
            reply = daemon.caller.request({"command": command, "properties": properties, "caller": caller})
            assert reply is not None
            assert reply["status"] == "ok", reply
            heard = events.wait_event("web", event)
            assert heard[0].payload["cause"] == f"{command} command (tester {command}  [31m)"


def test_circusctl_says_who_it_is(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        assert daemon.ctl("stop", "web", "--waiting").rc == 0
        cause = history(daemon, name="web")["events"][-1]["cause"]
        assert cause.startswith("stop command (circusctl ")
        assert f"@{os.uname().nodename} pid " in cause


def test_circusctl_shows_the_history(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        shown = daemon.ctl("events", "web")
        assert shown.rc == 0
        assert shown.out.count("spawn") == 2
        refused = daemon.ctl("events", "nobody")
        assert (refused.rc, refused.out) == (3, "")
        assert "program nobody not found" in refused.err


def test_reloadconfig_and_signals_are_causes(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon, daemon.events() as events:
        up(daemon, "web")
        daemon.write(WEB.replace("98765", "98766"))
        message = {"command": "reloadconfig", "properties": {"waiting": True}, "caller": "me"}
        assert daemon.caller.request(message)
        assert events.wait_event("web", "stop")[0].payload["cause"] == (
            "reloadconfig command (me): its section has changed"
        )
        assert events.wait_event("web", "start")[0].payload["cause"] == "reloadconfig command (me)"
        events.clear()
        daemon.signal(signal.SIGHUP)
        assert events.wait_event("web", "reload")[0].payload["cause"] == "SIGHUP"
        daemon.signal(signal.SIGTERM)
        assert events.wait_event("web", "stop")[0].payload["cause"] == "SIGTERM"
        daemon.wait()


@pytest.mark.parametrize("name", ["web", "Web Server"])
def test_events_of_a_removed_watcher_can_be_asked_for(tmp_path: Path, name: str) -> None:
    with Daemon(tmp_path, "") as daemon:
        daemon.call("add", name=name, cmd="sleep 98765", start=True, waiting=True)
        daemon.call("rm", name=name, waiting=True)
        found = history(daemon, name=name)["events"]
        assert [event["event"] for event in found] == ["add", "spawn", "start", "remove", "kill", "reap", "stop"]
        assert {event["watcher"] for event in found} == {name}
        assert all(event["event"] in EVENTS for event in found)
