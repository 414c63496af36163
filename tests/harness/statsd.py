"""A statsd server for one test: a UDP socket that hears metrics and counts nothing."""

from __future__ import annotations

import socket
import time

from harness.waiting import PATIENCE


class StatsdServer:
    """Use it as a context manager; ``port`` is where it hears."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[str] = []

    def __enter__(self) -> StatsdServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def listen(self, seconds: float) -> bool:
        """Wait for one datagram and keep it; False when none comes."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            self.heard.append(self._socket.recv(65536).decode())
        except TimeoutError:
            return False
        return True

    def wait_for(self, *wanted: str, deadline: float = PATIENCE) -> list[str]:
        """Wait until a datagram that begins with each of the wanted texts has come; all datagrams of this wait.

        :raises AssertionError: not in time.
        """
        before, end = len(self.heard), time.monotonic() + deadline
        while True:
            came = self.heard[before:]
            missing = [text for text in wanted if not any(each.startswith(text) for each in came)]
            if not missing:
                return came
            assert time.monotonic() < end, f"{missing} did not come, but {came}"
            self.listen(end - time.monotonic())

    def clear(self) -> None:
        """Forget all that came until now."""
        while self.listen(0):
            pass
        self.heard.clear()
