"""The life of a plugin under a real circusd: its beginning, its end however that comes, what is wrong with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness import OURS, PATIENCE, Daemon, eventually
from tests.e2e.plugged import lines_with, plugged, plugin_pid
from tests.e2e.recording import lines_of, of, up

NOTES = '''
from circus.plugins import CircusPlugin

class Notes(CircusPlugin):
    """As the first talks about plugins showed them."""

    name = "notes"

    def __init__(self, filename, **kwargs):
        super().__init__(**kwargs)
        self.filename = filename

    def write(self, text):
        with open(self.filename, "a") as file:
            file.write(text + "\\\\n")

    def handle_init(self):
        self.write("init")

    def handle_stop(self):
        self.write("stop " + self.call("numwatchers")["status"])

    def handle_recv(self, data):
        topic, message = data
        self.write(topic.decode() + " " + message.decode())
'''.replace("\\\\", "\\")
WEB = "[watcher:web]\ncmd = sleep 98765\n"


@pytest.fixture
def noting(tmp_path: Path) -> Daemon:
    (tmp_path / "demo.py").write_text(NOTES)
    return plugged(tmp_path, "demo.Notes", {"filename": tmp_path / "notes"}, WEB)


def notes(daemon: Daemon) -> list[str]:
    return lines_of(daemon.directory / "notes")


def hearing(daemon: Daemon) -> None:
    """Wait until the plugin hears events."""
    up(daemon, "web", "plugin:it")

    def hears() -> bool:
        daemon.call("set", name="web", options={"warmup_delay": 0})
        return any("web.updated" in note for note in notes(daemon))

    eventually(hears, interval=0.05)


def test_a_plugin_written_like_the_first_ones_hears_everything(noting: Daemon) -> None:
    with noting as daemon:
        hearing(daemon)
        daemon.call("stop", name="web", waiting=True)
        (stop,) = eventually(lambda: [note for note in notes(daemon) if note.startswith("watcher.web.stop ")])
        assert json.loads(stop.partition(" ")[2])["time"] > 1e9


@pytest.mark.parametrize("how", ["restart", "rm", "stop", "kill"])
def test_its_handle_stop_runs_connected_when_it_is_ended(noting: Daemon, how: str) -> None:
    with noting as daemon:
        hearing(daemon)
        assert daemon.call(how, name="plugin:it", waiting=True)["status"] == "ok"
        ended = [note for note in notes(daemon) if not note.startswith("watcher.")]
        assert ended[:2] == ["init", "stop ok"]
        if how in ("restart", "kill"):
            eventually(lambda: [note for note in notes(daemon) if note == "init"][1:])


@pytest.mark.parametrize("how", ["quit", "TERM", "INT"])
def test_its_handle_stop_runs_when_the_daemon_ends(noting: Daemon, how: str) -> None:
    with noting as daemon:
        hearing(daemon)
        if how == "quit":
            daemon.call("quit", waiting=True)
        else:
            os.kill(daemon.pid, signal.Signals[f"SIG{how}"])
        eventually(lambda: daemon.poll() is not None)
    assert [note for note in notes(daemon) if not note.startswith("watcher.")][-1].startswith("stop")


def test_an_inactive_plugin_is_listed_and_not_run(tmp_path: Path) -> None:
    with plugged(tmp_path, "circus.plugins.flapping.Flapping", {"active": "no"}, WEB) as daemon:
        up(daemon, "web")
        daemon.settle()
        assert daemon.status("plugin:it") == "stopped"
        assert daemon.call("start", name="plugin:it")["status"] == "ok"
        eventually(lambda: lines_with(daemon, "is not active (active = no): nothing to do"))
        daemon.call("stop", name="plugin:it", waiting=True)
        assert not lines_with(daemon, "ERROR")


@pytest.mark.parametrize(
    ("use", "options", "text"),
    [
        ("circus.plugins.flapping.Flapping", {"attempts": "x"}, "attempts: invalid literal for int()"),
        ("circus.plugins.resource_watcher.ResourceWatcher", {}, "watcher is mandatory for now."),
        ("demo.Refuses", {}, "demo.Refuses cannot be made: ValueError: not me (demo.py:4)"),
    ],
)
def test_a_plugin_that_cannot_work_says_so_once_and_is_not_run_for_ever(
    tmp_path: Path, use: str, options: dict[str, object], text: str
) -> None:
    (tmp_path / "demo.py").write_text(
        "from circus.plugins import CircusPlugin\nclass Refuses(CircusPlugin):\n"
        "    def __init__(self, **kwargs):\n        raise ValueError('not me')\n"
    )
    with plugged(tmp_path, use, options, WEB) as daemon:
        (error,) = eventually(lambda: lines_with(daemon, "[ERROR] [plugin:it] "))
        assert text in error
        daemon.wait_status("plugin:it", "stopped")
        assert "stop_exit_codes" in str(daemon.call("why", name="plugin:it")["cause"])
        assert lines_with(daemon, "[ERROR] [plugin:it] ") == [error]
        assert daemon.status("web") == "active"


def test_a_plugin_can_be_run_by_hand(tmp_path: Path) -> None:
    (tmp_path / "demo.py").write_text(NOTES)
    with Daemon(tmp_path / "daemon", WEB, transport="tcp") as daemon, daemon.events() as events:
        up(daemon, "web")
        notes_ = tmp_path / "notes"
        endpoints = ["--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint]
        plugin = subprocess.Popen(
            OURS.command("circus.plugins", *endpoints, "--config", f"filename:{notes_}", "demo.Notes"),
            cwd=tmp_path, env=OURS.environment(), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            eventually(notes_.exists)

            def hears() -> bool:
                daemon.call("set", name="web", options={"warmup_delay": 0})
                return "web.updated" in notes_.read_text()

            eventually(hears, interval=0.05)
            plugin.send_signal(signal.SIGINT)
            assert plugin.wait(PATIENCE) == 0
        finally:
            plugin.kill()
            plugin.wait()
        assert lines_of(notes_)[-1] == "stop ok"
        assert not of(events.heard, "web", "stop")


def test_a_plugin_that_dies_is_replaced(noting: Daemon) -> None:
    with noting as daemon:
        hearing(daemon)
        before = plugin_pid(daemon)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: daemon.pids("plugin:it") not in ([], [before]))
