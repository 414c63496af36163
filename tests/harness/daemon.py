"""A real circusd in a directory of its own, and everything a test does to it from outside."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import zmq

from harness.installation import OURS, Installation
from harness.processes import descendant_pids, descendants, describe, is_alive, is_ending, kill_all, works_in
from harness.waiting import PATIENCE, eventually
from harness.wire import Caller, EventRecorder

_LONGEST_SOCKET_PATH = 90  # sun_path is 108 bytes on Linux and 104 on macOS; file names are added
_ports_lock = threading.Lock()
_dice = random.Random()  # its own: what seeds the common one makes all runs choose the same ports
_ports_given: set[int] = set()


def _choosable_ports() -> range:
    """Ports that the system never chooses itself; of several processes that run tests each has others."""
    lowest = 32768
    with contextlib.suppress(OSError, ValueError):
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(max(lowest // 2, 1024) + worker % 8, lowest, 8)


_PORTS = _choosable_ports()

#: A watcher without processes that tests use to see whether the daemon listens and publishes: see
#: Daemon.settle.
PROBE = "probe"
PROBE_SECTION = f"\n[watcher:{PROBE}]\ncmd = sleep 98765432\nautostart = False\n"


class DaemonFailed(Exception):
    """The daemon did not start, did not stop, or left something behind; carries its log.

    Not an AssertionError: ``eventually`` takes those for "not yet".
    """


class Output(NamedTuple):
    """What a program printed and how it ended."""

    rc: int
    out: str
    err: str


def free_port() -> int:
    """A tcp port of the loopback that nobody listens on and that was not given out before.

    The system does not give it to others either, as it does with ports that are left to its choice.
    """
    with _ports_lock:
        while True:
            port = _PORTS[_dice.randrange(len(_PORTS))]
            if port in _ports_given:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _ports_given.add(port)
            return port


class Daemon:
    """circusd, from its ini text to its end. Use it as a context manager.

    :param directory: an empty or fresh directory; its cwd, ini file (``circus.ini``) and log are there.
    :param ini: the configuration. Endpoints are added in front (the first value of an option wins); ``{dir}``
        stands for the directory. A section for the probe is added, too.
    :param installation: which Circus.
    :param transport: ``ipc`` or ``tcp``.
    :param arguments: more arguments for circusd.
    :param variables: more environment variables.
    :param probe: whether the probe watcher is added; :meth:`settle` and :meth:`events` need it.
    """

    def __init__(
        self,
        directory: Path,
        ini: str = "",
        *,
        installation: Installation = OURS,
        transport: str = "ipc",
        arguments: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
        probe: bool = True,
    ) -> None:
        self.directory = directory
        self.installation = installation
        self._made: list[Path] = []
        self.endpoint, self.pubsub_endpoint, self.stats_endpoint = self._endpoints(transport)
        self._tail = PROBE_SECTION if probe else ""
        self.config = directory / "circus.ini"
        self.write(ini)
        self._arguments = arguments
        self._variables = variables or {}
        self._context: zmq.Context[Any] | None = None
        self._caller: Caller | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._tree: set[psutil.Process] = set()

    # -- life ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self.stop(check=exc_type is None)

    def write(self, ini: str) -> None:
        """Write the ini file, with the daemon's endpoints; a running daemon notices nothing before reloadconfig."""
        head = f"[circus]\nendpoint = {self.endpoint}\npubsub_endpoint = {self.pubsub_endpoint}\n"
        if "statsd = True" in ini:
            head += f"stats_endpoint = {self.stats_endpoint}\n"
        self.config.write_text(head + ini.replace("{dir}", str(self.directory)) + self._tail)

    def start(self, *, wait: bool = True) -> Daemon:
        """Start circusd and wait until its control endpoint answers.

        :raises DaemonFailed: it ended, or did not answer in time.
        """
        # zmq sockets and file descriptors of the test must not reach the daemon; Popen closes them.
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.installation.command("circus.circusd", *self._arguments, self.config.name),
                cwd=self.directory,
                env=self.installation.environment(self._variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if wait:
            try:
                # The first of a run compiles all it imports: seconds, where several tests do so at once.
                eventually(self._answers, 3 * PATIENCE, interval=0)
            except BaseException:
                self.stop(check=False)
                raise
        return self

    def _answers(self) -> bool:
        if self.poll() is not None:
            raise DaemonFailed(f"{self.installation.name} ended with {self.poll()}:\n{self.log}")
        reply = self.caller.request({"command": "numwatchers"}, deadline=0.5)
        if reply is None:
            raise AssertionError(f"no answer at {self.endpoint}; log:\n{self.log}")
        return True

    def stop(self, *, check: bool = True, signum: int = signal.SIGTERM) -> int | None:
        """End the daemon by a signal and make sure that nothing of it is left; kills what does not go.

        :param check: fail when something was left (a daemon that is not ``strict`` is forgiven surviving
            workers).
        :param signum: how to end it.
        :return: its exit code; None if it was never started.
        :raises DaemonFailed: it did not end in time, or left processes behind.
        """
        process, self._process = self._process, None
        if process is None:
            self._cleanup()
            return None
        stuck = False
        self._remember(process.pid)
        if process.poll() is None and not self._ends_by(process, signum):
            stuck = True
            self._remember(process.pid)
            process.kill()
            process.wait()
        found = self.leftovers()
        # Who was killed, as a grandchild is that the daemon cannot wait for, may only wait for his turn to be gone.
        left = {each for each in found if not is_ending(each)}
        told = describe(left)
        kill_all(found | {each for each in self._tree if is_alive(each)})
        self._cleanup()
        if check and stuck:
            raise DaemonFailed(f"{self.installation.name} did not end within {PATIENCE} s:\n{self.log}")
        if check and left and self.installation.strict:
            raise DaemonFailed(f"{self.installation.name} left processes behind:\n{told}\n{self.log}")
        return process.returncode

    def _ends_by(self, process: subprocess.Popen[bytes], signum: int) -> bool:
        """Signal it and wait. One that is not strict may lose a signal (0.19 does), so it gets it again."""
        tries, patience = (1, PATIENCE) if self.installation.strict else (int(PATIENCE), 1.0)
        for _ in range(tries):
            process.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                return True
        return False

    def kill(self) -> None:
        """SIGKILL the daemon alone; its workers stay until :meth:`stop`."""
        assert self._process is not None
        self._remember(self._process.pid)
        self._process.kill()
        self._process.wait()

    def leftovers(self) -> set[psutil.Process]:
        """Processes of this daemon that run although it does not: those once seen, and orphans that work here."""
        mine = {each for each in descendants() if works_in(each, self.directory)}
        return {each for each in mine | self._tree if is_alive(each)}

    def _cleanup(self) -> None:
        if self._caller is not None:
            self._caller.close()
            self._caller = None
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None
        for made in self._made:
            shutil.rmtree(made, ignore_errors=True)

    # -- looking at it -------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None, "the daemon does not run"
        return self._process.pid

    @property
    def running_pid(self) -> int | None:
        """Its pid while it runs, else None."""
        return None if self._process is None else self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        assert self._process is not None, "the daemon was never started"
        return self._process.poll()

    def wait(self, deadline: float = PATIENCE) -> int:
        """Wait until it has ended by itself; its exit code.

        :raises DaemonFailed: it still runs after ``deadline`` seconds.
        """
        assert self._process is not None, "the daemon was never started"
        self._remember(self._process.pid)
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise DaemonFailed(f"{self.installation.name} still runs after {deadline} s:\n{self.log}") from None

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def tree(self) -> set[psutil.Process]:
        """All its descendants now. They are remembered, and must be gone when it has stopped."""
        return self._remember(self.pid)

    def _remember(self, pid: int) -> set[psutil.Process]:
        found = set()
        for each in descendant_pids(pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.add(psutil.Process(each))
        self._tree |= found
        return found

    @property
    def log_path(self) -> Path:
        return self.directory / "circusd.log"

    @property
    def log(self) -> str:
        """What it wrote to stdout and stderr so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # -- talking to it -------------------------------------------------------------------------------------

    @property
    def context(self) -> zmq.Context[Any]:
        if self._context is None:
            self._context = zmq.Context()
        return self._context

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            self._caller = Caller(self.context, self.endpoint)
        return self._caller

    def call(self, command: str, **properties: Any) -> dict[str, Any]:
        """Send a command over the wire; its reply."""
        return self.caller.call(command, **properties)

    def ctl(self, *arguments: object, stdin: str | None = None, timeout: float = PATIENCE) -> Output:
        """Run circusctl against this daemon in a process of its own."""
        done = subprocess.run(
            self.installation.command("circus.circusctl", "--endpoint", self.endpoint, *arguments),
            cwd=self.directory,
            env=self.installation.environment(self._variables),
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Output(done.returncode, done.stdout, done.stderr)

    def status(self, watcher: str) -> str:
        status: str = self.call("status", name=watcher)["status"]
        return status

    def pids(self, watcher: str) -> list[int]:
        pids: list[int] = self.call("list", name=watcher)["pids"]
        return pids

    def wait_status(self, watcher: str, *wanted: str, deadline: float = PATIENCE) -> None:
        """Wait until a watcher has one of the statuses. Survives a restart of the control endpoint meanwhile."""

        def reached() -> bool:
            message = {"command": "status", "properties": {"name": watcher}}
            reply = self.caller.request(message, deadline=1)
            assert reply is not None, "no answer"
            assert reply["status"] in wanted, f"{watcher} is {reply['status']}, not {' or '.join(wanted)}"
            return True

        eventually(reached, deadline)

    def settle(self, deadline: float = PATIENCE) -> None:
        """Wait until the daemon accepts a change, so that nothing exclusive (such as its start) is under way."""

        def accepted() -> bool:
            reply = self.call("set", name=PROBE, options={"warmup_delay": 0}, waiting=True)
            assert reply["status"] == "ok", reply
            return True

        eventually(accepted, deadline)

    @contextlib.contextmanager
    def events(self, prefix: str = "") -> Iterator[EventRecorder]:
        """Record the daemon's events from now on: the subscription is known to work when the block begins.

        Events of the probe are not recorded.
        """
        with EventRecorder(self.context, self.pubsub_endpoint, prefix, ignored=PROBE) as recorder:

            def works() -> bool:
                self.settle()
                return recorder.wait_ignored(0.05)

            eventually(works, interval=0)
            recorder.clear()
            yield recorder

    # -- endpoints -----------------------------------------------------------------------------------------

    def _endpoints(self, transport: str) -> tuple[str, str, str]:
        self.directory.mkdir(parents=True, exist_ok=True)
        if transport == "tcp":
            control, events, stats = (f"tcp://127.0.0.1:{free_port()}" for _ in range(3))
            return control, events, stats
        place = self.directory
        if len(os.fsencode(place)) > _LONGEST_SOCKET_PATH:
            place = Path(tempfile.mkdtemp(prefix="circus-"))
            self._made.append(place)
        return f"ipc://{place}/ctl", f"ipc://{place}/pub", f"ipc://{place}/sta"
