"""A small server for a worker of Circus: gevent's WSGI server on a socket that was handed down, with a graceful end.

    python runner.py --fd $(circus.sockets.web) app:application

It is a whole server in a page, to be copied. At SIGTERM it

1. accepts no more connections: those that wait in the queue of the socket are for the other workers;
2. lets requests under way finish, and answers them and any that still come with ``Connection: close``;
3. after ``--linger`` seconds hangs up on kept connections which ask for nothing;
4. ends when no connection is left. Circus sends SIGKILL after ``graceful_timeout``, so there is no limit here.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pywsgi import WSGIHandler, WSGIServer

#: Connections to take at a time. With gevent's 100 one worker may get them all; each turn of the loop costs, too.
ACCEPT = 4

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Handler(WSGIHandler):  # type: ignore[misc]
    """One connection. The server knows it while it waits for a request."""

    def read_requestline(self) -> Any:
        """Wait for the first line of a request, which may never come."""
        waiting = self.server.waiting
        waiting.add(self.socket)
        try:
            return super().read_requestline()
        finally:
            waiting.discard(self.socket)


class Server(WSGIServer):  # type: ignore[misc]
    """gevent's server, which knows its connections.

    :param listener: a listening socket; several processes may accept from it.
    :param application: what answers.
    :param linger: seconds that a kept connection may be silent once the server ends.
    """

    handler_class = Handler

    def __init__(self, listener: socket.socket, application: Application, linger: float) -> None:
        super().__init__(listener, self.answer, log=None, environ={"wsgi.multiprocess": True})
        self.max_accept = ACCEPT
        self.served = application
        self.linger = linger
        self.ending = False
        self.waiting: set[socket.socket] = set()
        self.connections = 0
        self.empty = Event()

    def handle(self, sock: socket.socket, address: Any) -> None:
        """Serve a connection to its end."""
        self.connections += 1
        try:
            super().handle(sock, address)
        finally:
            self.connections -= 1
            if not self.connections:
                self.empty.set()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The application; with a word to the client that the connection ends, if it does."""
        if not self.ending and environ.get("HTTP_CONNECTION", "").lower() != "close":
            return self.served(environ, start_response)

        def last(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [(name, value) for name, value in headers if name.lower() != "connection"]
            return start_response(status, [*kept, ("Connection", "close")], *rest)

        return self.served(environ, last)

    def end(self) -> None:
        """Stop accepting, and return when the last connection is closed."""
        self.ending = True
        self.stop_accepting()
        gevent.sleep(0)  # what was accepted just now becomes a connection
        hang_up = gevent.spawn_later(self.linger, self.hang_up)
        while self.connections:
            self.empty.clear()
            self.empty.wait()
        hang_up.kill()

    def hang_up(self) -> None:
        """Let those who wait for a request find the end of their input; one that is here already is still read."""
        for sock in list(self.waiting):
            try:
                sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # the client was first


def load(name: str) -> Application:
    """``module:attribute``."""
    module, _, attribute = name.partition(":")
    found: Application = getattr(importlib.import_module(module), attribute or "application")
    return found


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Serve a WSGI application on a socket that was handed down.")
    parser.add_argument("--fd", type=int, required=True, help="descriptor of a listening socket")
    parser.add_argument("--linger", type=float, default=1.0, metavar="SECONDS", help="for silent connections (1)")
    parser.add_argument("application", help="module:attribute")
    options = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    listener = socket.socket(fileno=options.fd)
    listener.setblocking(False)
    server = Server(listener, load(options.application), options.linger)
    told = Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(signum, told.set)
    server.start()
    told.wait()
    server.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
