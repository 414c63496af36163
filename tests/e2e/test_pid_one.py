"""circusd as PID 1 of a container, and as a subreaper: orphans come to it, and signals mean what they always mean."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from circus.system.proctable import children_of
from circus.system.reaper import takes_orphans
from harness import OURS, PATIENCE, Daemon, Installation, eventually
from harness.processes import adopt_orphans

_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

#: A worker that leaves two orphans behind, one in its session and one in another. They end when ``go`` is here.
ORPHANS = """
[circus]
check_delay = 0.1
[watcher:web]
cmd = sh -c '(./linger &); setsid sh -c "./linger &"; exec sleep 98765'
working_dir = {dir}
"""
LINGER = "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.02; done\nexit 3\n"


@cache
def may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


needs_namespace = pytest.mark.skipif(
    "not may_unshare()", reason="a PID namespace needs unshare(1) and the right to use it"
)


@dataclass(frozen=True)
class First(Installation):
    """Its programs are PID 1 of a namespace of their own."""

    def command(self, module: str, *arguments: object) -> list[str]:
        return [*_NAMESPACE, *super().command(module, *arguments)]


@dataclass(frozen=True)
class Subreaper(Installation):
    """Its programs are given the orphans among their descendants."""

    def command(self, module: str, *arguments: object) -> list[str]:
        text = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
        return [sys.executable, "-c", text, *super().command(module, *arguments)]


FIRST = First("PID 1", OURS.python, OURS.variables)
SUBREAPER = Subreaper("subreaper", OURS.python, OURS.variables)


def pid_of(daemon: Daemon) -> int:
    """The pid of circusd itself, seen from here."""
    if daemon.installation is not FIRST:
        return daemon.pid
    return eventually(lambda: children_of(daemon.pid))[0]


def end(daemon: Daemon, signum: int = signal.SIGTERM) -> int:
    """Signal circusd, not unshare(1), which would go without it; the exit status."""
    os.kill(pid_of(daemon), signum)
    return daemon.wait()


_INSTALLATIONS = [pytest.param(FIRST, marks=needs_namespace, id="pid_1"), pytest.param(SUBREAPER, id="subreaper")]


@pytest.fixture(params=_INSTALLATIONS)
def installation(request: pytest.FixtureRequest) -> Installation:
    if not sys.platform.startswith("linux"):
        pytest.skip("orphans come to their nearest subreaper on Linux only")
    return request.param


@pytest.fixture
def linger(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Lets the orphans go; a program of them is in the directory."""
    program = tmp_path / "linger"
    program.write_text(LINGER)
    program.chmod(0o755)
    go = tmp_path / "go"
    yield go.touch
    go.touch()


def adopted(daemon: Daemon, workers: int) -> set[int]:
    """The children of circusd, when orphans are among them."""
    pid = pid_of(daemon)

    def found() -> set[int]:
        children = set(children_of(pid))
        assert len(children) >= workers + 2, children  # the one in another session outlives a restart
        return children

    return eventually(found)


def test_orphans_are_collected_and_no_workers(
    tmp_path: Path, installation: Installation, linger: Callable[[], None]
) -> None:
    with Daemon(tmp_path, ORPHANS, installation=installation) as daemon:
        daemon.wait_status("web", "active")
        before = adopted(daemon, 1)
        workers = daemon.pids("web")
        with daemon.events("watcher.web") as events:
            linger()
            (worker,) = eventually(lambda: len(left := set(children_of(pid_of(daemon)))) == 1 and left)
            assert worker in before
            assert daemon.pids("web") == workers
            daemon.settle()
            assert [event.name for event in events.heard] == []
        assert end(daemon) == 0


@needs_namespace
def test_orphans_are_collected_where_nothing_is_checked_and_nobody_works(
    tmp_path: Path, linger: Callable[[], None]
) -> None:
    ini = "[circus]\ncheck_delay = -1\n"
    with Daemon(tmp_path, ini, installation=FIRST, probe=False) as daemon:
        inside = f"--target={pid_of(daemon)}"
        text = f"cd '{tmp_path}' && for orphan in 1 2; do setsid --fork --wait sh -c './linger &'; done"
        subprocess.run(["nsenter", "--pid", "--mount", inside, "sh", "-c", text], timeout=PATIENCE, check=True)
        adopted(daemon, 0)
        linger()
        eventually(lambda: not children_of(pid_of(daemon)))
        assert end(daemon) == 0


def test_orphans_of_the_time_after_a_restart_in_place(
    tmp_path: Path, installation: Installation, linger: Callable[[], None]
) -> None:
    with Daemon(tmp_path, ORPHANS, installation=installation) as daemon:
        daemon.wait_status("web", "active")
        adopted(daemon, 1)
        (first,) = daemon.pids("web")
        assert daemon.call("restart", waiting=True)["status"] == "ok"
        eventually(lambda: daemon.call("list", name="web")["pids"] not in ([], [first]))
        adopted(daemon, 1)
        linger()
        eventually(lambda: len(children_of(pid_of(daemon))) == 1)
        assert end(daemon) == 0
        assert "Traceback" not in daemon.log


HOOKS = """
[watcher:web]
cmd = sleep 98765
hooks.before_start = watched.run
"""
RUN = """
import subprocess
def run(watcher, arbiter, hook_name, **kwargs):
    codes = [subprocess.run(["sh", "-c", f"exit {n}"], start_new_session=n % 2).returncode for n in range(20)]
    open("codes", "w").write(repr(codes))
    return True
"""


def test_programs_that_a_hook_runs_give_it_their_status(tmp_path: Path, installation: Installation) -> None:
    (tmp_path / "watched.py").write_text(RUN)
    path = f"{tmp_path}:{OURS.variables['PYTHONPATH']}"
    with Daemon(tmp_path, HOOKS, installation=installation, variables={"PYTHONPATH": path}) as daemon:
        daemon.wait_status("web", "active")
        assert (tmp_path / "codes").read_text() == repr(list(range(20)))
        assert end(daemon) == 0


POLITE = """
[watcher:web]
cmd = sh -c 'trap "echo ended > ended; exit" TERM; touch ready; while :; do sleep 0.02; done'
working_dir = {dir}
"""


@needs_namespace
@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_signals_end_it_and_its_workers_in_their_way(tmp_path: Path, name: str) -> None:
    with Daemon(tmp_path, POLITE, installation=FIRST) as daemon:
        eventually((tmp_path / "ready").exists)
        assert end(daemon, getattr(signal, f"SIG{name}")) == 0
        assert (tmp_path / "ended").exists()


@needs_namespace
@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_signals_end_it_before_it_is_up(tmp_path: Path, name: str) -> None:
    slow = tmp_path / "circus.ini"
    os.mkfifo(slow)
    process = subprocess.Popen(
        FIRST.command("circus.circusd", slow), cwd=tmp_path, env=FIRST.environment(), stderr=subprocess.PIPE
    )
    with process:
        with slow.open("w"):  # it reads its configuration, and goes on reading
            pid = eventually(lambda: children_of(process.pid))[0]

            def ended() -> bool:
                """A signal that comes just before a read that blocks is not noticed by Python; the next one is."""
                os.kill(pid, getattr(signal, f"SIG{name}"))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                return process.poll() is not None

            eventually(ended)
            assert process.returncode == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@needs_namespace
def test_its_exit_status_is_that_of_the_container(tmp_path: Path) -> None:
    (tmp_path / "bad.ini").write_text("[watcher:web]\nnumprocesses = many\ncmd = true\n")
    run = subprocess.run(FIRST.command("circus.circusd", "bad.ini"), cwd=tmp_path, env=FIRST.environment(),
                         capture_output=True, timeout=PATIENCE, check=False)
    assert run.returncode == 1, run
    with Daemon(tmp_path, installation=FIRST) as daemon:
        daemon.call("quit", waiting=True)
        assert daemon.wait() == 0


@needs_namespace
def test_hup_reloads(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:web]\ncmd = sleep 98765\n", installation=FIRST) as daemon:
        daemon.wait_status("web", "active")
        before = daemon.pids("web")
        os.kill(pid_of(daemon), signal.SIGHUP)
        eventually(lambda: before[0] not in daemon.pids("web"))
        assert end(daemon) == 0


def test_who_takes_orphans() -> None:
    assert takes_orphans() == adopt_orphans()
    code = "from circus.system.reaper import takes_orphans; print(takes_orphans())"  # it is not inherited
    run = subprocess.run([OURS.python, "-c", code], env=OURS.environment(), capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
