"""ZMTP 3.1 spoken by hand: a DEALER over one plain socket.

Called by the light client of circusctl, for which loading libzmq would cost more than the whole errand. It
speaks the NULL mechanism only, to one peer, and knows nothing of JSON or of Circus. Every wait has a deadline
(an instant of ``time.monotonic``), and everything a peer sends is bounded, so a peer that is no ZeroMQ socket
costs an error and nothing else. Protocol: ZeroMQ RFC 23 (ZMTP 3.0) and 37 (3.1).
"""

from __future__ import annotations

import os
import time

try:  # the C half of "socket": the other half costs 8 ms of imports and adds nothing wanted here
    import _socket
except ImportError:  # another Python implementation
    import socket as _socket  # type: ignore[no-redef]

from circus.exc import CallError, TransportError
from circus.system.endpoint import Endpoint, parse_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MORE, LONG, COMMAND = 1, 2, 4
#: The longest frame taken from a peer, in bytes. The answers of a daemon with thousands of workers stay far
#: below.
MAX_FRAME = 256 * 1024 * 1024
_GREETING = b"\xff\0\0\0\0\0\0\0\0\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
_PEERS = (b"ROUTER", b"DEALER", b"REP")


class NoAnswer(CallError):
    """The peer is there and speaks ZMTP, but sent nothing in time."""

    def __init__(self) -> None:
        super().__init__("Timed out.")


class HungUp(TransportError):
    """The connection was there, and is not any more."""


class HandshakeError(TransportError):
    """The peer took the connection, but what it says (or its silence) is not what a control endpoint says."""


def encode_frame(body: bytes, flags: int = 0) -> bytes:
    """One frame as it goes over the wire."""
    if len(body) > 255:
        return bytes((flags | LONG,)) + len(body).to_bytes(8, "big") + body
    return bytes((flags, len(body))) + body


def encode_ready(properties: dict[bytes, bytes]) -> bytes:
    """The READY command that ends a NULL handshake, with its metadata."""
    body = b"\x05READY"
    for name, value in properties.items():
        body += bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value
    return encode_frame(body, COMMAND)


def decode_properties(body: bytes) -> dict[bytes, bytes]:
    """The metadata of a READY command; names in lower case, as they are compared without case.

    :param body: what follows the command's name.
    :raises HandshakeError: it is cut short.
    """
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        name_end = at + 1 + body[at]
        value_at = name_end + 4
        value_end = value_at + int.from_bytes(body[name_end:value_at], "big")
        if value_at > len(body) or value_end > len(body):
            raise HandshakeError("malformed READY command")
        found[body[at + 1 : name_end].lower()] = body[value_at:value_end]
        at = value_end
    return found


class DealerConnection:
    """A DEALER connected to one peer (a ROUTER, as a rule).

    :param endpoint: ``tcp://host:port`` or ``ipc://path`` (also abstract, ``ipc://@name``).
    :param timeout: seconds for the connection and the handshake; None waits for ever.
    :raises TransportError: nothing listens there, or no permission: at once. The cause is the ``OSError``.
    :raises HandshakeError: something listens, but is no ROUTER, wants other credentials, or says nothing.
    """

    def __init__(self, endpoint: str, timeout: float | None = 5.0) -> None:
        self.endpoint = endpoint
        self.identity = os.urandom(16).hex().encode("ascii")
        self._received = bytearray()
        self._parts: list[bytes] = []
        deadline = None if timeout is None else time.monotonic() + timeout
        self._socket = connect(parse_endpoint(endpoint), deadline)
        try:
            self._shake_hands(deadline)
        except HungUp as error:
            raise HandshakeError(
                f"{endpoint} hung up during the ZMTP handshake: it is going down, wants keys (CURVE), "
                "or is something else"
            ) from error.__cause__
        except NoAnswer:
            self.close()
            raise HandshakeError(
                f"{endpoint} took the connection but did not answer the ZMTP greeting: "
                "circusd is stopped or overloaded, or this is something else"
            ) from None
        except BaseException:
            self.close()
            raise

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send a message of one frame.

        :raises NoAnswer: the peer does not read, and the deadline passed.
        :raises TransportError: the connection is gone.
        """
        self._send_raw(encode_frame(message), deadline)

    def recv(self, deadline: float | None = None) -> bytes:
        """The next message; of one with several frames, the last frame. Commands (PING) are served on the
        way.

        :raises NoAnswer: nothing complete until the deadline; what has come so far is kept for the next call.
        :raises TransportError: the connection is gone, or what came is no ZMTP.
        """
        return self.recv_multipart(deadline)[-1]

    def recv_multipart(self, deadline: float | None = None) -> list[bytes]:
        """The next message as the list of its frames. See :meth:`recv`."""
        while True:
            flags, body = self._read_frame(deadline)
            if flags & COMMAND:
                self._serve_command(body, deadline)
                continue
            self._parts.append(body)
            if sum(map(len, self._parts)) > MAX_FRAME:
                raise self._broken("sends a message without end")
            if not flags & MORE:
                message, self._parts = self._parts, []
                return message

    def fileno(self) -> int:
        """The descriptor of the socket, -1 when closed."""
        return self._socket.fileno()

    def is_stale(self) -> bool:
        """Has the peer closed the connection? Asks the system, does not wait and takes nothing away."""
        try:
            self._socket.setblocking(False)
            return not self._socket.recv(1, _socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the connection. May be called more than once."""
        self._socket.close()

    def _shake_hands(self, deadline: float | None) -> None:
        self._send_raw(_GREETING, deadline)
        self._check_greeting(deadline)
        flags, body = self._read_frame(
            deadline
        )  # before our READY: a socket of a wrong type hangs up on that
        if flags & COMMAND and body.startswith(b"\x05ERROR"):
            reason = body[7:].decode("ascii", "replace")
            raise HandshakeError(f"{self.endpoint} refuses the connection: {reason}")
        if not flags & COMMAND or not body.startswith(b"\x05READY"):
            raise self._broken("breaks the ZMTP handshake")
        kind = decode_properties(body[6:]).get(b"socket-type", b"")
        if kind not in _PEERS:
            text = kind.decode("ascii", "replace")
            raise HandshakeError(
                f"{self.endpoint} is a {text} socket, not a control endpoint "
                "(is it the pubsub or stats endpoint?)"
            )
        ready = encode_ready({b"Socket-Type": b"DEALER", b"Identity": self.identity})
        self._send_raw(ready, deadline)

    def _check_greeting(self, deadline: float | None) -> None:
        """Judge the greeting as soon as its first bytes are there, for a stranger may never send 64."""
        self._need(1, deadline)
        if self._received[0] != 0xFF:
            raise self._broken("does not speak ZMTP")
        self._need(10, deadline)
        if self._received[9] != 0x7F:
            raise self._broken("does not speak ZMTP")
        self._need(11, deadline)
        if self._received[10] < 3:
            raise self._broken("speaks a ZMTP older than 3.0")
        self._need(64, deadline)
        mechanism = bytes(self._received[12:32]).rstrip(b"\0")
        if mechanism != b"NULL":
            name = mechanism.decode("ascii", "replace")
            raise HandshakeError(f"{self.endpoint} wants the security mechanism {name}, not spoken here")
        del self._received[:64]

    def _serve_command(self, body: bytes, deadline: float | None) -> None:
        if body.startswith(b"\x04PING"):
            self._send_raw(encode_frame(b"\x04PONG" + body[7:23], COMMAND), deadline)
        elif body.startswith(b"\x05ERROR"):
            raise self._broken(f"reports an error: {body[7:].decode('ascii', 'replace')}")

    def _read_frame(self, deadline: float | None) -> tuple[int, bytes]:
        self._need(2, deadline)
        flags = self._received[0]
        if flags & ~(MORE | LONG | COMMAND) or (flags & COMMAND and flags & MORE):
            raise self._broken("does not speak ZMTP")
        head = 2
        size = self._received[1]
        if flags & LONG:
            head = 9
            self._need(head, deadline)
            size = int.from_bytes(self._received[1:9], "big")
            if size > MAX_FRAME:
                raise self._broken(f"announces a frame of {size} bytes")
        self._need(head + size, deadline)
        body = bytes(self._received[head : head + size])
        del self._received[: head + size]
        return flags, body

    def _need(self, count: int, deadline: float | None) -> None:
        """Have at least ``count`` bytes in the buffer; they stay there."""
        while len(self._received) < count:
            try:
                self._arm(deadline)
                chunk = self._socket.recv(262144)
            except TimeoutError:
                raise NoAnswer from None
            except OSError as error:
                raise self._lost(error) from error
            if not chunk:
                raise self._lost(None)
            self._received += chunk

    def _send_raw(self, data: bytes, deadline: float | None) -> None:
        try:
            self._arm(deadline)
            self._socket.sendall(data)
        except TimeoutError:
            raise NoAnswer from None
        except OSError as error:
            raise self._lost(error) from error

    def _arm(self, deadline: float | None) -> None:
        if deadline is None:
            self._socket.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise NoAnswer
        self._socket.settimeout(left)

    def _broken(self, what: str) -> HandshakeError:
        self.close()
        return HandshakeError(f"{self.endpoint} {what}: is it the control endpoint of a circusd?")

    def _lost(self, error: OSError | None) -> HungUp:
        self.close()
        why = describe(error) if error else "closed by the peer"
        return HungUp(f"the connection to {self.endpoint} was lost: {why}")


def connect(endpoint: Endpoint, deadline: float | None) -> _socket.socket:
    """A connected stream socket, tried at every address a host name has.

    :raises TransportError: none could be reached; the cause is the last ``OSError``.
    """
    last: OSError | None = None
    try:
        candidates = _addresses(endpoint)
    except OSError as error:
        raise _unreachable(endpoint, error) from error
    for family, address in candidates:
        sock = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            if deadline is not None:
                sock.settimeout(max(deadline - time.monotonic(), 0.001))
            sock.connect(address)
            if endpoint.scheme == "tcp":
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            last = error
    raise _unreachable(endpoint, last) from last


def _addresses(endpoint: Endpoint) -> list[tuple[int, Any]]:
    if endpoint.scheme == "ipc" and hasattr(_socket, "AF_UNIX"):
        path = endpoint.path
        return [(_socket.AF_UNIX, f"\0{path[1:]}" if path.startswith("@") else path)]
    if endpoint.scheme != "tcp":
        raise TransportError(f"cannot reach {endpoint} over a plain socket: only tcp:// and ipc:// are")
    if not endpoint.port:
        raise TransportError(f"cannot reach {endpoint}: a client needs the number of the port")
    host = "127.0.0.1" if endpoint.host in ("*", "0.0.0.0") else endpoint.host
    name = host.encode("ascii" if host.isascii() else "idna")  # bytes keep the idna codec from being loaded
    found = _socket.getaddrinfo(name, endpoint.port, 0, _socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def _unreachable(endpoint: Endpoint, error: OSError | None) -> TransportError:
    why = describe(error) if error else "no address"
    return TransportError(f"cannot reach circusd at {endpoint}: {why}")


def describe(error: OSError) -> str:
    """The system's words for an error, fit for the middle of a sentence."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
