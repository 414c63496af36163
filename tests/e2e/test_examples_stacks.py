"""The examples that serve: web frameworks on a socket of circusd, each run where it is installed; services; a pool."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.daemon import Daemon, free_port
from harness.installation import OURS, Installation
from harness.paths import socket_name
from harness.processes import is_alive
from harness.waiting import PATIENCE, eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: As in an activated virtual environment.
ACTIVATED = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory that looks like a checkout."""
    ignored = shutil.ignore_patterns("*.log*", "*.sock", "__pycache__", "node_modules")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=ignored)
    return tmp_path


def adapted(name: str, *changes: tuple[str, str]) -> str:
    """The text of a configuration with some values replaced; each must be there."""
    text = (EXAMPLES / name).read_text()
    for old, new in changes:
        assert old in text, f"{old!r} is not in {name}"
        text = text.replace(old, new)
    return text


# -- web frameworks --------------------------------------------------------------------------------------------------


def fetch(port: int, path: str = "/") -> dict[str, Any]:
    """What a page says about the worker that answered."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        facts: dict[str, Any] = json.load(answer)
        return facts


class Visitors(threading.Thread):
    """Somebody who asks for one page after the other, each over a connection of its own.

    :param asks_again: as browsers do when a connection is closed before anything was answered (RFC 9110, 9.2.2).
    """

    def __init__(self, port: int, path: str, stop: threading.Event, *, asks_again: bool) -> None:
        super().__init__()
        self.port, self.path, self.stop, self.asks_again = port, path, stop, asks_again
        self.pids: list[int] = []
        self.failures: list[Exception] = []

    def run(self) -> None:
        while not self.stop.wait(0.03):
            try:
                self.pids.append(self._fetch()["pid"])
            except (OSError, ValueError) as error:
                self.failures.append(error)

    def _fetch(self) -> dict[str, Any]:
        try:
            return fetch(self.port, self.path)
        except OSError as error:
            cause = getattr(error, "reason", error)
            if not self.asks_again or not isinstance(cause, (ConnectionResetError, BrokenPipeError)):
                raise
        return fetch(self.port, self.path)


@contextmanager
def visited(port: int, *, asks_again: bool) -> Iterator[list[Visitors]]:
    """Have the site visited, by some who want pages that take long; nobody may be turned away."""
    stop = threading.Event()
    visitors = [Visitors(port, path, stop, asks_again=asks_again) for path in ("/", "/", "/slow/")]
    for each in visitors:
        each.start()
    try:
        yield visitors
    finally:
        stop.set()
        for each in visitors:
            each.join()
    assert [error for each in visitors for error in each.failures] == []


STACKS = {
    "django/gunicorn.ini": ("django", "gunicorn"),
    "django/uvicorn.ini": ("django", "uvicorn"),
    "django/chaussette.ini": ("django", "chaussette"),
    "flask/flask.ini": ("flask", "gunicorn"),
}
#: Told to end, uvicorn closes the connections that have not yet sent a request; one may be on its way.
CLOSES_UNHEARD = {"django/uvicorn.ini"}


@pytest.mark.parametrize("name", STACKS)
def test_a_web_framework(checkout: Path, name: str) -> None:
    for package in STACKS[name]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package}")
    port = free_port()
    text = adapted(name, ("port = 8000", f"port = {port}"), ("use_sockets", "reload_overlap = 0.1\nuse_sockets"))
    text = re.sub(r"numprocesses = \d", "numprocesses = 2", text)
    with Daemon(checkout, text, variables=ACTIVATED) as daemon:
        assert fetch(port)["watcher"] == "web"
        victim, other = daemon.pids("web")
        orphans = psutil.Process(victim).children()
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in (now := daemon.pids("web")) and len(now) == 2)
        with visited(port, asks_again=name in CLOSES_UNHEARD) as visitors:
            eventually(lambda: all(each.pids or each.failures for each in visitors))
            before = set(daemon.pids("web"))
            assert other in before
            reply = daemon.call("reload", name="web", waiting=True)
            assert reply["status"] == "ok", reply
            assert not before & set(daemon.pids("web"))
        # What a killed gunicorn has forked ends by itself, within a second.
        eventually(lambda: not any(is_alive(each) for each in orphans))


#: A server that always hears of connections, none of which is for it: as a worker that others are faster than.
LATE = """
import os, socketserver, sys

class Late(socketserver._ServerSelector):
    def select(self, timeout=None):
        print("heard", flush=True)
        if sys.argv[1] == "waiting":
            os.set_blocking(server.fileno(), True)
        return [server]

socketserver._ServerSelector = Late
from mysite import graceful
graceful.pre_hook(None)
server = socketserver.TCPServer(("127.0.0.1", 0), None)
server.serve_forever()
"""


@pytest.mark.parametrize("how", ["waiting", "not waiting"])
def test_a_chaussette_worker_that_others_are_faster_than_ends_when_told(how: str) -> None:
    argv = [sys.executable, "-c", LATE, how]
    with subprocess.Popen(argv, cwd=EXAMPLES / "django", stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"heard\n"
            threading.Thread(target=worker.stdout.read).start()

            for _ in range(5):
                worker.terminate()  # again when nothing comes of it, as the first may come right before accept(2)
                with suppress(subprocess.TimeoutExpired):
                    worker.wait(3)
                    break
            assert worker.returncode == 0
        finally:
            worker.kill()


# -- services --------------------------------------------------------------------------------------------------------


def test_an_asyncio_service(checkout: Path) -> None:
    port = free_port()
    text = adapted("asyncio_service/asyncio_service.ini", ("port = 7000", f"port = {port}"))
    with Daemon(checkout, text, variables=ACTIVATED) as daemon:
        eventually(lambda: daemon.log.count(" serves ") == 2)  # before that a SIGTERM would end them without a word
        file = socket_name(checkout / "examples/asyncio_service/echo.sock")
        with socket.socket(socket.AF_UNIX) as local, socket.create_connection(("127.0.0.1", port)) as remote:
            local.connect(file)
            for connection in (local, remote):
                connection.settimeout(PATIENCE)
            with local.makefile("rwb", buffering=0) as talk, remote.makefile("rwb", buffering=0) as idle:
                idle.write(b"once\n")
                assert idle.readline() == b"ONCE\n"
                talk.write(b"hello\n")
                assert talk.readline() == b"HELLO\n"
                daemon.call("restart", name="echo")
                # Each line is answered, or known not to have been.
                answer = b"AND\n"
                while answer == b"AND\n":
                    with suppress(BrokenPipeError):
                        talk.write(b"and\n")
                    answer = talk.readline()
                assert answer == b"goodbye\n"
                assert idle.readline() == b"goodbye\n"
        daemon.wait_status("echo", "active")
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as remote, remote.makefile("rwb", 0) as again:
            again.write(b"again\n")
            assert again.readline() == b"AGAIN\n"
        eventually(lambda: daemon.log.count("has finished") == 2)


@contextmanager
def customer(checkout: Path, jobs: int) -> Iterator[Path]:
    """Somebody who sends jobs to the pool, and what he says; in the end all must have been answered."""
    submit = ["examples/crypto_pool/submit.py", "examples/crypto_pool/queue.sock", str(jobs), "20000"]
    said = checkout / "said"
    with said.open("wb") as out:
        sent = subprocess.Popen([sys.executable, *submit], cwd=checkout, stdout=out)
    try:
        yield said
        sent.wait(4 * PATIENCE)
    finally:
        sent.kill()
        sent.wait()
    text = said.read_text()
    assert (sent.returncode, f"sent {jobs}, lost 0" in text) == (0, True), text


def test_a_pool_that_changes_its_size_loses_no_job(checkout: Path) -> None:
    text = adapted("crypto_pool/crypto_pool.ini", ("numprocesses = 175", "numprocesses = 20"))
    with Daemon(checkout, text, variables=ACTIVATED) as daemon:
        daemon.wait_status("pool", "active")
        with customer(checkout, 200):
            for _ in range(6):  # one after the other: some die at work
                victim = daemon.pids("pool")[0]
                os.kill(victim, signal.SIGKILL)
                eventually(lambda dead=victim: dead not in (now := daemon.pids("pool")) and len(now) == 20)
            assert daemon.call("incr", name="pool", nb=5, waiting=True)["numprocesses"] == 25
            assert daemon.call("decr", name="pool", nb=15, waiting=True)["numprocesses"] == 10
        assert len(daemon.pids("pool")) == 10


def test_a_pool_whose_broker_is_killed_loses_no_job(checkout: Path) -> None:
    text = adapted("crypto_pool/crypto_pool.ini", ("numprocesses = 175", "numprocesses = 2"))
    with Daemon(checkout, text, variables=ACTIVATED) as daemon:
        daemon.wait_status("pool", "active")
        with customer(checkout, 300) as said:

            def noticed() -> bool:
                (pid,) = eventually(lambda: daemon.pids("broker"))
                eventually(lambda: f"broker {pid} is open" in daemon.log)
                os.kill(pid, signal.SIGKILL)
                eventually(lambda: pid not in daemon.pids("broker"))
                # It may have waited for a broker so long that it told how far it is before.
                return "the broker went away; the rest goes to the next one\n" in said.read_text()

            eventually(noticed, interval=0.05)


def test_the_pool_computes_what_it_was_asked(checkout: Path) -> None:
    text = adapted("crypto_pool/crypto_pool.ini", ("numprocesses = 175", "numprocesses = 1"))
    with Daemon(checkout, text, variables=ACTIVATED) as daemon, socket.socket(socket.AF_UNIX) as broker:
        daemon.wait_status("pool", "active")
        broker.settimeout(PATIENCE)
        broker.connect(socket_name(checkout / "examples/crypto_pool/queue.sock"))
        with broker.makefile("rwb", buffering=0) as talk:
            talk.write(b'{"id": "x", "text": "caf\\u00e9", "rounds": 10}\n')
            answer = json.loads(talk.readline())
        digest = hashlib.pbkdf2_hmac("sha256", "café".encode(), b"salt", 10).hex()
        assert answer == {"id": "x", "digest": digest, "by": daemon.pids("pool")[0]}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sockets of processes are found in /proc")
def test_reuseport(checkout: Path) -> None:
    port = free_port()
    with Daemon(checkout, adapted("reuseport.ini", ("8082", str(port))), variables=ACTIVATED) as daemon:
        pids, seen = set(daemon.pids("web")), set()

        def all_answer() -> bool:
            seen.add(fetch(port, "/json")["pid"])
            return seen == pids

        assert eventually(all_answer)
        sockets = {link for pid in pids for link in listening(pid, port)}
        assert len(sockets) == len(pids) == 3


def listening(pid: int, port: int) -> set[str]:
    """The sockets of a process that listen on a port, as /proc names them."""
    table = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in table if int(row[1].rpartition(":")[2], 16) == port and row[3] == "0A"}
    return inodes & {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}


# -- extensions ------------------------------------------------------------------------------------------------------


def test_a_stream_of_ones_own(checkout: Path) -> None:
    path = {"PYTHONPATH": os.pathsep.join([OURS.variables["PYTHONPATH"], "examples/custom_stream"])}
    text = adapted("custom_stream/custom_stream.ini")
    with Daemon(checkout, text, variables={**ACTIVATED, **path, "TICK": "0.02"}) as daemon:
        log = checkout / "examples/custom_stream/ticker.json"
        pids = set(daemon.pids("ticker"))
        assert len(pids) == 2
        eventually(log.exists)
        eventually(lambda: all(f'"pid": {pid}' in log.read_text() for pid in pids))
        daemon.call("stop", name="ticker", waiting=True)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["pid"] for line in lines} == pids
    assert {(line["application"], line["stream"]) for line in lines} == {("ticker", "stdout")}
    assert sum("asked to stop" in line["text"] for line in lines) == 2


@dataclass(frozen=True)
class Extended(Installation):
    """The programs of the example in place of circusd and circusctl."""

    def command(self, module: str, *arguments: object) -> list[str]:
        program = module.removeprefix("circus.")
        return [self.python, f"examples/custom_command/{program}.py", *map(str, arguments)]


def test_a_command_of_ones_own(checkout: Path) -> None:
    ours = Extended("extended", OURS.python, OURS.variables)
    with Daemon(checkout, adapted("custom_command/custom_command.ini"), installation=ours) as daemon:
        daemon.wait_status("sleeper", "active")
        first, *others = daemon.pids("sleeper")
        assert daemon.ctl("oldest", "sleeper").out.startswith(f"{first}, ")
        assert daemon.ctl("oldest", "sleeper", "--replace").out.endswith(" s old, is replaced\n")
        eventually(lambda: len(now := daemon.pids("sleeper")) == 3 and first not in now and set(others) < set(now))
        done = daemon.ctl("oldest", "nobody")
        assert (done.rc, done.err) == (3, "error: program nobody not found\n")
        assert "Tell the oldest process of a watcher" in daemon.ctl("--help").out
