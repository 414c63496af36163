"""The real thing for the tests of the web console: circusd, circusd-stats and circus-httpd as programs, no mock."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

from harness.daemon import Daemon, free_port
from harness.installation import OURS
from harness.waiting import PATIENCE, eventually

PASSWORD = "correct horse"

TALKS = """
import sys, time
number = 0
while True:
    number += 1
    print("INFO request", number, flush=True)
    if number % 3 == 0:
        print("\\x1b[33mWARNING\\x1b[0m slow request", number, file=sys.stderr, flush=True)
    time.sleep(0.1)
"""
#: No Python: it has ended before the console looks what became of a reload, on a busy machine, too.
FAILS = """
if [ "$1" = --repaired ]; then
    echo "INFO connected"
    exec sleep 1000
fi
echo "INFO reading the configuration"
echo "ConnectionRefusedError: smtp.internal:2525" >&2
exit 1
"""
INI = """
statsd = True
stats_interval = 0.2
capture = True

[watcher:web]
cmd = {python} talks.py
numprocesses = 2
copy_env = True
working_dir = {dir}
graceful_timeout = 2

[env:web]
DB_PASSWORD = hunter2

[watcher:mailer]
cmd = sh fails.sh
copy_env = True
working_dir = {dir}
max_retry = -1
flapping.active = False
respawn_backoff.cap = 1

[watcher:licensed]
cmd = sh -c 'echo "no licence found"; exit 3'
autostart = False

[plugin:flap]
use = circus.plugins.flapping.Flapping
window = 10
retry_in = 600
api_token = not-for-everybody

[watcher:idle]
cmd = sleep 1000
autostart = False
""".replace("{python}", sys.executable)


class Console:
    """circus-httpd for one test.

    :param directory: for its files.
    :param endpoint: what it connects to.
    """

    def __init__(self, directory: Path, endpoint: str) -> None:
        self.directory, self.endpoint = directory, endpoint
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run circus-httpd for something else than serving; what it prints."""
        command = OURS.command(
            "circus.web", "--state-dir", str(self.directory / "state"), "--port", str(self.port), *arguments
        )
        done = subprocess.run(
            command, env=OURS.environment(), input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return done.stdout.strip()

    def add_user(self, name: str, role: str, password: str = PASSWORD) -> None:
        """Make a user, or give one another password."""
        self.run("--add-user", name, "--role", role, stdin=f"{password}\n")

    def __enter__(self) -> Console:
        return self.start()

    def start(self) -> Console:
        """Serve."""
        with (self.directory / "httpd.log").open("ab") as log:
            self.process = subprocess.Popen(
                OURS.command(
                    "circus.web",
                    "--endpoint",
                    self.endpoint,
                    "--state-dir",
                    str(self.directory / "state"),
                    "--port",
                    str(self.port),
                    "--multicast",
                    "none",
                ),
                env=OURS.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "httpd.log").read_text())
        try:
            with urllib.request.urlopen(f"{self.url}healthz", timeout=1) as reply:
                return bool(reply.status == 200)
        except OSError as error:
            raise AssertionError(str(error)) from error

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def make_daemon(directory: Path) -> Daemon:
    """A daemon with a watcher that talks, one that crashes, one that is stopped, and a plugin; not started yet."""
    directory.mkdir()
    (directory / "talks.py").write_text(TALKS)
    (directory / "fails.sh").write_text(FAILS)
    return Daemon(directory, INI)
