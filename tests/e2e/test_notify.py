"""circusd under a service manager that speaks sd_notify(3): what it is told, when, and by whom."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness import PATIENCE, Daemon, eventually
from harness.paths import socket_name
from tests.e2e.recording import pid_in

ENVIRON = """
[watcher:web]
cmd = sh -c 'env > {dir}/env.tmp; mv {dir}/env.tmp {dir}/env; exec sleep 98765'
copy_env = True
respawn_backoff.stable = 0.05
"""


class Manager:
    """The service manager: one dict of assignments per message, in the order of their arrival."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(socket_name(self.path))
        self.socket.settimeout(PATIENCE)
        self.told: list[dict[str, str]] = []

    def hear(self) -> dict[str, str]:
        """The next message."""
        text = self.socket.recv(4096).decode()
        self.told.append(dict(line.split("=", 1) for line in text.split("\n")))
        return self.told[-1]

    def hear_until(self, name: str) -> dict[str, str]:
        """The next message that has such an assignment; others are kept in ``told``."""
        deadline = time.monotonic() + PATIENCE
        while name not in self.hear():
            assert time.monotonic() < deadline, f"no {name} among {self.told}"
        return self.told[-1]

    def hear_all(self) -> None:
        """Whatever is here by now."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.hear()
        self.socket.settimeout(PATIENCE)

    def phases(self) -> list[str]:
        """What it was told of phases, in order."""
        return [name for told in self.told for name in ("READY", "RELOADING", "STOPPING") if name in told]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    monkeypatch.chdir(tmp_path)  # the path may be longer than an address can be
    made = Manager(tmp_path)
    yield made
    made.socket.close()


def variables(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(manager.path), **more}


def test_ready_reload_and_end(tmp_path: Path, manager: Manager) -> None:
    with Daemon(tmp_path, ENVIRON, variables=variables(manager)) as daemon:
        ready = manager.hear_until("READY")
        assert ready["MAINPID"] == str(daemon.pid)
        assert ready["STATUS"] == "Watchers: 2 (1 stopped), processes: 1"
        daemon.settle()
        asked = time.monotonic_ns() // 1000
        daemon.signal(signal.SIGHUP)
        assert int(manager.hear_until("RELOADING")["MONOTONIC_USEC"]) >= asked
        manager.hear_until("READY")
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        manager.hear_until("RELOADING")
        manager.hear_until("READY")
        assert daemon.stop() == 0
    stopping = manager.hear_until("STOPPING")
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) == 45_000_000
    manager.hear_all()
    assert manager.phases() == ["READY", "RELOADING", "READY", "RELOADING", "READY", "STOPPING"]


def test_ready_comes_after_the_last_watcher_that_starts_by_itself(tmp_path: Path, manager: Manager) -> None:
    ini = "[circus]\nwarmup_delay = 0.2\n[watcher:a]\ncmd = sleep 98765\n[watcher:b]\ncmd = sleep 98765\n"
    with Daemon(tmp_path, ini, variables=variables(manager), probe=False):
        assert manager.hear_until("READY")["STATUS"] == "Watchers: 2, processes: 2"


def test_workers_do_not_inherit_the_line(tmp_path: Path, manager: Manager) -> None:
    given = variables(manager, WATCHDOG_USEC="60000000", KEPT="1")
    with Daemon(tmp_path, ENVIRON, variables=given):
        lines = eventually(lambda: (tmp_path / "env").exists() and (tmp_path / "env").read_text()).splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert "KEPT" in names
    assert not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}


def test_a_loop_that_hangs_is_silent(tmp_path: Path, manager: Manager) -> None:
    with Daemon(tmp_path, variables=variables(manager, WATCHDOG_USEC="200000")) as daemon:
        manager.hear_until("READY")
        for _ in range(3):
            manager.hear_until("WATCHDOG")
        daemon.signal(signal.SIGSTOP)
        try:
            eventually(lambda: psutil.Process(daemon.pid).status() == psutil.STATUS_STOPPED)
            manager.hear_all()
            manager.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                manager.hear()
        finally:
            daemon.signal(signal.SIGCONT)
        manager.socket.settimeout(PATIENCE)
        manager.hear_until("WATCHDOG")


def test_a_watchdog_for_somebody_else(tmp_path: Path, manager: Manager) -> None:
    with Daemon(tmp_path, variables=variables(manager, WATCHDOG_USEC="100000", WATCHDOG_PID="1")) as daemon:
        manager.hear_until("READY")
        daemon.settle()
    manager.hear_all()
    assert not any("WATCHDOG" in told for told in manager.told)


def test_a_restart_in_place(tmp_path: Path, manager: Manager) -> None:
    given = variables(manager, WATCHDOG_USEC="200000")
    with Daemon(tmp_path, ENVIRON, variables=given) as daemon:
        manager.hear_until("READY")
        daemon.settle()
        assert daemon.call("restart")["status"] == "ok"
        manager.hear_until("RELOADING")
        assert manager.hear_until("READY")["MAINPID"] == str(daemon.pid)
        for _ in range(3):
            manager.hear_until("WATCHDOG")
    manager.hear_all()
    assert manager.phases() == ["READY", "RELOADING", "READY", "STOPPING"]


def test_a_daemon_that_detaches_tells_its_pid(tmp_path: Path, manager: Manager) -> None:
    ini = "[circus]\npidfile = {dir}/pid\nlogoutput = {dir}/log\n" + ENVIRON
    daemon = Daemon(tmp_path, ini, arguments=("--daemon",), variables=variables(manager))
    daemon.start(wait=False)
    try:
        assert daemon.wait() == 0
        ready = manager.hear_until("READY")
        assert int(ready["MAINPID"]) == pid_in(tmp_path / "pid")
        assert daemon.call("quit", waiting=True)["status"] == "ok"
        manager.hear_until("STOPPING")
    finally:
        daemon.stop(check=False)


def test_a_manager_that_is_not_there_keeps_nothing_from_running(tmp_path: Path) -> None:
    with Daemon(tmp_path, ENVIRON, variables={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as daemon:
        daemon.wait_status("web", "active")
        eventually(lambda: "cannot be told anything" in daemon.log)


def test_nothing_is_loaded_for_nobody(tmp_path: Path) -> None:
    with Daemon(tmp_path, ENVIRON, variables={"PYTHONVERBOSE": "1"}) as daemon:
        daemon.settle()
        assert "circus.system.bootloop" in daemon.log
        assert "circus.system.notify" not in daemon.log
