"""The PUB socket of the stats stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import zmq

from circus.base.endpoints import DEFAULT_ENDPOINT_STATS
from circus.base.logs import logger
from circus.model.messages import encode
from circus.model.samples import encode_topic
from circus.system.transport import bind_endpoint
from circus.system.zmqcontext import plain_context

#: Messages that may wait for one reader that does not read; each period brings one for every process.
HIGH_WATER = 20000


class StatsPublisher:
    """Publishes statistics; bound when it is made.

    :param stats_endpoint: where; an ``ipc`` endpoint can be read by our own user only.
    :param context: a ZeroMQ context; without one, an own context is made, and destroyed by :meth:`stop`.
    :param tells: use an XPUB socket, which readers cannot tell from a PUB socket, but which knows what they asked
        for: :meth:`wants` answers then.
    :raises OSError: zmq.ZMQError: the endpoint cannot be bound.
    """

    def __init__(
        self, stats_endpoint: str = DEFAULT_ENDPOINT_STATS, context: Any = None, *, tells: bool = False
    ) -> None:
        self.stats_endpoint = stats_endpoint
        self.destroy_context = context is None
        self.ctx: Any = context if context is not None else zmq.Context()
        self.socket: Any = plain_context(self.ctx).socket(zmq.XPUB if tells else zmq.PUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._tells = tells
        self._more, self._nowait = int(zmq.SNDMORE | zmq.NOBLOCK), int(zmq.NOBLOCK)
        #: Prefixes that readers asked for.
        self.topics: set[bytes] = set()
        self._bound: Any = None
        try:
            self._bind()
        except BaseException:
            self.stop()
            raise

    def _bind(self) -> None:
        self._bound = bind_endpoint(self.stats_endpoint)
        if self._bound is None:
            self.socket.bind(self.stats_endpoint)
        else:
            self._bound.attach(self.socket)

    @property
    def endpoint(self) -> str:
        """Where it is bound, with the port that ``*`` has become."""
        return str(self.socket.getsockopt_string(zmq.LAST_ENDPOINT))

    def publish(self, name: str, stat: Mapping[str, Any]) -> None:
        """Publish one statistic under ``stat.<name>``, or with its ``subtopic`` under ``stat.<name>.<subtopic>``.

        :raises zmq.ZMQError: it cannot be sent and the socket is not closed.
        """
        subtopic = stat.get("subtopic")
        try:
            self.socket.send_multipart([encode_topic(name, subtopic), encode(stat)])
        except zmq.ZMQError:
            if self.socket.closed:
                logger.debug("nothing is published any more: the socket is closed")
            else:
                raise

    def send(self, topic: bytes, payload: bytes) -> None:
        """Send one message, as :meth:`publish` but without any frills."""
        self.socket.send(topic, self._more)
        self.socket.send(payload, self._nowait)

    def wants(self, prefix: bytes) -> bool:
        """Whether a reader asked for topics that begin with ``prefix``, or for more or for fewer of them.

        Always true when the socket does not tell.
        """
        return not self._tells or any(topic.startswith(prefix) or prefix.startswith(topic) for topic in self.topics)

    def take_subscriptions(self) -> None:
        """Bring :attr:`topics` up to date; to be called now and then when the socket tells."""
        while self._tells:
            try:
                message = self.socket.recv(self._nowait)
            except zmq.Again:
                return
            if message[:1] == b"\x01":
                self.topics.add(message[1:])
            elif message[:1] == b"\x00":
                self.topics.discard(message[1:])

    def stop(self) -> None:
        """Close the socket, and the context if it is our own. May be called more than once."""
        self.socket.close()
        if self._bound is not None:
            self._bound.close()
            self._bound.unlink()
            self._bound = None
        if self.destroy_context:
            self.ctx.destroy(linger=0)
