"""Ssh tunnels to the endpoints of a remote daemon, through the system's ``ssh`` program.

Called by :func:`circus.system.transport.get_connection` and by circusctl's light client. The near end of a
tunnel is a unix socket in a private directory, so no other user of this host can ride on it, and no port has
to be guessed. It does not know what travels inside.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
import threading
import time

from circus.base.logs import logger
from circus.exc import TransportError
from circus.system.endpoint import WILDCARD_HOSTS, Endpoint, parse_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

_POLL = 0.02
#: Numbers that ssh begins its complaints with and that mean nothing to its users.
_CHANNEL = re.compile(r"^channel \d+: ")
#: Seconds between the end of an ssh and the next try; doubled with each failure up to the second.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
#: Seconds that an ssh has to end by itself.
_GRACE = 2.0

#: Becomes ssh, with a child that outlives our program however that ends: when our end of the pipe closes
#: without a word, the child ends ssh and removes the directory. ssh has no way of its own to notice (``-N``
#: reads no input), and would stay for ever after a SIGKILL, or a SIGTERM that a client does not catch. A
#: Ctrl-C is for our program, which closes its tunnels itself.
_GUARDED_SSH = """
trap '' INT
directory=$1 complaints=$2; shift 2
exec 3<&0
(exec </dev/null >/dev/null 2>&1; read -r word <&3 || { kill $$; rm -rf "$directory"; }) &
exec "$@" </dev/null >/dev/null 2>"$complaints" 3<&-
"""


class Tunnel:
    """A tunnel. ``endpoint`` is its near end, to be connected to in place of the remote endpoint.

    It is closed by :meth:`close`, at the latest when the interpreter ends, however it ends; then the ssh
    process and the socket's directory are gone.

    :param remote: the far end.
    :param server: ``user@host[:port]``.
    :param keyfile: path of a private key.
    :raises TransportError: an endpoint or a server that ssh cannot be told of.
    :raises FileNotFoundError: there is no ssh program.
    """

    def __init__(self, remote: Endpoint, server: str, keyfile: str | None = None) -> None:
        import atexit  # kept off the start path
        import shutil
        import tempfile

        if shutil.which("ssh") is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "ssh")
        self._remote, self._server, self._keyfile = remote, server, keyfile
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None
        ssh_command("", remote, server)  # refuses before anything is made
        self.directory = tempfile.mkdtemp(prefix="circus-ssh-")
        self.path = os.path.join(self.directory, "s")
        self.endpoint = f"ipc://{self.path}"
        atexit.register(self.close)
        try:
            self.process = self._start(interactive=bool(sys.stdin and sys.stdin.isatty()))
        except BaseException:
            atexit.unregister(self.close)
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def _start(self, interactive: bool) -> subprocess.Popen[bytes]:
        import subprocess  # kept off the start path

        command = ssh_command(self.path, self._remote, self._server, self._keyfile, interactive)
        return subprocess.Popen(
            ["sh", "-c", _GUARDED_SSH, "sh", self.directory, self._complaints, *command],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=not interactive,
        )  # fmt: skip

    @property
    def _complaints(self) -> str:
        return os.path.join(self.directory, "stderr")

    @property
    def alive(self) -> bool:
        """Does ssh still run?"""
        return self.process.poll() is None

    def said(self) -> str:
        """What ssh said, in one line: the last complaints, each once; empty when there were none."""
        try:
            with open(self._complaints, encoding="utf-8", errors="replace") as words:
                lines = [_CHANNEL.sub("", line.strip()) for line in words]
        except FileNotFoundError:
            return ""
        return "; ".join(list(dict.fromkeys(filter(None, lines)))[-3:])

    def _why(self) -> str:
        """Why ssh has ended, as far as can be told."""
        said = self.said()
        return f"ssh says: {said}" if said else f"ssh ended with status {self.process.returncode}"

    def await_listening(self, timeout: float) -> None:
        """Wait until the near end can be connected to.

        :param timeout: seconds.
        :raises TransportError: ssh cannot log in or cannot listen, or not in time; carries its own words.
        """
        deadline = time.monotonic() + timeout
        while not _listens(self.path):
            if not self.alive:
                raise TransportError(f"no tunnel through {self._server}: {self._why()}")
            if time.monotonic() > deadline:
                raise TransportError(f"no tunnel through {self._server}: ssh was not ready within {timeout:g} s")
            time.sleep(_POLL)

    def keep(self) -> None:
        """From now on start ssh anew whenever it ends, until :meth:`close`.

        That is for sockets that connect again by themselves, as those of ZeroMQ do: after a break of the
        network they would wait for ever at a near end where nobody listens. Nobody is asked for a password.
        """
        self._keeper = threading.Thread(target=self._keep, name="circus-tunnel", daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            self.process.wait()
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            if self._closed.is_set():
                return
            logger.warning("the tunnel through %s ended (%s): trying again in %g s", self._server, self._why(), pause)
            if self._closed.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)
            with self._lock:
                if self._closed.is_set():
                    return
                _dismiss_guard(self.process)
                try:
                    self.process = self._start(interactive=False)
                except OSError as error:
                    logger.error("no tunnel through %s any more: %s", self._server, error)
                    return

    def close(self) -> None:
        """End ssh and remove what it left. May be called more than once."""
        import atexit
        import shutil
        import subprocess

        atexit.unregister(self.close)
        with self._lock:
            self._closed.set()
        if self.alive:
            self.process.terminate()
            try:
                self.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        _dismiss_guard(self.process)
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join()
        shutil.rmtree(self.directory, ignore_errors=True)


def _dismiss_guard(process: subprocess.Popen[bytes]) -> None:
    """Let the guard of an ssh that has ended go without another kill: the pid may be somebody else's by now."""
    if process.stdin is not None and not process.stdin.closed:
        try:
            os.write(process.stdin.fileno(), b"done\n")
        except BrokenPipeError:
            pass  # it went with the process group
        process.stdin.close()


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
    :raises TransportError: an endpoint that ssh cannot carry, or a bad server.
    """
    if remote.scheme == "tcp" and remote.port:
        host = "127.0.0.1" if remote.host in WILDCARD_HOSTS else remote.host
        target = f"[{host}]:{remote.port}" if ":" in host else f"{host}:{remote.port}"
    elif remote.is_file:
        target = remote.path
    else:
        raise TransportError(f"cannot tunnel to {remote}: only tcp://host:port and ipc:///path go through ssh")
    destination, port = split_server(server)
    options = [
        "ExitOnForwardFailure=yes",
        "StreamLocalBindUnlink=yes",
        "StreamLocalBindMask=0177",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        # A shared connection would keep the forwarding after we are gone.
        "ControlPath=none",
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
    tunnel = Tunnel(parse_endpoint(endpoint), server, keyfile)
    try:
        tunnel.await_listening(timeout)
    except BaseException:
        tunnel.close()
        raise
    return tunnel


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
