"""The managed sockets as circusd-stats sees them: who waits at each, and how many came.

``reads`` counts connections that arrived. The kernel keeps no such count for a listening socket, so it is put
together from two things it does tell: that a queue is not empty any more (readiness, reported by the event loop), and
how long it is (``TCP_INFO``, sock_diag). A socket that has become ready is not asked to report again until its queue
is empty, so a queue that nobody serves costs a look every quarter of a second and not a busy loop; see the ADR on
sampling. What comes and is accepted between two looks at a busy socket is not seen: the count is a lower bound.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from circus.base.logs import logger
from circus.system.sockdiag import OverflowCounter, Queue, tcp_queue, tcp_queue_at, unix_queue

#: Seconds between a connection and the next look at that socket, and between looks while its queue does not empty.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25


class ManagedSocket:
    """One managed socket.

    :param fd: its number in circusd, by which it is known.
    :param address: ``host:port``, or the path of a unix socket.
    :param sock: our own copy of it; None when we did not inherit it.
    :param place: host and port, for one that we hold no copy of.
    """

    def __init__(
        self, fd: int, address: str, sock: socket.socket | None, name: str | None = None, backlog: int | None = None,
        place: tuple[str, int] | None = None,
    ) -> None:
        self.fd, self.address, self.sock, self.name, self.backlog = fd, address, sock, name, backlog
        self._place = place
        self.last = Queue(0, backlog or 0)
        #: Connections that came since they were taken last.
        self.arrived = 0
        self.dropped = 0
        self.known = False
        self._ready: Any = None

    def look(self) -> int:
        """Count who has joined the queue since the last look; returns how many are in it now."""
        queue = self._ask()
        self.known = queue is not None
        if queue is None:
            queue = Queue(int(self._has_visitors()), self.backlog or 0)
        if queue.drops is not None and self.last.drops is not None:
            self.dropped += max(0, queue.drops - self.last.drops)
        self.arrived += max(0, queue.length - self.last.length)
        self.last = queue
        return queue.length

    def _ask(self) -> Queue | None:
        if self.sock is None:
            return tcp_queue_at(*self._place) if self._place else None
        return unix_queue(self.sock) if self.sock.family == socket.AF_UNIX else tcp_queue(self.sock)

    def _has_visitors(self) -> bool:
        """Where the kernel does not tell the length of a queue: whether somebody is in it."""
        if self.sock is None:
            return False
        if self._ready is None:
            from iowait import IOWait  # only there

            self._ready = IOWait()
            self._ready.watch(self.sock.fileno(), read=True)
        return bool(self._ready.wait(0))

    def take(self) -> dict[str, Any]:
        """What is published of it; the counts begin anew."""
        self.look()
        told = {
            "fd": self.fd,
            "subtopic": self.fd,
            "reads": self.arrived,
            "address": self.address,
            "name": self.name,
            "queue": self.last.length if self.known else None,
            "backlog": self.last.limit if self.known else self.backlog,
            "drops": self.dropped if self.last.drops is not None else None,
        }
        self.arrived = self.dropped = 0
        return told

    def close(self) -> None:
        """Give our copy back."""
        if self._ready is not None:
            self._ready.close()
            self._ready = None
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class SocketWatch:
    """Counts what arrives at sockets, on an event loop.

    :param loop: an object with asyncio's ``add_reader``, ``remove_reader`` and ``call_later``.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        #: By descriptor number.
        self.sockets: dict[int, ManagedSocket] = {}
        self._pauses: dict[int, Any] = {}
        self._overflows: OverflowCounter | None = None

    def update(self, listed: Iterable[Mapping[str, Any]]) -> None:
        """Watch the sockets of a reply to ``listsockets``, and no others any more."""
        wanted = {entry["fd"]: entry for entry in listed}
        for fd, managed in list(self.sockets.items()):
            entry = wanted.get(fd)
            if entry is None or _address_of(entry) != managed.address:
                self.remove(fd)
                _close_inherited(fd, managed.address)
        for fd, entry in wanted.items():
            if fd not in self.sockets:
                place = None if "path" in entry else (entry["host"], entry["port"])
                address = _address_of(entry)
                copy = copy_of(fd, address)
                self.add(ManagedSocket(fd, address, copy, entry.get("name"), entry.get("backlog"), place))

    def add(self, managed: ManagedSocket) -> None:
        """Watch one more socket."""
        self.sockets[managed.fd] = managed
        managed.look()
        self._await(managed)

    def remove(self, fd: int) -> None:
        """Watch it no more, and close our copy."""
        managed = self.sockets.pop(fd)
        pause = self._pauses.pop(fd, None)
        if pause is not None:
            pause.cancel()
        elif managed.sock is not None:
            self._loop.remove_reader(managed.sock.fileno())
        managed.close()

    def close(self) -> None:
        """Watch nothing any more."""
        for fd in list(self.sockets):
            self.remove(fd)

    def take(self) -> list[dict[str, Any]]:
        """What is published of each socket, and last of all together; nothing when there are none."""
        if not self.sockets:
            return []
        if self._overflows is None:
            self._overflows = OverflowCounter()
        refused = self._overflows.take()
        told = [{**managed.take(), "overflows": refused} for managed in self.sockets.values()]
        everything = {
            "addresses": [each["address"] for each in told],
            "reads": sum(each["reads"] for each in told),
            "queue": sum(each["queue"] or 0 for each in told),
            "overflows": refused,
        }
        return [*told, everything]

    # -- readiness ------------------------------------------------------------------------------------------

    def _await(self, managed: ManagedSocket) -> None:
        """Have the loop tell when somebody comes; while somebody waits it would tell without end, so look later."""
        if managed.sock is None:
            return
        if managed.last.length:
            self._pause(managed, FIRST_PAUSE)
        else:
            self._loop.add_reader(managed.sock.fileno(), self._arrived, managed)

    def _arrived(self, managed: ManagedSocket) -> None:
        assert managed.sock is not None
        self._loop.remove_reader(managed.sock.fileno())
        before = managed.arrived
        managed.look()
        if managed.arrived == before:  # somebody came, and was accepted already
            managed.arrived += 1
        self._pause(managed, FIRST_PAUSE)

    def _pause(self, managed: ManagedSocket, seconds: float) -> None:
        self._pauses[managed.fd] = self._loop.call_later(seconds, self._look_again, managed, seconds)

    def _look_again(self, managed: ManagedSocket, paused: float) -> None:
        del self._pauses[managed.fd]
        if managed.look():
            self._pause(managed, min(2 * paused, LONGEST_PAUSE))
        else:
            self._await(managed)


def copy_of(fd: int, address: str | None = None) -> socket.socket | None:
    """A copy of an inherited socket; None when that number is not the socket at ``address``."""
    try:
        number = os.dup(fd)
    except OSError:  # started by hand: nothing was inherited
        return None
    try:
        copy = socket.socket(fileno=number)
    except OSError:
        os.close(number)
        return None
    if address is not None and _place_of(copy) != address:
        copy.close()
        return None
    return copy


def _close_inherited(fd: int, address: str) -> None:
    """circusd has closed that socket: ours would keep its port taken, and visitors waiting for nobody."""
    copy = copy_of(fd, address)
    if copy is not None:
        copy.close()
        with contextlib.suppress(OSError):
            os.close(fd)
        logger.debug("closed our copy of %s", address)


def _place_of(sock: socket.socket) -> str | None:
    try:
        name = sock.getsockname()
    except OSError:
        return None
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)


def _address_of(entry: Mapping[str, Any]) -> str:
    return str(entry["path"]) if "path" in entry else f"{entry['host']}:{entry['port']}"
