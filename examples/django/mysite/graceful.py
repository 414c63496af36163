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
    signal.signal(signal.SIGTERM, lambda signum, frame: asked.set())

    def end_if_asked(server: socketserver.BaseServer) -> None:
        if asked.is_set():
            sys.exit()

    # Servers of the standard library call this after every request, and twice a second when there is none.
    socketserver.BaseServer.service_actions = end_if_asked  # type: ignore[method-assign]
