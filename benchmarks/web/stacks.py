"""What takes turns: Circus with two kinds of gevent workers, Gunicorn with two; how each starts, reloads, ends.

Called by run.py and the measurements. Everybody gets the same application, interpreter, environment, number of workers
and length of the queue (2048, the default of both); access logs are off, which is the default of all but the runner's
server.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes, systems
from benchmarks.processes import Late
from benchmarks.systems import CHECKOUT, Place
from benchmarks.wire import Control

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
START_SECONDS = 30.0
RELOAD_SECONDS = 60
LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Setting:
    """What all stacks of a run have in common.

    :param place: the directory of the run.
    :param python: the interpreter that has gevent, chaussette and gunicorn.
    :param circus: how circusd and circusctl are started.
    :param workers: processes that serve.
    """

    place: Place
    python: str
    circus: systems.Circus
    workers: int

    def environment(self) -> dict[str, str]:
        """That of circusd, of Gunicorn and of every worker."""
        found = self.circus.environment(self.place)
        found["PYTHONPATH"] = f"{HERE}{os.pathsep}{CHECKOUT}"
        # With a directory of one's own the byte code of gevent and others need not be made anew in each run.
        found["PYTHONPYCACHEPREFIX"] = os.environ.get("PYTHONPYCACHEPREFIX") or found["PYTHONPYCACHEPREFIX"]
        found["HOME"] = str(self.place.path)  # Gunicorn makes a directory there
        return found


class Stack:
    """A running server with its supervisor. Subclasses say how; ``close()`` ends it by force and leaves no file."""

    key = ""
    title = ""
    #: Whether it takes part in the reloads.
    reloaded = True

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.directory = setting.place.fresh()
        self.errors = self.directory / "err"
        argv = self.command()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=self.directory,
                env=setting.environment(),
                start_new_session=True,
            )
        try:
            self.port = self.find_port()
            processes.wait_until(self._up, START_SECONDS, f"{self.title} to serve", pause=0.02)
        except BaseException as error:
            said = self.complaint()
            self.close()
            if isinstance(error, Late):
                raise Late(f"{error}{said}") from None
            raise

    def command(self) -> list[str]:
        """The command line of the supervisor; may write its configuration into ``self.directory``."""
        raise NotImplementedError

    def find_port(self) -> int:
        """The port that it got."""
        raise NotImplementedError

    def workers(self) -> set[int]:
        """The pids of the processes that serve."""
        raise NotImplementedError

    def ask_for_reload(self) -> None:
        """Replace all workers, gracefully; may return before that is done."""
        raise NotImplementedError

    def reload(self) -> None:
        """Replace all workers, and return when the old ones are gone and one of the new ones serves.

        Else, on a busy machine, the next reload would replace workers that still import their modules.
        """
        old = self.workers()
        self.ask_for_reload()

        def replaced() -> bool:
            gone = not any(os.path.exists(f"/proc/{pid}") for pid in old)
            return gone and len(self.workers() - old) == self.setting.workers and answers(self.port)

        processes.wait_until(replaced, RELOAD_SECONDS, f"the reload of {self.title}", pause=0.02)

    def worker_clocks(self) -> dict[int, float]:
        """Seconds of CPU that each worker has used, by pid."""
        return {pid: processes.cpu_seconds(pid) for pid in self.workers()}

    def supervisor_clock(self) -> float:
        """Seconds of CPU of the supervisor itself."""
        return processes.cpu_seconds(self.process.pid)

    def complaint(self) -> str:
        """How it ended, if so, and the last line it wrote."""
        lines = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        code = self.process.poll()
        return ("" if code is None else f"; exit code {code}") + (f"; it said: {lines[-1]}" if lines else "")

    def close(self) -> None:
        """End it and all below it, and remove its directory."""
        try:
            processes.kill_tree(self.process)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _up(self) -> bool:
        if self.process.poll() is not None:
            raise Late(f"{self.title} ended")
        return len(self.workers()) == self.setting.workers and answers(self.port)


class Circus(Stack):
    """circusd with a socket, ``tcp_nodelay`` on, and a watcher ``web`` that gets its descriptor."""

    #: Further lines of the two sections.
    socket_lines: tuple[str, ...] = ("tcp_nodelay = True",)

    def worker(self) -> str:
        """The command of a worker, after the interpreter."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """``circusd web.ini``."""
        self.endpoint = f"ipc://{self.directory}/c"
        self._control: Control | None = None
        lines = [
            "[circus]",
            f"endpoint = {self.endpoint}",
            f"pubsub_endpoint = ipc://{self.directory}/p",
            "[socket:web]",
            f"host = {HOST}",
            "port = 0",
            *self.socket_lines,
            "[watcher:web]",
            f"cmd = {self.setting.python} {self.worker()}",
            f"numprocesses = {self.setting.workers}",
            "use_sockets = True",
            "copy_env = True",
        ]
        config = self.directory / "web.ini"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.setting.circus.daemon_argv(self.setting.place, config)

    @property
    def control(self) -> Control:
        """A client of the control endpoint."""
        if self._control is None:
            self._control = Control(self.setting.place.context, self.endpoint)
        return self._control

    def find_port(self) -> int:
        """As ``listsockets`` tells it."""
        sockets = self.control.ask("listsockets")["sockets"]
        assert isinstance(sockets, list)
        return int(sockets[0]["port"])

    def workers(self) -> set[int]:
        """As ``list web`` tells them."""
        pids = self.control.ask("list", name="web")["pids"]
        assert isinstance(pids, list)
        return set(pids)

    def ask_for_reload(self) -> None:
        """``circusctl reload web --waiting``."""
        control = self.setting.circus.control_argv(self.setting.place, self.endpoint)[:-1]
        argv = [*control, "--timeout", str(RELOAD_SECONDS), "reload", "web", "--waiting"]
        done = subprocess.run(
            argv, env=self.setting.environment(), capture_output=True, text=True, timeout=RELOAD_SECONDS
        )
        if done.returncode:
            raise RuntimeError(f"circusctl reload web: {done.stdout.strip()} {done.stderr.strip()}")

    def close(self) -> None:
        """The client, too."""
        if self._control is not None:
            self._control.close()
        super().close()


class CircusRunner(Circus):
    """Workers are ``runner.py``."""

    key = "circus"
    title = "Circus + gevent runner"

    def worker(self) -> str:
        """The runner of this directory."""
        return f"{HERE / 'runner.py'} --fd $(circus.sockets.web) app:application"


class CircusChaussette(Circus):
    """Workers are chaussette with its gevent backend."""

    key = "chaussette"
    title = "Circus + chaussette gevent"

    def worker(self) -> str:
        """Chaussette through the shim of this directory; without the two numbers it ends in the middle of requests."""
        options = "--backend gevent --graceful-timeout 2 --spawn 1000 --fd $(circus.sockets.web)"
        return f"{HERE / 'chaussette_gevent.py'} {options} app.polite"


class Gunicorn(Stack):
    """Gunicorn with its gevent workers."""

    key = "gunicorn"
    title = "Gunicorn gevent"
    worker_class = "gevent"
    application = "application"

    def command(self) -> list[str]:
        """``gunicorn -k gevent``."""
        config = str(HERE / "gunicorn_conf.py")
        return [self.setting.python, "-m", "gunicorn", "-c", config, "--worker-class", self.worker_class,
                "--workers", str(self.setting.workers), "--bind", f"{HOST}:0", f"app:{self.application}"]  # fmt: skip

    def find_port(self) -> int:
        """As its log tells it."""
        found: list[str] = []

        def told() -> bool:
            found[:] = LISTENING.findall(self.errors.read_text(encoding="utf-8", errors="replace"))
            return bool(found) or self.process.poll() is not None

        processes.wait_until(told, START_SECONDS, "Gunicorn to listen", pause=0.02)
        if not found:
            raise Late("Gunicorn ended")
        return int(found[0])

    def workers(self) -> set[int]:
        """The children of its master."""
        return {pid for pid, parent in processes.parents().items() if parent == self.process.pid}

    def ask_for_reload(self) -> None:
        """SIGHUP."""
        os.kill(self.process.pid, signal.SIGHUP)


class GunicornPywsgi(Gunicorn):
    """Gunicorn with the server that runner.py and chaussette use, too: what is left is the supervisor."""

    key = "pywsgi"
    title = "Gunicorn gevent_pywsgi"
    reloaded = False  # it waits 30 s for kept connections, and then cuts them
    worker_class = "gevent_pywsgi"
    application = "polite"


STACKS: tuple[type[Stack], ...] = (CircusRunner, CircusChaussette, Gunicorn, GunicornPywsgi)


def answers(port: int) -> bool:
    """Whether somebody answers a request with 200."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False


def chosen(names: list[str]) -> list[type[Stack]]:
    """The stacks of these names, all for none; ValueError for an unknown one."""
    known = {stack.key: stack for stack in STACKS}
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f"no such stack: {', '.join(sorted(unknown))} (there are {', '.join(known)})")
    return [stack for stack in STACKS if not names or stack.key in names]


def install(place: Place) -> str:
    """A virtual environment with the three packages in the directory of the run; its interpreter."""
    venv = place.path / "venv"
    began_at = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120, stdout=sys.stderr)
    python = str(venv / "bin" / "python")
    packages = ["gevent", "gunicorn[gevent]", "chaussette"]
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, timeout=600, stdout=sys.stderr)
    print(f"packages installed in {time.monotonic() - began_at:.0f} s", file=sys.stderr)
    return python


def versions(python: str) -> str:
    """``gevent 1.2, gunicorn 3.4, ...`` of an interpreter; FileNotFoundError naming what it lacks."""
    code = (
        "from importlib.metadata import version, PackageNotFoundError as No\n"
        "import platform\n"
        "print('CPython', platform.python_version(), end='')\n"
        "for name in ('gevent', 'greenlet', 'gunicorn', 'chaussette'):\n"
        "    try: print(',', name, version(name), end='')\n"
        "    except No: print(',', 'no', name, end='')\n"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise FileNotFoundError(f"{python}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout
