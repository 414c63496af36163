"""Where a daemon is and how to get there: binding before ZeroMQ is loaded, connecting, with or without ssh.

Called by circusd (early binding: a failure is a plain ``OSError`` before anything was started, and the first
workers need not wait for libzmq), by the clients, the consumer and the stats programs. It knows nothing of
what is said.
:mod:`~circus.system.endpoint`, :mod:`~circus.system.tunnel` and :mod:`~circus.system.multicast` are the parts
it is made of.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time

from circus.base.endpoints import (
    DEFAULT_ENDPOINT_DEALER,
    DEFAULT_ENDPOINT_MULTICAST,
    DEFAULT_ENDPOINT_STATS,
    DEFAULT_ENDPOINT_SUB,
)
from circus.exc import TransportError
from circus.system.endpoint import Endpoint, parse_endpoint
from circus.system.multicast import create_udp_socket, discover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circus.system.tunnel import Tunnel

__all__ = [
    "DEFAULT_ENDPOINT_DEALER", "DEFAULT_ENDPOINT_MULTICAST", "DEFAULT_ENDPOINT_STATS", "DEFAULT_ENDPOINT_SUB",
    "BoundEndpoint", "Endpoint", "bind_endpoint", "create_udp_socket", "discover", "get_connection",
    "parse_endpoint",
]  # fmt: skip

#: Connections that may wait to be accepted: many clients may knock while circusd starts its workers.
_BACKLOG = 512
_NO_SSH = "pexpect was not found, and failed to use Paramiko.  You need to install Paramiko"


class BoundEndpoint:
    """A listening socket waiting for its ZeroMQ socket. Clients may connect already; they are served after
    :meth:`attach`.

    ``endpoint`` is the resolved text, with the real port, as ``LAST_ENDPOINT`` of ZeroMQ would tell it.
    """

    def __init__(self, sock: socket.socket, endpoint: str, path: str | None = None) -> None:
        self.endpoint = endpoint
        self._socket: socket.socket | None = sock
        self._path = path
        self._identity = _identity(path) if path else None

    def attach(self, zmq_socket: Any) -> None:
        """Hand the descriptor over to a ZeroMQ socket (ROUTER or PUB), which closes it when it is closed
        itself.

        :raises zmq.ZMQError: ZeroMQ refuses; the endpoint then still belongs to this object.
        :raises ValueError: it was handed over or closed before.
        """
        import zmq  # kept off the start path

        if self._socket is None:
            raise ValueError(f"{self.endpoint} was attached or closed before")
        zmq_socket.setsockopt(zmq.USE_FD, self._socket.fileno())
        try:
            zmq_socket.bind(self.endpoint)
        finally:
            zmq_socket.setsockopt(zmq.USE_FD, -1)  # another bind on this socket must not reuse it
        self._socket.detach()
        self._socket = None

    def close(self) -> None:
        """Close the descriptor unless it was handed over. The socket file stays, as with ZeroMQ."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def unlink(self) -> None:
        """Remove the socket file, if it is still the one bound here. Nothing happens for tcp."""
        if self._path and self._identity and _identity(self._path) == self._identity:
            os.unlink(self._path)


def bind_endpoint(endpoint: str, owner_uid: int | None = None) -> BoundEndpoint | None:
    """Bind and listen at an endpoint without ZeroMQ.

    A unix socket is created with mode 0600 (0660 with an owner, whose group part is left alone; decisions.md
    14), and replaces the file of a dead daemon.

    :param endpoint: ``tcp://`` (IPv4, IPv6 in brackets, ``*``, any port as ``*`` or 0) or ``ipc://`` with a
        path.
    :param owner_uid: user who shall own the socket file.
    :returns: the bound endpoint, or None if only ZeroMQ can bind it (``inproc``, ``pgm``, abstract and
        wildcard names, names of interfaces) or can say what is wrong with it.
    :raises OSError: the system's own reason, such as ``Address already in use``; ``filename`` is the
        endpoint.
    """
    try:
        parsed = parse_endpoint(endpoint)
    except TransportError:
        return None
    try:
        if parsed.scheme == "tcp":
            return _bind_tcp(parsed)
        if parsed.is_file and hasattr(socket, "AF_UNIX"):
            return _bind_file(parsed.path, owner_uid)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), endpoint) from error
    return None


def _bind_tcp(endpoint: Endpoint) -> BoundEndpoint | None:
    host = "0.0.0.0" if endpoint.host == "*" else endpoint.host
    family = _numeric_family(host)
    if family is None and (host != "localhost" or host in _interfaces()):
        return None
    sock = socket.socket(family or socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, endpoint.port or 0))
        sock.listen(_BACKLOG)
        sock.setblocking(False)  # libzmq's thread must not block in accept
        address = sock.getsockname()
    except BaseException:
        sock.close()
        raise
    return BoundEndpoint(sock, str(Endpoint("tcp", address[0], address[1])))


def _numeric_family(host: str) -> socket.AddressFamily | None:
    """The family of a numeric address; None for a name. A scope (``fe80::1%eth0``) is left to ZeroMQ."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return family
    return None


def _interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()} if hasattr(socket, "if_nameindex") else set()


def _bind_file(path: str, owner_uid: int | None) -> BoundEndpoint:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = _lock_directory(path)
    try:
        try:
            _bind_private(sock, path, owner_uid)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_stale(path):
                raise
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            _bind_private(sock, path, owner_uid)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
        if owner_uid is not None:
            os.chown(path, owner_uid, -1, follow_symlinks=False)
    except BaseException:
        sock.close()
        raise
    finally:
        if directory is not None:
            os.close(directory)
    return BoundEndpoint(sock, f"ipc://{path}", path)


def _bind_private(sock: socket.socket, path: str, owner_uid: int | None) -> None:
    """Bind under an umask, so that the file never has a wider mode than wanted."""
    before = os.umask(0o177 if owner_uid is None else 0o117)
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno is None:  # CPython's own "AF_UNIX path too long"
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)) from error
        raise
    finally:
        os.umask(before)


def _is_stale(path: str) -> bool:
    """Is it a socket file that nobody listens at any more? (``connect`` is the only honest question.)"""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(path)
    except FileNotFoundError:
        return True  # it went away meanwhile
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # EAGAIN: it listens and its queue is full; EACCES: not ours to judge
    return False


def _lock_directory(path: str) -> int | None:
    """Lock the directory of a socket file, so that of two daemons starting at once one sees the other's
    socket.

    :returns: a descriptor whose closing releases the lock, or None where that cannot be had: the lock is a
        courtesy among daemons, not a permission.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    except OSError:
        return None  # a directory one may write but not read; bind will tell if it does not exist
    deadline = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK or time.monotonic() > deadline:
                return fd
            time.sleep(0.01)


def _identity(path: str) -> tuple[int, int, int] | None:
    """What tells a socket file from its successor: inode numbers are used again at once, so the birth belongs
    to it.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def get_connection(
    socket: Any, endpoint: str, ssh_server: str | None = None, ssh_keyfile: str | None = None
) -> Tunnel | None:
    """Connect a ZeroMQ socket, through ssh when a server is given.

    :param socket: the ZeroMQ socket.
    :param endpoint: where to, as seen from the ssh server if there is one.
    :param ssh_server: ``user@host[:port]``.
    :param ssh_keyfile: path of a private key.
    :returns: the tunnel, which lives as long as the socket or until its ``close``, and is opened again when it
        breaks; None without ssh.
    :raises TransportError: no tunnel, in ssh's own words.
    :raises ImportError: neither an ssh program nor pexpect or paramiko to make one with.
    :raises zmq.ZMQError: ZeroMQ refuses the endpoint.
    """
    if ssh_server is None:
        if "[" in endpoint:
            import zmq  # kept off the start path

            socket.setsockopt(zmq.IPV6, 1)
        socket.connect(endpoint)
        return None
    import weakref

    from circus.system.tunnel import open_tunnel

    try:
        tunnel = open_tunnel(endpoint, ssh_server, ssh_keyfile)
    except FileNotFoundError:
        _tunnel_with_library(socket, endpoint, ssh_server, ssh_keyfile)
        return None
    tunnel.keep()
    weakref.finalize(socket, tunnel.close)
    socket.connect(tunnel.endpoint)
    return tunnel


def _tunnel_with_library(socket: Any, endpoint: str, ssh_server: str, ssh_keyfile: str | None) -> None:
    """The old way, by the library paramiko: hosts without an ssh program."""
    from zmq import ssh  # kept off the start path

    try:
        ssh.tunnel_connection(socket, endpoint, ssh_server, keyfile=ssh_keyfile, paramiko=True)
    except ImportError as error:
        raise ImportError(_NO_SSH) from error
