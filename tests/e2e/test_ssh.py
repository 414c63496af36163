"""A daemon on the far side of a real sshd: circusctl, the library and plugins reach it with ``ssh`` as it is installed.

The daemon is on this host, too; what makes it remote is that only sshd talks to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from circus.client import AsyncCircusClient, CircusClient, cast_message
from circus.consumer import CircusConsumer
from circus.exc import TransportError
from harness.daemon import Daemon, free_port
from harness.installation import OURS
from harness.processes import descendants, is_alive
from harness.sshd import Sshd
from harness.waiting import PATIENCE, eventually

SLEEPER = "[watcher:sleeper]\ncmd = sleep 98765432\n"


@pytest.fixture
def daemon(sshd: Sshd, tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, SLEEPER, transport="tcp", variables=sshd.variables) as daemon:
        yield daemon


def tunnels() -> set[psutil.Process]:
    """All ssh clients below the tests, and their guards."""
    found = set()
    for each in descendants():
        with contextlib.suppress(psutil.Error):
            if any("circus-ssh-" in word for word in each.cmdline()) and is_alive(each):
                found.add(each)
    return found


def assert_no_trace(sshd: Sshd) -> None:
    """No tunnel and no file of one is left."""

    def gone() -> bool:
        assert not tunnels()
        assert not list((sshd.place / "tmp").glob("circus-ssh-*"))
        return True

    eventually(gone)


def listening(daemon: Daemon, sshd: Sshd) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """``circusctl listen`` through ssh."""
    place = ("--endpoint", daemon.pubsub_endpoint, "--ssh", sshd.by_config)
    return OURS.running(daemon.directory, "circus.circusctl", *place, "listen", "watcher.")


def wait_heard(daemon: Daemon, listener: subprocess.Popen[bytes]) -> bytes:
    """Make events until the listener prints one; the line."""

    def heard() -> bool:
        daemon.call("set", name="sleeper", options={"warmup_delay": 0}, waiting=True)
        assert listener.poll() is None, listener.stderr.read()
        return bool(select.select([listener.stdout], [], [], 0.1)[0])

    eventually(heard, 2 * PATIENCE)
    return os.read(listener.stdout.fileno(), 65536)


# -- circusctl -------------------------------------------------------------------------------------------------------


def test_circusctl_with_user_port_and_key(daemon: Daemon, sshd: Sshd) -> None:
    done = daemon.ctl("--ssh", sshd.destination, "--ssh_keyfile", sshd.keyfile, "status", "sleeper")
    assert (done.rc, done.out, done.err) == (0, "active\n", "")
    assert f"Accepted publickey for {sshd.user}" in sshd.log
    assert_no_trace(sshd)


def test_circusctl_with_what_the_users_configuration_says(daemon: Daemon, sshd: Sshd) -> None:
    assert daemon.ctl("--ssh", sshd.by_config, "numprocesses", "sleeper").out == "1\n"


def test_the_shell_of_circusctl_keeps_one_tunnel_for_all_its_commands(daemon: Daemon, sshd: Sshd) -> None:
    done = daemon.ctl("--ssh", sshd.by_config, stdin="status sleeper\nnumprocesses sleeper\nquit\n")
    assert "active" in done.out
    assert sshd.log.count("Accepted publickey") == 1
    assert_no_trace(sshd)


def test_a_socket_file_through_ssh(sshd: Sshd) -> None:
    """The connection is made by the user of the ssh server, to whom the socket must belong."""
    owner = f"[circus]\nendpoint_owner = {sshd.user}\n"
    with Daemon(sshd.place / "d", owner + SLEEPER, variables=sshd.variables) as daemon:
        assert daemon.endpoint.startswith("ipc://")
        assert daemon.ctl("--ssh", sshd.by_config, "status", "sleeper").out == "active\n"


def test_a_server_that_does_not_know_us(daemon: Daemon, sshd: Sshd, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    done = daemon.ctl("--ssh", sshd.destination, "--ssh_keyfile", stranger, "status")
    assert (done.rc, done.out) == (1, "")
    assert re.search(rf"no tunnel through {re.escape(sshd.destination)}: ssh says: .*Permission denied", done.err)
    assert "Traceback" not in done.err
    assert_no_trace(sshd)


def test_a_server_that_is_not_there(daemon: Daemon, sshd: Sshd) -> None:
    done = daemon.ctl("--ssh", f"{sshd.user}@127.0.0.1:{free_port()}", "status")
    assert done.rc == 1
    assert "Connection refused" in done.err


def test_a_server_where_no_daemon_runs(daemon: Daemon, sshd: Sshd) -> None:
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    done = daemon.ctl("--endpoint", nowhere, "--ssh", sshd.by_config, "status")
    assert (done.rc, done.out) == (1, "")
    assert "ssh says: open failed: connect failed: Connection refused" in done.err
    assert f"cannot reach {nowhere} through by-config" in done.err
    assert_no_trace(sshd)


# -- circusctl listen ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
def test_listen_leaves_no_ssh_behind_however_it_ends(daemon: Daemon, sshd: Sshd, signum: int) -> None:
    with listening(daemon, sshd) as listener:
        assert wait_heard(daemon, listener).startswith(b"b'watcher.sleeper.updated': ")
        assert tunnels()
        listener.send_signal(signum)
        listener.wait(PATIENCE)
        assert_no_trace(sshd)


def test_listen_outlives_a_break_of_the_network(daemon: Daemon, sshd: Sshd) -> None:
    with listening(daemon, sshd) as listener:
        wait_heard(daemon, listener)
        sshd.stop()
        told = listener.stderr.readline()
        assert b"the tunnel through by-config ended (ssh says: " in told
        sshd.start()
        while select.select([listener.stdout], [], [], 0)[0]:
            os.read(listener.stdout.fileno(), 65536)
        assert wait_heard(daemon, listener)
        listener.send_signal(signal.SIGINT)
        listener.wait(PATIENCE)
    assert_no_trace(sshd)


# -- the library -----------------------------------------------------------------------------------------------------


def test_the_library_through_ssh(daemon: Daemon, sshd: Sshd) -> None:
    client = CircusClient(daemon.context, daemon.endpoint, PATIENCE, sshd.destination, str(sshd.keyfile))
    try:
        assert client.send_message("status", name="sleeper")["status"] == "active"
        assert client.send_message("numprocesses", name="sleeper")["numprocesses"] == 1
    finally:
        client.stop()
    assert_no_trace(sshd)


def test_the_asynchronous_library_through_ssh(daemon: Daemon, sshd: Sshd) -> None:
    async def talk() -> list[str]:
        client = AsyncCircusClient(daemon.context, daemon.endpoint, timeout=PATIENCE, ssh_server=sshd.by_config)
        try:
            replies = await asyncio.gather(*(client.send_message("status", name="sleeper") for _ in range(5)))
        finally:
            client.stop()
        return [reply["status"] for reply in replies]

    assert asyncio.run(talk()) == ["active"] * 5
    assert_no_trace(sshd)


def test_a_cast_through_ssh_arrives_although_the_client_goes_at_once(daemon: Daemon, sshd: Sshd) -> None:
    client = CircusClient(daemon.context, daemon.endpoint, PATIENCE, sshd.by_config)
    client.call(cast_message("incr", name="sleeper"))
    client.stop()
    assert eventually(lambda: daemon.call("numprocesses", name="sleeper")["numprocesses"] == 2)
    assert_no_trace(sshd)


def test_a_consumer_through_ssh(daemon: Daemon, sshd: Sshd) -> None:
    with CircusConsumer("watcher.", endpoint=daemon.pubsub_endpoint, ssh_server=sshd.by_config) as consumer:

        def works() -> bool:
            daemon.call("set", name="sleeper", options={"warmup_delay": 0}, waiting=True)
            return bool(consumer.poller.poll(100))

        eventually(works)
        topic, _ = next(iter(consumer))
    assert topic == b"watcher.sleeper.updated"
    assert_no_trace(sshd)


def test_no_tunnel_is_an_error_of_the_library(daemon: Daemon, sshd: Sshd) -> None:
    with pytest.raises(TransportError, match=r"no tunnel through nobody-of-that-name@127\.0\.0\.1"):
        CircusClient(daemon.context, daemon.endpoint, ssh_server=f"nobody-of-that-name@127.0.0.1:{sshd.port}")
    assert_no_trace(sshd)


# -- plugins ---------------------------------------------------------------------------------------------------------

PLUGIN = """
import json
from circus.plugins import CircusPlugin

class Answers(CircusPlugin):
    name = "answers"

    def __init__(self, filename, **kwargs):
        super().__init__(**kwargs)
        self.filename = filename

    def handle_recv(self, data):
        watcher, action, _ = self.split_data(data)
        with open(self.filename, "a") as file:
            file.write(f"{watcher} {action} {self.call('status', name=watcher)['status']}\\n")
"""


def plugin(daemon: Daemon, server: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """``circus-plugin --ssh``, run by hand."""
    (daemon.directory / "plugmod.py").write_text(PLUGIN)
    return OURS.running(
        daemon.directory,
        *("circus.plugins", "--endpoint", daemon.endpoint, "--pubsub", daemon.pubsub_endpoint, "--ssh", server),
        *("--config", f"filename:{daemon.directory}/told", "plugmod.Answers"),
    )


def wait_told(daemon: Daemon, process: subprocess.Popen[bytes]) -> None:
    """Make events until the plugin has answered one."""

    def told() -> bool:
        daemon.call("set", name="sleeper", options={"warmup_delay": 0}, waiting=True)
        assert process.poll() is None, process.stderr.read()
        path = daemon.directory / "told"
        return path.exists() and "sleeper updated active" in path.read_text().splitlines()

    eventually(told, 2 * PATIENCE, interval=0.1)


def test_a_plugin_hears_and_asks_through_ssh(daemon: Daemon, sshd: Sshd) -> None:
    with plugin(daemon, sshd.by_config) as process:
        wait_told(daemon, process)
        assert len(list((sshd.place / "tmp").glob("circus-ssh-*"))) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert_no_trace(sshd)


def test_a_plugin_outlives_a_break_of_the_network(daemon: Daemon, sshd: Sshd) -> None:
    with plugin(daemon, sshd.by_config) as process:
        wait_told(daemon, process)
        sshd.stop()
        while b"the tunnel through by-config ended" not in process.stderr.readline():
            assert process.poll() is None
        sshd.start()
        (daemon.directory / "told").write_text("")
        wait_told(daemon, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert_no_trace(sshd)


def test_a_plugin_without_a_way_to_the_daemon_says_why(daemon: Daemon, sshd: Sshd) -> None:
    with plugin(daemon, f"nobody-of-that-name@127.0.0.1:{sshd.port}") as process:
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert b"no tunnel through nobody-of-that-name@127.0.0.1" in told
    assert_no_trace(sshd)
