"""A subscription to the event endpoint that outlives the daemon and the network.

Used by ``circusctl tail -f`` and ``circusctl events -f``; this and ``listen`` are the places of circusctl that load
libzmq. It tells when the daemon goes and comes back, and does not know what the messages mean.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from circus.exc import TransportError
from circus.system.transport import get_connection

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Messages that may wait in this process for a terminal that is slower than the workers: some megabytes, as one has
#: 16 KiB of text, or one long line. What goes beyond waits in the daemon, which drops it when that is too much as well.
HIGH_WATER = 256
#: Messages handed out at once.
_HANDFUL = 64


class Feed:
    """Messages under some topics.

    A context manager. ``up`` tells whether there is a connection now, ``connections`` how many there were so far.

    :param endpoint: the event endpoint.
    :param topics: prefixes of topics.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param ssh_keyfile: private key for ssh.
    :raises TransportError: the endpoint makes no sense, or there is no tunnel.
    """

    def __init__(
        self,
        endpoint: str,
        topics: Iterable[str],
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        #: How many messages may wait here. While fewer do, none is dropped on this side.
        self.capacity = HIGH_WATER
        self._topics = [topic.encode("utf-8") for topic in topics]
        self._ssh = ssh_server, ssh_keyfile
        self.up = False
        self.connections = 0
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket: Any = None
        self._tunnel: Any = None
        self._reader = _watched_output()
        try:
            self._open()
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"bad endpoint {endpoint!r}: {error.strerror}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and the tunnel if there is one. May be called more than once."""
        if self._socket is not None and not self._socket.closed:
            self._socket.disable_monitor()
            self._socket.close()
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None
        if not self._context.closed:
            self._context.destroy(linger=0)

    def await_connection(self, timeout: float) -> bool:
        """Wait until there is a connection; False if there is none within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not self.up and self._monitor.poll(max(int((deadline - time.monotonic()) * 1000), 0)):
            self._observe()
        return self.up

    @property
    def waiting(self) -> bool:
        """Is there a message right now?"""
        return bool(self._socket.poll(0))

    def read(self, timeout: float) -> list[tuple[bytes, bytes]]:
        """Wait for messages, and hand out a few of those that are there: ``(topic, payload)``.

        What it says of :attr:`up` and :attr:`connections` is true before the first message is handed out, and
        messages of one connection are never handed out before it is counted.

        :param timeout: seconds to wait for the first.
        :raises BrokenPipeError: nobody reads our standard output any more.
        """
        ready = dict(self._poller.poll(max(int(timeout * 1000), 0)))
        if self._reader is not None and self._reader in ready:
            raise BrokenPipeError("the reader of standard output has gone")
        found: list[tuple[bytes, bytes]] = []
        if self._monitor in ready:
            # Those that came before the connection was lost come first.
            found += self._take(HIGH_WATER) if self.up else []
            self._observe()
        if not found and self._socket in ready:
            found += self._take(_HANDFUL)
        return found

    def _take(self, most: int) -> list[tuple[bytes, bytes]]:
        found = []
        for _ in range(most):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            if len(frames) == 2:  # what has another shape is no event
                found.append((frames[0], frames[1]))
        return found

    def _observe(self) -> None:
        """Read what the monitor saw, up to the next change: whoever waits for messages must not miss one."""
        while self._monitor.poll(0):
            seen = recv_monitor_message(self._monitor, zmq.NOBLOCK)["event"]
            if seen == zmq.EVENT_HANDSHAKE_SUCCEEDED and not self.up:
                self.up = True
                self.connections += 1
                return
            if seen == zmq.EVENT_DISCONNECTED and self.up:
                self.up = False
                return

    def _open(self) -> None:
        sock = self._socket = self._context.socket(zmq.SUB)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.RCVHWM, HIGH_WATER)
        sock.setsockopt(zmq.RECONNECT_IVL, 100)
        sock.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        # Not ZeroMQ's heartbeat: it takes a terminal that was paused for a daemon that is gone.
        sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
        sock.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
        sock.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 10)
        sock.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
        for topic in self._topics:
            sock.setsockopt(zmq.SUBSCRIBE, topic)
        self._monitor = sock.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._poller = zmq.Poller()
        self._poller.register(sock, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        if self._reader is not None:
            self._poller.register(self._reader, zmq.POLLERR)
        self._tunnel = get_connection(sock, self.endpoint, *self._ssh)


def _watched_output() -> int | None:
    """The descriptor whose reader may go away while nothing is written, such as ``head`` behind a pipe."""
    try:
        return sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # no real file: a test, or a program that replaced it
        return None
