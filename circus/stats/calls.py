"""Calls to the daemon whose replies are handed to callbacks: what :mod:`circus.stats.service` asks with.

The client library of asyncio gives futures; this one needs no more than a loop with asyncio's method names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import zmq

from circus.client import ReplyReader, decode_reply, encode_request
from circus.exc import CallError
from circus.system.transport import get_connection
from circus.system.zmqcontext import plain_context

#: Called with the reply; it is empty when there is none, and the second argument says why.
Answered = Callable[[Mapping[str, Any], CallError | None], object]


class DaemonCalls:
    """Asks one daemon; any number of calls may be under way.

    :param loop: an object with asyncio's ``add_reader``, ``call_soon`` and ``call_later``.
    :param context: a ZeroMQ context.
    :param endpoint: the control endpoint of the daemon.
    :param ssh_server: ``[user@]host[:port]`` to go through.
    :param timeout: seconds for a call.
    :raises TransportError: no ssh tunnel. (A daemon that does not answer shows only in a call.)
    """

    def __init__(
        self, loop: Any, context: Any, endpoint: str, ssh_server: str | None = None, timeout: float = 5.0
    ) -> None:
        self._loop, self._timeout = loop, timeout
        self._socket = plain_context(context).socket(zmq.DEALER)
        self._socket.linger = 0
        try:
            self._tunnel = get_connection(self._socket, endpoint, ssh_server)
        except BaseException:
            self._socket.close()
            raise
        self._reader = ReplyReader(self._socket, self._deliver)
        #: By id: who waits for the reply, and the timer that ends the wait.
        self._waiting: dict[str, tuple[Answered, Any]] = {}

    def ask(self, request: dict[str, Any], answered: Answered) -> None:
        """Send a request; ``answered`` is called with its reply, later, and never after :meth:`close`."""
        mid, payload = encode_request(request)
        self._waiting[mid] = answered, self._loop.call_later(self._timeout, self._fail, mid, "Timed out.")
        try:
            self._socket.send(payload, zmq.NOBLOCK)
        except zmq.ZMQError as error:  # very many wait to be sent already
            self._loop.call_soon(self._fail, mid, str(error))
            return
        self._reader.attach(self._loop)

    def _deliver(self, frames: list[bytes]) -> None:
        try:
            reply = decode_reply(frames)
        except CallError:
            return  # it belongs to no call in particular; the one concerned will time out
        if isinstance(reply, dict) and isinstance(reply.get("id"), str):
            # What goes wrong there is no reason to read no further here.
            self._loop.call_soon(self._answer, reply["id"], reply, None)

    def _fail(self, mid: str, why: str) -> None:
        self._answer(mid, {}, CallError(why))

    def _answer(self, mid: str, reply: Mapping[str, Any], failure: CallError | None) -> None:
        call = self._waiting.pop(mid, None)
        if call is not None:
            answered, limit = call
            limit.cancel()
            answered(reply, failure)

    def close(self) -> None:
        """Ask no more; whoever waits is not told. May be called more than once."""
        for _, limit in self._waiting.values():
            limit.cancel()
        self._waiting.clear()
        self._reader.close()
        self._socket.close()
        if self._tunnel is not None:
            self._tunnel.close()
