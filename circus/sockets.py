"""The sockets that the daemon opens for its workers and keeps open while they come and go.

Made from ``[socket:NAME]`` sections (spec config.md 6) by the arbiter, or by embedding programs; workers
inherit the descriptors (``circus.process``). A socket is bound once, before the first worker starts; nobody
accepts here. This module knows nothing of watchers.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from circus.base.convert import parse_umask, to_bool
from circus.base.logs import logger
from circus.system.launch import register_inheritable, unregister_inheritable

#: Permissions that a unix socket is made without when its section says nothing: all but those of its owner.
DEFAULT_UMASK = 0o077

_UNIX = getattr(socket, "AF_UNIX", None)


def addrinfo(
    host: str | None, port: int | None, family: int, type: int = socket.SOCK_STREAM, proto: int = 0
) -> tuple[str, int]:
    """Address and port to bind to for ``host``: the first that the resolver has in that family.

    :param family: AF_INET or AF_INET6; an address of the other one is never given.
    :raises ValueError: when the host has no address of that family.
    :raises socket.gaierror: when the host is not known at all.
    """
    try:
        found = socket.getaddrinfo(host, port, family, type, proto)
    except socket.gaierror:
        if not socket.getaddrinfo(host, port, 0, type, proto):
            raise
        raise ValueError((host, port)) from None  # the host is known, only not in that family
    address = found[0][4]
    return str(address[0]), int(address[1])


class CircusSocket(socket.socket):
    """A socket that children may inherit.

    :param name: what commands refer to it by.
    :param host: name or address, resolved now; ignored with ``path``.
    :param port: 0 lets the system choose.
    :param family: ``AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
    :param type: ``SOCK_STREAM``, ``SOCK_DGRAM``, ...
    :param proto: protocol number, 0 for the usual one.
    :param backlog: connections that wait to be accepted.
    :param path: file of a unix socket; makes the family AF_UNIX.
    :param umask: permissions that the file is made without, a number or octal text; None means 0077.
    :param replace: remove a file that is in the way.
    :param interface: network device to accept from alone, such as ``eth0`` (needs privileges).
    :param so_reuseport: let each worker bind a socket of its own to the port; this one is a placeholder.
    :param blocking: leave it blocking.
    :param tcp_nodelay: send small packets at once; accepted connections inherit it on Linux.
    :raises OSError: when the system refuses such a socket.
    :raises ValueError: for a host without such an address.
    """

    def __init__(
        self,
        name: str = "",
        host: str | None = "localhost",
        port: int | None = 8080,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        backlog: int = 2048,
        path: str | None = None,
        umask: int | str | None = None,
        replace: bool = False,
        interface: str | None = None,
        so_reuseport: bool = False,
        blocking: bool = False,
        tcp_nodelay: bool = False,
    ) -> None:
        if path is not None and _UNIX is not None:
            family = _UNIX
        super().__init__(family=family, type=type, proto=proto)
        try:
            self.set_inheritable(True)
            register_inheritable(self.fileno())
            self.name, self.path, self.umask, self.replace = name, path, parse_umask(umask), replace
            self.socktype, self.interface, self.backlog, self.blocking = type, interface, backlog, blocking
            self.is_unix = family == _UNIX
            self.host: str | None = None
            self.port: int | None = None
            if not self.is_unix:
                self.host, self.port = addrinfo(host, port, family, type, proto)
            self.so_reuseport = so_reuseport and hasattr(socket, "SO_REUSEPORT")
            self.tcp_nodelay = tcp_nodelay and not self.is_unix and type == socket.SOCK_STREAM
            self._made: tuple[str, int, int] | None = None
            self._cfg: dict[str, Any] | None = None
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.so_reuseport:
                self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if self.tcp_nodelay:
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            unregister_inheritable(self.fileno())
            super().close()
            raise

    @classmethod
    def load_from_config(cls, config: Mapping[str, Any]) -> CircusSocket:
        """Make a socket of a ``[socket:NAME]`` section; keys that mean nothing here are ignored.

        :raises KeyError: without ``name``, or for an unknown family or type.
        :raises OSError: for an unknown ``proto``.
        :raises ValueError: for a value that is no number, no boolean or no octal mask.
        """
        proto = config.get("proto")
        made = cls(
            name=config["name"],
            host=config.get("host", "localhost"),
            port=int(config.get("port", 8080)),
            path=config.get("path"),
            interface=config.get("interface"),
            family=_constant(config.get("family", "AF_INET"), "AF_"),
            type=_constant(config.get("type", "SOCK_STREAM"), "SOCK_"),
            proto=0 if proto in (None, "", 0) else socket.getprotobyname(str(proto)),
            backlog=int(config.get("backlog", 2048)),
            so_reuseport=to_bool(config.get("so_reuseport", False)),
            umask=config.get("umask"),
            replace=_word_or_bool(config.get("replace", False)),
            blocking=to_bool(config.get("blocking", False)),
            tcp_nodelay=to_bool(config.get("tcp_nodelay", False)),
        )
        made._cfg = dict(config)
        return made

    def clone(self) -> CircusSocket:
        """A socket of its own, unbound, with the same settings (``so_reuseport``: one for each worker)."""
        return CircusSocket(
            name=self.name,
            host=self.host,
            port=self.port,
            family=self.family,
            type=self.socktype,
            proto=self.proto,
            backlog=self.backlog,
            path=self.path,
            umask=self.umask,
            replace=self.replace,
            interface=self.interface,
            so_reuseport=self.so_reuseport,
            blocking=self.blocking,
            tcp_nodelay=self.tcp_nodelay,
        )

    @property
    def location(self) -> str:
        """Where it is, for people: ``host:port``, or the path in quotes."""
        return repr(self.path) if self.is_unix else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"socket {self.name!r} at {self.location}"

    def bind_and_listen(self) -> None:
        """Bind it, and listen where that makes sense; ``host`` and ``port`` tell afterwards what it got.

        :raises OSError: when the address is taken or refused; logged with the address.
        """
        try:
            if self.is_unix:
                self._bind_path()
            else:
                if self.interface:
                    device = self.interface.encode() + b"\0"
                    self.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
                self.bind((self.host, self.port))
                self.host, self.port = self.getsockname()[:2]
            self.setblocking(self.blocking)
            if self.socktype in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
                self.listen(self.backlog)
        except OSError:
            logger.error("Could not bind %s", self.location)
            raise

    def _bind_path(self) -> None:
        path = self.path or ""
        if os.path.lexists(path):
            if not self.replace:
                raise OSError(
                    f"{path!r} already exists. You might want to remove it. "
                    "If it's a stalled socket file, just restart Circus"
                )
            os.unlink(path)
        previous = os.umask(DEFAULT_UMASK if self.umask is None else self.umask)
        try:
            self.bind(path)
        finally:
            os.umask(previous)
        made = os.lstat(path)
        self._made = os.path.abspath(path), made.st_dev, made.st_ino

    def close(self) -> None:
        """Close it and remove the file that it made, unless another file is there by now."""
        if self.fileno() >= 0:
            unregister_inheritable(self.fileno())
        super().close()
        made, self._made = self._made, None
        if made is None:
            return
        path, device, inode = made
        try:
            found = os.lstat(path)
            if (found.st_dev, found.st_ino) == (device, inode):
                os.unlink(path)
        except FileNotFoundError:
            pass

    def dup(self) -> socket.socket:  # type: ignore[override]
        """A plain socket on a copy of the descriptor, which children do not inherit."""
        return socket.socket(self.family, self.type, self.proto, fileno=os.dup(self.fileno()))


class CircusSockets(dict[str, CircusSocket]):
    """The managed sockets by name.

    :param sockets: those to begin with.
    :param backlog: for sockets added without one.
    """

    def __init__(self, sockets: Iterable[CircusSocket] | None = None, backlog: int = 2048) -> None:
        super().__init__((sock.name, sock) for sock in sockets or ())
        self.backlog = backlog

    def add(
        self,
        name: str,
        host: str | None = "localhost",
        port: int | None = 8080,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        backlog: int | None = None,
        path: str | None = None,
        umask: int | str | None = None,
        interface: str | None = None,
        **options: Any,
    ) -> CircusSocket:
        """Make a socket and keep it under ``name``; parameters as of :class:`CircusSocket`.

        :raises ValueError: when there is one of that name.
        """
        existing = self.get(name)
        if existing is not None:
            raise ValueError(f"A socket already exists {existing}")
        made = CircusSocket(
            name=name,
            host=host,
            port=port,
            family=family,
            type=type,
            proto=proto,
            backlog=self.backlog if backlog is None else backlog,
            path=path,
            umask=umask,
            interface=interface,
            **options,
        )
        self[name] = made
        return made

    def bind_and_listen_all(self) -> None:
        """Bind them all, but those that each worker binds for itself. :raises OSError: the first that fails.
        """
        for sock in self.values():
            if not sock.so_reuseport:
                sock.bind_and_listen()

    def close_all(self) -> None:
        """Close them all."""
        for sock in self.values():
            sock.close()


def _constant(value: Any, prefix: str) -> int:
    """A constant of the socket module, by name in any case or by number. :raises KeyError: when it has none
    such.
    """
    if isinstance(value, int):
        return value
    word = str(value).upper()
    if not word.startswith(prefix) or not hasattr(socket, word):
        raise KeyError(word)
    return int(getattr(socket, word))


def _word_or_bool(value: Any) -> bool:
    return to_bool(value) if isinstance(value, str) and value else bool(value)
