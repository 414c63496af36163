"""The ROUTER socket of the control endpoint, driven raw by a reader on its descriptor.

Used by :mod:`circus.controller`; it does not know what the messages mean. ZMQStream would cost six times the
CPU per message. What it takes care of instead: the descriptor of a ZeroMQ socket tells about *changes* only,
so the socket is asked again after everything that was received or sent; and one turn of the loop takes a
bounded share.
"""

from __future__ import annotations

import time

from circus.base.logs import logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: One turn of the loop handles so many messages, or works for so many seconds.
BATCH = 64
TURN = 0.005
#: Messages that may wait for one client that does not read, and from one that writes faster than we read.
HIGH_WATER = 1000
#: Bytes of the longest message; a longer one ends the connection.
LONGEST = 16 << 20
#: Milliseconds that the last messages have to leave when the socket is closed.
LINGER = 200


class RouterSocket:
    """A bound ROUTER socket whose messages are handed over frame list by frame list.

    :param loop: an object with asyncio's method names.
    :param on_message: called with the frames of each message, identity first. What it raises is logged.
    """

    def __init__(self, loop: Any, on_message: Callable[[list[bytes]], None]) -> None:
        self._loop, self._on_message = loop, on_message
        #: The ZeroMQ socket; None before :meth:`bind` and after :meth:`close`.
        self.socket: Any = None
        self._fd: int | None = None
        self._draining = self._scheduled = False

    def bind(self, context: Any, endpoint: str, bound: Any = None) -> None:
        """Make the socket and bind it; ``bound`` is a ``BoundEndpoint`` to take over instead.

        :raises zmq.ZMQError: ZeroMQ refuses.
        """
        import zmq  # kept off the start path

        sock = context.socket(zmq.ROUTER)
        try:
            sock.linger = 0
            sock.setsockopt(zmq.SNDHWM, HIGH_WATER)
            sock.setsockopt(zmq.RCVHWM, HIGH_WATER)
            sock.setsockopt(zmq.MAXMSGSIZE, LONGEST)
            if "[" in endpoint:  # an IPv6 address
                sock.setsockopt(zmq.IPV6, 1)
            if bound is not None:
                bound.attach(sock)
            else:
                sock.bind(endpoint)
        except BaseException:
            sock.close(linger=0)
            raise
        self._use(sock, zmq)

    def _use(self, sock: Any, zmq: Any) -> None:
        self.socket, self._zmq = sock, zmq
        # Enumerations of zmq cost more than the calls they are passed to.
        self._nowait, self._more = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
        self._events, self._rcvmore, self._readable = int(zmq.EVENTS), int(zmq.RCVMORE), int(zmq.POLLIN)

    def take_over(self, sock: Any) -> None:
        """Go on with a socket that another one of our kind has surrendered."""
        import zmq  # kept off the start path

        self._use(sock, zmq)

    def surrender(self) -> Any:
        """Stop reading, and give away the socket with all that waits in it; None when there is none."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._fd = None
        sock, self.socket = self.socket, None
        return sock

    def start(self) -> None:
        """Have the loop tell when something may have arrived."""
        fd: int = self.socket.getsockopt(self._zmq.FD)
        self._fd = fd
        self._loop.add_reader(fd, self._on_readable)
        self._drain_soon()  # a change before the registration is not told again

    def close(self) -> None:
        """Stop reading and close; what was sent last still has a moment to leave. May be called again."""
        sock = self.surrender()
        if sock is not None:
            sock.close(linger=LINGER)

    def send(self, route: bytes | tuple[bytes, ...], payload: bytes) -> None:
        """Send one message, never waiting.

        It is lost, as ROUTER sockets do it, when the peer has gone, or when its queue is full because it does
        not read.

        :param route: the identity of the peer, or that and more frames to put before the payload.
        """
        sock = self.socket
        if sock is None:
            return
        try:
            if type(route) is bytes:
                sock.send(route, self._more)
            else:
                for frame in route:
                    sock.send(frame, self._more)
            sock.send(payload, self._nowait)
            if not self._draining and sock.getsockopt(self._events) & self._readable:
                self._drain_soon()
        except self._zmq.ZMQError as failure:
            logger.debug("a reply could not be sent: %s", failure)

    def _on_readable(self) -> None:
        if not self._scheduled:  # else it has had its share of this turn, or will have
            self._drain()

    def _drain(self) -> None:
        """Hand over the messages that have arrived, for one turn of the loop at most."""
        sock = self.socket
        if sock is None or self._draining:
            return
        self._scheduled, self._draining = False, True
        recv, getsockopt, clock = sock.recv, sock.getsockopt, time.monotonic
        end = clock() + TURN
        try:
            for number in range(BATCH):
                try:
                    frames = [recv(self._nowait)]
                except self._zmq.Again:
                    return
                while getsockopt(self._rcvmore):
                    frames.append(recv())
                self._hand_over(frames)
                if self.socket is None or clock() > end:
                    break
                # Mostly there is one message at a time, and asking is cheaper than the exception above.
                if number == 0 and not getsockopt(self._events) & self._readable:
                    return
            self._drain_soon()
        except self._zmq.ZMQError as failure:  # the context was terminated while we use it
            logger.error("the control endpoint is gone: %s", failure)
            self.close()
        finally:
            self._draining = False

    def _hand_over(self, frames: list[bytes]) -> None:
        try:
            self._on_message(frames)
        except Exception:  # the last border: one message must never harm the others
            logger.exception("error while a message was handled")

    def _drain_soon(self) -> None:
        if not self._scheduled and self.socket is not None:
            self._scheduled = True
            self._loop.call_soon(self._drain)
