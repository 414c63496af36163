"""Watchers that start when somebody connects: the right one, at once, and not against the operator's will."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from harness import PATIENCE, Daemon, child_command, eventually
from harness.daemon import free_port
from tests.e2e.recording import lines_of, told, up
from tests.e2e.test_managed_sockets import ask


def on_demand(name: str, port: int, command: str | None = None, options: str = "") -> str:
    """A socket and an on_demand watcher of the same name; by default it serves one connection and ends."""
    if command is None:
        command = child_command("serves_socket", f"$(circus.sockets.{name})", "{dir}/ready-PID", 1)
    return (
        f"[socket:{name}]\nhost = 127.0.0.1\nport = {port}\n"
        f"[watcher:{name}]\ncmd = {command}\nuse_sockets = True\non_demand = True\n{options}\n"
    )


def knock(port: int) -> socket.socket:
    """A connection to a socket that perhaps nobody serves."""
    return socket.create_connection(("127.0.0.1", port), 5)


def test_the_owner_of_the_socket_starts_at_once_and_nobody_else(tmp_path: Path) -> None:
    """Rows 11 and 12: only the first watcher ever started, up to five seconds late, with those stopped by hand."""
    one, two = free_port(), free_port()
    ini = "[circus]\ncheck_delay = 60\n[watcher:web]\ncmd = sleep 98765\n"
    ini += on_demand("one", one) + on_demand("two", two)
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        assert daemon.status("two") == "stopped"
        with daemon.events() as events:
            began = time.monotonic()
            ask(two)
            assert time.monotonic() - began < 10, "the check is a minute away"
            daemon.wait_status("two", "stopped")
            assert told(daemon, events, "two") == ["spawn", "start", "reap"]
            assert told(daemon, events, "one") == told(daemon, events, "web") == []
        assert daemon.status("web") == daemon.status("one") == "stopped"
        ask(one)
        ask(two)


def test_it_starts_again_for_each_connection(tmp_path: Path) -> None:
    port = free_port()
    with Daemon(tmp_path, on_demand("one", port, options="respawn_backoff.base = 0.01\n")) as daemon:
        pids = {ask(port) for _ in range(4)}
        assert len(pids) == 4
        assert daemon.call("status")["status"] == "ok"


def test_what_an_operator_stopped_stays_stopped(tmp_path: Path) -> None:
    """Row 11."""
    port = free_port()
    with Daemon(tmp_path, on_demand("one", port)) as daemon:
        assert daemon.call("stop", name="one", waiting=True)["status"] == "ok"
        with knock(port) as waiting:
            with daemon.events() as events:
                assert told(daemon, events, "one") == []
            assert daemon.status("one") == "stopped"
            assert daemon.call("start", name="one", waiting=True)["status"] == "ok"
            waiting.settimeout(PATIENCE)
            assert int(waiting.recv(64))
        daemon.wait_status("one", "stopped")
        ask(port)


@pytest.mark.parametrize("command", ["stop", "start"])
def test_group_commands_hold_and_release_it(tmp_path: Path, command: str) -> None:
    port = free_port()
    with Daemon(tmp_path, on_demand("one", port)) as daemon:
        assert daemon.call("stop", waiting=True)["status"] == "ok"
        if command == "stop":
            with knock(port), daemon.events() as events:
                assert told(daemon, events, "one") == []
        else:
            assert daemon.call("start", waiting=True)["status"] == "ok"
            ask(port)


@pytest.mark.parametrize("kind", ["ends at once", "cannot be started"])
def test_a_broken_worker_does_not_spin_although_the_connection_keeps_waiting(tmp_path: Path, kind: str) -> None:
    port = free_port()
    command = child_command("exits_at_once", 1, "{dir}/runs") if kind == "ends at once" else "no-such-program"
    options = "max_retry = 2\nrespawn_backoff.stable = 0.1\n"  # giving up takes as long as a stable run
    with Daemon(tmp_path, on_demand("one", port, command, options)) as daemon, knock(port):

        def tries() -> int:
            return len(lines_of(tmp_path / "runs")) + daemon.log.count("[WARNING] error in 'one'")

        eventually(lambda: tries() >= 2)
        began, before = time.monotonic(), tries()
        time.sleep(0.5)  # long enough for thousands, were it to spin
        made = tries() - before
        assert made < 2 + 20 * (time.monotonic() - began)  # each waits for a tenth of a second
        assert daemon.call("status")["status"] == "ok"


def test_it_follows_its_socket_to_another_port(tmp_path: Path) -> None:
    old, new = free_port(), free_port()
    with Daemon(tmp_path, on_demand("one", old)) as daemon:
        daemon.write(on_demand("one", new))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        ask(new)
        daemon.wait_status("one", "stopped")
        daemon.write(on_demand("one", new).replace(f"port = {new}", f"port = {new}\nbacklog = 5"))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        ask(new)


def test_removing_an_idle_one_leaves_nothing_on_the_loop(tmp_path: Path) -> None:
    one, two = free_port(), free_port()
    with Daemon(tmp_path, on_demand("one", one) + on_demand("two", two)) as daemon:
        daemon.settle()
        daemon.write(on_demand("two", two))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        ask(two)
        daemon.wait_status("two", "stopped")
        assert daemon.call("rm", name="two", waiting=True)["status"] == "ok"
        with knock(two):
            assert daemon.call("status")["status"] == "ok"
        assert "Traceback" not in daemon.log
