"""Plugins of every style that was ever shown, as circusd runs them and as they are run by hand."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.installation import OURS
from harness.waiting import PATIENCE, eventually

#: The plugin of the first talks about Circus: it names its own option, and leaves the rest to the base class.
TALKS = """
from circus.plugins import CircusPlugin

class Logger(CircusPlugin):
    name = "logger"

    def __init__(self, filename, **kwargs):
        super(Logger, self).__init__(**kwargs)
        self.filename = filename
        self.file = None

    def handle_init(self):
        self.file = open(self.filename, "a+", buffering=1)

    def handle_stop(self):
        self.file.write("stopped\\n")
        self.file.close()

    def handle_recv(self, data):
        topic, msg = data
        self.file.write("%s: %s\\n" % (topic.decode(), msg.decode()))
"""
#: That of the manual of 0.19.
FORWARDING = TALKS.replace("def __init__(self, filename, **kwargs)", "def __init__(self, *args, **config)").replace(
    "__init__(**kwargs)\n        self.filename = filename",
    "__init__(*args, **config)\n        self.filename = config['filename']",
)
#: Those that named what they are given.
POSITIONAL = TALKS.replace(
    "def __init__(self, filename, **kwargs)",
    "def __init__(self, endpoint, pubsub_endpoint, check_delay, ssh_server, **config)",
).replace(
    "__init__(**kwargs)\n        self.filename = filename",
    "__init__(endpoint, pubsub_endpoint, check_delay, ssh_server=ssh_server)\n"
    "        self.filename = config.get('filename')",
)
#: Those that gave the four names of their own, which only positions can fill.
OTHER_NAMES = POSITIONAL.replace("(self, endpoint, pubsub_endpoint,", "(self, where, events,").replace(
    "__init__(endpoint, pubsub_endpoint,", "__init__(where, events,"
)
#: As today.
ASYNC = TALKS.replace("def handle_recv", "async def handle_recv")

STYLES = {
    "talks": TALKS,
    "forwarding": FORWARDING,
    "positional": POSITIONAL,
    "other-names": OTHER_NAMES,
    "async": ASYNC,
}
SLEEPER = "[watcher:sleeper]\ncmd = sleep 98765432\n"


def lines(directory: Path) -> list[str]:
    path = directory / "events.log"
    return path.read_text().splitlines() if path.exists() else []


def wait_written(daemon: Daemon) -> None:
    """Wait until the plugin has written the start of a process, with its topic and its message."""

    def written() -> bool:
        daemon.call("incr", name="sleeper", waiting=True)
        return any(line.startswith("watcher.sleeper.spawn: ") for line in lines(daemon.directory))

    eventually(written, interval=0.1)
    newest = daemon.pids("sleeper")[-1]

    def told() -> list[int]:
        spawns = [line for line in lines(daemon.directory) if line.startswith("watcher.sleeper.spawn: ")]
        return [json.loads(line.partition(": ")[2])["process_pid"] for line in spawns]

    eventually(lambda: newest in told())  # and so nothing more is on its way
    assert set(told()) <= set(daemon.pids("sleeper"))


@pytest.mark.parametrize("style", STYLES)
def test_under_circusd_with_the_options_of_a_section(tmp_path: Path, style: str) -> None:
    (tmp_path / "plugmod.py").write_text(STYLES[style])
    section = "[plugin:logger]\nuse = plugmod.Logger\nfilename = {dir}/events.log\n"
    with Daemon(tmp_path, SLEEPER + section) as daemon:
        wait_written(daemon)
        [pid] = daemon.pids("plugin:logger")
        daemon.call("stop", name="plugin:logger", waiting=True)
        assert lines(tmp_path)[-1] == "stopped"
        daemon.call("start", name="plugin:logger", waiting=True)
        assert daemon.pids("plugin:logger") != [pid]
        options = daemon.call("options", name="plugin:logger")["options"]
        assert options["filename"] == f"{tmp_path}/events.log"
    assert lines(tmp_path)[-1] == "stopped"


def test_a_section_that_lacks_what_the_constructor_wants_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "plugmod.py").write_text(TALKS)
    ini = "[circus]\ndebug = True\n[plugin:logger]\nuse = plugmod.Logger\n"
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: "plugmod.Logger cannot be made: TypeError" in daemon.log)


def test_what_a_plugin_prints_is_kept_when_its_section_says_so(tmp_path: Path) -> None:
    talkative = TALKS.replace("handle_init(self):", "handle_init(self):\n        print('hear me', flush=True)")
    (tmp_path / "plugmod.py").write_text(talkative)
    section = "[plugin:{name}]\nuse = plugmod.Logger\nfilename = /dev/null\n"
    ini = section.format(name="mute") + section.format(name="loud") + "capture = True\n"
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: "hear me" in daemon.ctl("tail", "plugin:loud").out)
        refused = daemon.call("tail", name="plugin:mute")
        assert refused["reason"].endswith("and close_child_stdout = false and close_child_stderr = false")


def by_hand(daemon: Daemon, *arguments: object) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """``circus-plugin``, run by somebody beside the daemon; where its module is."""
    return OURS.running(
        daemon.directory.parent / "plugin",
        *("circus.plugins", "--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint),
        *("--config", f"filename:{daemon.directory}/events.log", *arguments, "plugmod.Logger"),
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on tcp, and a directory for a plugin."""
    (tmp_path / "plugin").mkdir()
    with Daemon(tmp_path / "daemon", SLEEPER, transport="tcp") as daemon:
        yield daemon


@pytest.mark.parametrize("style", STYLES)
def test_by_hand_against_a_daemon_on_tcp(daemon: Daemon, tmp_path: Path, style: str) -> None:
    (tmp_path / "plugin/plugmod.py").write_text(STYLES[style])
    with by_hand(daemon) as plugin:
        wait_written(daemon)
        plugin.send_signal(signal.SIGINT)
        _, told = plugin.communicate(timeout=PATIENCE)
    assert plugin.returncode == 0, told
    assert b"Traceback" not in told
    assert lines(daemon.directory)[-1] == "stopped"


def test_by_hand_it_outlives_a_restart_of_the_daemon(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "plugin/plugmod.py").write_text(TALKS)
    with by_hand(daemon) as plugin:
        wait_written(daemon)
        daemon.stop()
        (daemon.directory / "events.log").write_text("")
        daemon.start()
        wait_written(daemon)
        assert plugin.poll() is None
