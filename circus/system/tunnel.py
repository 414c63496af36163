"""Ssh tunnels to the endpoints of a remote daemon, through the system's ``ssh`` program.

Called by :func:`circus.system.transport.get_connection` and by circusctl's light client. The near end of a
tunnel is a unix socket in a private directory, so no other user of this host can ride on it, and no port has
to be guessed. It does not know what travels inside.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from circus.exc import TransportError
from circus.system.endpoint import WILDCARD_HOSTS, Endpoint, parse_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

_POLL = 0.02


class Tunnel:
    """An open tunnel. ``endpoint`` is its near end, to be connected to in place of the remote endpoint.

    It is closed by :meth:`close`, at the latest when the interpreter ends; then the ssh process and the
    socket's directory are gone.
    """

    def __init__(self, process: subprocess.Popen[bytes], directory: str) -> None:
        import atexit  # kept off the start path

        self.process = process
        self.directory = directory
        self.endpoint = f"ipc://{os.path.join(directory, 's')}"
        atexit.register(self.close)

    @property
    def alive(self) -> bool:
        """Does ssh still run?"""
        return self.process.poll() is None

    def close(self) -> None:
        """End ssh and remove what it left. May be called more than once."""
        import atexit
        import shutil
        import subprocess

        atexit.unregister(self.close)
        if self.alive:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def split_server(server: str) -> tuple[str, str | None]:
    """Split ``user@host[:port]`` into what ssh takes as destination, and the port (None: ssh's own choice).

    :raises TransportError: nothing that could be a host.
    """
    user, at, host = server.rpartition("@")
    name, colon, port = host.rpartition(":")
    if host.endswith("]") or not colon:
        name, port = host, ""
    elif ":" in name and not name.startswith("["):
        name, port = host, ""  # a bare IPv6 address
    name = name.strip("[]")
    if not name or (port and not port.isdigit()):
        raise TransportError(f"bad ssh server {server!r}: expected user@host or user@host:port")
    return f"{user}{at}{name}", port or None


def ssh_command(
    local: str, remote: Endpoint, server: str, keyfile: str | None = None, interactive: bool = False
) -> list[str]:
    """The argument vector that makes a tunnel.

    :param local: path of the unix socket at the near end.
    :param remote: the far end as the remote host sees it; a wildcard host stands for its loopback.
    :param server: ``user@host[:port]``.
    :param keyfile: a private key, or None for ssh's own choice.
    :param interactive: may ssh ask for a password on the terminal?
    """
    if remote.scheme == "tcp" and remote.port:
        host = "127.0.0.1" if remote.host in WILDCARD_HOSTS else remote.host
        target = f"[{host}]:{remote.port}" if ":" in host else f"{host}:{remote.port}"
    elif remote.is_file:
        target = remote.path
    else:
        raise TransportError(
            f"cannot tunnel to {remote}: only tcp://host:port and ipc:///path go through ssh"
        )
    destination, port = split_server(server)
    options = [
        "ExitOnForwardFailure=yes",
        "StreamLocalBindUnlink=yes",
        "StreamLocalBindMask=0177",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        f"BatchMode={'no' if interactive else 'yes'}",
    ]
    command = ["ssh", "-N", "-T"]
    for option in options:
        command += ["-o", option]
    if keyfile:
        command += ["-i", keyfile]
    if port:
        command += ["-p", port]
    return [*command, "-L", f"{local}:{target}", "--", destination]


def open_tunnel(endpoint: str, server: str, keyfile: str | None = None, timeout: float = 60.0) -> Tunnel:
    """Open a tunnel to an endpoint of a remote host and wait until it listens.

    :param endpoint: ``tcp://host:port`` or ``ipc:///path``, as seen from the ssh server.
    :param server: ``user@host[:port]``.
    :param keyfile: path of a private key.
    :param timeout: seconds given to ssh.
    :raises TransportError: ssh cannot log in or cannot listen; the message carries its own words.
    :raises FileNotFoundError: there is no ssh program.
    """
    import subprocess  # kept off the start path
    import tempfile

    interactive = bool(sys.stdin and sys.stdin.isatty())
    directory = tempfile.mkdtemp(prefix="circus-ssh-")
    complaints = os.path.join(directory, "stderr")
    try:
        command = ssh_command(
            os.path.join(directory, "s"), parse_endpoint(endpoint), server, keyfile, interactive
        )
        with open(complaints, "wb") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                start_new_session=not interactive,  # a Ctrl-C for our program is not for a tunnel nobody sees
            )  # fmt: skip
    except BaseException:
        import shutil

        shutil.rmtree(directory, ignore_errors=True)
        raise
    tunnel = Tunnel(process, directory)
    try:
        _await_listening(tunnel, server, complaints, timeout)
    except BaseException:
        tunnel.close()
        raise
    return tunnel


def _await_listening(tunnel: Tunnel, server: str, complaints: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not _listens(os.path.join(tunnel.directory, "s")):
        if not tunnel.alive:
            with open(complaints, encoding="utf-8", errors="replace") as words:
                lines = [line.strip() for line in words if line.strip()]
            why = lines[-1] if lines else f"it ended with status {tunnel.process.returncode}"
            raise TransportError(f"no tunnel through {server}: ssh says: {why}")
        if time.monotonic() > deadline:
            raise TransportError(f"no tunnel through {server}: ssh was not ready within {timeout:g} s")
        time.sleep(_POLL)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
