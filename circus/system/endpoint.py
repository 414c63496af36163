"""What an endpoint's text means: scheme, host, port, path.

Called by everything that connects or binds, and by ``circusctl`` on its way to a first answer in a few
milliseconds: so it imports nothing but the errors. It opens nothing and resolves no name.
"""

from __future__ import annotations

from circus.exc import TransportError

#: Hosts that mean "every interface" where a daemon binds.
WILDCARD_HOSTS = ("*", "0.0.0.0", "::")


class Endpoint:
    """The parts of an endpoint.

    :param scheme: ``tcp``, ``udp``, ``ipc``, or whatever else ZeroMQ may know (``inproc``, ``pgm``...).
    :param host: for tcp and udp, the host without brackets; ``*`` stays ``*``. Empty otherwise.
    :param port: for tcp and udp, the port; 0 stands for "any free one" (written ``0`` or ``*``). None
        otherwise.
    :param path: for other schemes, what follows ``://``.
    """

    __slots__ = ("host", "path", "port", "scheme")

    def __init__(self, scheme: str, host: str = "", port: int | None = None, path: str = "") -> None:
        self.scheme, self.host, self.port, self.path = scheme, host, port, path

    @property
    def is_file(self) -> bool:
        """Is it a unix socket with a name in the file system (neither abstract ``@`` nor wildcard ``*``)?"""
        return self.scheme == "ipc" and self.path[:1] not in ("@", "*")

    def __str__(self) -> str:
        if self.port is None:
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port or '*'}"

    def __repr__(self) -> str:
        return f"Endpoint({self.scheme!r}, {self.host!r}, {self.port!r}, {self.path!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Endpoint):
            return NotImplemented
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def parse_endpoint(text: str) -> Endpoint:
    """Take an endpoint apart (spec wire.md 1).

    :param text: such as ``tcp://127.0.0.1:5555``, ``tcp://[::1]:*``, ``ipc:///run/circus.sock``,
        ``inproc://x``.
    :returns: its parts.
    :raises TransportError: it cannot be one; the message names the text and what is wrong with it.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not scheme:
        raise _refused(text, "an endpoint looks like tcp://host:port or ipc:///path/to/socket")
    if not rest:
        raise _refused(text, f"nothing follows {scheme}://")
    if scheme not in ("tcp", "udp"):
        if "\0" in rest:
            raise _refused(text, "a path cannot hold a NUL character")
        return Endpoint(scheme, path=rest)
    host, separator, port = rest.rpartition(":")
    if not separator or not host:
        raise _refused(text, f"{scheme} needs a host and a port, as in {scheme}://127.0.0.1:5555")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host:
        raise _refused(text, f"{scheme} needs a host, as in {scheme}://127.0.0.1:5555")
    return Endpoint(scheme, host, _parse_port(text, port))


def _parse_port(text: str, port: str) -> int:
    if port == "*":
        return 0
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise _refused(text, f"{port!r} isn't a port: expected a number from 0 to 65535, or *")
    return int(port)


def _refused(text: str, why: str) -> TransportError:
    return TransportError(f"bad endpoint {text!r}: {why}")
