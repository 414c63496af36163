"""Looks for daemons of the network, for ``--discover``. Spec wire.md 9.

Used by the session and by the batch modes, on the running event loop. It finds control endpoints; who is connected to
is the business of whoever asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from circus.exc import TransportError
from circus.system.endpoint import WILDCARD_HOSTS, parse_endpoint
from circus.system.multicast import QUESTION, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two questions, and seconds for the answers to one.
EVERY, PATIENCE = 10.0, 1.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_multicast(text: str) -> str:
    """What is wrong with a place to ask; empty if nothing."""
    try:
        endpoint = parse_endpoint(text)
    except TransportError as error:
        return str(error)
    return "" if endpoint.scheme == "udp" and endpoint.port else f"{text!r} is not like udp://group:port"


async def look_around(multicast: str, found: Callable[[str], object], told: Callable[[str], object]) -> None:
    """Ask every ten seconds; until cancelled.

    :param multicast: where to ask, ``udp://group:port``.
    :param found: called with each control endpoint that answered, each time it does.
    :param told: called with what is wrong, or an empty text when nothing is.
    """
    while True:
        try:
            await ask_around(multicast, found)
            told("")
        except TransportError as error:
            told(str(error))
        await asyncio.sleep(EVERY)


async def ask_around(multicast: str, found: Callable[[str], object], patience: float | None = None) -> None:
    """Ask once.

    :param found: called with each control endpoint as it answers.
    :param patience: seconds during which answers are taken.
    :raises TransportError: the place makes no sense, or the question cannot be sent.
    """
    endpoint = parse_endpoint(multicast)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.bind(("", 0))
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Ear(found), sock=sock)
    except OSError as error:
        sock.close()
        raise TransportError(f"cannot ask {multicast} for daemons: {error.strerror}") from error
    try:
        sock.sendto(QUESTION, (endpoint.host, endpoint.port or 0))
        await asyncio.sleep(PATIENCE if patience is None else patience)
    except OSError as error:
        raise TransportError(f"cannot ask {multicast} for daemons: {error.strerror}") from error
    finally:
        transport.close()


class _Ear(asyncio.DatagramProtocol):
    """Hears the answers."""

    def __init__(self, found: Callable[[str], object]) -> None:
        self._found = found

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        told = read_answer(data, addr[0])
        if told is not None and _is_within_reach(told, addr[0]):
            self._found(told)

    def error_received(self, exc: Exception) -> None:
        """A host without a daemon says so (ICMP); the others may still answer."""


def _is_within_reach(control: str, sender: str) -> bool:
    """A daemon on another host that listens on its loopback, or a path, is none of this one."""
    endpoint = parse_endpoint(control)
    elsewhere = endpoint.scheme == "tcp" and endpoint.host not in _LOOPBACK
    return elsewhere or _is_ours(sender)


def place_of(control: str) -> str:
    """What two names of the same control endpoint of this host have in common; other endpoints are their own place."""
    try:
        endpoint = parse_endpoint(control)
    except TransportError:
        return control
    if endpoint.scheme == "tcp" and (endpoint.host in WILDCARD_HOSTS or _is_ours(endpoint.host)):
        return f"here:{endpoint.port}"
    return control


def _is_ours(host: str) -> bool:
    """Whether an address is one of this host: only those can be bound. Names are not looked up."""
    if host in _LOOPBACK:
        return True
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        socket.inet_pton(family, host)
        sock.bind((host, 0))
        return True
    return False
