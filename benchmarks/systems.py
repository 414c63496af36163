"""The systems that take turns (the floor, ours, the released Circus 0.19.0): how each is started and ended.

Called by run.py (which builds them) and by the figures (which start daemons with ``system.daemon(...)`` and
``system.capture(...)``). Every system gets the same interpreter flags, environment, workers and endpoints
(``ipc://`` in the run's directory); ours and the reference read the same configuration file.
"""

from __future__ import annotations

import itertools
import os
import select
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from benchmarks import processes
from benchmarks.processes import Late
from benchmarks.report import FLOOR, OURS, REFERENCE
from benchmarks.wire import Control, Events, Notices

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
RELEASE = "0.19.0"
START_SECONDS = 30.0


@dataclass
class Place:
    """The directory of one run: endpoints, configurations, byte code, logs; removed at its end."""

    path: Path
    context: zmq.Context[zmq.Socket[bytes]] = field(default_factory=zmq.Context)
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        never = self.path / "never"
        os.mkfifo(never)
        (self.path / "worker").write_text(f"echo $$\nread x <{never}\n", encoding="utf-8")

    def fresh(self) -> Path:
        """A new empty directory, with a name short enough for a unix socket."""
        path = self.path / str(next(self._serial))
        path.mkdir()
        return path

    def worker(self) -> str:
        """The command of a worker: tells its pid on stdout, then waits for a FIFO nobody writes to.

        The plain shell is the cheapest program that can do this on any host; nothing is exec'ed after it.
        """
        return f"{shutil.which('dash') or '/bin/sh'} {self.path / 'worker'}"

    def close(self) -> None:
        """Remove everything."""
        self.context.destroy(linger=0)
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class Job:
    """What a daemon runs: a watcher ``w`` of ``count`` processes of ``cmd``, stdout in ``log`` if given.

    With ``stats`` it publishes statistics, too.
    """

    cmd: str
    count: int
    log: Path | None = None
    stats: bool = False


def stats_endpoint(control: str) -> str:
    """Where the daemon with that control endpoint publishes its statistics."""
    return f"{control}.s"


class System:
    """A way to start a daemon and a control program. Subclasses say which."""

    key = ""
    title = ""

    def __init__(self, python: str, module_path: Path | None) -> None:
        self.python = python
        self.module_path = module_path

    def daemon_argv(self, place: Place, config: Path) -> list[str]:
        """The command line of the daemon."""
        raise NotImplementedError

    def control_argv(self, place: Place, endpoint: str) -> list[str]:
        """The command line that prints the status of all watchers."""
        raise NotImplementedError

    def config(self, job: Job, control: str, events: str) -> str:
        """The text of the daemon's configuration file."""
        raise NotImplementedError

    def describe(self) -> str:
        """One line for the head of the table."""
        return f"{self.title}: {self.python}"

    def environment(self, place: Place) -> dict[str, str]:
        """The caller's environment without Python's switches; byte code is cached in the run's directory."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CIRCUS"))}
        plain["PYTHONPYCACHEPREFIX"] = str(place.path / "pyc")
        if self.module_path is not None:
            plain["PYTHONPATH"] = str(self.module_path)
        return plain

    def daemon(self, place: Place, job: Job) -> Daemon:
        """Start the daemon (a context manager: it is ended on exit, by force if need be)."""
        return Daemon(self, place, job)

    def capture(self, place: Place, job: Job) -> Daemon | Pipes:
        """Start whatever takes the job's output to its log file."""
        return Daemon(self, place, job)

    def _script(self, place: Place, name: str, entry: str) -> list[str]:
        """A console script as pip writes it, under its own name: the interpreter, and a file that calls
        ``module:function``."""
        path = place.path / self.key / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            module, _, function = entry.partition(":")
            text = f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
            path.write_text(text, encoding="utf-8")
        return [self.python, str(path)]


class Floor(System):
    """benchmarks/floor.py and benchmarks/floor_ctl.py; for logs, ``writer | cat >> file``."""

    key = FLOOR
    title = "floor"

    def __init__(self, python: str = sys.executable) -> None:
        super().__init__(python, HERE)

    def daemon_argv(self, place: Place, config: Path) -> list[str]:
        """floor.py, imported, so that its byte code is cached like that of the others."""
        return [*self._script(place, "d", "floor:main"), str(config)]

    def control_argv(self, place: Place, endpoint: str) -> list[str]:
        """floor_ctl.py."""
        return [*self._script(place, "ctl", "floor_ctl:main"), endpoint]

    def config(self, job: Job, control: str, events: str) -> str:
        """The floor's ``key = value`` lines."""
        return (
            f"endpoint = {control}\npubsub_endpoint = {events}\n"
            f"name = w\ncmd = {job.cmd}\nnumprocesses = {job.count}\n"
            + (f"stats_endpoint = {stats_endpoint(control)}\n" if job.stats else "")
        )

    def capture(self, place: Place, job: Job) -> Daemon | Pipes:
        """One ``writer | cat >> file`` for each process of the job."""
        return Pipes(self, place, job)


class Circus(System):
    """circusd and circusctl of an interpreter, or of this checkout when the interpreter has none."""

    def __init__(self, key: str, title: str, python: str, module_path: Path | None) -> None:
        super().__init__(python, module_path)
        self.key = key
        self.title = title

    def daemon_argv(self, place: Place, config: Path) -> list[str]:
        """``circusd CONFIG``."""
        return [*self._program(place, "circusd"), str(config)]

    def control_argv(self, place: Place, endpoint: str) -> list[str]:
        """``circusctl --endpoint ENDPOINT status``."""
        return [*self._program(place, "circusctl"), "--endpoint", endpoint, "status"]

    def config(self, job: Job, control: str, events: str) -> str:
        """An ordinary ini file; everything not written is the default."""
        lines = [
            "[circus]",
            f"endpoint = {control}",
            f"pubsub_endpoint = {events}",
            *(["statsd = True", f"stats_endpoint = {stats_endpoint(control)}"] if job.stats else []),
            "[watcher:w]",
            f"cmd = {job.cmd}",
            f"numprocesses = {job.count}",
        ]
        if job.log is not None:
            lines += ["stdout_stream.class = FileStream", f"stdout_stream.filename = {job.log}"]
        return "\n".join(lines) + "\n"

    def describe(self) -> str:
        """Version and place of the package that is measured."""
        code = "import circus, os; print(circus.__version__, os.path.dirname(circus.__file__))"
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        environment.pop("PYTHONPATH", None)
        if self.module_path is not None:
            environment["PYTHONPATH"] = str(self.module_path)
        done = subprocess.run(
            [self.python, "-c", code], env=environment, cwd="/", capture_output=True, text=True, timeout=30
        )
        found = done.stdout.strip() or (done.stderr.strip().splitlines() or ["?"])[-1]
        return f"{self.title}: circus {found} ({self.python})"

    def _program(self, place: Place, name: str) -> list[str]:
        """The console script next to the interpreter, or what it would be (with its entry point)."""
        installed = Path(self.python).parent / name
        if installed.exists():
            return [str(installed)]
        return self._script(place, name, _entry_points().get(name, f"circus.{name}:main"))


def ours(python: str | None) -> Circus:
    """The Circus of this checkout under this interpreter, or the one installed in another interpreter."""
    if python is None or not (Path(python).parent / "circusd").exists():
        return Circus(OURS, "ours", python or sys.executable, CHECKOUT)
    return Circus(OURS, "ours", python, None)


def reference(venv: Path) -> Circus:
    """The released Circus of a virtual environment."""
    python = venv / "bin" / "python"
    if not (python.parent / "circusd").exists():
        raise FileNotFoundError(f"no circusd in {python.parent}")
    return Circus(REFERENCE, RELEASE, str(python), None)


def install_reference() -> Path:
    """A virtual environment with circus 0.19.0 in the user's cache directory, made when it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = cache / "circus-benchmarks" / RELEASE
    if not (venv / "bin" / "circusd").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
        install = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", f"circus=={RELEASE}"]
        subprocess.run(install, check=True, timeout=300, stdout=sys.stderr)
    return venv


class Daemon:
    """A running daemon, with the pipe its workers report to."""

    def __init__(self, system: System, place: Place, job: Job) -> None:
        self.directory = place.fresh()
        self.job = job
        self.place = place
        self.seen: set[int] = set()
        self._control: Control | None = None
        self.control_endpoint = f"ipc://{self.directory}/c"
        self.events_endpoint = f"ipc://{self.directory}/p"
        config = self.directory / "w.ini"
        config.write_text(system.config(job, self.control_endpoint, self.events_endpoint), encoding="utf-8")
        argv = system.daemon_argv(place, config)
        environment = system.environment(place)
        self.notices = Notices()
        with (self.directory / "err").open("wb") as errors:
            self.started_at = time.perf_counter()
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self.notices.write_fd,
                stderr=errors,
                cwd=self.directory,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The pid of the daemon."""
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """The processes whose CPU is the cost of capturing output."""
        return [self.process.pid]

    @property
    def control(self) -> Control:
        """A client of the control endpoint, connected on first use."""
        if self._control is None:
            self._control = Control(self.place.context, self.control_endpoint)
        return self._control

    def events(self) -> Events:
        """A new subscriber to all events."""
        return Events(self.place.context, self.events_endpoint)

    def workers(self, count: int, seconds: float = START_SECONDS) -> list[tuple[float, int]]:
        """``(when, pid)`` of the next ``count`` workers to start; Late tells what stderr says."""
        try:
            found = self.notices.collect(count, seconds, lambda: self.process.poll() is None)
        except Late as late:
            raise Late(f"{late}{self.complaint()}") from None
        self.seen.update(pid for _, pid in found)
        return found

    def own(self, pids: Collection[int]) -> None:
        """Late unless each pid is a child of the daemon: a reused pid may be somebody else's process."""
        parent_of = processes.parents()
        strangers = sum(parent_of.get(pid) != self.pid for pid in pids)
        if strangers:
            raise Late(f"{strangers} of {len(pids)} workers have ended by themselves{self.complaint()}")

    def settle(self, seconds: float = START_SECONDS) -> None:
        """Wait until the daemon says that its watcher is active."""
        processes.wait_until(self._active, seconds, "the watcher to become active", pause=0.02)

    def complaint(self) -> str:
        """The exit code, if it is dead, and the last line it wrote to stderr."""
        lines = (self.directory / "err").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        code = self.process.poll()
        state = "" if code is None else f"; exit code {code}"
        return state + (f"; stderr: {lines[-1]}" if lines else "")

    def ask_when_free(self, command: str, seconds: float = 20.0, **properties: object) -> float:
        """Ask for something exclusive, again while a start refuses it; returns when the last try began."""
        deadline = time.perf_counter() + seconds
        while True:
            began_at = time.perf_counter()
            try:
                self.control.ask(command, **properties)
                return began_at
            except RuntimeError as refused:
                if "already running" not in str(refused) or began_at > deadline:
                    raise
            time.sleep(0.05)

    def wait_end(self, seconds: float = 20.0) -> None:
        """Wait for the end of the daemon, precisely (Popen.wait() with a timeout naps between its looks)."""
        pidfd = os.pidfd_open(self.process.pid)
        try:
            if not select.select([pidfd], [], [], seconds)[0]:
                raise Late(f"the daemon did not end within {seconds:g} s")
        finally:
            os.close(pidfd)

    def close(self) -> None:
        """End the daemon and all below it, by force: politeness can fail, and is measured elsewhere."""
        with ExitStack() as last:
            last.callback(shutil.rmtree, self.directory, ignore_errors=True)
            last.callback(self.notices.close)
            last.callback(processes.kill_tree, self.process, self.seen)
            if self._control is not None:
                last.callback(self._control.close)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _active(self) -> bool:
        if self.process.poll() is not None:
            raise Late(f"the daemon ended{self.complaint()}")
        reply = self.control.ask("status")
        statuses = reply.get("statuses")
        return isinstance(statuses, dict) and statuses.get("w") == "active"


class Pipes:
    """The floor of log capture: for each process of a job, a pipe and ``cat >> file``."""

    def __init__(self, system: System, place: Place, job: Job) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.pids: list[int] = []
        environment = system.environment(place)
        try:
            for _ in range(job.count):
                with open(str(job.log), "ab") as log:
                    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log, env=environment)
                self.children.append(cat)
                self.pids.append(cat.pid)
                assert cat.stdin is not None
                writer = subprocess.Popen(
                    job.cmd.split(), stdin=subprocess.DEVNULL, stdout=cat.stdin, env=environment
                )
                self.children.append(writer)
                cat.stdin.close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End writers and cats."""
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait(10)

    def __enter__(self) -> Pipes:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _entry_points() -> dict[str, str]:
    """``[project.scripts]`` of the checkout."""
    try:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    scripts: dict[str, str] = project.get("project", {}).get("scripts", {})
    return scripts
