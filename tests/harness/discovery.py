"""Daemons that answer those who look for some on the network; here the network is the loopback."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def answering(*controls: str) -> Iterator[str]:
    """Where to ask: these control endpoints answer each time. So does a program that is no daemon, with nonsense."""
    ending = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                _, sender = sock.recvfrom(100)
                if ending.is_set():
                    return
                for told in [b"\xff", b"[]", *(json.dumps({"endpoint": each}).encode() for each in controls)]:
                    sock.sendto(told, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"udp://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            ending.set()
            sock.sendto(b"", sock.getsockname())
            thread.join()
