"""The tutorial, typed: each command of the page, one after the other, in a directory that looks like a checkout.

Only what would clash with others differs: the endpoints, which are ``ipc`` here, the ports, and what a newcomer
installs, whose place is taken by scripts that run the sources. Where the page shows what a command prints, that is
compared, numbers aside. Also run here: the files that pages of the manual mark as runnable, and the command of the page
about commands.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import OURS, PATIENCE, Daemon, eventually
from harness.daemon import free_port

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "source"
EXAMPLES = SOURCE / "examples"
TUTORIAL = (SOURCE / "tutorial.rst").read_text(encoding="utf-8")
PROGRAMS = {
    "circusd": "circus.circusd", "circusctl": "circus.circusctl", "circus-top": "circus.top",
    "circusd-stats": "circus.stats", "circus-plugin": "circus.plugins", "circus-httpd": "circus.web",
}  # fmt: skip
#: Commands that go on until somebody ends them.
ENDLESS = ("tail -f", "circusctl listen", "circusd examples/quickstart.ini")


def typed() -> list[tuple[str, str]]:
    """The commands of the page, and what it says they print."""
    found = []
    for body in re.findall(r"^\.\. code-block:: console\n\n((?:(?:   .*)?\n)+)", TUTORIAL, re.MULTILINE):
        for line in textwrap.dedent(body).strip().splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def shape(text: str) -> str:
    """The text with every number replaced, so that pids and times do not matter."""
    return re.sub(r"\d+(\.\d+)?", "N", text).strip()


class Newcomer:
    """Somebody in a checkout, with two terminals."""

    def __init__(self, home: Path, endpoints: Path) -> None:
        self.home, self.port, self.console = home, free_port(), free_port()
        self.endpoints = {name: f"ipc://{endpoints}/{name}" for name in ("control", "events", "stats")}
        self.daemons: list[subprocess.Popen[bytes]] = []
        shutil.copytree(ROOT / "examples" / "quickstart", home / "examples" / "quickstart",
                        ignore=shutil.ignore_patterns("*.log*"))
        (home / "docs").mkdir()
        (home / "docs/source").symlink_to(SOURCE)
        scripts = home / ".venv" / "bin"
        scripts.mkdir(parents=True)
        for name, module in PROGRAMS.items():
            script = scripts / name
            path = "${PYTHONPATH:+$PYTHONPATH:}"
            script.write_text(f'#!/bin/sh\nPYTHONPATH={path}{ROOT} exec {sys.executable} -m {module} "$@"\n')
            script.chmod(0o755)
        self.file = home / "examples" / "quickstart.ini"
        text = (ROOT / "examples" / "quickstart.ini").read_text()
        for fixed, ours in (("port = 8080", f"port = {self.port}"), ("PYTHON = python3", f"PYTHON = {sys.executable}"),
                            ("tcp://127.0.0.1:5555", self.endpoints["control"]),
                            ("tcp://127.0.0.1:5556", self.endpoints["events"])):
            assert fixed in text
            text = text.replace(fixed, ours)
        self.file.write_text(text)
        self.log = home / "terminal"
        self.environment = OURS.environment({
            "CIRCUSCTL_ENDPOINT": self.endpoints["control"], "HOME": str(home), "CIRCUS_STATE_DIR": str(home / "state"),
            "TICK": "0.02",
        })
        del self.environment["PYTHONPATH"]

    # -- typing -------------------------------------------------------------------------------------------------------

    def start(self, command: str) -> None:
        """In the first terminal."""
        with self.log.open("ab") as log:
            self.daemons.append(subprocess.Popen(
                ["bash", "-c", f"exec env {command}"], cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            ))
        eventually(self.is_up, interval=0.1)

    def is_up(self) -> bool:
        assert self.daemons[-1].poll() is None, self.log.read_text()
        code, out = self.run(".venv/bin/circusctl status")
        return code == 0 and "web: active" in out

    def has_its_plugin(self) -> bool:
        """It runs; whether it listens already cannot be seen from outside."""
        _, out = self.run(".venv/bin/circusctl status")
        assert "plugin:journal: active" in out, out
        return True

    def die_until_told(self, kill: str) -> None:
        """A newcomer does not type as fast: here somebody has to die again until the plugin listens."""

        deaths = self.home / "deaths.log"

        def told() -> bool:
            if deaths.exists():
                return deaths.stat().st_size > 0
            self.run(kill)
            return False

        eventually(told, interval=0.3)

    def has_a_full_house(self) -> bool:
        """Every worker of web that is wanted runs."""
        _, pids = self.run(".venv/bin/circusctl list web")
        _, wanted = self.run(".venv/bin/circusctl get web numprocesses")
        assert len(pids.split(",")) == int(wanted.split()[-1]), (pids, wanted)
        return True

    def expect_in_log(self, text: str) -> None:
        """Wait for something in the first terminal."""

        def there() -> bool:
            log = self.log.read_text()
            assert text in log, log[-2000:]
            return True

        eventually(there, 2 * PATIENCE, interval=0.1)

    def run(self, command: str) -> tuple[int, str]:
        """In the second terminal, to its end."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=2 * PATIENCE, check=False,
        )
        return done.returncode, done.stdout or done.stderr

    def watch(self, command: str, cause: str) -> str:
        """In the second terminal, until it has printed something, and Ctrl-C.

        :param cause: run again and again meanwhile.
        """
        with (self.home / "watched").open("w+") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT,
            )
            try:
                def printed() -> bool:
                    assert process.poll() is None, Path(out.name).read_text()
                    if cause:
                        self.run(cause)
                    return Path(out.name).stat().st_size > 0

                eventually(printed, interval=0.05)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(PATIENCE)
            return Path(out.name).read_text()

    # -- what the page tells in words ---------------------------------------------------------------------------------

    def add_screens(self) -> None:
        """Two lines under [circus]."""
        options = ("statsd = True", f"stats_endpoint = {self.endpoints['stats']}", "httpd = True",
                   f"httpd_port = {self.console}")
        self._replace("[circus]\n", "\n".join(["[circus]", *options, ""]))

    def set_numprocesses(self) -> None:
        self._replace("numprocesses = 3", "numprocesses = 5")

    def add_plugin(self) -> None:
        section = TUTORIAL[TUTORIAL.index("   [plugin:journal]"):].split("\n\n")[0]
        self.file.write_text(self.file.read_text() + "\n" + textwrap.dedent(section) + "\n")

    def _replace(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert text.count(old) == 1, old
        self.file.write_text(text.replace(old, new))


@pytest.fixture
def newcomer(tmp_path: Path, short_directory: Path) -> Iterator[Newcomer]:
    made = Newcomer(tmp_path, short_directory)
    yield made
    for daemon in made.daemons:
        if daemon.poll() is None:
            daemon.terminate()
        daemon.wait(PATIENCE)


@pytest.fixture
def short_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where socket files are: their paths must be short."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ct") as name:
        yield Path(name)


@pytest.mark.slow
def test_the_tutorial_works_line_by_line(newcomer: Newcomer) -> None:
    reloads, before = 0, ""
    for command, shown in typed():
        command = command.replace("127.0.0.1:8080", f"127.0.0.1:{newcomer.port}")
        if "-m venv" in command or "pip install" in command:
            continue  # tests/packaging does that
        if "reloadconfig" in command:
            reloads += 1
            if reloads in (1, 3):  # what the page asks to be edited before its first and third
                (newcomer.add_screens if reloads == 1 else newcomer.set_numprocesses)()
        if command.startswith("PYTHONPATH="):
            newcomer.add_plugin()
        if command.startswith("cat deaths.log"):
            newcomer.die_until_told(before)
        if command.endswith("examples/quickstart.ini") and "--check" not in command:
            newcomer.start(command)
            if "PYTHONPATH" in command:
                eventually(lambda: "plugin:journal: active" in newcomer.run(".venv/bin/circusctl status")[1])
            continue
        if any(words in command for words in ENDLESS):
            cause = ".venv/bin/circusctl incr web" if "listen" in command else ""
            assert newcomer.watch(command, cause)
            continue
        code, out = newcomer.run(command)
        assert code == 0, (command, out)
        if shown:
            assert shape(out.partition("\n")[0] if "deaths" in command else out) == shape(shown), command
        if "quit" in command:
            assert newcomer.daemons[-1].wait(PATIENCE) == 0
        elif command.endswith("reloadconfig --waiting"):
            eventually(newcomer.is_up, interval=0.1)
        check(newcomer, command, out)
        before = command


def check(newcomer: Newcomer, command: str, out: str) -> None:
    """What the page says of a command whose output it does not show."""
    if command.startswith("kill"):
        eventually(newcomer.has_a_full_house, interval=0.1)
    elif command.endswith("events web -n 2"):
        assert "killed by SIGKILL" in out
        assert "spawn" in out
    elif command.endswith("why web"):
        assert "web is active" in out
        assert "SIGKILL" in out
    elif command.endswith("stats web"):
        assert "python" in out.lower()
    elif command.endswith("circusctl"):
        assert "web: active" in out
    elif command.endswith("circus-top"):  # without a terminal: one table
        assert "ticker.1" in out
    elif command.endswith("--dry-run"):
        assert "httpd" in out or "3 -> 5" in out
    elif command.endswith("reloadconfig --waiting") and "circushttpd" in newcomer.run(".venv/bin/circusctl status")[1]:
        newcomer.expect_in_log(f"http://localhost:{newcomer.console}/login#token=")


# -- other pages ------------------------------------------------------------------------------------------------------

RUN = """
import runpy, sys
import circus.embedding
circus.embedding.DEFAULT_ENDPOINT_DEALER, circus.embedding.DEFAULT_ENDPOINT_SUB = sys.argv[2:4]
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize(
    "name", ["embed_asyncio.py", "embed_thread.py", "embed_socket.py", "embed_blocking.py"]
)
def test_runnable_files_of_the_manual(name: str, short_directory: Path) -> None:
    endpoints = [f"ipc://{short_directory}/{kind}" for kind in ("control", "events")]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, EXAMPLES / name, *endpoints], cwd=short_directory, env=OURS.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    try:
        if name == "embed_blocking.py":  # it runs until somebody says otherwise
            quit_when_up(endpoints[0])
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, out
    assert "Traceback" not in out


def quit_when_up(endpoint: str) -> None:
    command = OURS.command("circus.circusctl", "--endpoint", endpoint, "quit")

    def told() -> bool:
        return subprocess.run(command, env=OURS.environment(), capture_output=True, check=False).returncode == 0

    eventually(told, interval=0.1)


def test_the_command_of_the_manual(tmp_path: Path) -> None:
    """It comes into the daemon with the module of a hook, and into circusctl by one import."""
    hook = "\n\ndef hello(watcher, arbiter, hook_name, **kwargs):\n    return True\n"
    (tmp_path / "resize.py").write_text((EXAMPLES / "resize.py").read_text() + hook)
    page = (SOURCE / "guide/commands.rst").read_text(encoding="utf-8")
    program = re.search(r"   import resize.*\n(?:   .*\n|\n)+?   main\(\)\n", page)
    assert program
    (tmp_path / "ctl.py").write_text(textwrap.dedent(program[0]))
    ini = "[watcher:web]\ncmd = sleep 98765\nhooks.after_start = resize.hello\n[env:web]\nPYTHONPATH = {dir}\n"
    with Daemon(tmp_path, ini) as daemon:
        daemon.wait_status("web", "active")
        reply = daemon.call("resize", name="web", number=3, waiting=True)
        assert reply["numprocesses"] == 3
        assert len(daemon.pids("web")) == 3
        assert daemon.call("resize", name="web", number=-1)["errno"] == 3
        told = subprocess.run(
            [sys.executable, tmp_path / "ctl.py", "--endpoint", daemon.endpoint, "resize", "web", "2", "--waiting"],
            cwd=tmp_path, env=OURS.environment({"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}), capture_output=True,
            text=True, timeout=PATIENCE, check=False,
        )
        assert (told.returncode, told.stdout) == (0, "2\n")
        assert "resize command" in str(daemon.call("why", name="web")["story"])


