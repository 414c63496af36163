"""Listening to a PUB endpoint on the running event loop: events, output, or statistics.

Used by :mod:`circus.top.feed`, which gets what came in batches. It hands decoded messages on and does not know what
they mean.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import zmq

from circus.client import ReplyReader
from circus.system.transport import get_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Messages that may wait here: some seconds of the statistics of a thousand processes.
_WAITING = 20_000
_LOOK_AGAIN = 0.01


class Subscription:
    """A SUB socket.

    :param context: the ZeroMQ context to use.
    :param endpoint: where to.
    :param topics: prefixes wanted from the beginning.
    :param deliver: called with topic and decoded JSON of each message; what is no JSON is left out.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param awaited: :meth:`wait_connected` will be called.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        topics: Iterable[str],
        deliver: Callable[[str, Any], None],
        ssh_server: str | None = None,
        *,
        awaited: bool = False,
    ) -> None:
        self.endpoint, self._deliver, self._ssh_server = endpoint, deliver, ssh_server
        self.topics: set[str] = set()
        self._socket: zmq.Socket[bytes] = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, _WAITING)
        #: Tells that the connection is there; only until it was waited for: nobody would read what it tells later.
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) if awaited else None
        self._is_up = False
        self.subscribe(topics)
        self._reader = ReplyReader(self._socket, self._take)

    async def open(self) -> None:
        """Connect and read from now on.

        :raises TransportError: no ssh tunnel.
        :raises zmq.ZMQError: ZeroMQ refuses the endpoint.
        """
        if self._ssh_server is None:
            get_connection(self._socket, self.endpoint)
        else:
            await asyncio.to_thread(get_connection, self._socket, self.endpoint, self._ssh_server)
        self._reader.attach(asyncio.get_running_loop())

    async def wait_connected(self, patience: float) -> bool:
        """Wait until the other side is there; what is subscribed to goes out to it then, and not before.

        :param patience: seconds; the first call alone waits, later ones while it does.
        :returns: whether it came in time.
        """
        deadline = time.monotonic() + patience
        while self._monitor is not None and time.monotonic() < deadline:
            if self._monitor.poll(0):
                self._is_up = True
                break
            await asyncio.sleep(_LOOK_AGAIN)
        self._stop_monitor()
        return self._is_up

    def _stop_monitor(self) -> None:
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close()
            self._monitor = None

    def subscribe(self, topics: Iterable[str]) -> None:
        """Listen to these prefixes and no others."""
        wanted = set(topics)
        for topic in wanted - self.topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        for topic in self.topics - wanted:
            self._socket.setsockopt(zmq.UNSUBSCRIBE, topic.encode())
        self.topics = wanted

    def _take(self, frames: list[bytes]) -> None:
        if len(frames) != 2:
            return
        try:
            topic, payload = frames[0].decode(), json.loads(frames[1])
        except ValueError:
            return  # no message of Circus
        if isinstance(payload, dict):
            self._deliver(topic, payload)

    def close(self) -> None:
        """Stop listening. May be called more than once."""
        self._reader.close()
        self._stop_monitor()
        self._socket.close()
