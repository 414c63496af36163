"""A plugin in a process of its own, as circusd runs it, against a daemon played by the test."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
import zmq

from circus.model.plugincmd import plugin_command
from harness import OURS, PATIENCE, eventually

PLUGIN = '''
import json
from circus.exc import CallError
from circus.plugins import CircusPlugin

class Notes(CircusPlugin):
    """Writes each thing that happens as a line of JSON."""
    name = "notes"
    call_timeout = 15

    def note(self, *things):
        with open(self.config["file"], "a") as file:
            file.write(json.dumps(things) + "\\n")

    def handle_init(self):
        self.call_timeout = float(self.config.get("patience", self.call_timeout))
        self.note("init", self.config, self.check_delay)

    def handle_recv(self, data):
        watcher, action, payload = self.split_data(data)
        self.note("event", watcher, action, self.load_message(payload))
        if action == "ask":
            try:
                self.note("reply", self.call("list", name=watcher))
            except CallError as error:
                self.note("error", str(error))
        elif action == "tell":
            self.cast("stop", name=watcher)
        elif action == "fail":
            raise RuntimeError("an event too many")

    def handle_stop(self):
        self.note("stop")
'''

ASYNC = '''
import asyncio
from demo import Notes

class Later(Notes):
    """The same, all of it asynchronous; an event named ``slow`` takes a while."""

    async def handle_init(self):
        await asyncio.sleep(0.01)
        super().handle_init()

    async def handle_recv(self, data):
        action = self.split_data(data)[1]
        if action == "slow":
            await asyncio.sleep(0.2)
        elif action == "stuck":
            self.note("stuck")
            await asyncio.sleep(1000)
        super().handle_recv(data)

    async def handle_stop(self):
        await asyncio.sleep(0.01)
        self.note("reply", self.call("numwatchers"))
        super().handle_stop()

class Last(Notes):
    def handle_stop(self):
        self.cast("stop", name="web")
'''


class FakeDaemon:
    """A ROUTER and a PUB socket, one plugin connected to them, and the lines that the plugin wrote."""

    def __init__(self, directory: Path, use: str = "demo.Notes", **config: str) -> None:
        self.directory = directory
        self.file = directory / "notes"
        (directory / "demo.py").write_text(PLUGIN)
        (directory / "later.py").write_text(ASYNC)
        self.context = zmq.Context()
        self.control = self.context.socket(zmq.ROUTER)
        self.events = self.context.socket(zmq.XPUB)
        self.control.bind(f"ipc://{directory}/ctl")
        self.events.bind(f"ipc://{directory}/pub")
        command = plugin_command(
            {"use": use, "file": str(self.file), **config},
            f"ipc://{directory}/ctl",
            f"ipc://{directory}/pub",
            0.25,
        )
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(shlex.split(command), cwd=directory, env=OURS.environment(), stderr=log)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.context.destroy(linger=0)

    def wait_subscribed(self) -> None:
        assert self.events.poll(PATIENCE * 1000), self.log
        assert self.events.recv() == b"\x01watcher."

    def publish(self, topic: str, **payload: object) -> None:
        self.events.send_multipart([topic.encode(), json.dumps(payload).encode()])

    def request(self) -> tuple[bytes, dict]:
        assert self.control.poll(PATIENCE * 1000), self.log
        identity, payload = self.control.recv_multipart()
        return identity, json.loads(payload)

    def answer(self, identity: bytes, **reply: object) -> None:
        self.control.send_multipart([identity, json.dumps(reply).encode()])

    def note(self, number: int) -> list:
        def line() -> list | None:
            assert self.process.poll() is None or self.file.exists(), self.log
            lines = self.file.read_text().splitlines() if self.file.exists() else []
            return json.loads(lines[number]) if len(lines) > number else None

        return eventually(line)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(**config):
        started.append(FakeDaemon(tmp_path, **config))
        started[-1].wait_subscribed()
        return started[-1]

    yield begin
    for daemon in started:
        daemon.close()


def test_options_arrive_as_they_were_written(start):
    options = {
        "text": 'it\'s "so" :::\n x',
        "url": "http://h:80/a b",
        "empty": "",
        "blank": " ",
        "é": "$HOME",
    }
    daemon = start(**options)
    assert daemon.note(0) == ["init", {"file": str(daemon.file), **options}, 0.25]


def test_events_arrive_with_the_watcher_and_the_name(start):
    daemon = start()
    daemon.publish("watcher.web_app.x.spawn", process_pid=7)
    assert daemon.note(1) == ["event", "web_app.x", "spawn", {"process_pid": 7}]


def test_a_call_gets_the_reply_with_its_own_id(start):
    daemon = start()
    daemon.publish("watcher.web.ask")
    identity, message = daemon.request()
    assert {key: message[key] for key in ("command", "properties")} == {
        "command": "list",
        "properties": {"name": "web"},
    }
    daemon.answer(identity, id="somebody else's", status="ok", pids=[])
    daemon.answer(identity, id=message["id"], status="ok", pids=[1])
    assert daemon.note(2) == ["reply", {"id": message["id"], "status": "ok", "pids": [1]}]


def test_a_call_without_an_answer_ends_in_an_error_and_the_next_one_is_not_confused(start):
    daemon = start(patience="3")  # the second answer has to come within it
    daemon.publish("watcher.web.ask")
    identity, first = daemon.request()
    assert daemon.note(2) == ["error", "Timed out."]
    daemon.answer(identity, id=first["id"], status="ok", pids=["late"])
    daemon.publish("watcher.web.ask")
    identity, second = daemon.request()
    daemon.answer(identity, id=second["id"], status="ok", pids=["in time"])
    assert daemon.note(4)[1]["pids"] == ["in time"]


def test_the_daemon_is_told_who_asks(start):
    daemon = start(name="plugin:notes")
    daemon.publish("watcher.web.tell")
    assert daemon.request()[1]["caller"] == "plugin:notes"


def test_a_plugin_that_waits_for_a_reply_that_never_comes_can_be_stopped(start):
    daemon = start(patience="0.3")
    daemon.publish("watcher.web.ask")
    daemon.request()
    daemon.process.terminate()
    assert daemon.process.wait(PATIENCE) == 0, daemon.log
    assert [daemon.note(number)[0] for number in (1, 2, 3)] == ["event", "error", "stop"]


def test_asynchronous_events_stay_in_order_and_none_is_lost(start):
    daemon = start(use="later.Later")
    for number in range(300):
        daemon.publish("watcher.web.slow" if number == 0 else "watcher.web.spawn", number=number)
    daemon.note(300)
    assert [daemon.note(number + 1)[3] for number in range(300)] == [{"number": number} for number in range(300)]


def test_an_asynchronous_event_that_fails_does_not_stop_the_next(start):
    daemon = start(use="later.Later")
    daemon.publish("watcher.web.fail")
    daemon.publish("watcher.web.spawn")
    assert daemon.note(2)[2] == "spawn"
    eventually(lambda: "an event too many" in daemon.log)


def test_asynchronous_handle_stop_runs_connected_while_an_event_is_stuck(start):
    daemon = start(use="later.Later")
    daemon.publish("watcher.web.stuck")
    assert daemon.note(1) == ["stuck"]
    daemon.process.terminate()
    identity, message = daemon.request()
    daemon.answer(identity, id=message["id"], numwatchers=3)
    assert daemon.process.wait(PATIENCE) == 0, daemon.log
    assert [daemon.note(2)[1]["numwatchers"], daemon.note(3)] == [3, ["stop"]]
    assert "Traceback" not in daemon.log
    assert "never" not in daemon.log  # awaited, retrieved


def test_a_cast_of_handle_stop_arrives(start):
    daemon = start(use="later.Last")
    daemon.process.terminate()
    assert daemon.request()[1]["command"] == "stop"
    assert daemon.process.wait(PATIENCE) == 0


def test_a_cast_asks_for_no_reply(start):
    daemon = start()
    daemon.publish("watcher.web.tell")
    _, message = daemon.request()
    assert (message["command"], message["properties"]) == ("stop", {"name": "web"})
    assert message["msg_type"] == "cast"


def test_an_event_that_fails_does_not_stop_the_next(start):
    daemon = start()
    daemon.publish("watcher.web.fail")
    daemon.publish("watcher.web.spawn")
    assert daemon.note(2)[2] == "spawn"
    eventually(lambda: "an event too many" in daemon.log)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_stop_signals_end_it_cleanly(start, signum):
    daemon = start()
    daemon.note(0)
    daemon.process.send_signal(signum)
    assert daemon.process.wait(PATIENCE) == 0, daemon.log
    assert daemon.note(1) == ["stop"]
    assert "[INFO] Stopping" in daemon.log


def test_the_log_tells_what_is_being_done(start):
    daemon = start()
    eventually(lambda: "Starting" in daemon.log)
    lines = [line.split("] ", 2)[-1] for line in daemon.log.splitlines()]
    assert lines == [
        "Loading the plugin...",
        f"Endpoint: 'ipc://{daemon.directory}/ctl'",
        f"Pub/sub: 'ipc://{daemon.directory}/pub'",
        "Starting",
    ]


def run_module(*arguments, cwd):
    """``python -m circus.plugins`` until its end."""
    return subprocess.run(
        OURS.command("circus.plugins", *arguments),
        env=OURS.environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_bad_option_ends_it_with_78_and_one_line(tmp_path):
    done = run_module("--config", "port:http", "circus.plugins.watchdog.WatchDog", cwd=tmp_path)
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].endswith(
        "[ERROR] circus.plugins.watchdog.WatchDog port: invalid literal for int() with base 10: 'http' "
        "(expected: port; default 1664)"
    )


def test_module_form_of_the_program(tmp_path):
    done = run_module("--config", "active:0", "circus.plugins.CircusPlugin", cwd=tmp_path)
    assert done.returncode == 0
    assert "is not active" in done.stderr.splitlines()[-1]
    assert not os.listdir(tmp_path)
