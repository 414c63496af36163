"""The client of circusctl: a call in a few milliseconds, and several calls at once over one connection.

ZMTP is spoken by hand over a plain socket (:mod:`circus.system.zmtp`), because loading libzmq takes longer
than all the rest of a one-shot command. Endpoints that only ZeroMQ can reach go through it. It knows requests
and replies, no command by name.
"""

from __future__ import annotations

import os
import time

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER
from circus.ctl import quickjson
from circus.exc import CallError, TransportError
from circus.system.endpoint import parse_endpoint
from circus.system.zmtp import DealerConnection, HandshakeError, NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from circus.system.tunnel import Tunnel

    class Connection(Protocol):
        """What a call travels over."""

        def send(self, message: bytes, deadline: float | None = None) -> None: ...
        def recv(self, deadline: float | None = None) -> bytes: ...
        def is_stale(self) -> bool: ...
        def close(self) -> None: ...


class LightClient:
    """A client of one daemon.

    The connection is made by the first call, and made anew when the daemon closed it between two calls. A
    request is never sent twice.

    :param endpoint: the control endpoint.
    :param timeout: seconds for a whole call, the connection included; negative waits for ever.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param ssh_keyfile: private key for ssh.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT_DEALER,
        timeout: float = 5.0,
        ssh_server: str | None = None,
        ssh_keyfile: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self.ssh_server, self.ssh_keyfile = ssh_server, ssh_keyfile
        self._connection: Connection | None = None
        self._tunnel: Tunnel | None = None
        self._awaited: set[str] = set()
        self._arrived: dict[str, Any] = {}

    def send_message(self, command: str, **props: Any) -> Any:
        """:meth:`call` of a command with its properties."""
        return self.call({"command": command, "properties": props})

    def call(self, cmd: dict[str, Any]) -> Any:
        """Send a request and wait for its reply.

        :param cmd: ``{"command": ..., "properties": {...}}``; it gets a fresh ``id``.
        :returns: the reply (a dictionary), or None at once for a cast.
        :raises TransportError: the daemon cannot be reached (at once), or the connection was lost.
        :raises CallError: ``Timed out.``, or the request has no JSON form.
        """
        deadline = self.deadline()
        mid = self.submit(cmd, deadline)
        if mid is None:
            return None
        try:
            return self.collect(mid, deadline)
        finally:
            self.forget(mid)

    def deadline(self) -> float | None:
        """The end of the time limit of a call that begins now, as an instant of ``time.monotonic``."""
        return None if self.timeout < 0 else time.monotonic() + self.timeout

    def submit(self, cmd: dict[str, Any], deadline: float | None) -> str | None:
        """Send a request without waiting.

        :returns: its id, for :meth:`collect`; None for a cast.
        :raises CallError: as :meth:`call`.
        """
        mid = os.urandom(16).hex()
        cmd["id"] = mid
        try:
            request = quickjson.dumps(cmd).encode("ascii")
        except (TypeError, ValueError) as error:
            raise CallError(f"cannot send {cmd.get('command')!r}: {error}") from error
        self._connected(deadline).send(request, deadline)
        if cmd.get("msg_type") == "cast":
            return None
        self._awaited.add(mid)
        return mid

    def collect(self, mid: str, deadline: float | None) -> Any:
        """The reply to a request that was submitted. Replies to others are put aside for their own collect.

        :raises NoAnswer: not until the deadline; it may be collected later.
        :raises TransportError: the connection was lost.
        """
        while mid not in self._arrived:
            if self._connection is None:
                raise TransportError(f"the connection to {self.endpoint} was lost")
            try:
                reply = quickjson.loads(self._connection.recv(deadline))
            except TransportError:
                self._disconnect()
                raise
            except ValueError as error:
                raise CallError(f"the daemon sent no JSON: {error}") from error
            who = reply.get("id") if isinstance(reply, dict) else None
            if isinstance(who, str) and who in self._awaited:
                self._arrived[who] = reply
        reply = self._arrived[mid]
        self.forget(mid)
        return reply

    def forget(self, mid: str) -> None:
        """Let a reply that may still come be ignored."""
        self._awaited.discard(mid)
        self._arrived.pop(mid, None)

    def wait_closed(self, deadline: float | None) -> bool:
        """Wait until the daemon is gone: the connection has ended, and nothing listens at the endpoint.

        :returns: False if the deadline came first.
        """
        try:
            while self._connection is not None and not self._connection.is_stale():
                self._connection.recv(deadline)
        except TransportError:
            pass
        except NoAnswer:
            return False
        self._disconnect()
        while deadline is None or time.monotonic() < deadline:
            if not self._listens():
                return True
            time.sleep(0.01)
        return False

    def _listens(self) -> bool:
        """Does anything listen at the endpoint? (A tunnel's near end always does: there, it must speak.)"""
        try:
            DealerConnection(self.near_end(), 0.2).close()
        except HandshakeError:
            return self.ssh_server is None
        except (TransportError, FileNotFoundError) as error:
            return not isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError)
        return True

    def stop(self) -> None:
        """Close the connection, and the tunnel if there is one. May be called more than once."""
        self._disconnect()
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def _connected(self, deadline: float | None) -> Connection:
        if self._connection is not None and self._connection.is_stale():
            self._disconnect()
        if self._connection is None:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            self._connection = self._connect(left)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._awaited.clear()
        self._arrived.clear()

    def near_end(self) -> str:
        """The endpoint to connect to: with an ssh server, the near end of a tunnel, opened when needed.

        :raises FileNotFoundError: there is no ssh program.
        """
        if self.ssh_server is None:
            return self.endpoint
        if self._tunnel is None or not self._tunnel.alive:
            from circus.system.tunnel import open_tunnel  # kept off the way of those without ssh

            if self._tunnel is not None:
                self._tunnel.close()
            self._tunnel = open_tunnel(self.endpoint, self.ssh_server, self.ssh_keyfile)
        return self._tunnel.endpoint

    def _connect(self, timeout: float | None) -> Connection:
        try:
            near_end = self.near_end()
        except FileNotFoundError:  # no ssh program: perhaps there is a library
            return self._connect_by_zmq(timeout)
        endpoint = parse_endpoint(near_end)
        if endpoint.scheme not in ("tcp", "ipc") or ";" in endpoint.host:
            return self._connect_by_zmq(timeout)
        try:
            return DealerConnection(near_end, timeout)
        except HandshakeError as error:
            # The near end always accepts; only ssh knows why nobody spoke.
            said = self._tunnel.said() if self._tunnel is not None else ""
            if not said:
                raise
            raise TransportError(f"cannot reach {self.endpoint} through {self.ssh_server}: ssh says: {said}") from error

    def _connect_by_zmq(self, timeout: float | None) -> Connection:
        from circus.client import CircusClient  # loads libzmq

        return _ZmqConnection(
            CircusClient(
                None, self.endpoint, -1 if timeout is None else timeout, self.ssh_server, self.ssh_keyfile
            )
        )


class _ZmqConnection:
    """A connection that only ZeroMQ can make: pgm, source addresses, paramiko tunnels.

    It cannot tell refusal from silence.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, message: bytes, deadline: float | None = None) -> None:
        self._client._send(message, deadline)

    def recv(self, deadline: float | None = None) -> bytes:
        left = self._client._time_left(deadline)
        if not self._client.socket.poll(left):
            raise NoAnswer
        frames: list[bytes] = self._client.socket.recv_multipart()
        return frames[-1]

    def is_stale(self) -> bool:
        return False

    def close(self) -> None:
        self._client.stop()
