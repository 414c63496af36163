"""The application that all servers serve: a tiny answer, one of 10 kB, and one that takes a quarter of a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

TINY = b"Hello, world\n"
LARGE = b"0123456789abcdef" * 640
SLOW_SECONDS = 0.25
#: What is answered where; ``client.py`` checks every byte.
ANSWERS = {"/": TINY, "/10k": LARGE, "/slow": TINY}


def polite(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application for servers that close a connection when asked to, but do not say so (RFC 9112, 9.6: SHOULD).

    gevent's WSGI server is one, and wrk takes the end of the connection for an error. runner.py says it itself.
    """
    if environ.get("HTTP_CONNECTION", "").lower() != "close":
        return application(environ, start_response)

    def close(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], *rest)

    return application(environ, close)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with a length, so that connections can be kept; 404 elsewhere."""
    path = environ["PATH_INFO"]
    body = ANSWERS.get(path)
    if body is None:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    if path == "/slow":
        time.sleep(SLOW_SECONDS)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
