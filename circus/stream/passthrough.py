"""Output that goes where it would have gone without a pipe: to circusd's own standard output or error.

Used by :mod:`circus.outputs` for workers whose output is captured though no stream is configured. Called on the pump's
threads: a terminal that was stopped, or a pipe nobody reads, holds up the workers that write there, as it always did,
and not the daemon.
"""

from __future__ import annotations

import os
from typing import Any

from circus.stream.sink import Sink, as_bytes, write_fully

__all__ = ["PassThrough"]


class PassThrough(Sink):
    """Writes bytes unchanged to a descriptor.

    :param fd: 1 or 2.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        #: One place with what else writes there, such as ``StdoutStream``: lines are not mixed.
        self.shared_key = "the standard output" if fd == 1 else "the standard error"

    def __str__(self) -> str:
        return f"{self.shared_key} of circusd"

    def __call__(self, data: dict[str, Any]) -> None:
        """Write the data of one chunk at once."""
        self.write_chunk(as_bytes(data["data"]), data["pid"], data["name"])

    def write_chunk(self, data: bytes, pid: int, name: str) -> int:
        """As :meth:`circus.stream.sink.Sink.write_chunk`."""
        try:
            written = write_fully(self._fd, data)
        except OSError as error:
            return self._count_trouble(error, len(data))
        if written < len(data):
            return self._count_trouble(OSError(os.strerror(5)), len(data) - written)
        return 0
