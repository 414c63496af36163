"""The client library: calls to a daemon over ZeroMQ, blocking or with asyncio.

Used by the user's own programs, plugins, the stats streamer and the web console; circusctl has a lighter one
(:mod:`circus.client_light`). It knows requests, replies and deadlines, and no command by name. Spec
library.md 7, wire.md 10.
"""

from __future__ import annotations

import json
import os
import time
from math import ceil
from typing import TYPE_CHECKING, Any

import zmq

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER
from circus.exc import CallError
from circus.system.transport import get_connection
from circus.system.zmqcontext import plain_context

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["AsyncCircusClient", "CallError", "CircusClient", "cast_message", "make_json", "make_message"]

#: How long a closed client lets a cast reach the daemon, in milliseconds; calls are never waited for.
_CAST_LINGER = 1000


def make_message(command: str, **props: Any) -> dict[str, Any]:
    """The request ``command`` with its properties, as a dictionary."""
    return {"command": command, "properties": props}


def cast_message(command: str, **props: Any) -> dict[str, Any]:
    """The request ``command`` that the daemon shall carry out without any answer."""
    return {"command": command, "msg_type": "cast", "properties": props}


def make_json(command: str, **props: Any) -> bytes:
    """:func:`make_message` as JSON bytes."""
    return json.dumps(make_message(command, **props)).encode("utf-8")


def _unique() -> str:
    """What no other client says, without the weight of the module ``uuid``."""
    return os.urandom(16).hex()


def encode_request(cmd: Any) -> tuple[str, bytes]:
    """Give a request a fresh id, in place, and encode it.

    :returns: the id and the JSON.
    :raises DeprecationWarning: ``cmd`` is text (the way of very old clients).
    :raises CallError: it cannot be expressed as JSON.
    """
    if isinstance(cmd, str):
        raise DeprecationWarning("call() takes a mapping")
    mid = _unique()
    cmd["id"] = mid
    try:
        return mid, json.dumps(cmd).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise CallError(f"cannot send {cmd.get('command')!r}: {error}") from error


def decode_reply(frames: list[bytes]) -> Any:
    """The reply held by the last frame of a message.

    :raises CallError: it is no JSON.
    """
    try:
        return json.loads(frames[-1])
    except ValueError as error:
        raise CallError(f"the daemon sent no JSON: {error}") from error


class _Dealer:
    """What both clients share: the context, the DEALER socket, its connection.

    :param context: a ZeroMQ context; the process-wide one by default.
    :param endpoint: the control endpoint of the daemon.
    :param timeout: seconds for a whole call; negative waits for ever.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param ssh_keyfile: private key for ssh.
    :param caller: what the program says of itself, such as ``deploy.py alice@build3``: the daemon puts it into the
        cause of what follows from its requests. By default it says nothing.
    :raises TransportError: no ssh tunnel. (A daemon that does not answer shows only in a call.)
    """

    def __init__(
        self,
        context: zmq.Context[Any] | None = None,
        endpoint: str = DEFAULT_ENDPOINT_DEALER,
        timeout: float = 5.0,
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
        caller: str | None = None,
    ) -> None:
        #: What goes with each request as its ``caller``; None for nothing.
        self.caller = caller
        self._init_context(context)
        self.endpoint = endpoint
        self._timeout = timeout
        #: The time limit of a call in milliseconds; may be changed between calls.
        self.timeout = timeout * 1000
        self._id = _unique().encode("ascii")
        self.socket = plain_context(self.context).socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, self._id)
        self.socket.setsockopt(zmq.LINGER, 0)
        try:
            self._tunnel = get_connection(self.socket, endpoint, ssh_server, ssh_keyfile)
        except BaseException:
            self.socket.close()
            raise

    def _init_context(self, context: zmq.Context[Any] | None) -> None:
        self.context: zmq.Context[Any] = context or zmq.Context.instance()

    def send_message(self, command: str, **props: Any) -> Any:
        """:meth:`call` with :func:`make_message`."""
        return self.call(make_message(command, **props))

    def _encode(self, cmd: Any) -> tuple[str, bytes]:
        """:func:`encode_request`, signed."""
        if self.caller is not None and isinstance(cmd, dict):
            cmd.setdefault("caller", self.caller)
        return encode_request(cmd)

    def call(self, cmd: dict[str, Any]) -> Any:
        raise NotImplementedError

    def stop(self) -> None:
        """Close the connection. May be called more than once."""
        if self._tunnel is not None and not self.socket.closed and self.socket.getsockopt(zmq.LINGER):
            self._await_casts()
        self.socket.close()
        if self._tunnel is not None:
            self._tunnel.close()

    def _await_casts(self) -> None:
        """Let casts get through the tunnel, which takes along what it still carries when it closes.

        The daemon reads in order: a reply to something sent last tells that all the rest has arrived.
        """
        mid, request = encode_request(make_message("numwatchers"))
        deadline = time.monotonic() + _CAST_LINGER / 1000
        try:
            self.socket.send(request, zmq.NOBLOCK)
            while self.socket.poll(self._time_left(deadline)):
                reply = decode_reply(self.socket.recv_multipart(zmq.NOBLOCK))
                if isinstance(reply, dict) and reply.get("id") == mid:
                    return
        except (zmq.ZMQError, CallError):
            return  # nobody is there to get them

    def _keep_casts(self, is_cast: bool) -> None:
        """A cast has no reply to wait for, so closing right after it must not throw it away."""
        self.socket.setsockopt(zmq.LINGER, _CAST_LINGER if is_cast else 0)

    def _time_left(self, deadline: float | None) -> int | None:
        """Milliseconds until the deadline, rounded up (0 when it has passed); None for ever."""
        return None if deadline is None else max(ceil((deadline - time.monotonic()) * 1000), 0)


class CircusClient(_Dealer):
    """A blocking client. Parameters: see :class:`AsyncCircusClient`, which has the same.

    One call at a time; an instance is not to be shared by threads.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._init_poller()

    def _init_poller(self) -> None:
        self.poller = zmq.Poller()
        self.poller.register(self.socket, zmq.POLLIN)

    def call(self, cmd: dict[str, Any]) -> Any:
        """Send a request and wait for its reply.

        :param cmd: as :func:`make_message` makes it. It gets a fresh ``id``; other replies are skipped
            meanwhile.
        :returns: the reply (a dictionary), or None at once for a cast.
        :raises CallError: ``Timed out.`` when the time limit for the whole call is over; or the request
            cannot be sent.
        """
        mid, request = self._encode(cmd)
        deadline = None if self.timeout < 0 else time.monotonic() + self.timeout / 1000
        is_cast = cmd.get("msg_type") == "cast"
        self._send(request, deadline)
        if is_cast:
            self._keep_casts(True)
            return None
        while True:
            reply = self._receive(deadline)
            if isinstance(reply, dict) and reply.get("id") == mid:
                self._keep_casts(False)
                return reply

    def _send(self, request: bytes, deadline: float | None) -> None:
        while True:
            try:
                self.socket.send(request, zmq.NOBLOCK)
                return
            except zmq.Again:
                if not self.socket.poll(self._time_left(deadline), zmq.POLLOUT):
                    raise CallError("Timed out.") from None
            except zmq.ZMQError as error:
                raise CallError(str(error)) from error

    def _receive(self, deadline: float | None) -> Any:
        try:
            if not self.poller.poll(self._time_left(deadline)):
                raise CallError("Timed out.")
            return decode_reply(self.socket.recv_multipart())
        except zmq.ZMQError as error:
            raise CallError(str(error)) from error


class ReplyReader:
    """Reads a socket whenever the running event loop sees it readable.

    :param sock: the ZeroMQ socket.
    :param deliver: called with the frames of each message.
    """

    _BLIND_INTERVAL = 0.02  # seconds, for loops that cannot watch descriptors (Windows' default one)

    def __init__(self, sock: zmq.Socket[bytes], deliver: Callable[[list[bytes]], None]) -> None:
        self._socket, self._deliver = sock, deliver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._blind: asyncio.TimerHandle | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read on this loop from now on; a client may outlive a loop."""
        if loop is not self._loop:
            self.close()
            self._loop = loop
            try:
                loop.add_reader(self._socket.fileno(), self._drain)
            except NotImplementedError:
                self._look_blindly()
        # ZeroMQ's descriptor tells of changes only: what came before add_reader must be looked for.
        loop.call_soon(self._drain)

    def _look_blindly(self) -> None:
        if self._loop is not None:
            self._drain()
            self._blind = self._loop.call_later(self._BLIND_INTERVAL, self._look_blindly)

    def _drain(self) -> None:
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._deliver(frames)

    def closed(self) -> bool:
        """Is the socket closed?"""
        return self._socket.closed

    def close(self) -> None:
        """Stop reading; the socket stays open."""
        if self._blind is not None:
            self._blind.cancel()
            self._blind = None
        if self._loop is not None and not self._loop.is_closed() and not self._socket.closed:
            try:
                self._loop.remove_reader(self._socket.fileno())
            except NotImplementedError:
                pass  # it was read blindly
        self._loop = None


class AsyncCircusClient(_Dealer):
    """A client for asyncio (and Tornado, which runs on it). Any number of calls may be under way at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        #: What reads the replies; created idle, it wakes with the first call.
        self.stream = ReplyReader(self.socket, self._deliver)

    def call(self, cmd: dict[str, Any]) -> asyncio.Future[Any]:
        """Send a request now; the future settles with its reply.

        :param cmd: as :func:`make_message` makes it. It gets a fresh ``id``.
        :returns: a future: the reply (a dictionary), None for a cast; or CallError: ``Timed out.`` after the
            client's time limit, or it cannot be sent, or the client was stopped.
        """
        import asyncio  # the blocking client does not need it

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = asyncio.get_event_loop()  # prepared for run_until_complete, the way of older programs
        future: asyncio.Future[Any] = loop.create_future()
        try:
            mid, request = self._encode(cmd)
            self.socket.send(request, zmq.NOBLOCK)
        except (CallError, zmq.ZMQError) as error:
            future.set_exception(error if isinstance(error, CallError) else CallError(str(error)))
            return future
        is_cast = cmd.get("msg_type") == "cast"
        self._keep_casts(is_cast)
        if is_cast:
            future.set_result(None)
            return future
        self._await_reply(loop, mid, future)
        self.stream.attach(loop)
        return future

    def _await_reply(self, loop: asyncio.AbstractEventLoop, mid: str, future: asyncio.Future[Any]) -> None:
        self._waiting[mid] = future
        limit = None
        if self.timeout >= 0:
            limit = loop.call_later(self.timeout / 1000, self._fail, future, "Timed out.")

        def forget(_: asyncio.Future[Any]) -> None:
            self._waiting.pop(mid, None)
            if limit is not None:
                limit.cancel()

        future.add_done_callback(forget)

    def _deliver(self, frames: list[bytes]) -> None:
        try:
            reply = decode_reply(frames)
        except CallError:
            return  # it belongs to no call in particular; the one concerned will time out
        mid = reply.get("id") if isinstance(reply, dict) else None
        future = self._waiting.get(mid) if isinstance(mid, str) else None
        if future is not None and not future.done():
            future.set_result(reply)

    @staticmethod
    def _fail(future: asyncio.Future[Any], why: str) -> None:
        if not future.done():
            future.set_exception(CallError(why))

    def stop(self) -> None:
        """Close the connection; calls under way fail with CallError. May be called more than once."""
        self.stream.close()
        for future in list(self._waiting.values()):
            if not future.done():
                self._fail(future, "the client was stopped")
                future.exception()  # nobody may be waiting any more; no warning about that
        self._waiting.clear()
        super().stop()
