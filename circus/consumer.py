"""Listening to a daemon's events: an iterator over a SUB socket.

Used by the user's own programs and ``circusctl listen``. It hands bytes on and does not know what they mean
(events:
:mod:`circus.model.events`). Spec library.md 7.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import zmq

from circus.base.endpoints import DEFAULT_ENDPOINT_SUB
from circus.system.transport import get_connection
from circus.system.zmqcontext import plain_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class CircusConsumer:
    """Messages of the event channel, or of the stats channel.

    :param topics: prefixes of topics, as text or bytes; ``""`` is a prefix of all. A single text is one
        topic.
    :param context: a ZeroMQ context to use; without one, an own context is made, and destroyed at the end.
    :param endpoint: the pubsub (or stats) endpoint.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param timeout: seconds of one wait; it bounds how late a signal handler written in Python runs, nothing
        else.
    :param ssh_keyfile: private key for ssh.
    :raises TransportError: no ssh tunnel.
    """

    def __init__(
        self,
        topics: Iterable[str | bytes] | str | bytes,
        context: zmq.Context[Any] | None = None,
        endpoint: str = DEFAULT_ENDPOINT_SUB,
        ssh_server: str | None = None,
        timeout: float = 1.0,
        ssh_keyfile: str | None = None,
    ) -> None:
        self.topics = [topics] if isinstance(topics, str | bytes) else list(topics)
        self.endpoint = endpoint
        self.timeout = timeout
        self.keep_context = context is not None
        self._init_context(context)
        self.pubsub_socket = plain_context(self.context).socket(zmq.SUB)
        self.pubsub_socket.setsockopt(zmq.LINGER, 0)
        try:
            for topic in self.topics:
                prefix = topic.encode("utf-8") if isinstance(topic, str) else topic
                self.pubsub_socket.setsockopt(zmq.SUBSCRIBE, prefix)
            self._tunnel = get_connection(self.pubsub_socket, endpoint, ssh_server, ssh_keyfile)
        except BaseException:
            self._tunnel = None
            self.stop()
            raise
        self._init_poller()

    def _init_context(self, context: zmq.Context[Any] | None) -> None:
        self.context: zmq.Context[Any] = context or zmq.Context()

    def _init_poller(self) -> None:
        self.poller = zmq.Poller()
        self.poller.register(self.pubsub_socket, zmq.POLLIN)

    def __enter__(self) -> CircusConsumer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self.iter_messages()

    def iter_messages(self) -> Iterator[tuple[bytes, bytes]]:
        """``(topic, message)`` of each message, for ever; when the iterator is closed the consumer is
        stopped.
        """
        with self:
            while not self.pubsub_socket.closed:
                try:
                    if not self.poller.poll(ceil(self.timeout * 1000)):
                        continue
                    frames = self.pubsub_socket.recv_multipart()
                except zmq.ZMQError as error:
                    if error.errno == zmq.ETERM or self.pubsub_socket.closed:
                        return  # stopped by another thread
                    raise
                if len(frames) == 2:  # what has another shape is no event
                    yield frames[0], frames[1]

    def stop(self) -> None:
        """Close the socket, and the context if it is our own. May be called more than once."""
        self.pubsub_socket.close()
        if not self.keep_context and not self.context.closed:
            self.context.destroy(linger=0)
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None
