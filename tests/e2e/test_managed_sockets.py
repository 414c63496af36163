"""Sockets that circusd binds and workers serve: handed down by name, and replaced without losing anybody."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from harness import PATIENCE, Daemon, child_command, eventually
from harness.daemon import free_port
from tests.e2e.recording import up


def ask(port: int, timeout: float = PATIENCE) -> int:
    """The pid of the worker that answers on a port of the loopback."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.settimeout(timeout)
        return int(connection.recv(64))


def answers(port: int) -> bool:
    """Whether a worker answers; AssertionError says why not (for ``eventually``)."""
    try:
        return bool(ask(port, 1.0))
    except (OSError, ValueError) as error:
        raise AssertionError(f"port {port}: {error}") from error


def refused(port: int) -> bool:
    """Whether nobody listens any more."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def served(port: int, *, in_args: bool = False, options: str = "") -> str:
    """A socket and a watcher that serves it; the descriptor is named in cmd or in args."""
    command = child_command("serves_socket")
    fd = "$(circus.sockets.web)"
    words = f"cmd = {command}\nargs = {fd}" if in_args else f"cmd = {command} {fd}"
    return f"[socket:web]\nhost = 127.0.0.1\nport = {port}\n[watcher:app]\n{words}\nuse_sockets = True\n{options}"


def shown(file: Path) -> dict[str, Any]:
    """What the child ``shows_itself`` wrote."""
    eventually(file.exists)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("in_args", [False, True], ids=["named in cmd", "named in args"])
def test_a_socket_in_use_can_change_its_port(tmp_path: Path, in_args: bool) -> None:
    """Rows 8 and 9: the new port was bound and nobody served it."""
    old, new = free_port(), free_port()
    with Daemon(tmp_path, served(old, in_args=in_args)) as daemon:
        before = ask(old)
        daemon.write(served(new, in_args=in_args))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        assert ask(new) != before
        assert refused(old)
        assert [sock["port"] for sock in daemon.call("listsockets")["sockets"]] == [new]


def test_a_socket_in_use_can_change_an_option_and_keep_its_port(tmp_path: Path) -> None:
    port = free_port()
    with Daemon(tmp_path, served(port)) as daemon:
        before = ask(port)
        daemon.write(served(port).replace(f"port = {port}", f"port = {port}\nbacklog = 7"))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        assert ask(port) != before
        assert daemon.call("listsockets")["sockets"][0]["backlog"] == 7


def test_a_port_that_is_taken_changes_nothing(tmp_path: Path) -> None:
    """Row 8: all or nothing."""
    old = free_port()
    with Daemon(tmp_path, served(old)) as daemon, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = ask(old)
        daemon.write(served(taken.getsockname()[1]) + "[watcher:new]\ncmd = sleep 98765\n")
        reply = daemon.call("reloadconfig", waiting=True)
        assert reply["status"] == "error"
        assert "in use" in reply["cause"]
        assert ask(old) == before
        assert "new" not in daemon.call("list")["watchers"]
        assert [sock["port"] for sock in daemon.call("listsockets")["sockets"]] == [old]


def test_a_socket_that_a_watcher_still_names_cannot_be_removed(tmp_path: Path) -> None:
    port = free_port()
    with Daemon(tmp_path, served(port)) as daemon:
        before = ask(port)
        daemon.write(served(port).partition("[watcher")[1] + served(port).partition("[watcher")[2])
        reply = daemon.call("reloadconfig", waiting=True)
        assert reply["status"] == "error"
        assert "uses a socket which is deleted" in reply["cause"]
        assert ask(port) == before


def test_a_socket_can_be_renamed_and_keep_its_port(tmp_path: Path) -> None:
    port = free_port()
    with Daemon(tmp_path, served(port)) as daemon:
        before = ask(port)
        daemon.write(served(port).replace("socket:web", "socket:http").replace("sockets.web", "sockets.http"))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        assert ask(port) != before
        assert [sock["name"] for sock in daemon.call("listsockets")["sockets"]] == ["http"]


def test_two_sockets_can_exchange_their_ports(tmp_path: Path) -> None:
    one, two = free_port(), free_port()

    def pair(first: int, second: int) -> str:
        ini = ""
        for name, port in (("one", first), ("two", second)):
            ini += f"[socket:{name}]\nhost = 127.0.0.1\nport = {port}\n[watcher:{name}]\nuse_sockets = True\n"
            ini += f"cmd = {child_command('serves_socket')} $(circus.sockets.{name})\n"
        return ini

    with Daemon(tmp_path, pair(one, two)) as daemon:
        assert [ask(one)] == daemon.pids("one")
        daemon.write(pair(two, one))
        assert daemon.call("reloadconfig", waiting=True)["status"] == "ok"
        assert [ask(two)] == daemon.pids("one")
        assert [ask(one)] == daemon.pids("two")


def test_restarts_of_workers_refuse_no_connection(tmp_path: Path) -> None:
    """The listening socket belongs to circusd: a connection waits for the next worker."""
    port = free_port()
    with Daemon(tmp_path, served(port, options="numprocesses = 2\nreload_overlap = 0.05\n")) as daemon:
        ask(port)
        for command in ("restart", "reload", "kill", "restart"):
            daemon.call(command, name="app")
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                    connection.recv(64)  # empty when the worker dies after it has accepted
        assert ask(port) in daemon.pids("app")


def test_a_worker_gets_the_sockets_it_names_and_no_others(tmp_path: Path) -> None:
    """Row 48: every worker got every socket."""
    ini = "".join(f"[socket:s{n}]\nhost = 127.0.0.1\nport = 0\n" for n in range(3))
    show = child_command("shows_itself", "{dir}/named", "$(circus.sockets.s1)")
    ini += f"[watcher:named]\nuse_sockets = True\ncmd = {show}\n"
    ini += f"[watcher:all]\nuse_sockets = True\ncmd = {child_command('shows_itself', '{dir}/all')}\n"
    ini += f"[watcher:none]\ncmd = {child_command('shows_itself', '{dir}/none')}\n"
    with Daemon(tmp_path, ini) as daemon:
        numbers = {sock["name"]: sock["fd"] for sock in daemon.call("listsockets")["sockets"]}
        named = shown(tmp_path / "named")
        assert named["descriptors"] == [numbers["s1"]]
        assert named["argv"] == [str(numbers["s1"])]
        assert shown(tmp_path / "all")["descriptors"] == sorted(numbers.values())
        assert shown(tmp_path / "none")["descriptors"] == []


def test_descriptors_of_the_starter_do_not_reach_workers(tmp_path: Path) -> None:
    with Daemon(tmp_path, f"[watcher:web]\ncmd = {child_command('shows_itself', '{dir}/out')}\n") as daemon:
        assert shown(tmp_path / "out")["descriptors"] == []
        assert shown(tmp_path / "out")["sid"] == daemon.pids("web")[0]


@pytest.mark.parametrize("in_args", [False, True], ids=["named in cmd", "named in args"])
def test_each_worker_binds_its_own_socket_with_so_reuseport(tmp_path: Path, in_args: bool) -> None:
    """Row 47: named in args an unbound socket was handed over."""
    port = free_port()
    ini = served(port, in_args=in_args, options="numprocesses = 3\n")
    with Daemon(tmp_path, ini.replace("host =", "so_reuseport = True\nhost =")) as daemon:
        up(daemon, "app")
        eventually(lambda: answers(port))
        seen: set[int] = set()

        def all_of_them() -> bool:
            seen.add(ask(port))
            return seen == set(daemon.pids("app"))

        eventually(all_of_them)


def test_a_unix_socket_is_for_its_owner_unless_a_umask_says_otherwise(tmp_path: Path) -> None:
    """Row 45: modes were 0662 and 0767, writable by all."""
    ini = "[socket:safe]\npath = {dir}/safe\n[socket:wide]\npath = {dir}/wide\numask = 0007\n"
    with Daemon(tmp_path, ini) as daemon:
        daemon.settle()
        assert stat.S_IMODE((tmp_path / "safe").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "wide").stat().st_mode) == 0o770
        assert os.umask(os.umask(0o22)) is not None
    assert not (tmp_path / "safe").exists()


def test_stdin_socket_needs_no_use_sockets(tmp_path: Path) -> None:
    port = free_port()
    command = child_command("serves_socket", 0)
    ini = f"[socket:web]\nhost = 127.0.0.1\nport = {port}\n[watcher:app]\ncmd = {command}\nstdin_socket = web\n"
    with Daemon(tmp_path, ini) as daemon:
        assert [ask(port)] == daemon.pids("app")


def test_a_port_in_use_at_the_start_is_one_line_and_exit_code_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon = Daemon(tmp_path, served(taken.getsockname()[1])).start(wait=False)
        try:
            assert daemon.wait() == 1
            assert "Traceback" not in daemon.log
            assert "in use" in daemon.log
        finally:
            daemon.stop()
