"""The HTTP door at which metrics are fetched.

As much of HTTP/1.1 as a scraper needs, on the loop that is there anyway: GET and HEAD of one path. A web framework for
this would take more memory than everything else circusd-stats does; see the ADR on metrics. It serves what it is given
and measures nothing itself.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from circus.base.logs import logger
from circus.stats.metrics import OPENMETRICS, PLAIN, Snapshot, render

#: Bytes of the longest request, seconds a client may take for it, and clients served at the same time.
LONGEST, PATIENCE, CLIENTS = 16384, 10.0, 32
#: Seconds between two tries to bind.
RETRY = 10.0


def parse_metrics_endpoint(text: str) -> tuple[str, int, str]:
    """Host, port and path of ``http://host:port/path``, ``host:port`` or a port alone.

    The host is the loopback, and the path ``/metrics``, unless written; ``*`` stands for all addresses.

    :raises ValueError: anything else.
    """
    given = text.strip()
    url = given if "://" in given else f"http://{given}" if ":" in given else f"http://:{given}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not http://HOST:PORT/PATH or HOST:PORT: {error}") from None
    if parts.scheme != "http" or port is None or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} is not http://HOST:PORT/PATH or HOST:PORT")
    host = parts.hostname or "127.0.0.1"
    return "0.0.0.0" if host == "*" else host, port, parts.path if parts.path not in ("", "/") else "/metrics"


class MetricsServer:
    """Serves metrics over HTTP.

    :param loop: an object with asyncio's method names.
    :param endpoint: where, see :func:`parse_metrics_endpoint`.
    :param snapshot: called for what to tell, with each request.
    """

    def __init__(self, loop: Any, endpoint: str, snapshot: Callable[[], Snapshot]) -> None:
        self._loop, self._given, self._snapshot = loop, endpoint, snapshot
        self._host, self._port, self._path = parse_metrics_endpoint(endpoint)
        self._listener: socket.socket | None = None
        self._timer: Any = None
        self._clients: set[_Client] = set()
        #: Where it is served; None while it is not.
        self.url: str | None = None

    def start(self) -> None:
        """Listen; when that is not possible now, say so and try again every few seconds."""
        self._timer = None
        try:
            self._listener = self._bind()
        except OSError as error:
            logger.error("metrics cannot be served at %s: %s; trying again", self._given, error)
            self._timer = self._loop.call_later(RETRY, self.start)
            return
        host, port = self._listener.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}{self._path}"
        self._loop.add_reader(self._listener.fileno(), self._accept)
        logger.info("metrics are served at %s", self.url)
        if not host.startswith("127.") and host != "::1":
            logger.warning(
                "METRICS CAN BE READ FROM OTHER MACHINES: %s is not a loopback address, and there is no "
                "authentication. They tell command names, users and load. Use 127.0.0.1 and a proxy, or a firewall",
                self.url,
            )

    def _bind(self) -> socket.socket:
        family, kind, proto, _, address = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(CLIENTS)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener

    def close(self) -> None:
        """Stop serving. May be called more than once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for client in list(self._clients):
            client.close()
        self.url = None

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # it went away meanwhile, or there are too many open files
            logger.debug("a client of the metrics was lost: %s", error)
            return
        if len(self._clients) >= CLIENTS:
            connection.close()
            return
        self._clients.add(_Client(self._loop, connection, self.answer, self._clients.discard))

    def answer(self, request: bytes) -> tuple[bytes, bool]:
        """The whole reply to one request head, and whether the connection stays open."""
        lines = request.decode("latin-1").split("\r\n")
        words = lines[0].split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _reply("400 Bad Request", "that is not HTTP/1\n", keep=False), False
        headers = {
            name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines[1:])
            if colon
        }
        keep = headers.get("connection", "").lower() != "close" and words[2] != "HTTP/1.0"
        method, target = words[0], words[1].partition("?")[0]
        if method not in ("GET", "HEAD"):  # such a request may have a body, which is not read
            text = f"{method} means nothing here\n"
            return _reply("405 Method Not Allowed", text, keep=False, more="Allow: GET, HEAD\r\n"), False
        only_head = method == "HEAD"
        if target != self._path:
            return _reply("404 Not Found", f"metrics are at {self._path}\n", keep=keep, only_head=only_head), keep
        openmetrics = wants_openmetrics(headers.get("accept", ""))
        text = render(self._snapshot(), openmetrics)
        kind = OPENMETRICS if openmetrics else PLAIN
        return _reply("200 OK", text, kind, keep=keep, only_head=only_head), keep


def wants_openmetrics(accept: str) -> bool:
    """Whether a client prefers OpenMetrics over the older text format, by its ``Accept`` header."""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        kind, *parameters = (word.strip() for word in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if kind.lower() in best:
            best[kind.lower()] = max(best[kind.lower()], quality)
    return best["application/openmetrics-text"] > 0 and best["application/openmetrics-text"] >= best["text/plain"]


def _reply(
    status: str, text: str, kind: str = "text/plain; charset=utf-8", *, keep: bool, only_head: bool = False,
    more: str = "",
) -> bytes:
    body = text.encode("utf-8")
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\nX-Content-Type-Options: nosniff\r\n{more}\r\n"
    )
    return head.encode("latin-1") + (b"" if only_head else body)


class _Client:
    """One connection: reads request heads, writes replies, and is closed when it takes too long about it."""

    def __init__(
        self, loop: Any, connection: socket.socket, answer: Callable[[bytes], tuple[bytes, bool]],
        gone: Callable[[_Client], object],
    ) -> None:
        self._loop, self._connection, self._answer, self._gone = loop, connection, answer, gone
        connection.setblocking(False)
        self._read = b""
        self._unsent: memoryview | None = None
        self._keep = True
        self._idle_since = time.monotonic()
        self._limit = loop.call_later(PATIENCE, self._check_patience)
        loop.add_reader(connection.fileno(), self._readable)

    def _check_patience(self) -> None:
        waited = time.monotonic() - self._idle_since
        # A scraper keeps its connection between two scrapes; one that is in the middle of something is not waited for.
        limit = PATIENCE if self._read or self._unsent is not None else 10 * PATIENCE
        if waited >= limit:
            self.close()
        else:
            self._limit = self._loop.call_later(PATIENCE, self._check_patience)

    def _readable(self) -> None:
        try:
            data = self._connection.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(self._read) + len(data) > LONGEST:
            self.close()
            return
        self._read += data
        self._serve()

    def _serve(self) -> None:
        """Answer the next request that has arrived completely."""
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end or self._unsent is not None:
            return
        self._read = rest
        self._idle_since = time.monotonic()
        try:
            reply, self._keep = self._answer(head)
        except Exception:  # a border: one bad request must not end the others
            logger.exception("a request for metrics could not be answered")
            self.close()
            return
        self._loop.remove_reader(self._connection.fileno())
        self._unsent = memoryview(reply)
        self._write(first=True)

    def _write(self, first: bool = False) -> None:
        assert self._unsent is not None
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if len(self._unsent):
            if first:
                self._loop.add_writer(self._connection.fileno(), self._write)
            return
        if not first:
            self._loop.remove_writer(self._connection.fileno())
        self._unsent = None
        if not self._keep:
            self.close()
            return
        self._loop.add_reader(self._connection.fileno(), self._readable)
        if self._read:
            self._loop.call_soon(self._serve_more)

    def _serve_more(self) -> None:
        if self._connection.fileno() >= 0:
            self._serve()

    def close(self) -> None:
        """End it. May be called more than once."""
        fd = self._connection.fileno()
        if fd < 0:
            return
        self._limit.cancel()
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        self._connection.close()
        self._gone(self)
