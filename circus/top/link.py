"""Calls to one daemon (or to its circusd-stats): ask, and get the reply or a clear reason why not.

Used by :mod:`circus.top.feed`. What was asked while nobody was there is never delivered later: an operator who was
told that ``stop`` failed must not see it happen when the daemon is back.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any

import zmq

from circus.client import AsyncCircusClient
from circus.exc import CallError

_LOOK_AGAIN = 0.02
#: Seconds after which a place that takes no connection is said to be empty.
_CONNECTING = 1.5


def caller_name() -> str:
    """What this program says of itself in each request; it becomes part of causes."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return f"circus-top {user}@{socket.gethostname()} pid {os.getpid()}"[:200]


def make_context() -> zmq.Context[Any]:
    """The ZeroMQ context of the program; what it says of sockets holds for all connections made here."""
    context: zmq.Context[Any] = zmq.Context()
    context.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a daemon that is not there
    context.setsockopt(zmq.LINGER, 0)
    context.setsockopt(zmq.RECONNECT_IVL, 100)
    return context


class Link:
    """A connection for requests.

    :param context: of :func:`make_context`.
    :param endpoint: where to.
    :param ssh_server: ``user@host[:port]`` to go through.
    """

    def __init__(self, context: zmq.Context[Any], endpoint: str, ssh_server: str | None = None) -> None:
        self.endpoint, self.ssh_server = endpoint, ssh_server
        self._context = context
        self._client: AsyncCircusClient | None = None
        self._opening = asyncio.Lock()
        self._caller = caller_name()

    async def call(
        self, command: str, properties: dict[str, Any] | None = None, patience: float = 5.0
    ) -> dict[str, Any]:
        """Ask for something.

        :param patience: seconds for the whole call.
        :returns: the reply, whatever its status is.
        :raises CallError: nobody is there, or no reply in time; or no ssh tunnel (TransportError).
        """
        return await self.send({"command": command, "properties": properties or {}}, patience)

    async def send(self, message: dict[str, Any], patience: float = 5.0) -> dict[str, Any]:
        """:meth:`call` with a message that is complete already."""
        deadline = time.monotonic() + patience
        client = await self._open()
        while not client.socket.get(zmq.EVENTS) & zmq.POLLOUT:
            empty = self.ssh_server is None and time.monotonic() > deadline - patience + _CONNECTING
            if empty or time.monotonic() > deadline or self._client is not client:
                raise CallError(f"nobody answers at {self.endpoint}")
            await asyncio.sleep(_LOOK_AGAIN)
        client.timeout = max(1.0, (deadline - time.monotonic()) * 1000)
        reply = await client.call({**message, "caller": self._caller})
        if not isinstance(reply, dict):
            raise CallError(f"{self.endpoint} sent no reply that can be read")
        return reply

    @property
    def is_up(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._client is not None and bool(self._client.socket.get(zmq.EVENTS) & zmq.POLLOUT)

    async def _open(self) -> AsyncCircusClient:
        async with self._opening:
            if self._client is None:
                if self.ssh_server is None:
                    self._client = self._connect()
                else:
                    self._client = await asyncio.to_thread(self._connect)  # ssh takes its time
            return self._client

    def _connect(self) -> AsyncCircusClient:
        try:
            return AsyncCircusClient(self._context, self.endpoint, ssh_server=self.ssh_server)
        except (zmq.ZMQError, ImportError) as error:
            raise CallError(f"cannot connect to {self.endpoint}: {error}") from error

    def close(self) -> None:
        """Close the connection; calls under way fail. May be called more than once."""
        if self._client is not None:
            self._client.stop()
            self._client = None
