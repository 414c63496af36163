"""The one place that publishes events.

Watchers hand their events to the bus as the two frames of the wire (spec wire.md 7); it gives them to subscribers in
this process and to the PUB socket once there is one. It looks like a zmq socket (``closed``, ``send_multipart``) to
:class:`circus.watcher.Watcher`, because programs that embed watchers pass their own PUB socket there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from circus.base.logs import logger

Subscriber = Callable[[Sequence[bytes]], None]


class Bus:
    """Events of all watchers, in the order in which they happened.

    Before :meth:`attach` events go to local subscribers only: a remote one cannot have subscribed yet, and zmq has
    no replay (spec wire.md 7: slow joiners miss events).

    :param loop: where events published by other threads (hooks) are brought to.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._subscribers: list[Subscriber] = []
        self._again: int = 0
        self.socket: Any = None
        self.closed = False
        #: Events no subscriber could be given because the socket refused them.
        self.lost = 0

    def attach(self, socket: Any) -> None:
        """Publish on the zmq PUB ``socket`` from now on."""
        import zmq  # kept off the start path

        self.socket, self._again, self._thread = socket, zmq.NOBLOCK, threading.get_ident()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Give every event's frames to ``subscriber``; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def send_multipart(self, frames: Sequence[bytes]) -> None:
        """Publish one event. Never blocks and never raises: a PUB socket drops for readers that are too slow."""
        if self.closed:
            return
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self.send_multipart, frames)
            return
        if self.socket is not None:
            try:
                self.socket.send_multipart(frames, self._again)
            except Exception as error:  # any zmq error: an event must never harm the watcher it tells about
                self.lost += 1
                logger.error("event %s could not be published: %s", frames[0], error)
        for subscriber in list(self._subscribers):
            try:
                subscriber(frames)
            except Exception:
                logger.exception("a subscriber failed on event %s", frames[0])

    def close(self) -> None:
        """Publish nothing more and close the socket (pending events are dropped, spec wire.md 1: linger 0)."""
        self.closed = True
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.close(0)
