"""A plugin as circusd runs it: a watcher of its own, its configuration, the events it hears, its end."""

from __future__ import annotations

import json

from harness import eventually

PLUGIN = """
import json
from circus.plugins import CircusPlugin

class Demo(CircusPlugin):
    name = "demo"

    def __init__(self, *args, **config):
        super().__init__(*args, **config)
        self.note("made", self.config, type(self.check_delay).__name__)

    def note(self, *things):
        with open("notes", "a") as file:
            file.write(json.dumps(things) + "\\n")

    def handle_recv(self, data):
        watcher, action, payload = self.split_data(data)
        if watcher == "idle":
            self.note("heard", watcher, action, sorted(self.load_message(payload)))
            if action == "start":
                self.note("call", self.call("numprocesses", name="idle")["numprocesses"])
                self.cast("stop", name="idle")
"""
INI = """
[circus]
check_delay = 2.5

[watcher:idle]
cmd = sleep 98765432
autostart = False

[plugin:demo]
use = demo.Demo
number = 3
url = http://h:80/x
max_retry = 4
"""


def notes(side):
    path = side.daemon.directory / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_plugin(duo):
    duo.prepare(INI)

    def begin(side):
        (side.daemon.directory / "demo.py").write_text(PLUGIN)
        side.start()
        eventually(lambda: notes(side))

    duo.on_both(begin)
    duo.observe("made", lambda side: {k: v for k, v in notes(side)[0][1].items() if k != "__name__"})
    duo.call("status")
    duo.call("list")
    duo.call("get", name="plugin:demo", keys=["singleton", "copy_env", "priority", "close_child_stdout"])
    duo.on_both(subscribed)
    duo.call("start", name="idle")
    duo.events("idle.start", "idle.stop")
    duo.on_both(lambda side: eventually(lambda: ["heard", "idle", "stop"] in [note[:3] for note in notes(side)]))
    duo.observe("notes", lambda side: [note[:3] for note in notes(side)[1:] if "updated" not in note])
    duo.call("rm", name="plugin:demo", waiting=True)
    duo.events("plugin:demo.stop")


def subscribed(side):
    """Wait until the plugin hears something."""

    def heard():
        side.daemon.call("set", name="idle", options={"warmup_delay": 0}, waiting=True)
        return len(notes(side)) > 1

    eventually(heard, interval=0.05)
    side.take_events((), apart=False)
