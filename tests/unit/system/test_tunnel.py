"""Ssh tunnels, with a stand-in for the ssh program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import zmq

from circus.exc import TransportError
from circus.system.endpoint import parse_endpoint
from circus.system.transport import bind_endpoint, get_connection
from circus.system.tunnel import open_tunnel, split_server, ssh_command
from harness.waiting import eventually

#: Forwards every connection from the unix socket of -L to its target, as ssh does; SSH_FAKE chooses how it
#: fails instead.
FAKE_SSH = """#!{python}
import os, signal, socket, sys, threading
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
with open(os.environ["SSH_RECORD"], "w") as record:
    record.write("\\n".join(sys.argv[1:]))
mode = os.environ.get("SSH_FAKE", "")
if mode == "denied":
    sys.exit("me@h: Permission denied (publickey).")
if mode == "mute":
    os._exit(7)
if mode == "slow":
    signal.pause()
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
local, _, target = sys.argv[sys.argv.index("-L") + 1].partition(":")
listener = socket.socket(socket.AF_UNIX)
if os.path.exists(local) and "StreamLocalBindUnlink=yes" in sys.argv:
    os.unlink(local)
listener.bind(local)
listener.listen()
def pipe(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX if target[0] == "/" else socket.AF_INET)
    host, _, port = target.rpartition(":")
    try:
        far.connect(target if target[0] == "/" else (host, int(port)))
    except OSError:
        near.close()
        continue
    for ends in ((near, far), (far, near)):
        threading.Thread(target=pipe, args=ends, daemon=True).start()
"""


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """A fake ssh first on the PATH; calling the fixture's value gives the arguments it was started with."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(FAKE_SSH.format(python=sys.executable))
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return lambda: (tmp_path / "record").read_text().split("\n")


def leftovers(tmp_path):
    return [path for path in tmp_path.iterdir() if path.name.startswith("circus-ssh-")]


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_a_socket_reaches_the_daemon_through_the_tunnel(ssh, tmp_path, kind):
    endpoint = "tcp://127.0.0.1:*" if kind == "tcp" else f"ipc://{tmp_path / 'c'}"
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        router.linger = dealer.linger = 0
        bound = bind_endpoint(endpoint)
        bound.attach(router)
        tunnel = get_connection(dealer, bound.endpoint, "me@h:2222", "/keys/id")
        dealer.send(b"hello")
        assert router.poll(10000)
        router.send_multipart(router.recv_multipart())
        assert dealer.poll(10000)
        assert dealer.recv() == b"hello"
        assert tunnel.alive
        assert os.stat(tunnel.directory).st_mode & 0o777 == 0o700
        tunnel.close()
        tunnel.close()
    assert not tunnel.alive
    assert leftovers(tmp_path) == []
    arguments = ssh()
    assert arguments[-2:] == ["--", "me@h"]
    assert arguments[arguments.index("-p") + 1] == "2222"
    assert arguments[arguments.index("-i") + 1] == "/keys/id"
    assert "BatchMode=yes" in arguments


def test_the_tunnel_dies_with_its_socket(ssh, tmp_path):
    with zmq.Context() as context:
        socket = context.socket(zmq.DEALER)
        tunnel = get_connection(socket, "tcp://127.0.0.1:1", "h")
        socket.close()
        del socket
        eventually(lambda: not tunnel.alive)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("denied", "ssh says: me@h: Permission denied"),
        ("mute", "status 7"),
        ("slow", "not ready within 0.3 s"),
    ],
)
def test_what_ssh_says_is_passed_on_and_nothing_stays(ssh, tmp_path, monkeypatch, mode, words):
    monkeypatch.setenv("SSH_FAKE", mode)
    with pytest.raises(TransportError, match=words):
        open_tunnel("tcp://127.0.0.1:1", "me@h", timeout=0.3 if mode == "slow" else 10)
    assert leftovers(tmp_path) == []


def test_a_stubborn_ssh_is_killed(ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("SSH_FAKE", "stubborn")
    monkeypatch.setattr("circus.system.tunnel._GRACE", 0.1)
    tunnel = open_tunnel("tcp://127.0.0.1:1", "h", timeout=10)
    began = time.monotonic()
    tunnel.close()
    assert time.monotonic() - began < 10
    assert tunnel.process.returncode == -9
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_of_a_program_that_was_killed(ssh, tmp_path, signum):
    code = "import sys, time; from circus.system.tunnel import open_tunnel; t = open_tunnel('tcp://127.0.0.1:1', 'h');"
    program = subprocess.Popen(
        [sys.executable, "-c", f"{code} print(t.process.pid, flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    )
    pid = int(program.stdout.readline())
    assert leftovers(tmp_path)
    program.send_signal(signum)
    program.communicate()
    eventually(lambda: leftovers(tmp_path) == [])
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_tunnel_of_a_zmq_socket_is_opened_again(ssh, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("circus.system.tunnel._FIRST_PAUSE", 0.05)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        router.linger = dealer.linger = 0
        bound = bind_endpoint(f"ipc://{tmp_path / 'c'}")
        bound.attach(router)
        tunnel = get_connection(dealer, bound.endpoint, "h")
        dealer.send(b"one")
        assert router.poll(10000)
        router.recv_multipart()
        first = tunnel.process
        first.kill()
        eventually(lambda: tunnel.process is not first)
        dealer.send(b"two")
        assert router.poll(10000)
        assert router.recv_multipart()[1] == b"two"
        tunnel.close()
    assert "the tunnel through h ended (ssh ended with status -9): trying again in 0.05 s" in caplog.text
    assert "BatchMode=yes" in ssh()
    assert leftovers(tmp_path) == []


def test_a_tunnel_that_is_closed_while_it_waits_is_not_opened_again(ssh, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("circus.system.tunnel._FIRST_PAUSE", 60)
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        tunnel = get_connection(dealer, "tcp://127.0.0.1:1", "h")
        tunnel.process.kill()
        eventually(lambda: "trying again" in caplog.text)
        began = time.monotonic()
        tunnel.close()
        assert time.monotonic() - began < 10
    assert not tunnel.alive
    assert leftovers(tmp_path) == []


def test_without_any_ssh_the_old_text_tells(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    text = "pexpect was not found, and failed to use Paramiko"
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
        pytest.raises(ImportError, match=text),
    ):
        get_connection(socket, "tcp://127.0.0.1:1", "h")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("h", ("h", None)),
        ("me@h", ("me@h", None)),
        ("me@h:22", ("me@h", "22")),
        ("me@[::1]:22", ("me@::1", "22")),
        ("me@[::1]", ("me@::1", None)),
        ("::1", ("::1", None)),
        ("a@b@h:1", ("a@b@h", "1")),
    ],
)
def test_servers(server, expected):
    assert split_server(server) == expected


@pytest.mark.parametrize("server", ["", "me@", "me@:22", "h:port"])
def test_what_is_no_server(server):
    with pytest.raises(TransportError, match="bad ssh server"):
        split_server(server)


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("tcp://10.0.0.1:5555", "10.0.0.1:5555"),
        ("tcp://*:5555", "127.0.0.1:5555"),
        ("tcp://[::1]:5555", "[::1]:5555"),
        ("ipc:///run/c", "/run/c"),
    ],
)
def test_the_far_end(endpoint, target):
    command = ssh_command("/d/s", parse_endpoint(endpoint), "h", interactive=True)
    assert command[command.index("-L") + 1] == f"/d/s:{target}"
    assert "BatchMode=no" in command


@pytest.mark.parametrize("endpoint", ["tcp://h:*", "ipc://@abstract", "inproc://x"])
def test_what_ssh_cannot_carry(endpoint):
    with pytest.raises(TransportError, match="cannot tunnel"):
        ssh_command("/d/s", parse_endpoint(endpoint), "h")


def test_a_server_is_never_taken_for_an_option():
    command = ssh_command("/d/s", parse_endpoint("tcp://h:1"), "-oProxyCommand=evil")
    assert command[-2:] == ["--", "-oProxyCommand=evil"]
