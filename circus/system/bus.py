"""The one place that publishes events.

Watchers hand their events to the bus as the two frames of the wire (spec wire.md 7); it gives them to subscribers in
this process and to the PUB socket once there is one. It looks like a zmq socket (``closed``, ``send_multipart``) to
:class:`circus.watcher.Watcher`, because programs that embed watchers pass their own PUB socket there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from circus.base.logs import logger

#: Topics of live output; who listens to nothing else is not told of events.
OUTPUT = b"output."
#: Seconds for which "nobody listens" is believed without asking the socket again.
ASK_EVERY = 0.001
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
        self.socket: Any = None
        #: Prefixes that remote subscribers asked for (XPUB only; the socket drops duplicates).
        self._topics: set[bytes] = set()
        #: Whether one of them is for events.
        self._wanted = False
        #: Called when they change.
        self._topic_watchers: list[Callable[[], None]] = []
        self._fd: int | None = None
        self._asked_at = 0.0
        self.closed = False
        #: Events no subscriber could be given because the socket refused them.
        self.lost = 0

    def attach(self, socket: Any, topics: Iterable[bytes] = ()) -> None:
        """Publish on the zmq PUB or XPUB ``socket`` from now on.

        An XPUB tells who listens; while nobody does, events are not even put into words.

        :param topics: what subscribers of a socket that was in use before have asked for.
        """
        self._topics.update(topics)
        self._note_topics()
        self.socket, self._thread = socket, threading.get_ident()
        if getattr(socket, "type", None) is not None and _is_xpub(socket):
            import zmq  # kept off the start path

            # Plain numbers: the operators of enumerations are Python code.
            self._events, self._pollin, self._noblock = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.NOBLOCK)
            self._fd = socket.getsockopt(zmq.FD)
            self._loop.add_reader(self._fd, self._take_subscriptions)
            self._take_subscriptions()
        self._tell_topics()

    @property
    def heard(self) -> bool:
        """Whether anybody would get an event of a watcher published now."""
        if self._subscribers or self._fd is None:
            return bool(self._subscribers) or self.socket is not None
        if not self._wanted:
            now = time.monotonic()
            if now - self._asked_at > ASK_EVERY and threading.get_ident() == self._thread:
                self._asked_at = now
                self._take_subscriptions()  # one may have arrived that the loop has not come to
        return self._wanted

    def heard_under(self, prefix: bytes) -> bool:
        """Whether a remote subscriber asked for topics that begin with ``prefix``, or with more than that.

        One who asked for everything does not count: what has a prefix of its own is for those who know it. Always
        False on a plain PUB socket, which does not tell.
        """
        if self._fd is not None and not self._topics and threading.get_ident() == self._thread:
            self._take_subscriptions()
        return any(topic.startswith(prefix) for topic in self._topics)

    def asked_for(self, topic: bytes, least: bytes) -> bool:
        """Whether a remote subscriber hears topics that begin with ``topic``, or some of them.

        :param least: what the prefix it asked for must begin with; one who asked for less does not count.
        """
        return any(
            asked.startswith(least) and (asked.startswith(topic) or topic.startswith(asked)) for asked in self._topics
        )

    def hear(self) -> None:
        """Take note of subscribers that have come or gone, now; on the loop's thread."""
        if self._fd is not None and threading.get_ident() == self._thread:
            self._take_subscriptions()

    def watch_topics(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback()`` called on the loop's thread whenever what is asked for may have changed.

        It may be called from within :meth:`send_multipart`. Returns the function that ends it.
        """
        self._topic_watchers.append(callback)
        return lambda: self._topic_watchers.remove(callback)

    def _tell_topics(self) -> None:
        for callback in list(self._topic_watchers):
            callback()

    def _take_subscriptions(self) -> None:
        """Read who began or ceased to listen. The descriptor tells of changes only, so all is read each time."""
        socket, changed = self.socket, False
        while socket is not None and socket.getsockopt(self._events) & self._pollin:
            message = socket.recv(self._noblock)
            if message[:1] == b"\x01":
                self._topics.add(message[1:])
            elif message[:1] == b"\x00":
                self._topics.discard(message[1:])
            changed = True
        if changed:
            self._note_topics()
            self._tell_topics()

    def _note_topics(self) -> None:
        self._wanted = any(not topic.startswith(OUTPUT) for topic in self._topics)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Give every event's frames to ``subscriber``; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def send_multipart(self, frames: Sequence[bytes]) -> None:
        """Publish one event. Never blocks and never raises: a PUB socket drops for readers that are too slow."""
        if self.closed:
            return
        if threading.get_ident() != self._thread:  # a hook's thread
            self._loop.call_soon_threadsafe(self.send_multipart, frames)
            return
        if self.socket is not None:
            try:
                self.socket.send_multipart(frames)
                if self._fd is not None:
                    self._take_subscriptions()  # sending may have swallowed the descriptor's notice
            except Exception as error:  # any zmq error: an event must never harm the watcher it tells about
                self.lost += 1
                logger.error("event %s could not be published: %s", frames[0], error)
        for subscriber in list(self._subscribers):
            try:
                subscriber(frames)
            except Exception:
                logger.exception("a subscriber failed on event %s", frames[0])

    def surrender(self) -> tuple[Any, frozenset[bytes]]:
        """Publish nothing more, and give away the socket with what its subscribers asked for."""
        self.closed = True
        if self._fd is not None:
            self._take_subscriptions()
            self._loop.remove_reader(self._fd)
            self._fd = None
        socket, self.socket = self.socket, None
        return socket, frozenset(self._topics)

    def close(self) -> None:
        """Publish nothing more and close the socket (pending events are dropped, spec wire.md 1: linger 0)."""
        socket, _ = self.surrender()
        if socket is not None:
            socket.close()  # without arguments: programs give sockets of their own making, fakes too


def _is_xpub(socket: Any) -> bool:
    import zmq  # kept off the start path

    return bool(socket.type == zmq.XPUB)
