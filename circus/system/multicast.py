"""Discovery of daemons by UDP multicast: the datagram socket of the daemon, and the question of a client.

Called by the controller (:func:`create_udp_socket`) and by client programs (:func:`discover`, and on an
event loop :func:`ask_around`). It does not know what an answer is used for. Spec wire.md 9.
"""

from __future__ import annotations

import socket
import time

from circus.exc import TransportError
from circus.system.endpoint import WILDCARD_HOSTS, parse_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: What a client sends; the content does not matter to a daemon.
QUESTION = b'""'
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXAMPLE = "udp://237.219.251.97:12027"


def create_udp_socket(addr: str, port: int | str) -> socket.socket:
    """A UDP socket bound to ``port`` on every interface and joined to a multicast group.

    :param addr: the group, a dotted quad whose first number is 224 to 239.
    :param port: the UDP port.
    :returns: the socket; the time to live of what it sends is 255.
    :raises ValueError: no multicast address, or not an address and a port at all (texts: spec wire.md 9).
    :raises OSError: the system refuses (port taken, no multicast route).
    """
    group, number = _check_group(addr, port)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.bind(("0.0.0.0", number))
        everywhere = socket.inet_aton("0.0.0.0")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + everywhere)
    except BaseException:
        sock.close()
        raise
    return sock


def _check_group(addr: str, port: int | str) -> tuple[str, int]:
    try:
        first = int(str(addr).split(".")[0])
        number = int(port)
    except (TypeError, ValueError):
        raise ValueError(
            f"Wrong UDP multicast_endpoint configuration. Should looks like: {repr(_EXAMPLE)!r}"
        ) from None
    try:
        socket.inet_pton(socket.AF_INET, addr)
        valid = 224 <= first <= 239
    except OSError:
        valid = False
    if not valid:
        raise ValueError("The multicast address is not valid should be between 224.0.0.0 and 239.255.255.255")
    return addr, number


def discover(multicast_endpoint: str, timeout: float = 1.0) -> list[str]:
    """Ask the daemons of the network, or one host, for their control endpoints.

    :param multicast_endpoint: ``udp://group:port``; a unicast host asks only the daemons of that host.
    :param timeout: seconds during which answers are gathered.
    :returns: the control endpoints, each once, in the order of their arrival; a wildcard host in an answer is
        replaced by the address the answer came from.
    :raises TransportError: the endpoint makes no sense, or the question cannot be sent.
    """
    found: dict[str, None] = {}
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _ask(sock, multicast_endpoint)
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            answer = _hear(sock)
            if answer is not None:
                found[answer] = None
    return list(found)


async def ask_around(multicast_endpoint: str, found: Callable[[str], object], patience: float = 1.0) -> None:
    """The same as :func:`discover` on the running event loop, which goes on meanwhile.

    :param found: called with each control endpoint as it answers, each time it does.
    :param patience: seconds during which answers are taken.
    """
    import asyncio  # kept off the start path of the daemon

    def hear() -> None:
        answer = _hear(sock)
        if answer is not None:
            found(answer)

    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await asyncio.to_thread(_ask, sock, multicast_endpoint)  # a name may take its time to be looked up
        sock.setblocking(False)
        loop.add_reader(sock, hear)
        try:
            await asyncio.sleep(patience)
        finally:
            loop.remove_reader(sock)


def _ask(sock: socket.socket, multicast_endpoint: str) -> None:
    """Send the question."""
    endpoint = parse_endpoint(multicast_endpoint)
    if endpoint.scheme != "udp":
        raise TransportError(f"bad endpoint {multicast_endpoint!r}: discovery needs udp://group:port")
    try:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.sendto(QUESTION, (endpoint.host, endpoint.port or 0))
    except OSError as error:
        raise TransportError(f"cannot ask {multicast_endpoint} for daemons: {error.strerror}") from error


def _hear(sock: socket.socket) -> str | None:
    """The control endpoint that the next datagram tells; None: none came in time, or it leads nowhere from here."""
    try:
        data, sender = sock.recvfrom(65536)
    except (TimeoutError, BlockingIOError, ConnectionError):
        return None  # the last: a unicast host without a daemon answers with ICMP "port unreachable"
    answer = read_answer(data, sender[0])
    return answer if answer is not None and is_within_reach(answer, sender[0]) else None


def read_answer(data: bytes, sender: str) -> str | None:
    """The control endpoint told by one datagram, seen from here.

    :param data: the datagram, ``{"endpoint": "tcp://..."}`` if it comes from a daemon.
    :param sender: the numeric address it came from.
    :returns: the endpoint to connect to, or None when the datagram is something else.
    """
    import json  # kept off the start path of the daemon

    try:
        text = json.loads(data)["endpoint"]
        endpoint = parse_endpoint(text)
    except (ValueError, TypeError, KeyError, AttributeError, TransportError):
        return None
    if endpoint.scheme == "tcp" and endpoint.host in WILDCARD_HOSTS:
        endpoint.host = sender
        return str(endpoint)
    return str(text)


def is_within_reach(control: str, sender: str) -> bool:
    """A daemon on another host that listens on its loopback, or a path, is none of this one.

    :param control: the control endpoint it told.
    :param sender: the numeric address it told it from.
    """
    endpoint = parse_endpoint(control)
    elsewhere = endpoint.scheme == "tcp" and endpoint.host not in _LOOPBACK
    return elsewhere or is_this_host(sender)


def is_this_host(host: str) -> bool:
    """Whether an address is one of this host: only those can be bound. Names are not looked up."""
    if host in _LOOPBACK:
        return True
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            socket.inet_pton(family, host)
            sock.bind((host, 0))
    except OSError:
        return False
    return True
