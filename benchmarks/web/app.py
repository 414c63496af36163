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
