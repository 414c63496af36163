"""How full the queues of listening sockets are, as the kernel counts them.

Used by circusd-stats. TCP sockets that we hold a descriptor of are asked themselves (``TCP_INFO``, tcp(7)); the
others, and unix sockets, are asked about over netlink (sock_diag(7)). All of it is Linux; elsewhere, and when the
kernel refuses, the answer is None. Nothing here waits.
"""

from __future__ import annotations

import os
import socket
import struct

from circus.base.record import Record

#: The state of a listening socket, for TCP and unix sockets alike.
_LISTEN = 10
_TCP_INFO_SIZE = 104
_QUEUE_AT = 24  # tcpi_unacked and tcpi_sacked, which mean queue and limit in that state
_SO_MEMINFO = 55
_DROPS_AT = 32  # SK_MEMINFO_DROPS
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_SHOW_QUEUE, _QUEUE_ATTRIBUTE = 0x10, 4
_HEADER = struct.Struct("=IHHII")
_UNIX_MESSAGE = 16
_INET_MESSAGE = struct.Struct("=BBBBHH16s16sI8sIIIII")


class Queue(Record):
    """The accept queue of a listening socket.

    :param length: connections that wait to be accepted now.
    :param limit: how many may wait.
    :param drops: connections refused because the queue was full, since the socket was made; None when unknown.
    """

    length: int
    limit: int
    drops: int | None = None


def tcp_queue(sock: socket.socket) -> Queue | None:
    """The queue of a TCP socket we hold; None when it is not a listening one, or not on Linux."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    except (AttributeError, OSError):
        return None
    if len(info) < _QUEUE_AT + 8 or info[0] != _LISTEN:
        return None
    length, limit = struct.unpack_from("=II", info, _QUEUE_AT)
    return Queue(length, limit, _drops(sock))


def _drops(sock: socket.socket) -> int | None:
    try:
        memory = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _DROPS_AT + 4)
    except OSError:
        return None
    if len(memory) < _DROPS_AT + 4:
        return None
    found: int = struct.unpack_from("=I", memory, _DROPS_AT)[0]
    return found


def unix_queue(sock: socket.socket) -> Queue | None:
    """The queue of a unix socket we hold."""
    request = struct.pack(
        "=BBHIIIII", socket.AF_UNIX, 0, 0, 1 << _LISTEN, os.fstat(sock.fileno()).st_ino, _SHOW_QUEUE,
        0xFFFFFFFF, 0xFFFFFFFF,
    )
    for message in _ask(request, _REQUEST):
        at = _UNIX_MESSAGE
        while at + 4 <= len(message):
            size, kind = struct.unpack_from("=HH", message, at)
            if kind == _QUEUE_ATTRIBUTE and size >= 12:
                return Queue(*struct.unpack_from("=II", message, at + 4))
            if size < 4:
                break
            at += (size + 3) & ~3
    return None


def tcp_queue_at(host: str, port: int) -> Queue | None:
    """The queues of all sockets that listen at an address, together; for those we hold no descriptor of."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        address = socket.inet_pton(family, host.partition("%")[0])
    except OSError:
        return None
    request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 1 << _LISTEN)
    request += struct.pack("!HH", port, 0) + bytes(32) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    length = limit = count = 0
    for message in _ask(request, _REQUEST | _DUMP):
        if len(message) < _INET_MESSAGE.size:
            continue
        fields = _INET_MESSAGE.unpack_from(message)
        if socket.ntohs(fields[4]) == port and fields[6].startswith(address):
            length, limit, count = length + fields[11], limit + fields[12], count + 1
    return Queue(length, limit) if count else None


def _ask(request: bytes, flags: int) -> list[bytes]:
    """The answers of the kernel, without their headers; none when it refuses."""
    found: list[bytes] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as sock:
            sock.settimeout(0.5)  # it answers at once, or not at all
            header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, flags, 1, 0)
            sock.sendto(header + request, (0, 0))
            while True:
                if _take(sock.recv(1 << 16), found) or not flags & _DUMP:
                    return found
    except (AttributeError, OSError):
        return found


def _take(datagram: bytes, found: list[bytes]) -> bool:
    """Sort the messages of one datagram; True when it was the last."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        size, kind, *_ = _HEADER.unpack_from(datagram, at)
        if kind in (_ERROR, _DONE) or size < _HEADER.size:
            return True
        found.append(datagram[at + _HEADER.size:at + size])
        at += (size + 3) & ~3
    return False


class OverflowCounter:
    """Connections that this machine refused because an accept queue was full, whichever (``ListenOverflows``).

    Counts from the first look.
    """

    def __init__(self) -> None:
        self._last = _listen_overflows()

    def take(self) -> int | None:
        """How many since the last call; None when the kernel does not tell."""
        now = _listen_overflows()
        last, self._last = self._last, now
        return None if now is None or last is None else max(0, now - last)


def _listen_overflows() -> int | None:
    try:
        with open("/proc/net/netstat", "rb") as lines:
            names = next((line for line in lines if line.startswith(b"TcpExt:")), b"").split()
            values = next(lines, b"").split()
    except OSError:
        return None
    try:
        return int(values[names.index(b"ListenOverflows")])
    except (ValueError, IndexError):
        return None
