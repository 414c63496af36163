"""Has chaussette's wsgiref backend end between two requests instead of in the middle of one (chaussette.ini).

By itself it knows no SIGTERM: the worker would be gone at once, and the request that it works on with it.
"""

from __future__ import annotations

import signal
import socketserver
import sys
import threading


def pre_hook(options: object) -> None:
    """Called by chaussette before it serves; ``options`` are those of its command line."""
    asked = threading.Event()
    serving: list[socketserver.TCPServer] = []

    def ask(signum: int, frame: object) -> None:
        asked.set()
        for server in serving:
            server.socket.setblocking(False)  # an accept(2) that waits is begun anew after this, and fails then

    def serve(server: socketserver.TCPServer, poll_interval: float = 0.5) -> None:
        serving.append(server)
        server.socket.setblocking(False)
        serve_forever(server, poll_interval)

    def end_if_asked(server: socketserver.TCPServer) -> None:
        # All workers hear of a connection and one gets it; the others are not to wait for the next one in accept(2),
        # where they would not end. Chaussette has the socket, which is that of all workers, wait at each start of one.
        server.socket.setblocking(False)
        if asked.is_set():
            sys.exit()

    signal.signal(signal.SIGTERM, ask)
    serve_forever = socketserver.BaseServer.serve_forever
    socketserver.BaseServer.serve_forever = serve  # type: ignore[assignment,method-assign]
    # Servers of the standard library call this after every request, and twice a second when there is none.
    socketserver.BaseServer.service_actions = end_if_asked  # type: ignore[assignment,method-assign]
