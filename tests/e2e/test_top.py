"""An operator with circus-top in a terminal, against a real circusd with 175 workers: from the leak to its cure."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from harness import OURS, Daemon, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]

LEAKY = """
import os, sys, time
number = int(os.environ["CIRCUS_WID"])
hoard = []
print("INFO worker", number, "is ready", flush=True)
while True:
    if number == 3:
        hoard.append(bytes([len(hoard) % 255 + 1]) * (1 << 20))
        print("INFO cache holds", len(hoard), "MB", flush=True)
        if len(hoard) > 60 and not os.path.exists(sys.argv[1]):
            open(sys.argv[1], "w").close()
            print("FATAL cache is too large", flush=True)
            sys.exit(3)
    time.sleep(0.04 if not os.path.exists(sys.argv[1]) else 0.15)
"""

INI = """
statsd = True
[watcher:leaky]
cmd = {python} -S {dir}/leaky.py {dir}/died
numprocesses = 5
capture = true
[watcher:quiet]
cmd = sleep 98765
numprocesses = 170
"""


class Terminal:
    """circus-top in tmux, as somebody at the keyboard sees it."""

    def __init__(self, directory, *arguments, size=(140, 40)):
        self._socket = str(directory / "tmux")
        variables = OURS.environment({"XDG_STATE_HOME": str(directory / "state"), "TERM": "xterm-256color"})
        # tmux does not always tell with which status a program ended, so a shell around it writes that down.
        self._status = directory / "status"
        written = f'"$@"; echo $? >{shlex.quote(str(self._status))}'
        command = ["sh", "-c", written, "sh", sys.executable, "-m", "circus.top", *arguments]
        self._tmux(
            "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *command, ";",
            "set", "-g", "remain-on-exit", "on", env=variables,
        )  # fmt: skip

    def _tmux(self, *arguments, env=None):
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments],
            capture_output=True, text=True, timeout=20, check=True, env=env,
        )  # fmt: skip
        return done.stdout

    @property
    def text(self):
        return self._tmux("capture-pane", "-p")

    def press(self, *keys):
        for key in keys:
            self._tmux("send-keys", key)

    def sees(self, pattern, deadline=20.0):
        """Wait for something on the screen; the match."""

        def found():
            text = self.text
            match = re.search(pattern, text)
            assert match, f"no {pattern!r} in\n{text}"
            return match

        return eventually(found, deadline, interval=0.1)

    def ended(self):
        """Wait for the end of the program; its exit status."""

        def state():
            return self._status.exists() and self._status.read_text().strip()

        return eventually(state, interval=0.1)

    def close(self):
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False, timeout=20)


@pytest.fixture
def daemon(tmp_path):
    (tmp_path / "leaky.py").write_text(LEAKY)
    with Daemon(tmp_path, INI.replace("{python}", sys.executable)) as started:
        eventually(lambda: len(started.pids("quiet")) == 170 and len(started.pids("leaky")) == 5)
        yield started


@pytest.fixture
def terminal(daemon, tmp_path):
    opened = Terminal(tmp_path, "--control", daemon.endpoint)
    yield opened
    opened.close()


def test_from_the_leak_to_its_cure(daemon, terminal, tmp_path):
    terminal.sees(r"175 workers")
    terminal.sees(r"● stream")
    eventually((tmp_path / "died").exists, 30)  # it was restarted once already

    # Which worker is it? All in one list, by memory.
    terminal.press("t", "M")
    terminal.sees(r"RSS▼[^\n]*\n[ ▌]+▸? *leaky\.3 +(\d+) running")
    terminal.press("Home")

    # What does it say?
    terminal.press("2")
    terminal.sees(r"output leaky\.3")
    terminal.sees(r"leaky\.3 │ INFO cache holds \d+ MB")

    # Why was it restarted?
    terminal.press("4")
    terminal.sees(r"replaces pid \d+, which exited with 3")
    terminal.sees(r"worker 3 \(pid \d+\) exited with 3")
    terminal.sees(r"FATAL cache is too large")

    # Restart it, and see that it is another one now.
    before = set(daemon.pids("leaky"))
    terminal.press("r")
    terminal.sees(r"Restart worker leaky\.3 \(pid \d+\)\?")
    terminal.press("y")
    outcome = terminal.sees(r"✔ restart leaky\.3: done.*pid (\d+) now")
    after = set(daemon.pids("leaky"))
    assert len(before & after) == 4
    assert int(outcome[1]) in after

    # The events tell who did it.
    terminal.press("3")
    terminal.sees(r"kill command \(circus-top .*pid \d+")
    terminal.press("q")
    assert terminal.ended() == "0"


def test_the_daemon_is_restarted_meanwhile(daemon, terminal):
    terminal.sees(r"175 workers")
    daemon.stop()
    terminal.sees(r"connection lost")
    terminal.press("x")  # whatever is pressed now must not come true later
    daemon.start()
    terminal.sees(r"● stream")
    terminal.sees(r"175 workers", 30)
    eventually(lambda: "connection lost" not in terminal.text, interval=0.1)  # a line less may be drawn a frame later
    terminal.press("slash", "C-c")
    assert terminal.ended() == "0"


LOGGED = """
statsd = True
[watcher:web]
cmd = {python} -S -c "import time; print('INFO it began', flush=True); time.sleep(987)"
capture = true
stdout_stream.class = FileStream
stdout_stream.filename = {dir}/web.log
stdout_stream.time_format = %Y-%m-%d %H:%M:%S
"""


def test_what_was_said_before_the_daemon_began(tmp_path):
    """Rotated and compressed log files, and what a changed configuration would do, on a real daemon."""
    (tmp_path / "web.log-20260101.gz").write_bytes(
        gzip.compress(b"".join(b"2026-01-01 10:00:%02d [7] | ERROR old %d\n" % (at, at) for at in range(60)))
    )
    with Daemon(tmp_path, LOGGED.replace("{python}", sys.executable)) as daemon:
        terminal = Terminal(tmp_path, "--control", daemon.endpoint, "--filter", "name~web")
        try:
            terminal.sees(r"● stream")
            terminal.press("2")
            terminal.sees(r"INFO it began")
            terminal.press("b")
            terminal.sees(r"10:00:59 web 7 +│ ERROR old 59\s*\n.*above: web\.log-20260101\.gz")
            eventually(lambda: terminal.text.count("it began") == 1, interval=0.1)  # a frame may be half drawn
            daemon.write(LOGGED.replace("{python}", sys.executable) + "numprocesses = 2\n")
            terminal.press("L")
            terminal.sees(r"resize watcher web\s*\n.*- numprocesses: 1\s*\n.*\+ numprocesses: 2")
            terminal.press("y")
            terminal.sees(r"reloadconfig .*: done")
            terminal.sees(r"2/2")
            terminal.press("q")
            assert terminal.ended() == "0"
        finally:
            terminal.close()


@pytest.mark.parametrize("form", ["--json", "--csv", "--once"])
def test_without_a_terminal(daemon, form):
    (daemon.directory / "died").touch()  # so that the one looked for does not die just now
    done = subprocess.run(
        OURS.command("circus.top", "--once", *({form} - {"--once"}), "--control", daemon.endpoint, "--filter", "wid=3"),
        env=OURS.environment(), cwd=daemon.directory, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "leaky.3" in done.stdout
